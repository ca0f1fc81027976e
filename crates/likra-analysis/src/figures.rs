//! The rows of the paper's figures 1, 3 and 4.

use crate::{AccuracyRow, Error, Method, Norm, Result, ScoreTable};

/// The methods of the paper's figure 1.
const FIGURE1: [Method; 2] = [Method::Sft, Method::SftLikra];
/// The methods of the paper's figure 3.
const FIGURE3: [Method; 3] = [Method::SftLikra, Method::BaseLikra, Method::Sft];
/// The methods of the paper's figure 4: those that have a negative head.
const FIGURE4: [Method; 2] = [Method::SftLikra, Method::BaseLikra];

/// The accuracy of a method under one weight of its negative head.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightRow {
    /// The weight w in log p+(a|q) - w log p-(a|q).
    pub weight: f64,
    /// The accuracy.
    pub accuracy: AccuracyRow,
}

/// Learning curves of SFT and SFT-Likra (paper, figure 1). Every curve starts from the base's
/// accuracy at 0 examples, also Likra's, whose ratio is not defined there.
#[must_use]
pub fn figure1(table: &ScoreTable, norm: Norm) -> Vec<AccuracyRow> {
    curves(table, &FIGURE1, norm)
}

/// Learning curves of Likra with and without positive examples, and of SFT (paper, figure 3), from
/// the base's accuracy on.
#[must_use]
pub fn figure3(table: &ScoreTable, norm: Norm) -> Vec<AccuracyRow> {
    curves(table, &FIGURE3, norm)
}

/// Accuracy over the weight of the negative head (paper, figure 4), after the most examples that
/// both heads have seen; if there is no positive head, that the negative one has seen.
///
/// # Errors
///
/// If a weight is not finite.
pub fn figure4(table: &ScoreTable, weights: &[f64], norm: Norm) -> Result<Vec<WeightRow>> {
    if let Some(&found) = weights.iter().find(|weight| !weight.is_finite()) {
        return Err(Error::Weight { found });
    }
    let last = last_examples(Method::SftLikra, table);
    let Some(examples) = last.or_else(|| last_examples(Method::BaseLikra, table)) else {
        return Ok(Vec::new());
    };
    let mut weights = weights.to_vec();
    weights.sort_by(f64::total_cmp);
    weights.dedup();
    let row = |method: Method, weight| {
        let rule = method.rule(table, examples, weight)?;
        let accuracy = AccuracyRow::new(method, examples, &rule, norm);
        Some(WeightRow { weight, accuracy })
    };
    let rows = |method| {
        weights
            .iter()
            .filter_map(move |&weight| row(method, weight))
    };
    Ok(FIGURE4.into_iter().flat_map(rows).collect())
}

/// The most examples after which the table has a method's heads.
pub(crate) fn last_examples(method: Method, table: &ScoreTable) -> Option<usize> {
    let mut examples = table.examples().into_iter().rev();
    examples.find(|&examples| method.rule(table, examples, 1.0).is_some())
}

fn curves(table: &ScoreTable, methods: &[Method], norm: Norm) -> Vec<AccuracyRow> {
    let base = Method::Base.rows(table, norm);
    let mut rows = Vec::new();
    for &method in methods {
        let trained = method.rows(table, norm);
        if !trained.is_empty() {
            let start = base.iter().cloned();
            rows.extend(start.map(|row| AccuracyRow { method, ..row }));
            rows.extend(trained);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::table;

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
        let points = |rows: Vec<AccuracyRow>| -> Vec<(&str, usize, f64)> {
            let point = |row: &AccuracyRow| (row.method.name(), row.examples, row.acc.value);
            rows.iter().map(point).collect()
        };
        let sft = [("sft", 0, 0.0), ("sft", 32, 0.5), ("sft", 64, 0.5)];
        let likra = [("sft-likra", 0, 0.0), ("sft-likra", 32, 1.0)];
        let base_likra = [("base-likra", 0, 0.0), ("base-likra", 32, 1.0)];
        assert_eq!(
            points(figure1(&heads(), Norm::Chars)),
            [&sft[..], &likra].concat()
        );
        let expected = [&likra[..], &base_likra, &sft].concat();
        assert_eq!(points(figure3(&heads(), Norm::Chars)), expected);
    }

    #[test]
    fn weights_are_swept_at_the_last_common_checkpoint() {
        let rows = figure4(&heads(), &[1.0, 0.0, 0.4, 0.4], Norm::Chars).unwrap();
        let point = |row: &WeightRow| {
            let AccuracyRow {
                method,
                examples,
                acc,
                ..
            } = row.accuracy;
            (method.name(), examples, row.weight, acc.value)
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
        assert_eq!(rows.iter().map(point).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_weight_has_to_be_a_number() {
        for weight in [f64::NAN, f64::INFINITY] {
            let error = figure4(&heads(), &[1.0, weight], Norm::Chars).unwrap_err();
            assert!(matches!(error, Error::Weight { .. }), "{error}");
        }
    }

    #[test]
    fn without_heads_there_are_no_figures() {
        let base = table(&[("base", 0, &[&[-2.0, -1.0]])]);
        assert!(figure1(&base, Norm::Chars).is_empty());
        assert!(figure3(&base, Norm::Chars).is_empty());
        assert!(figure4(&base, &[1.0], Norm::Chars).unwrap().is_empty());
    }
}
