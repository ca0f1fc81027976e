//! The scores of a run, and how to read them.

use std::iter::once;

use crate::logistic::logistic;
use crate::rule::highest;
use crate::{Method, Norm, ScoreTable};

/// The scores of a run, and how to read them.
#[derive(Debug, Clone)]
pub struct Study {
    /// The scores of the experiment's own seed.
    pub table: ScoreTable,
    /// The scores of training questions that are set aside to choose settings by, if some are.
    pub aside: Option<ScoreTable>,
    /// That seed.
    pub seed: u32,
    /// The same heads from other seeds.
    pub replicates: Vec<Replicate>,
    /// The heads that can be subtracted, in the order to show them.
    pub negatives: Vec<Negative>,
    /// Heads that were trained to tell right answers from wrong ones, by other objectives.
    pub rivals: Vec<Method>,
    /// What the names of heads end with that learned the same with other settings, to choose from.
    pub variants: Vec<String>,
    /// The weights of figure 4, finite numbers.
    pub weights: Vec<f64>,
    /// What scores are divided by in columns `acc_norm`, figures and claims.
    pub norm: Norm,
    /// The benchmark's name in [`paper::TABLE1`](crate::paper::TABLE1); `None` if the paper does not have it.
    pub benchmark: Option<String>,
    /// The model's name there, likewise: the paper's numbers for it come first.
    pub model: Option<String>,
}

impl Study {
    /// SFT-Likra with each negative head that learns no right answers, and SFT; nothing if it is the only one that
    /// the study has.
    pub(crate) fn likras(&self) -> Vec<Method> {
        let pure = self.negatives.iter().filter(|head| head.is_pure());
        let mut methods: Vec<Method> = pure.map(Negative::method).collect();
        methods.retain(|likra| likra.last(&self.table).is_some());
        methods.extend((!methods.is_empty()).then_some(Method::SFT));
        methods
    }

    /// SFT-Likra, Base-Likra, SFT and the base, other ways to choose that need no training of their own, and heads that
    /// other objectives have made of the same answers.
    pub(crate) fn rivals(&self) -> Vec<Method> {
        let mut methods = Method::LIKRA.to_vec();
        methods.extend([Method::SFT, Method::BASE, Method::DEXPERTS]);
        methods.extend([Method::BASE_PMI, Method::ANSWER_ONLY]);
        methods.extend([Method::P_TRUE, Method::SHORTEST]);
        methods.extend(self.chosen());
        methods.extend(self.rivals.clone());
        methods
    }

    /// What the questions set aside say is best: SFT-Likra and Base-Likra with a weight, and these, SFT and rivals with
    /// settings, if there are any to choose from, those that subtract the base with a weight of it; and logistic
    /// regression.
    pub(crate) fn chosen(&self) -> Vec<Method> {
        let Some(table) = &self.aside else {
            return Vec::new();
        };
        let mut methods = Method::LIKRA.to_vec();
        if !self.variants.is_empty() {
            methods.push(Method::SFT);
            methods.extend(self.rivals.clone());
        }
        let chosen = methods.iter().filter_map(|one| self.choose(table, one));
        chosen.chain(logistic(table)).collect()
    }

    /// The method with the settings and the weight that are best on `table`: of equally good ones those that it has
    /// anyway, and the weight nearest to 1.
    fn choose(&self, table: &ScoreTable, method: &Method) -> Option<Method> {
        let mut weights = self.weights.clone();
        weights.sort_by(|a, b| (a - 1.0).abs().total_cmp(&(b - 1.0).abs()));
        weights.retain(|&weight| method.is_ratio() || weight == 1.0);
        let variants = once("").chain(self.variants.iter().map(String::as_str));
        let all = variants.flat_map(|variant| weights.iter().map(move |&weight| (variant, weight)));
        highest(all.filter_map(|(variant, weight)| {
            let chosen = method.chosen(variant, weight);
            let rule = chosen.rule(table, chosen.last(table)?, 1.0)?;
            let right = rule.right(self.norm).into_iter().filter(|&right| right);
            Some((right.count(), chosen))
        }))
    }

    /// What a gain of Likra could come from other than wrong answers, and SFT-Likra first:
    ///
    /// - SFT, and SFT minus the base, as the authors' scorer has it too: right answers alone;
    /// - the base minus SFT: what a negative head would do that has learned the form of answers;
    /// - SFT minus each head that has learned right answers in place of wrong ones;
    /// - SFT and the base minus what the base thinks of the answer alone (PMI): how frequent an answer is.
    pub(crate) fn controls(&self) -> Vec<Method> {
        let mut methods = vec![Method::SFT_LIKRA, Method::SFT];
        methods.extend([Method::SFT_BASE, Method::BASE_SFT]);
        let contaminated = self.negatives.iter().filter(|head| !head.is_pure());
        methods.extend(contaminated.map(Negative::method));
        methods.extend([Method::SFT_PMI, Method::BASE_PMI]);
        methods
    }
}

/// Heads from another seed, under the names that they have in the study's own table.
#[derive(Debug, Clone)]
pub struct Replicate {
    /// The seed.
    pub seed: u32,
    /// Their scores and the base's, over the first questions of the study or all of them.
    pub table: ScoreTable,
}

/// A head that can be subtracted.
#[derive(Debug, Clone, PartialEq)]
pub struct Negative {
    /// Its name in the table.
    pub head: String,
    /// Its name in figures.
    pub label: String,
    /// The share of right answers among those that it has learned; at 1 it is a control.
    pub contamination: f64,
}

impl Negative {
    /// SFT-Likra with it.
    pub(crate) fn method(&self) -> Method {
        Method::likra_with(&self.head, &self.label)
    }

    /// Whether it has learned no right answers.
    pub(crate) fn is_pure(&self) -> bool {
        self.contamination == 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accuracy::rows;
    use crate::fixture_tests::{study, table};

    /// On the questions set aside the head with another rate knows the answers; on the test nothing is looked at.
    #[test]
    fn settings_are_chosen_on_questions_set_aside() {
        let heads = |rate: &[&[f64]]| {
            table(&[
                ("base", 0, &[&[-2.0, -3.0], &[-4.0, -3.0]]),
                ("positive", 64, &[&[-4.0, -2.0], &[-5.0, -4.0]]),
                ("incorrect", 64, &[&[-3.0, -2.0], &[-4.0, -4.0]]),
                ("positive-rate0.1", 64, rate),
                ("incorrect-rate0.1", 64, &[&[-1.0, -1.0], &[-1.0, -1.0]]),
                ("reward", 64, &[&[1.0, 2.0], &[3.0, 1.0]]),
                ("reward-rate0.1", 64, &[&[3.0, 2.0], &[3.0, 1.0]]),
            ])
        };
        let mut study = study(heads(&[&[-9.0, -1.0], &[-9.0, -1.0]]));
        study.aside = Some(heads(&[&[-1.0, -2.0], &[-1.0, -2.0]]));
        study.variants = vec!["-rate0.1".into()];
        study.weights = vec![0.5, 1.0];
        study.rivals = vec![Method::reward("reward")];
        let chosen = study.chosen();
        let labels: Vec<&str> = chosen.iter().map(Method::label).collect();
        let expected = [
            "SFT-Likra, rate0.1, w = 1 chosen",
            // No other rate is better: its own, and the weight nearest to 1.
            "Base-Likra, w = 1 chosen",
            "SFT, rate0.1 chosen",
            "reward, rate0.1 chosen",
            "logistic regression",
        ];
        assert_eq!(labels, expected);
        let right = |method: &Method| {
            method
                .rule(&study.table, 64, 1.0)
                .unwrap()
                .right(Norm::None)
        };
        assert_eq!(right(&chosen[2]), [false, false]);
        assert_eq!(right(&chosen[3]), [true, true]);
    }

    #[test]
    fn controls_by_hand() {
        let table = table(&[
            ("base", 0, &[&[-2.0, -3.0], &[-4.0, -3.0]]),
            ("answer-only", 0, &[&[-2.0, -4.0], &[-9.0, -3.0]]),
            ("positive", 64, &[&[-2.0, -2.5], &[-3.0, -4.0]]),
            ("late", 64, &[&[-2.0, -1.5], &[-1.0, -4.0]]),
        ]);
        let mut study = study(table);
        study.negatives.push(Negative {
            head: "late".into(),
            label: "SFT − late".into(),
            contamination: 1.0,
        });
        let rows = rows(&study.controls(), &study.table, Norm::None);
        assert!(study.likras().is_empty());
        let found: Vec<_> = rows
            .iter()
            .map(|row| (row.method.name(), row.examples, row.acc.value))
            .collect();
        let expected = [
            ("sft", 64, 1.0),
            // 0 and 0.5; 1 and -1.
            ("sft-base", 64, 0.5),
            // 0 and -0.5; -1 and 1.
            ("base-sft", 64, 0.5),
            // 0 and -1; -2 and 0.
            ("sft-late", 64, 0.5),
            // 0 and 1.5; 6 and -1.
            ("sft-pmi", 64, 0.5),
            // 0 and 1; 5 and 0.
            ("base-pmi", 0, 0.5),
        ];
        assert_eq!(found, expected);
    }
}
