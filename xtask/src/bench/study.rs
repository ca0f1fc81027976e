//! How long the paper's study would take `likra`, summed from what was measured.

use super::goals::{first_scores, rates};
use super::runs::Runs;
use super::stats::{largest, median};
use super::work::Side;

/// Two heads over all questions that ARC has for training, each scored at 32, 64, ... 4096 examples and at the
/// end, and the base.
const HEADS: f64 = 2.0;
const EXAMPLES: f64 = 6615.0;
const SCORINGS: f64 = HEADS * 9.0 + 1.0;
const QUESTIONS: f64 = 1172.0;

/// Seconds; no number where something was not measured.
#[derive(Debug, PartialEq)]
pub(super) struct Study {
    pub(super) opening: f64,
    pub(super) training: f64,
    pub(super) scoring: f64,
    /// The most that training held on the GPU, in GB.
    pub(super) memory: f64,
}

impl Study {
    /// What Mistral-7B is to stay below on one H100: in minutes, and in GB.
    pub(super) const MINUTES: f64 = 15.0;
    pub(super) const MEMORY: f64 = 24.0;

    pub(super) fn of(runs: &Runs) -> Self {
        let trained = runs.measured("train", Side::Ours, "train").next();
        let example = trained.map_or(f64::NAN, |found| {
            found.tokens as f64 / found.questions as f64
        });
        let tokens = median(&rates(runs, "train", Side::Ours, |found| found.tokens));
        let memory: Vec<f64> = runs
            .of("train", Side::Ours)
            .iter()
            .filter_map(|run| run.gpu_mib)
            .collect();
        let memory = if memory.is_empty() {
            f64::NAN
        } else {
            largest(memory) * f64::from(1 << 20) / 1e9
        };
        Self {
            opening: median(&first_scores(runs, Side::Ours)),
            training: HEADS * EXAMPLES * example / tokens,
            scoring: SCORINGS * QUESTIONS / scored(runs),
            memory,
        }
    }

    pub(super) fn minutes(&self) -> f64 {
        (self.opening + self.training + self.scoring) / 60.0
    }
}

/// Questions that one head scores a second, with the same shots for all.
fn scored(runs: &Runs) -> f64 {
    let of = |step, heads: f64| {
        let rate = median(&rates(runs, step, Side::Ours, |found| found.questions));
        (!rate.is_nan()).then_some(heads * rate)
    };
    of("heads", 3.0)
        .or_else(|| of("fixed", 1.0))
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::fixture::runs;

    #[test]
    fn a_study_is_the_sum_of_its_parts() {
        let study = Study::of(&runs());
        // 40 tokens an example and 320 a second; 300 questions under three heads in 90 s.
        assert_eq!((study.opening, study.training), (2.0, 2.0 * 6615.0 / 8.0));
        assert_eq!(study.scoring, 19.0 * 1172.0 / 10.0);
        assert!(study.memory.is_nan());
        assert!(Study::of(&Runs::default()).minutes().is_nan());
    }
}
