//! Accuracy over examples and over weights: the rows of the paper's figures 1, 3, 4 and 5.

use crate::{AccuracyRow, Cell, Cells, Columns, Error, Method, Norm, Result, ScoreTable};

/// The accuracy of a method under one weight of its negative head.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightRow {
    /// The weight w in log p+(a|q) - w log p-(a|q).
    pub weight: f64,
    /// The accuracy.
    pub accuracy: AccuracyRow,
}

impl Cells for WeightRow {
    /// As an accuracy, with the weight after the number of examples.
    fn cells(&self) -> Columns {
        let mut columns = self.accuracy.cells();
        let weight = Cell::Number(self.weight, 4);
        columns.0.insert(2, ("weight".into(), weight));
        columns
    }
}

/// Accuracy over the weight of the negative head (paper, figure 4), after the most examples that
/// both heads have seen; if there is no positive head, that the negative one has seen. Then the same on the questions that
/// are set aside, if some are.
///
/// # Errors
///
/// If a weight is not finite.
pub(crate) fn figure4(
    table: &ScoreTable,
    aside: Option<&ScoreTable>,
    weights: &[f64],
    norm: Norm,
) -> Result<Vec<WeightRow>> {
    if let Some(&found) = weights.iter().find(|weight| !weight.is_finite()) {
        return Err(Error::Weight { found });
    }
    // The methods that have a negative head.
    let methods = [Method::SFT_LIKRA, Method::BASE_LIKRA];
    let mut weights = weights.to_vec();
    weights.sort_by(f64::total_cmp);
    weights.dedup();
    let mut rows = Vec::new();
    for (table, is_aside) in [(Some(table), false), (aside, true)] {
        let Some(table) = table else { continue };
        let Some(examples) = methods.iter().find_map(|method| method.last(table)) else {
            continue;
        };
        for method in &methods {
            let named = if is_aside {
                method.clone().aside()
            } else {
                method.clone()
            };
            rows.extend(weights.iter().filter_map(|&weight| {
                let rule = method.rule(table, examples, weight)?;
                let accuracy = AccuracyRow::new(&named, examples, &rule, norm);
                Some(WeightRow { weight, accuracy })
            }));
        }
    }
    Ok(rows)
}

/// Learning curves of these methods (paper, figures 1, 3 and 5). Each starts from the base's accuracy at
/// 0 examples, also Likra's, whose ratio is not defined there.
pub(crate) fn curves(methods: &[Method], table: &ScoreTable, norm: Norm) -> Vec<AccuracyRow> {
    let base = Method::BASE.rows(table, norm);
    let mut rows = Vec::new();
    for method in methods {
        let trained = method.rows(table, norm);
        let start = base.iter().filter(|_| !trained.is_empty());
        rows.extend(start.map(|row| AccuracyRow {
            method: method.clone(),
            ..row.clone()
        }));
        rows.extend(trained);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture_tests::table;

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
        let rows = figure4(&heads(), None, &[1.0, 0.0, 0.4, 0.4], Norm::Chars).unwrap();
        let point = |row: &WeightRow| {
            let AccuracyRow {
                method,
                examples,
                acc,
                ..
            } = &row.accuracy;
            (method.name().to_owned(), *examples, row.weight, acc.value)
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
    fn a_weight_has_to_be_a_number() {
        for weight in [f64::NAN, f64::INFINITY] {
            let error = figure4(&heads(), None, &[1.0, weight], Norm::Chars).unwrap_err();
            assert!(matches!(error, Error::Weight { .. }), "{error}");
        }
    }

    #[test]
    fn without_heads_there_are_no_figures() {
        let base = table(&[("base", 0, &[&[-2.0, -1.0]])]);
        assert!(curves(&[Method::SFT, Method::SFT_LIKRA], &base, Norm::Chars).is_empty());
        assert!(
            figure4(&base, None, &[1.0], Norm::Chars)
                .unwrap()
                .is_empty()
        );
    }
}
