//! The same heads from several seeds.

use std::collections::HashSet;

use crate::{Cells, Columns, Estimate, Method, ScoreTable, Study, accuracy, mean};

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
    fn cells(&self) -> Columns {
        let mut columns = Columns::default()
            .text("method", self.method.name())
            .count("examples", self.examples)
            .estimate(["mean", "low", "high"], self.mean);
        for (seed, share) in &self.acc_norm {
            columns = columns.number(&format!("seed_{seed}"), *share, 5);
        }
        columns.count("questions", self.questions)
    }
}

/// SFT, SFT-Likra and Base-Likra from every seed, where all have them; nothing if there is one seed only.
pub(crate) fn seeds(study: &Study) -> Vec<SeedsRow> {
    if study.replicates.is_empty() {
        return Vec::new();
    }
    let others = study.replicates.iter();
    let others = others.map(|again| (again.seed, &again.table));
    let all = [(study.seed, &study.table)].into_iter().chain(others);
    let mut tables: Vec<(u32, ScoreTable)> =
        all.map(|(seed, table)| (seed, table.clone())).collect();
    for again in &study.replicates {
        let asked = again.table.questions().iter();
        let asked: HashSet<&str> = asked.map(|question| &*question.id).collect();
        for (_, table) in &mut tables {
            table.keep(&asked);
        }
    }
    let questions = tables[0].1.questions().len();
    let row = |method: &Method, examples| {
        let accuracy = |(seed, table): &(u32, ScoreTable)| {
            let rule = method.rule(table, examples, 1.0)?;
            Some((*seed, accuracy(&rule.right(study.norm)).value))
        };
        let acc_norm = tables.iter().map(accuracy).collect::<Option<Vec<_>>>()?;
        let values: Vec<f64> = acc_norm.iter().map(|(_, value)| *value).collect();
        Some(SeedsRow {
            method: method.clone(),
            examples,
            mean: mean::over_seeds(&values),
            acc_norm,
            questions,
        })
    };
    let methods = [Method::SFT, Method::SFT_LIKRA, Method::BASE_LIKRA];
    let rows = methods.iter().flat_map(|method| {
        let examples = method.examples(&tables[0].1).into_iter();
        examples.filter_map(|examples| row(method, examples))
    });
    rows.collect()
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
