//! The shape of an adapter: rank, scale, and the layers that it updates.

use std::collections::BTreeMap;

use onig::{MatchParam, Regex, RegexOptions, SearchOptions, Syntax};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The two tables of a model, which PEFT can update if it is told to, and this program cannot.
pub const OUTSIDE: [&str; 2] = ["lm_head", "model.embed_tokens"];

/// What decides an adapter's shape and scale: `[lora]` in an experiment's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LoraConfig {
    /// The rank `r` of every update.
    pub rank: usize,
    /// The numerator of the scale.
    pub alpha: f64,
    /// Which linear layers to update: last components of their module paths, such as `gate_proj`, or one
    /// text: `all-linear`, or a regular expression for whole paths.
    pub target_modules: TargetModules,
    /// Scale by `alpha / sqrt(r)` (rank-stabilised LoRA, Kalajdzievski 2023) rather than `alpha / r`.
    pub rslora: bool,
    /// Other ranks for some layers, by a regular expression for the end of a module path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rank_pattern: BTreeMap<String, usize>,
    /// Other numerators of the scale, likewise.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub alpha_pattern: BTreeMap<String, f64>,
}

/// Which layers are updated, in the two forms that PEFT has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a list of module names, a regular expression or all-linear"
)]
pub enum TargetModules {
    /// The ends of module paths.
    Names(Vec<String>),
    /// `all-linear`, in any case: every linear layer but the output head. Anything else is a regular
    /// expression that a whole module path has to match.
    Pattern(String),
}

impl Default for LoraConfig {
    /// The authors' setting: rank 8, alpha 8, on the three projections of every feed-forward block.
    fn default() -> Self {
        let names = ["gate_proj", "up_proj", "down_proj"].map(String::from);
        Self {
            rank: 8,
            alpha: 8.0,
            target_modules: TargetModules::Names(names.to_vec()),
            rslora: false,
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
        }
    }
}

impl LoraConfig {
    /// The rank of the update of `module`.
    ///
    /// # Errors
    ///
    /// If a pattern is no regular expression, or several ranks are given for the module.
    pub fn rank_of(&self, module: &str) -> Result<usize> {
        let chosen = chosen("rank_pattern", &self.rank_pattern, module)?;
        Ok(chosen.unwrap_or(self.rank))
    }

    /// The factor `s` of the update `s (x Aᵀ) Bᵀ` of `module`.
    ///
    /// # Errors
    ///
    /// As [`rank_of`](Self::rank_of).
    pub fn scale_of(&self, module: &str) -> Result<f64> {
        let alpha = chosen("alpha_pattern", &self.alpha_pattern, module)?;
        let rank = self.rank_of(module)? as f64;
        let rank = if self.rslora { rank.sqrt() } else { rank };
        Ok(alpha.unwrap_or(self.alpha) / rank)
    }

    /// Whether the layer at `module` is to be updated.
    ///
    /// # Errors
    ///
    /// If the pattern is no regular expression.
    pub fn targets(&self, module: &str) -> Result<bool> {
        match &self.target_modules {
            TargetModules::Pattern(all) if all.eq_ignore_ascii_case("all-linear") => {
                Ok(!OUTSIDE.contains(&module))
            }
            targets => targets.name("target_modules", module),
        }
    }

    /// Refuses a rank, a scale or a pattern that describes no adapter.
    ///
    /// # Errors
    ///
    /// If a rank is 0, an alpha is not a positive number, or a pattern is no regular expression.
    pub fn validate(&self) -> Result<()> {
        /// More than the width of any layer.
        const MOST: usize = 1 << 20;
        let mut ranks = self.rank_pattern.values().chain([&self.rank]);
        if let Some(&found) = ranks.find(|rank| !(1..=MOST).contains(*rank)) {
            return Err(Error::Rank(found));
        }
        let mut alphas = self.alpha_pattern.values().chain([&self.alpha]);
        if let Some(&found) = alphas.find(|alpha| !(alpha.is_finite() && **alpha > 0.0)) {
            return Err(Error::Alpha(found));
        }
        self.targets("").and(self.scale_of("")).map(drop)
    }
}

impl TargetModules {
    /// Whether these, the value of `key`, name a module: by the end of its path, or by a pattern of all of it.
    pub(crate) fn name(&self, key: &'static str, module: &str) -> Result<bool> {
        match self {
            Self::Names(names) => Ok(names.iter().any(|name| {
                let rest = module.strip_suffix(name.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })),
            Self::Pattern(pattern) => full_match(key, pattern, module),
        }
    }
}

/// Whether the whole of `text` matches, as `re.fullmatch(pattern, text)`.
fn full_match(key: &'static str, pattern: &str, text: &str) -> Result<bool> {
    let whole = format!(r"\A(?:{pattern})\Z");
    let refused = |error: onig::Error| Error::Pattern(key, pattern.into(), error.to_string());
    let regex = Regex::with_options(&whole, RegexOptions::REGEX_OPTION_NONE, Syntax::python());
    let regex = regex.map_err(refused)?;
    let (none, limits) = (SearchOptions::SEARCH_OPTION_NONE, MatchParam::default());
    // `is_match` panics where a pattern takes too many tries.
    let found = regex.match_with_param(text, 0, none, None, limits);
    Ok(found.map_err(refused)?.is_some())
}

/// The value of the pattern that fits the end of `module` (`get_pattern_key` of PEFT).
///
/// PEFT takes the first in the order of the file, which is lost when the file is read: several patterns
/// for one module must have one value.
fn chosen<T: Copy + PartialEq>(
    key: &'static str,
    patterns: &BTreeMap<String, T>,
    module: &str,
) -> Result<Option<T>> {
    let mut found = None;
    for (pattern, value) in patterns {
        let matches = full_match(key, &format!(r"(.*\.)?({pattern})"), module)?;
        if matches && found.replace(*value).is_some_and(|other| other != *value) {
            return Err(Error::Ambiguous(key, module.into()));
        }
    }
    Ok(found)
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
        assert_eq!(config.scale_of("up_proj").unwrap(), 0.5);
        config.rslora = true;
        assert_eq!(config.scale_of("up_proj").unwrap(), 2.0);
        config.rank_pattern.insert("up_proj".into(), 4);
        config.alpha_pattern.insert("layers.1.*".into(), 6.0);
        for (module, scale) in [
            ("layers.0.up_proj", 4.0),
            ("layers.1.mlp.up_proj", 3.0),
            ("gate_up_proj", 2.0),
        ] {
            assert_eq!(config.scale_of(module).unwrap(), scale, "{module}");
        }
        config.rank_pattern.insert("layers.0.up_proj".into(), 2);
        let error = config.rank_of("layers.0.up_proj").unwrap_err().to_string();
        assert!(error.contains("rank_pattern"), "{error}");
    }

    #[test]
    fn targets_match_whole_path_components() {
        let config = LoraConfig::default();
        let targets = |module| config.targets(module).unwrap();
        assert!(targets("model.layers.3.mlp.up_proj") && targets("up_proj"));
        assert!(!targets("model.layers.3.mlp.gate_up_proj"));
        assert!(!targets("model.layers.3.self_attn.q_proj"));
    }

    #[test]
    fn a_pattern_matches_the_whole_path_as_in_python() {
        let of = |pattern: &str| LoraConfig {
            target_modules: TargetModules::Pattern(pattern.into()),
            ..LoraConfig::default()
        };
        for (pattern, module, found) in [
            ("All-Linear", "model.layers.0.mlp.up_proj", true),
            (
                r".*\.layers\.(0|3)\.mlp\.up_proj",
                "model.layers.3.mlp.up_proj",
                true,
            ),
            (
                r".*\.layers\.(0|3)\.mlp\.up_proj",
                "model.layers.13.mlp.up_proj",
                false,
            ),
            ("up|up_proj", "up_proj", true),
            ("up_proj", "model.up_proj", false),
            (r"^(?!.*vision)(?P<end>.*q_proj)$", "model.q_proj", true),
            (r"^(?!.*vision).*q_proj$", "vision.q_proj", false),
        ] {
            assert_eq!(
                of(pattern).targets(module).unwrap(),
                found,
                "{pattern} {module}"
            );
        }
        let error = of("(up_proj").validate().unwrap_err().to_string();
        assert!(
            error.contains("target_modules") && error.contains("(up_proj"),
            "{error}"
        );
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

    #[test]
    fn a_pattern_that_takes_too_many_tries_is_refused() {
        let pattern = ".*.*.*.*.*.*.*.*.*.*up_projx|.*(gate|up)_proj";
        let module = "model.layers.10.mlp.experts.up_proj.and.more.and.more.gate";
        let error = full_match("target_modules", pattern, module);
        assert!(error.unwrap_err().to_string().contains("target_modules"));
        assert!(full_match("target_modules", ".*(gate|up)_proj", "a.up_proj").unwrap());
        assert!(!full_match("target_modules", "up", "a.up").unwrap());
    }
}
