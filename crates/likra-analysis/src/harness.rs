//! The metrics of lm-evaluation-harness (0.4.13, `api/task.py` and `api/metrics.py`), question by question.

use likra_results::{AnswerKind, ScoreRecord};
use serde_json::Value;

use crate::rule::{choices, highest};
use crate::{Estimate, Norm, Rule, mean};

/// A metric that is a mean over questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HarnessMetric {
    /// Whether the choice with the highest score is right: `acc`, `acc_norm`, `acc_bytes`.
    Accuracy(Norm),
    /// The share of the probability that the right choices have: `acc` of `truthfulqa_mc2`.
    Probability,
    /// Whether the model would give a right choice by itself: `exact_match`.
    Greedy,
}

impl HarnessMetric {
    /// Those of a task file that are computed, in the harness's order; others are left out.
    pub fn of_task(definition: &Value, counts_probability: bool) -> Vec<Self> {
        if counts_probability {
            return vec![Self::Probability];
        }
        let listed = definition.get("metric_list").and_then(Value::as_array);
        let is_mean = |entry: &Value| {
            matches!(entry["aggregation"].as_str(), Some("mean")) || entry["aggregation"].is_null()
        };
        let is_listed = |metric: &Self| match listed {
            Some(listed) => {
                let mut named = listed
                    .iter()
                    .filter(|entry| entry["metric"] == metric.name());
                named.any(is_mean)
            }
            None => ["acc", "acc_norm"].contains(&metric.name()),
        };
        let by = [Norm::None, Norm::Chars, Norm::Bytes].map(Self::Accuracy);
        let all = by.into_iter().chain([Self::Greedy]);
        all.filter(is_listed).collect()
    }

    /// What the harness calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy(Norm::Chars) => "acc_norm",
            Self::Accuracy(Norm::Bytes) => "acc_bytes",
            Self::Accuracy(_) | Self::Probability => "acc",
            Self::Greedy => "exact_match",
        }
    }

    /// Its value for a question, of whose candidates `scored` has the log-likelihoods under one head.
    pub fn value(self, scored: &[ScoreRecord]) -> f64 {
        let candidates = scored.iter().map(|record| (record, record.log_likelihood));
        match self {
            Self::Accuracy(norm) => f64::from(highest(choices(candidates, norm)) == Some(true)),
            Self::Probability => right_share(&choices(candidates, Norm::None)),
            Self::Greedy => {
                let mut right = scored.iter().filter(|one| one.kind == AnswerKind::Correct);
                f64::from(right.any(|one| one.greedy == Some(true)))
            }
        }
    }
}

/// The share that right choices have of the sum of exp(score).
fn right_share(choices: &[(f64, bool)]) -> f64 {
    let shares = shares(choices);
    let of_right = shares.iter().filter(|(_, right)| *right);
    let of_right: f64 = of_right.map(|(share, _)| share).sum();
    of_right / shares.iter().map(|(share, _)| share).sum::<f64>()
}

/// exp(score) of choices, each with whether it is right. The largest score is taken off first: by itself exp is 0
/// below -745, where the harness has 0/0.
pub(crate) fn shares(choices: &[(f64, bool)]) -> Vec<(f64, bool)> {
    let largest = choices.iter().fold(f64::MIN, |most, one| most.max(one.0));
    let share = |&(score, right): &(f64, bool)| ((score - largest).exp(), right);
    choices.iter().map(share).collect()
}

impl Rule<'_> {
    /// The mean over questions of the share of the probability that right choices have, in which what a rule
    /// scores counts as log-probability.
    pub fn probability(&self) -> Estimate {
        let questions = self.choices(Norm::None);
        let shares = questions.iter().map(|choices| right_share(choices));
        mean::over_questions(&shares.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The harness's plain exp gives 0.5 for the second and no number for the third.
    #[test]
    fn a_share_of_little_probability_is_a_number() {
        for (scores, expected) in [
            ([-700.0, -720.0, -735.2], 0.999_999_997_938_845_9),
            ([-744.9, -745.0, -745.2], 0.377_978_140_981_611_9),
            ([-750.0, -751.0, -752.0], 0.665_240_955_774_821_8),
        ] {
            let scores: Vec<_> = scores.into_iter().zip([true, false, false]).collect();
            assert!((right_share(&scores) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn metrics_stand_in_the_harness_s_order() {
        let listed = |names: &[&str]| {
            let entries: Vec<_> = names.iter().map(|name| json!({"metric": name})).collect();
            let metrics = HarnessMetric::of_task(&json!({"metric_list": entries}), false);
            metrics
                .iter()
                .map(|metric| metric.name())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            listed(&["exact_match", "f1", "acc_norm", "acc"]),
            ["acc", "acc_norm", "exact_match"]
        );
        assert_eq!(HarnessMetric::of_task(&json!({}), false).len(), 2);
        let by = |by| json!({"metric": "acc", "aggregation": by});
        for (aggregation, count) in [
            (json!("mean"), 1),
            (json!("f1"), 0),
            (json!({"!function": "utils.f1"}), 0),
        ] {
            let definition = json!({"metric_list": [by(aggregation)]});
            let metrics = HarnessMetric::of_task(&definition, false);
            assert_eq!(metrics.len(), count, "{definition}");
        }
    }
}
