//! The accuracy of each method after each number of training examples (paper, table 1).

use crate::bootstrap::accuracy;
use crate::{Cells, Columns, Estimate, Method, Norm, Rule, ScoreTable};

/// The accuracy of a method after so many training examples.
#[derive(Debug, Clone, PartialEq)]
pub struct AccuracyRow {
    /// The method.
    pub method: Method,
    /// How many training examples each of its heads has seen.
    pub examples: usize,
    /// The share of questions answered by the highest score.
    pub acc: Estimate,
    /// The share of questions answered by the highest normalised score: the harness's `acc_norm` if
    /// the normalisation is [`Norm::Chars`].
    pub acc_norm: Estimate,
    /// How many questions there are.
    pub questions: usize,
}

impl AccuracyRow {
    pub(crate) fn new(method: &Method, examples: usize, rule: &Rule, norm: Norm) -> Self {
        let right = rule.right(Norm::None);
        Self {
            method: method.clone(),
            examples,
            questions: right.len(),
            acc: accuracy(&right),
            acc_norm: accuracy(&rule.right(norm)),
        }
    }
}

impl Method {
    /// The accuracy after each number of examples for which the table has the method's heads, at
    /// weight 1.
    pub(crate) fn rows(&self, table: &ScoreTable, norm: Norm) -> Vec<AccuracyRow> {
        let row = |examples| {
            let rule = self.rule(table, examples, 1.0)?;
            Some(AccuracyRow::new(self, examples, &rule, norm))
        };
        table.examples().into_iter().filter_map(row).collect()
    }
}

impl Cells for AccuracyRow {
    fn cells(&self) -> Columns {
        Columns::default()
            .text("method", self.method.name())
            .count("examples", self.examples)
            .estimate(["acc", "acc_low", "acc_high"], self.acc)
            .estimate(["acc_norm", "acc_norm_low", "acc_norm_high"], self.acc_norm)
            .count("questions", self.questions)
    }
}

/// The accuracies of these methods, one after the other, after every number of examples, at weight 1. Methods
/// whose heads the table does not have are left out.
pub(crate) fn rows(methods: &[Method], table: &ScoreTable, norm: Norm) -> Vec<AccuracyRow> {
    let rows = methods.iter().map(|method| method.rows(table, norm));
    rows.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture_tests::table;

    /// Two questions of two choices of 2 and 3 characters; the first choice is right.
    fn four_heads() -> ScoreTable {
        table(&[
            ("base", 0, &[&[-2.0, -3.0], &[-4.0, -3.0]]),
            ("positive", 0, &[&[-2.0, -3.0], &[-4.0, -3.0]]),
            ("incorrect", 0, &[&[-2.0, -3.0], &[-4.0, -3.0]]),
            ("positive", 64, &[&[-2.0, -2.5], &[-3.0, -4.0]]),
            ("incorrect", 64, &[&[-3.0, -2.0], &[-6.0, -2.0]]),
            ("incorrect", 128, &[&[-3.0, -2.0], &[-4.0, -4.0]]),
        ])
    }

    fn found(rows: &[AccuracyRow]) -> Vec<(&str, usize, f64, f64)> {
        let row = |row: &'_ AccuracyRow| (row.examples, row.acc.value, row.acc_norm.value);
        let named = rows.iter().map(|r| (r.method.name(), row(r)));
        named
            .map(|(name, (examples, acc, acc_norm))| (name, examples, acc, acc_norm))
            .collect()
    }

    #[test]
    fn table1_by_hand() {
        let expected = [
            // Per character: -1 and -1 (a tie, the first is taken), -2 and -1.
            ("base", 0, 0.5, 0.5),
            // Per character: -1 and -0.83, -1.5 and -1.33.
            ("sft", 64, 1.0, 0.0),
            // Ratios: 1 and -0.5, 3 and -2.
            ("sft-likra", 64, 1.0, 1.0),
            // Ratios: 1 and -1, 2 and -1.
            ("base-likra", 64, 1.0, 1.0),
            // Ratios: 1 and -1, 0 and 1.
            ("base-likra", 128, 0.5, 0.5),
        ];
        let rows = rows(&Method::TABLE1, &four_heads(), Norm::Chars);
        assert_eq!(found(&rows), expected);
        assert!(rows.iter().all(|row| row.questions == 2));
    }

    #[test]
    fn without_heads_there_is_the_base() {
        let table = table(&[("base", 0, &[&[-2.0, -3.0]])]);
        assert_eq!(
            found(&rows(&Method::TABLE1, &table, Norm::Chars)),
            [("base", 0, 1.0, 1.0)]
        );
    }
}
