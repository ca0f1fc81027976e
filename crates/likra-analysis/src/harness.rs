//! The metrics of lm-evaluation-harness (0.4.13, `api/task.py` and `api/metrics.py`), question by question.

use likra_results::{AnswerKind, ScoreRecord};
use serde_json::Value;

use crate::rule::is_right;
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
    #[must_use]
    pub fn of_task(definition: &Value, counts_probability: bool) -> Vec<Self> {
        if counts_probability {
            return vec![Self::Probability];
        }
        let listed = definition.get("metric_list").and_then(Value::as_array);
        let is_listed = |metric: &Self| {
            let mut entries = listed.into_iter().flatten();
            match listed {
                Some(_) => entries.any(|entry| entry["metric"] == metric.name()),
                None => *metric != Self::Greedy && *metric != Self::Accuracy(Norm::Bytes),
            }
        };
        let by = [Norm::None, Norm::Chars, Norm::Bytes].map(Self::Accuracy);
        let all = by.into_iter().chain([Self::Greedy]);
        all.filter(is_listed).collect()
    }

    /// What the harness calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy(Norm::Chars) => "acc_norm",
            Self::Accuracy(Norm::Bytes) => "acc_bytes",
            Self::Accuracy(_) | Self::Probability => "acc",
            Self::Greedy => "exact_match",
        }
    }

    /// Its value for a question, of whose candidates `scored` has the log-likelihoods under one head.
    #[must_use]
    pub fn value(self, scored: &[ScoreRecord]) -> f64 {
        let right = |record: &ScoreRecord| record.kind == AnswerKind::Correct;
        match self {
            Self::Accuracy(norm) => {
                let scored = scored.iter().map(|record| (record, record.log_likelihood));
                f64::from(is_right(scored, norm))
            }
            Self::Probability => {
                let choices = scored.iter().filter(|record| record.kind.is_choice());
                right_share(choices.map(|record| (record.log_likelihood, right(record))))
            }
            Self::Greedy => {
                let greedy = |record: &ScoreRecord| right(record) && record.greedy == Some(true);
                f64::from(scored.iter().any(greedy))
            }
        }
    }
}

/// The share that those that are right have of the sum of exp(score). The largest score is taken off first: by
/// itself exp is 0 below -745, where the harness has 0/0.
fn right_share(scores: impl Iterator<Item = (f64, bool)> + Clone) -> f64 {
    let largest = scores
        .clone()
        .fold(f64::NEG_INFINITY, |largest, (score, _)| largest.max(score));
    let shares = scores.map(|(score, right)| ((score - largest).exp(), right));
    let all: f64 = shares.clone().map(|(share, _)| share).sum();
    let of_right = shares.filter(|(_, right)| *right);
    of_right.map(|(share, _)| share).sum::<f64>() / all
}

impl Rule<'_> {
    /// The mean over questions of the share of the probability that right choices have, in which what a rule
    /// scores counts as log-probability.
    #[must_use]
    pub fn probability(&self) -> Estimate {
        let by_question = self.table.questions().iter().zip(self.scores());
        let share = by_question.map(|(question, scores)| {
            let scored = question.candidates.iter().zip(scores);
            let choices = scored.filter(|(record, _)| record.kind.is_choice());
            right_share(choices.map(|(record, score)| (score, record.kind == AnswerKind::Correct)))
        });
        mean::over_questions(&share.collect::<Vec<_>>())
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
            let scores = scores.into_iter().zip([true, false, false]);
            assert!((right_share(scores) - expected).abs() < 1e-12);
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
    }
}
