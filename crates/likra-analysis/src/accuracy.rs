//! The accuracy of each method: after each number of training examples (paper, table 1 and figures 1, 3 and 5), and
//! under each weight of the negative head (figure 4).

use crate::bootstrap::accuracy;
use crate::{Cells, Columns, Estimate, Method, Norm, ScoreTable, Study};

/// The accuracy of a method after so many training examples.
#[derive(Debug, Clone, PartialEq)]
pub struct AccuracyRow {
    /// The method.
    pub method: Method,
    /// How many training examples each of its heads has seen.
    pub examples: usize,
    /// The weight w in log p+(a|q) - w log p-(a|q), where several are tried; else it is 1.
    pub weight: Option<f64>,
    /// The share of questions answered by the highest score.
    pub acc: Estimate,
    /// The share of questions answered by the highest normalised score: the harness's `acc_norm` if
    /// the normalisation is [`Norm::Chars`].
    pub acc_norm: Estimate,
    /// How many questions there are.
    pub questions: usize,
}

impl Method {
    /// The accuracy after so many examples and with this weight; none if the table does not have the method's heads.
    fn row(&self, table: &ScoreTable, at: (usize, Option<f64>), norm: Norm) -> Option<AccuracyRow> {
        let (examples, weight) = at;
        let rule = self.rule(table, examples, weight.unwrap_or(1.0))?;
        let right = rule.right(Norm::None);
        Some(AccuracyRow {
            method: self.clone(),
            examples,
            weight,
            acc: accuracy(&right),
            acc_norm: accuracy(&rule.right(norm)),
            questions: right.len(),
        })
    }
}

impl Cells for AccuracyRow {
    fn cells(&self) -> Columns {
        let mut columns = Columns::default()
            .text("method", self.method.name())
            .count("examples", self.examples);
        if let Some(weight) = self.weight {
            columns = columns.number("weight", weight, 4);
        }
        columns
            .estimate(["acc", "acc_low", "acc_high"], self.acc)
            .estimate(["acc_norm", "acc_norm_low", "acc_norm_high"], self.acc_norm)
            .count("questions", self.questions)
    }
}

/// The accuracies of these methods, one after the other, after every number of examples for which the table has their
/// heads, at weight 1.
pub(crate) fn rows(methods: &[Method], table: &ScoreTable, norm: Norm) -> Vec<AccuracyRow> {
    let rows = methods.iter().flat_map(|method| {
        let examples = table.examples().into_iter();
        examples.filter_map(|examples| method.row(table, (examples, None), norm))
    });
    rows.collect()
}

/// Learning curves of these methods (paper, figures 1, 3 and 5). Each starts from the base's accuracy at
/// 0 examples, also Likra's, whose ratio is not defined there.
pub(crate) fn curves(methods: &[Method], table: &ScoreTable, norm: Norm) -> Vec<AccuracyRow> {
    let base = Method::BASE.row(table, (0, None), norm);
    let mut rows = rows(methods, table, norm);
    for method in methods {
        let start = rows.iter().position(|row| row.method == *method);
        if let Some((start, base)) = start.zip(base.clone()) {
            let method = method.clone();
            rows.insert(start, AccuracyRow { method, ..base });
        }
    }
    rows
}

/// Accuracy over the weight of the negative head (paper, figure 4), after the most examples that
/// both heads have seen; if there is no positive head, that the negative one has seen. Then the same on the questions that
/// are set aside, if some are.
pub(crate) fn figure4(study: &Study) -> Vec<AccuracyRow> {
    let methods = Method::LIKRA;
    let mut weights = study.weights.clone();
    weights.sort_by(f64::total_cmp);
    weights.dedup();
    let sweep = |table: &ScoreTable| -> Vec<AccuracyRow> {
        let examples = methods.iter().find_map(|method| method.last(table));
        let swept = methods.iter().flat_map(|method| {
            let row = |&weight| method.row(table, (examples?, Some(weight)), study.norm);
            weights.iter().filter_map(row)
        });
        swept.collect()
    };
    let mut rows = sweep(&study.table);
    rows.extend(study.aside.iter().flat_map(sweep).map(|row| AccuracyRow {
        method: row.method.aside(),
        ..row
    }));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture_tests::{study, table};

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

    fn heads() -> ScoreTable {
        table(&[
            ("base", 0, &[&[-2.0, -1.0], &[-2.0, -1.0]]),
            ("positive", 32, &[&[-2.0, -1.0], &[-1.0, -2.0]]),
            ("positive", 64, &[&[-2.0, -1.0], &[-1.0, -2.0]]),
            ("incorrect", 32, &[&[-4.0, -1.0], &[-3.0, -1.0]]),
        ])
    }

    #[test]
    fn curves_start_from_the_base() {
        let points = |rows: Vec<AccuracyRow>| -> Vec<(String, usize, f64)> {
            let point = |row: &AccuracyRow| (row.method.name().into(), row.examples, row.acc.value);
            rows.iter().map(point).collect()
        };
        let own = |points: &[(&str, usize, f64)]| -> Vec<(String, usize, f64)> {
            let own = |&(name, examples, acc): &(&str, _, _)| (name.to_owned(), examples, acc);
            points.iter().map(own).collect()
        };
        let sft = [("sft", 0, 0.0), ("sft", 32, 0.5), ("sft", 64, 0.5)];
        let likra = [("sft-likra", 0, 0.0), ("sft-likra", 32, 1.0)];
        let base_likra = [("base-likra", 0, 0.0), ("base-likra", 32, 1.0)];
        let curves = |methods: &[Method]| points(curves(methods, &heads(), Norm::Chars));
        assert_eq!(
            curves(&[Method::SFT, Method::SFT_LIKRA]),
            own(&[&sft[..], &likra].concat())
        );
        assert_eq!(
            curves(&[Method::BASE_LIKRA, Method::likra_with("none", "none")]),
            own(&base_likra)
        );
    }

    #[test]
    fn weights_are_swept_at_the_last_common_checkpoint() {
        let mut study = study(heads());
        study.weights = vec![1.0, 0.0, 0.4, 0.4];
        let rows = figure4(&study);
        let point = |row: &AccuracyRow| {
            let (name, weight) = (row.method.name().to_owned(), row.weight.unwrap());
            (name, row.examples, weight, row.acc.value)
        };
        let expected = [
            // Differences right - wrong: -1 and 1 at w = 0, plus 3 w and 2 w.
            ("sft-likra", 32, 0.0, 0.5),
            ("sft-likra", 32, 0.4, 1.0),
            ("sft-likra", 32, 1.0, 1.0),
            // Differences right - wrong: -1 and -1 at w = 0, plus 3 w and 2 w.
            ("base-likra", 32, 0.0, 0.0),
            ("base-likra", 32, 0.4, 0.5),
            ("base-likra", 32, 1.0, 1.0),
        ];
        let expected =
            expected.map(|(name, examples, weight, acc)| (name.to_owned(), examples, weight, acc));
        assert_eq!(rows.iter().map(point).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn without_heads_there_are_no_figures() {
        let base = table(&[("base", 0, &[&[-2.0, -1.0]])]);
        assert!(curves(&[Method::SFT, Method::SFT_LIKRA], &base, Norm::Chars).is_empty());
        assert!(figure4(&study(base)).is_empty());
    }
}
