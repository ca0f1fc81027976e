//! What decides how a head is trained.

use likra_tokenizer::Bos;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Objective, Result};

/// How a head is trained: `[training]` in an experiment's file. Everything else is fixed as in the
/// paper's code: `AdamW` without warm-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TrainSettings {
    /// The objective of heads that do not set their own.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("default" = "likelihood"))]
    pub objective: Objective,
    /// How far objectives with a reference model may move from it: smaller is farther. Unused by others.
    #[serde(skip_serializing_if = "is_default_beta")]
    #[schemars(extend("default" = BETA))]
    pub beta: f64,
    /// The learning rate, at the start.
    pub learning_rate: f64,
    /// How the rate changes: `constant`, or down to 0 at the end, `linear` or as half a `cosine`.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("default" = "constant"))]
    pub schedule: Schedule,
    /// How many passes a head makes over its questions, of which there are `examples` divided by it; at most 1000.
    #[serde(skip_serializing_if = "is_one")]
    #[schemars(extend("default" = 1))]
    pub epochs: usize,
    /// Examples of an optimiser step.
    pub batch_size: usize,
    /// The norm, over all tensors together, to which a larger gradient is scaled down.
    pub max_grad_norm: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// What `AdamW` adds to the root of the mean square of a gradient before it divides by it.
    #[serde(skip_serializing_if = "is_default_epsilon")]
    #[schemars(extend("default" = EPSILON))]
    pub adam_epsilon: f64,
    /// After how many examples the first adapter after 0 is saved, at a batch's end; then at every
    /// doubling.
    pub first_checkpoint: usize,
    /// What becomes of an example with more tokens than the model has positions: `refuse`, or `skip`, which
    /// counts it as seen and does not learn it.
    pub too_long: LongExample,
    /// Whether an example begins with the BOS token: `auto` (as the tokenizer does), `always`, `never`.
    pub bos: Bos,
}

/// What becomes of the learning rate in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// It falls by the same at every step.
    Linear,
    /// It falls as half a cosine (Loshchilov and Hutter 2017, equation 5).
    Cosine,
}

impl Schedule {
    /// The share of the rate with which the step after `done` of all `steps` is made, as in transformers' schedules
    /// without warm-up.
    pub(crate) fn share(self, done: usize, steps: usize) -> f64 {
        let done = done as f64 / steps.max(1) as f64;
        match self {
            Self::Constant => 1.0,
            Self::Linear => 1.0 - done,
            Self::Cosine => f64::midpoint(1.0, (std::f64::consts::PI * done).cos()),
        }
    }
}

/// What becomes of an example that the model cannot run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LongExample {
    /// It is an error.
    #[default]
    Refuse,
    /// It counts as seen, and is not learned.
    Skip,
}

/// That of DPO's paper (section 6) and of TRL.
const BETA: f64 = 0.1;

/// torch's default, which Hugging Face's `Trainer` keeps. (Burn's is 1e-5.)
const EPSILON: f64 = 1e-8;

// Left out where they are as ever, so that what was trained before they came is known as done.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_one(epochs: &usize) -> bool {
    *epochs == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_default_beta(beta: &f64) -> bool {
    *beta == BETA
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_default_epsilon(epsilon: &f64) -> bool {
    *epsilon == EPSILON
}

impl Default for TrainSettings {
    /// The paper's rate and batch (section 3.1); clip and decay are the defaults of Hugging Face's
    /// `Trainer`, which the authors' code uses.
    fn default() -> Self {
        Self {
            objective: Objective::default(),
            beta: BETA,
            learning_rate: 1e-4,
            schedule: Schedule::Constant,
            epochs: 1,
            batch_size: 8,
            max_grad_norm: 1.0,
            weight_decay: 0.0,
            adam_epsilon: EPSILON,
            first_checkpoint: 32,
            bos: Bos::Auto,
            too_long: LongExample::Refuse,
        }
    }
}

impl TrainSettings {
    /// Refuses settings that describe no training.
    ///
    /// # Errors
    ///
    /// If a value is out of range.
    pub fn validate(&self) -> Result<()> {
        const POSITIVE: &str = "a positive number";
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let (rate, norm, decay) = (self.learning_rate, self.max_grad_norm, self.weight_decay);
        let (beta, epsilon) = (self.beta, self.adam_epsilon);
        let [batch, first, epochs] =
            [self.batch_size, self.first_checkpoint, self.epochs].map(|count| count as f64);
        let decays = decay == 0.0 || positive(decay);
        let passes = (1.0..=1000.0).contains(&epochs);
        let checks = [
            ("beta", beta, positive(beta), POSITIVE),
            ("learning-rate", rate, positive(rate), POSITIVE),
            ("max-grad-norm", norm, positive(norm), POSITIVE),
            ("weight-decay", decay, decays, "0 or a positive number"),
            ("adam-epsilon", epsilon, positive(epsilon), POSITIVE),
            ("batch-size", batch, positive(batch), "at least 1"),
            ("epochs", epochs, passes, "1 to 1000"),
            ("first-checkpoint", first, positive(first), "at least 1"),
        ];
        match checks.into_iter().find(|(_, _, holds, _)| !holds) {
            None => Ok(()),
            Some((setting, found, _, expected)) => Err(Error::Setting {
                setting,
                found: found.to_string(),
                expected,
            }),
        }
    }

    /// The numbers of examples at which a run over `examples` leaves an adapter: 0, the ends of the
    /// batches in which the doubling series falls, and the end.
    pub fn checkpoints(&self, examples: usize) -> Vec<usize> {
        let first = Some(self.first_checkpoint.max(1));
        let doubling = std::iter::successors(first, |n| n.checked_mul(2));
        let batch = self.batch_size.max(1);
        let ends = doubling.map_while(|n| n.checked_next_multiple_of(batch));
        let mut counts = vec![0];
        counts.extend(ends.take_while(|&n| n < examples));
        counts.push(examples);
        counts.dedup();
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_double_and_include_both_ends() {
        let settings = TrainSettings::default();
        assert_eq!(settings.checkpoints(200), [0, 32, 64, 128, 200]);
        assert_eq!(settings.checkpoints(128), [0, 32, 64, 128]);
        assert_eq!(settings.checkpoints(5), [0, 5]);
        assert_eq!(settings.checkpoints(0), [0]);
        let of = |batch_size| TrainSettings {
            batch_size,
            ..settings.clone()
        };
        assert_eq!(of(12).checkpoints(100), [0, 36, 72, 100]);
        assert_eq!(of(100).checkpoints(300), [0, 100, 200, 300]);
        assert_eq!(of(100).checkpoints(90), [0, 90]);
    }

    /// `get_scheduler("cosine" and "linear", ..., num_warmup_steps=0, num_training_steps=4)` of transformers 4.57.1.
    #[test]
    fn schedules_are_those_of_transformers() {
        let shares = |schedule: Schedule| [0, 1, 2, 3].map(|done| schedule.share(done, 4));
        assert_eq!(shares(Schedule::Constant), [1.0; 4]);
        assert_eq!(shares(Schedule::Linear), [1.0, 0.75, 0.5, 0.25]);
        let cosine = [1.0, 0.853_553_390_593_273_7, 0.5, 0.146_446_609_406_726_2];
        for (found, expected) in shares(Schedule::Cosine).into_iter().zip(cosine) {
            assert!((found - expected).abs() < 1e-15, "{found} {expected}");
        }
    }

    #[test]
    fn impossible_settings_are_refused_by_name() {
        let base = TrainSettings::default();
        for (settings, name) in [
            (
                TrainSettings {
                    learning_rate: 0.0,
                    ..base.clone()
                },
                "learning-rate",
            ),
            (
                TrainSettings {
                    max_grad_norm: f64::NAN,
                    ..base.clone()
                },
                "max-grad-norm",
            ),
            (
                TrainSettings {
                    weight_decay: -1.0,
                    ..base.clone()
                },
                "weight-decay",
            ),
            (
                TrainSettings {
                    batch_size: 0,
                    ..base.clone()
                },
                "batch-size",
            ),
            (
                TrainSettings {
                    first_checkpoint: 0,
                    ..base.clone()
                },
                "first-checkpoint",
            ),
        ] {
            assert!(settings.validate().unwrap_err().to_string().contains(name));
        }
        base.validate().unwrap();
    }
}
