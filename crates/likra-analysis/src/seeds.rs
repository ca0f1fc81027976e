//! The same heads from several seeds.

use crate::cell::RowBuilder;
use crate::{Cell, Cells, Estimate, Method, ScoreTable, Study, bootstrap, mean};

/// A method's accuracy from every seed after so many examples.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedsRow {
    /// The method.
    pub method: Method,
    /// How many training examples each of its heads has seen.
    pub examples: usize,
    /// The share of questions answered by the highest normalised score, by seed.
    pub acc_norm: Vec<(u32, f64)>,
    /// Their mean, with an interval by Student's t over seeds: other draws and other initial adapters, but the
    /// same questions.
    pub mean: Estimate,
    /// How many questions there are: those that all seeds were asked.
    pub questions: usize,
}

impl Cells for SeedsRow {
    fn cells(&self) -> Vec<(String, Cell)> {
        let row = RowBuilder::default()
            .text("method", self.method.name())
            .count("examples", self.examples)
            .estimate(["mean", "low", "high"], self.mean);
        let add = |row: RowBuilder, (seed, share): &(u32, f64)| {
            row.number(&format!("seed_{seed}"), *share, 5)
        };
        let row = self.acc_norm.iter().fold(row, add);
        row.count("questions", self.questions).cells()
    }
}

/// SFT, SFT-Likra and Base-Likra from every seed, where all have them; nothing if there is one seed only.
pub(crate) fn seeds(study: &Study) -> Vec<SeedsRow> {
    let replicates = &study.replicates;
    let fewest = replicates
        .iter()
        .map(|replicate| replicate.table.questions().len());
    let Some(questions) = fewest.min() else {
        return Vec::new();
    };
    let own = (study.seed, study.table.first(questions));
    let others = replicates
        .iter()
        .map(|replicate| (replicate.seed, replicate.table.first(questions)));
    let tables: Vec<(u32, ScoreTable)> = [own].into_iter().chain(others).collect();
    let mut rows = Vec::new();
    for method in [Method::sft(), Method::sft_likra(), Method::base_likra()] {
        for examples in method.examples(&tables[0].1) {
            let accuracy = |(seed, table): &(u32, ScoreTable)| {
                let rule = method.rule(table, examples, 1.0)?;
                Some((*seed, bootstrap::accuracy(&rule.right(study.norm)).value))
            };
            let found: Option<Vec<(u32, f64)>> = tables.iter().map(accuracy).collect();
            rows.extend(found.map(|acc_norm| SeedsRow {
                method: method.clone(),
                examples,
                mean: over_seeds(&acc_norm),
                acc_norm,
                questions,
            }));
        }
    }
    rows
}

fn over_seeds(accuracies: &[(u32, f64)]) -> Estimate {
    let values: Vec<f64> = accuracies.iter().map(|(_, value)| *value).collect();
    mean::over_seeds(&values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Replicate;
    use crate::fixture_tests::{study, table};

    #[test]
    fn seeds_are_compared_on_what_all_were_asked() {
        let mut study = study(table(&[
            ("base", 0, &[&[-2.0, -1.0], &[-2.0, -1.0], &[-1.0, -2.0]]),
            (
                "positive",
                32,
                &[&[-1.0, -4.0], &[-2.0, -1.0], &[-1.0, -4.0]],
            ),
            (
                "positive",
                64,
                &[&[-1.0, -4.0], &[-1.0, -4.0], &[-1.0, -4.0]],
            ),
        ]));
        assert!(seeds(&study).is_empty());
        let replicate = table(&[
            ("base", 0, &[&[-2.0, -1.0], &[-2.0, -1.0]]),
            ("positive", 32, &[&[-1.0, -4.0], &[-1.0, -4.0]]),
        ]);
        study.replicates = vec![Replicate {
            seed: 2,
            table: replicate,
        }];
        let rows = seeds(&study);
        assert_eq!(rows.len(), 1);
        let row = &rows[0];
        assert_eq!(
            (row.method.name(), row.examples, row.questions),
            ("sft", 32, 2)
        );
        assert_eq!(row.acc_norm, [(study.seed, 0.5), (2, 1.0)]);
        assert_eq!(row.mean.value, 0.75);
        // The standard error is a quarter.
        assert!((row.mean.high - 0.75 - 12.706 / 4.0).abs() < 1e-6);
    }
}
