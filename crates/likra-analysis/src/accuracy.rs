//! The accuracy of each method after each number of training examples (paper, table 1).

use likra_results::BASE;

use crate::bootstrap::accuracy;
use crate::{Estimate, Norm, Rule, ScoreTable};

/// The head trained on right answers.
const POSITIVE: &str = "positive";
/// The head trained on wrong answers of the same question.
const NEGATIVE: &str = "incorrect";

/// A way of answering, by the names of the authors' scorer. Both heads of one rule have seen equally
/// many examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// The base model.
    Base,
    /// Supervised fine-tuning: the positive head alone.
    Sft,
    /// The positive head less the negative head.
    SftLikra,
    /// The base less the negative head: Likra without positive examples.
    BaseLikra,
    /// The base less the positive head: what a negative head would do that has learnt the form of
    /// answers but not their being wrong.
    Control,
}

impl Method {
    /// The method's name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Sft => "sft",
            Self::SftLikra => "sft-likra",
            Self::BaseLikra => "base-likra",
            Self::Control => "control",
        }
    }

    /// The method's name in text and figures.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Base => "Base",
            Self::Sft => "SFT",
            Self::SftLikra => "SFT-Likra",
            Self::BaseLikra => "Base-Likra",
            Self::Control => "Control",
        }
    }

    /// How the method scores after so many examples, with this weight of the negative head if it
    /// has one. `None` if the table does not have its heads, or the method is not defined there: at
    /// 0 examples both heads are the base and every ratio is zero.
    #[must_use]
    pub fn rule(self, table: &ScoreTable, examples: usize, weight: f64) -> Option<Rule<'_>> {
        match (self, examples) {
            (Self::Base, 0) => table.rule(BASE, 0),
            (Self::Base, _) | (_, 0) => None,
            (Self::Sft, _) => table.rule(POSITIVE, examples),
            (Self::SftLikra, _) => table
                .rule(POSITIVE, examples)?
                .minus(weight, NEGATIVE, examples),
            (Self::BaseLikra, _) => table.rule(BASE, 0)?.minus(weight, NEGATIVE, examples),
            (Self::Control, _) => table.rule(BASE, 0)?.minus(weight, POSITIVE, examples),
        }
    }

    /// The accuracy after each number of examples for which the table has the method's heads, at
    /// weight 1.
    #[must_use]
    pub fn rows(self, table: &ScoreTable, norm: Norm) -> Vec<AccuracyRow> {
        let examples = table.examples().into_iter();
        examples
            .filter_map(|examples| {
                let rule = self.rule(table, examples, 1.0)?;
                Some(AccuracyRow::new(self, examples, &rule, norm))
            })
            .collect()
    }
}

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
    pub(crate) fn new(method: Method, examples: usize, rule: &Rule, norm: Norm) -> Self {
        let right = rule.right(Norm::None);
        Self {
            method,
            examples,
            questions: right.len(),
            acc: accuracy(&right),
            acc_norm: accuracy(&rule.right(norm)),
        }
    }
}

/// Every method's accuracy after every number of examples, at weight 1. Methods whose heads the
/// table does not have are left out.
#[must_use]
pub fn table1(table: &ScoreTable, norm: Norm) -> Vec<AccuracyRow> {
    [
        Method::Base,
        Method::Sft,
        Method::SftLikra,
        Method::BaseLikra,
    ]
    .into_iter()
    .flat_map(|method| method.rows(table, norm))
    .collect()
}

/// The base less the positive head. If Likra's gain came from taking away what any fine-tuning
/// teaches, rather than from wrong answers, it would show here too.
#[must_use]
pub fn control(table: &ScoreTable, norm: Norm) -> Vec<AccuracyRow> {
    Method::Control.rows(table, norm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::table;

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

    fn found(rows: &[AccuracyRow]) -> Vec<(&'static str, usize, f64, f64)> {
        let row = |row: &AccuracyRow| {
            (
                row.method.name(),
                row.examples,
                row.acc.value,
                row.acc_norm.value,
            )
        };
        rows.iter().map(row).collect()
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
        let rows = table1(&four_heads(), Norm::Chars);
        assert_eq!(found(&rows), expected);
        assert!(rows.iter().all(|row| row.questions == 2));
    }

    #[test]
    fn control_by_hand() {
        // Ratios: 0 and -0.5, -1 and 1.
        assert_eq!(
            found(&control(&four_heads(), Norm::Chars)),
            [("control", 64, 0.5, 0.5)]
        );
    }

    #[test]
    fn without_heads_there_is_the_base() {
        let table = table(&[("base", 0, &[&[-2.0, -3.0]])]);
        assert_eq!(found(&table1(&table, Norm::Chars)), [("base", 0, 1.0, 1.0)]);
        assert_eq!(control(&table, Norm::Chars), []);
    }

    #[test]
    fn weight_zero_is_sft() {
        let table = four_heads();
        let right =
            |method: Method, weight| method.rule(&table, 64, weight).unwrap().right(Norm::Chars);
        assert_eq!(right(Method::SftLikra, 0.0), right(Method::Sft, 1.0));
        assert_ne!(right(Method::SftLikra, 1.0), right(Method::Sft, 1.0));
    }
}
