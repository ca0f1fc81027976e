//! The shape of an adapter: rank, scale, and the layers that it updates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What decides an adapter's shape and scale: `[lora]` in an experiment's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LoraConfig {
    /// The rank `r` of every update.
    pub rank: usize,
    /// The numerator of the scale.
    pub alpha: f64,
    /// Last components of the module paths to update, such as `gate_proj`.
    pub target_modules: Vec<String>,
    /// Scale by `alpha / sqrt(r)` (rank-stabilised LoRA, Kalajdzievski 2023) rather than `alpha / r`.
    pub rslora: bool,
}

impl Default for LoraConfig {
    /// The authors' setting: rank 8, alpha 8, on the three projections of every feed-forward block.
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 8.0,
            target_modules: ["gate_proj", "up_proj", "down_proj"]
                .map(String::from)
                .to_vec(),
            rslora: false,
        }
    }
}

impl LoraConfig {
    /// The factor `s` of an update `s (x Aᵀ) Bᵀ`.
    #[must_use]
    pub fn scale(&self) -> f64 {
        let rank = self.rank as f64;
        self.alpha / if self.rslora { rank.sqrt() } else { rank }
    }

    /// Whether the layer at `module` is to be updated: as in PEFT, by the end of its path.
    #[must_use]
    pub fn targets(&self, module: &str) -> bool {
        self.target_modules.iter().any(|target| {
            module
                .strip_suffix(target.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }

    /// Refuses a rank or a scale that describes no adapter.
    ///
    /// # Errors
    ///
    /// If the rank is 0 or alpha is not a positive number.
    pub fn validate(&self) -> Result<()> {
        if self.rank == 0 {
            return Err(Error::Rank { found: self.rank });
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return Err(Error::Alpha { found: self.alpha });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_is_alpha_over_rank_or_its_root() {
        let mut config = LoraConfig {
            rank: 16,
            alpha: 8.0,
            ..LoraConfig::default()
        };
        assert_eq!(config.scale(), 0.5);
        config.rslora = true;
        assert_eq!(config.scale(), 2.0);
    }

    #[test]
    fn targets_match_whole_path_components() {
        let config = LoraConfig::default();
        assert!(config.targets("model.layers.3.mlp.up_proj"));
        assert!(config.targets("up_proj"));
        assert!(!config.targets("model.layers.3.mlp.gate_up_proj"));
        assert!(!config.targets("model.layers.3.self_attn.q_proj"));
    }

    #[test]
    fn impossible_settings_are_refused() {
        assert!(
            LoraConfig {
                rank: 0,
                ..LoraConfig::default()
            }
            .validate()
            .is_err()
        );
        assert!(
            LoraConfig {
                alpha: f64::NAN,
                ..LoraConfig::default()
            }
            .validate()
            .is_err()
        );
    }
}
