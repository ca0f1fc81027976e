//! `config.json` of a Llama or Mistral checkpoint, in either of the spellings in use.

use std::path::Path;

use fs_err as fs;
use serde::Deserialize;
use serde_json::Value;

use crate::{Error, Result};

/// The model types whose forward pass this crate computes.
const MODEL_TYPES: [&str; 2] = ["llama", "mistral"];

/// What decides a model's shape and arithmetic, under Hugging Face's names.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `llama` or `mistral`.
    pub model_type: String,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward block.
    pub intermediate_size: usize,
    /// How many layers.
    pub num_hidden_layers: usize,
    /// Query heads of a layer.
    pub num_attention_heads: usize,
    /// Key and value heads of a layer, each shared by a group of query heads.
    pub num_key_value_heads: usize,
    /// Width of a head; not always `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    /// What is added to the mean square before its root.
    pub rms_norm_eps: f64,
    /// The base of the rotary frequencies.
    pub rope_theta: f64,
    /// Llama 3's stretching of the low rotary frequencies.
    pub rope_scaling: Option<Llama3Scaling>,
    /// How many positions back a token sees, itself included; everything if absent.
    pub sliding_window: Option<usize>,
    /// Whether the embedding is the output head too.
    pub tie_word_embeddings: bool,
    /// Whether the attention's projections have a bias.
    pub attention_bias: bool,
    /// Whether the feed-forward's projections have a bias.
    pub mlp_bias: bool,
}

/// The parameters of `rope_type: llama3` (transformers 4.57, `_compute_llama3_parameters`).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Llama3Scaling {
    /// How far the low frequencies are stretched.
    pub factor: f64,
    /// Wavelengths longer than the original context over this are stretched whole.
    pub low_freq_factor: f64,
    /// Wavelengths shorter than the original context over this are left alone.
    pub high_freq_factor: f64,
    /// The context length, in tokens, that the model was pretrained with.
    pub original_max_position_embeddings: f64,
}

/// The keys of `config.json` that matter here, as they stand in the file.
#[derive(Debug, Deserialize)]
struct ConfigFile {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    #[serde(default = "default_hidden_act")]
    hidden_act: String,
    #[serde(default = "default_rms_norm_eps")]
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_scaling: Option<Value>,
    /// transformers 5 writes theta and scaling into this one key.
    rope_parameters: Option<Value>,
    sliding_window: Option<usize>,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    quantization_config: Option<Value>,
}

/// transformers' default for both model types.
fn default_hidden_act() -> String {
    "silu".into()
}

/// transformers' default for both model types.
fn default_rms_norm_eps() -> f64 {
    1e-6
}

/// transformers' default for both model types.
const DEFAULT_ROPE_THETA: f64 = 10_000.0;

impl Config {
    /// Reads a checkpoint's `config.json`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or parsed, or describes a model that this crate does not compute:
    /// another architecture, quantised weights, another activation or rope type, heads that do not
    /// divide into groups.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path)?;
        let json = |source| Error::Json {
            path: path.into(),
            source,
        };
        // The architecture first: another one's file may lack the keys that this one needs.
        let any: Value = serde_json::from_slice(&text).map_err(json)?;
        refuse_other_models(path, &any)?;
        Self::resolve(path, serde_json::from_slice(&text).map_err(json)?)
    }

    fn resolve(path: &Path, file: ConfigFile) -> Result<Self> {
        let (rope_theta, rope_scaling) = rope(path, &file)?;
        let num_key_value_heads = file.num_key_value_heads.unwrap_or(file.num_attention_heads);
        let head_dim = file
            .head_dim
            .unwrap_or_else(|| file.hidden_size / file.num_attention_heads.max(1));
        let config = Self {
            // Llama has no window: transformers ignores the key there.
            sliding_window: file.sliding_window.filter(|_| file.model_type == "mistral"),
            model_type: file.model_type,
            vocab_size: file.vocab_size,
            hidden_size: file.hidden_size,
            intermediate_size: file.intermediate_size,
            num_hidden_layers: file.num_hidden_layers,
            num_attention_heads: file.num_attention_heads,
            num_key_value_heads,
            head_dim,
            rms_norm_eps: file.rms_norm_eps,
            rope_theta,
            rope_scaling,
            tie_word_embeddings: file.tie_word_embeddings,
            attention_bias: file.attention_bias,
            mlp_bias: file.mlp_bias,
        };
        if file.hidden_act != "silu" {
            return Err(invalid(path, "hidden_act", &file.hidden_act, "silu"));
        }
        if file.quantization_config.is_some() {
            let expected = "none: quantised weights are not supported";
            return Err(invalid(path, "quantization_config", &"{..}", expected));
        }
        config.check_sizes(path)?;
        Ok(config)
    }

    fn check_sizes(&self, path: &Path) -> Result<()> {
        for (key, size) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
        ] {
            if size == 0 {
                return Err(invalid(path, key, &size, "at least 1"));
            }
        }
        if !self
            .num_attention_heads
            .is_multiple_of(self.num_key_value_heads)
        {
            let expected = format!(
                "a divisor of num_attention_heads = {}",
                self.num_attention_heads
            );
            return Err(invalid(
                path,
                "num_key_value_heads",
                &self.num_key_value_heads,
                expected,
            ));
        }
        if self.head_dim == 0 || !self.head_dim.is_multiple_of(2) {
            return Err(invalid(path, "head_dim", &self.head_dim, "an even number"));
        }
        if self.sliding_window == Some(0) {
            return Err(invalid(path, "sliding_window", &0, "at least 1, or null"));
        }
        Ok(())
    }

    /// How many query heads share one key and value head.
    #[must_use]
    pub fn queries_per_key(&self) -> usize {
        self.num_attention_heads / self.num_key_value_heads
    }
}

fn refuse_other_models(path: &Path, file: &Value) -> Result<()> {
    let model_type = file.get("model_type").and_then(Value::as_str);
    match model_type {
        Some(model_type) if MODEL_TYPES.contains(&model_type) => Ok(()),
        other => {
            let found = other.unwrap_or("(none)");
            Err(invalid(
                path,
                "model_type",
                &found,
                format!("one of {MODEL_TYPES:?}"),
            ))
        }
    }
}

/// Theta and scaling, from `rope_theta` and `rope_scaling` or from `rope_parameters`.
fn rope(path: &Path, file: &ConfigFile) -> Result<(f64, Option<Llama3Scaling>)> {
    let parameters = file.rope_parameters.as_ref().or(file.rope_scaling.as_ref());
    let theta = parameters
        .and_then(|parameters| parameters.get("rope_theta")?.as_f64())
        .or(file.rope_theta)
        .unwrap_or(DEFAULT_ROPE_THETA);
    let Some(parameters) = parameters.filter(|parameters| !parameters.is_null()) else {
        return Ok((theta, None));
    };
    let kind = parameters
        .get("rope_type")
        .or_else(|| parameters.get("type"));
    match kind.and_then(Value::as_str) {
        Some("default") => Ok((theta, None)),
        Some("llama3") => {
            let scaling = Llama3Scaling::deserialize(parameters).map_err(|source| Error::Json {
                path: path.into(),
                source,
            })?;
            Ok((theta, Some(scaling)))
        }
        _ => {
            let found = kind.map_or("(none)".into(), ToString::to_string);
            Err(invalid(
                path,
                "rope_scaling.rope_type",
                &found,
                "default or llama3",
            ))
        }
    }
}

fn invalid(
    path: &Path,
    key: &'static str,
    found: &dyn std::fmt::Display,
    expected: impl Into<String>,
) -> Error {
    Error::Config {
        path: path.into(),
        key,
        found: found.to_string(),
        expected: expected.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolve(changes: &Value) -> Result<Config> {
        let mut file = json!({
            "model_type": "llama", "vocab_size": 32, "hidden_size": 24, "intermediate_size": 48,
            "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 2,
            "rms_norm_eps": 1e-5, "rope_theta": 500_000.0,
        });
        for (key, value) in changes.as_object().unwrap() {
            file[key] = value.clone();
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        fs::write(&path, file.to_string()).unwrap();
        Config::read(&path)
    }

    #[test]
    fn derived_values_follow_transformers() {
        let config = resolve(&json!({})).unwrap();
        assert_eq!((config.head_dim, config.queries_per_key()), (4, 3));
        assert_eq!(resolve(&json!({"head_dim": 16})).unwrap().head_dim, 16);
    }

    #[test]
    fn a_window_is_a_matter_of_mistral() {
        let window = json!({"sliding_window": 8});
        assert_eq!(resolve(&window).unwrap().sliding_window, None);
        let window = json!({"sliding_window": 8, "model_type": "mistral"});
        assert_eq!(resolve(&window).unwrap().sliding_window, Some(8));
    }

    #[test]
    fn both_spellings_of_rope_are_read() {
        let llama3 = json!({"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 8192});
        let old = resolve(&json!({"rope_scaling": llama3})).unwrap();
        let mut parameters = llama3.clone();
        parameters["rope_theta"] = json!(500_000.0);
        let new = resolve(&json!({"rope_theta": null, "rope_parameters": parameters})).unwrap();
        assert_eq!(old, new);
        assert_eq!(old.rope_scaling.unwrap().factor, 32.0);
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (change, message) in [
            (json!({"model_type": "qwen2"}), "model_type = qwen2"),
            (json!({"hidden_act": "gelu"}), "hidden_act = gelu"),
            (
                json!({"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}),
                "yarn",
            ),
            (json!({"quantization_config": {"bits": 4}}), "quantised"),
            (
                json!({"num_key_value_heads": 4}),
                "divisor of num_attention_heads = 6",
            ),
            (json!({"num_attention_heads": 0}), "num_attention_heads = 0"),
            (json!({"head_dim": 5}), "head_dim = 5"),
        ] {
            let error = resolve(&change).unwrap_err().to_string();
            assert!(
                error.contains(message) && error.contains("config.json"),
                "{error}"
            );
        }
    }
}
