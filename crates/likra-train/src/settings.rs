//! What decides how a head is trained.

use likra_tokenizer::Bos;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How a head is trained: `[training]` in an experiment's file. Everything else is fixed as in the
/// paper's code: `AdamW` with a constant rate and no warm-up, one pass over the examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TrainSettings {
    /// The constant learning rate.
    pub learning_rate: f64,
    /// Examples of an optimiser step.
    pub batch_size: usize,
    /// The norm, over all tensors together, to which a larger gradient is scaled down.
    pub max_grad_norm: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// The first number of examples, after 0, at which an adapter is left; each next one is double.
    pub first_checkpoint: usize,
    /// Whether an example begins with the BOS token: `auto` (as the tokenizer does), `always`, `never`.
    pub bos: Bos,
}

impl Default for TrainSettings {
    /// The paper's rate and batch (section 3.1); clip and decay are the defaults of Hugging Face's
    /// `Trainer`, which the authors' code uses.
    fn default() -> Self {
        Self {
            learning_rate: 1e-4,
            batch_size: 8,
            max_grad_norm: 1.0,
            weight_decay: 0.0,
            first_checkpoint: 32,
            bos: Bos::Auto,
        }
    }
}

impl TrainSettings {
    /// Refuses settings that describe no training.
    ///
    /// # Errors
    ///
    /// If a value is out of range, or the checkpoints would fall into the middle of a batch.
    pub fn validate(&self) -> Result<()> {
        let positive = |setting, value: f64| {
            let fine = value.is_finite() && value > 0.0;
            if fine {
                Ok(())
            } else {
                Err(invalid(setting, value, "a positive number"))
            }
        };
        positive("learning-rate", self.learning_rate)?;
        positive("max-grad-norm", self.max_grad_norm)?;
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return Err(invalid(
                "weight-decay",
                self.weight_decay,
                "0 or a positive number",
            ));
        }
        if self.batch_size == 0 {
            return Err(invalid("batch-size", 0.0, "at least 1"));
        }
        if self.first_checkpoint == 0 || !self.first_checkpoint.is_multiple_of(self.batch_size) {
            let expected = format!("a multiple of the batch size, {}", self.batch_size);
            return Err(invalid(
                "first-checkpoint",
                self.first_checkpoint as f64,
                expected,
            ));
        }
        Ok(())
    }

    /// The numbers of examples at which a run over `examples` leaves an adapter: 0, the doubling
    /// series, and the end.
    #[must_use]
    pub fn checkpoints(&self, examples: usize) -> Vec<usize> {
        let doubling =
            std::iter::successors(Some(self.first_checkpoint.max(1)), |n| n.checked_mul(2));
        let mut counts = vec![0];
        counts.extend(doubling.take_while(|&n| n < examples));
        if examples > 0 {
            counts.push(examples);
        }
        counts
    }
}

fn invalid(setting: &'static str, found: f64, expected: impl Into<String>) -> Error {
    Error::Setting {
        setting,
        found: found.to_string(),
        expected: expected.into(),
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
                    batch_size: 24,
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
