//! `config.json` of a Llama or Mistral checkpoint, in either of the spellings in use.

use std::collections::BTreeMap;
use std::path::Path;

use likra_lora::{Adapter, OUTSIDE, Target};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{Error, Result};

/// What an absent key means: the defaults of transformers' class for a model type (`LlamaConfig` and
/// `MistralConfig` of 4.57.1). Other model types are not computed here.
fn defaults(model_type: &str) -> Option<Value> {
    let mut keys = json!({
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": null, "head_dim": null,
        "hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-6,
        "tie_word_embeddings": false, "rope_theta": 10000.0, "rope_scaling": null,
        "attention_bias": false, "mlp_bias": false, "sliding_window": null,
    });
    match model_type {
        "llama" => {}
        "mistral" => {
            keys["intermediate_size"] = 14336.into();
            keys["num_key_value_heads"] = 8.into();
            keys["max_position_embeddings"] = (4096 * 32).into();
            keys["sliding_window"] = 4096.into();
        }
        _ => return None,
    }
    Some(keys)
}

/// Keys that a model type's class does not have, so that transformers passes over them.
fn foreign(model_type: &str) -> &'static [&'static str] {
    match model_type {
        "mistral" => &["attention_bias", "mlp_bias"],
        _ => &["sliding_window"],
    }
}

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
    /// How many tokens a text may have (`max_position_embeddings`, or `n_positions` if that is there).
    pub max_positions: usize,
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

impl Config {
    /// Reads a checkpoint's `config.json`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or parsed, or describes a model that this crate does not compute:
    /// another architecture, quantised weights, another activation or rope type, heads that do not
    /// divide into groups.
    pub fn read(path: &Path) -> Result<Self> {
        let adapter = path.with_file_name("adapter_config.json");
        if adapter.exists() {
            return Err(Error::IsAdapter { path: adapter });
        }
        let parsed = likra_files::parse_json(&likra_files::read(path)?);
        let given: Map<String, Value> = parsed.map_err(|source| Error::Json {
            path: path.into(),
            source,
        })?;
        let model_type = given.get("model_type").unwrap_or(&Value::Null);
        let known = model_type
            .as_str()
            .and_then(|name| Some((name.to_owned(), defaults(name)?)));
        let Some((model_type, Value::Object(mut keys))) = known else {
            return Err(invalid(path, "model_type", model_type, "llama or mistral"));
        };
        refuse_two_rotations(path, &given)?;
        let foreign = foreign(&model_type);
        keys.extend(
            given
                .into_iter()
                .filter(|(key, _)| !foreign.contains(&key.as_str())),
        );
        let keys = Keys { path, keys };
        keys.refuse_unknown_functions()?;
        Self::resolve(&keys, model_type)
    }

    fn resolve(keys: &Keys, model_type: String) -> Result<Self> {
        let (rope_theta, rope_scaling) = rope(keys)?;
        let num_attention_heads: usize = keys.get("num_attention_heads")?;
        let hidden_size: usize = keys.get("hidden_size")?;
        let divided = hidden_size / num_attention_heads.max(1);
        let flag = |key| {
            keys.get::<Option<bool>>(key)
                .map(|flag| flag.unwrap_or(false))
        };
        let set = keys.keys.get("n_positions").filter(|set| !set.is_null());
        let positions = set.map_or("max_position_embeddings", |_| "n_positions");
        let max_positions = keys.get(positions)?;
        if !(1..=usize::MAX >> 1).contains(&max_positions) {
            let found = max_positions.into();
            return Err(invalid(keys.path, positions, &found, "at least 1"));
        }
        let config = Self {
            model_type,
            vocab_size: keys.get("vocab_size")?,
            hidden_size,
            intermediate_size: keys.get("intermediate_size")?,
            num_hidden_layers: keys.get("num_hidden_layers")?,
            num_attention_heads,
            num_key_value_heads: keys
                .get::<Option<_>>("num_key_value_heads")?
                .unwrap_or(num_attention_heads),
            head_dim: keys.get::<Option<_>>("head_dim")?.unwrap_or(divided),
            rms_norm_eps: keys.get("rms_norm_eps")?,
            rope_theta,
            rope_scaling,
            sliding_window: keys.get("sliding_window")?,
            max_positions,
            tie_word_embeddings: flag("tie_word_embeddings")?,
            attention_bias: flag("attention_bias")?,
            mlp_bias: flag("mlp_bias")?,
        };
        config.check_sizes(keys.path)?;
        Ok(config)
    }

    fn check_sizes(&self, path: &Path) -> Result<()> {
        // Past every model by far, and so small that no product of them overflows.
        const WIDEST: usize = 1 << 22;
        const DEEPEST: usize = 1 << 12;
        let queries = self.num_attention_heads.saturating_mul(self.head_dim);
        for (key, size, most) in [
            ("vocab_size", self.vocab_size, WIDEST),
            ("hidden_size", self.hidden_size, WIDEST),
            ("intermediate_size", self.intermediate_size, WIDEST),
            ("num_hidden_layers", self.num_hidden_layers, DEEPEST),
            ("num_attention_heads", self.num_attention_heads, WIDEST),
            ("num_key_value_heads", self.num_key_value_heads, WIDEST),
            ("num_attention_heads * head_dim", queries, WIDEST),
        ] {
            if !(1..=most).contains(&size) {
                return Err(invalid(path, key, &size.into(), &format!("1 to {most}")));
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
                &self.num_key_value_heads.into(),
                &expected,
            ));
        }
        if self.head_dim == 0 || !self.head_dim.is_multiple_of(2) {
            return Err(invalid(
                path,
                "head_dim",
                &self.head_dim.into(),
                "an even number",
            ));
        }
        if self.sliding_window == Some(0) {
            return Err(invalid(
                path,
                "sliding_window",
                &0.into(),
                "at least 1, or null",
            ));
        }
        Ok(())
    }

    /// Every linear layer that an adapter can update, in the order of the forward pass.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let queries = self.num_attention_heads * self.head_dim;
        let keys = self.num_key_value_heads * self.head_dim;
        let of_layer = |number| {
            [
                ("self_attn.q_proj", hidden, queries),
                ("self_attn.k_proj", hidden, keys),
                ("self_attn.v_proj", hidden, keys),
                ("self_attn.o_proj", queries, hidden),
                ("mlp.gate_proj", hidden, inner),
                ("mlp.up_proj", hidden, inner),
                ("mlp.down_proj", inner, hidden),
            ]
            .map(|(name, input, output)| Target {
                module: format!("model.layers.{number}.{name}"),
                input,
                output,
            })
        };
        (0..self.num_hidden_layers).flat_map(of_layer).collect()
    }

    /// Checks that `adapter` has an update for every layer that its configuration names, in its sizes,
    /// and no other.
    ///
    /// # Errors
    ///
    /// If it has not; the message names the module and both sizes.
    pub fn check_adapter(&self, adapter: &Adapter) -> Result<()> {
        let sizes = |input: usize, output: usize| format!("{input} features in, {output} out");
        let mut expected: BTreeMap<String, String> = BTreeMap::new();
        for target in self.targets() {
            if adapter.config().targets(&target.module)? {
                expected.insert(target.module, sizes(target.input, target.output));
            }
        }
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for (module, update) in adapter.updates() {
            let sizes = sizes(update.a.dims()[1], update.b.dims()[0]);
            found.insert(module.to_owned(), sizes);
        }
        for module in expected.keys().chain(found.keys()) {
            let (found, expected) = (found.get(module), expected.get(module));
            if found != expected {
                let or =
                    |sizes: Option<&String>, none: &str| sizes.map_or(none.into(), String::clone);
                return Err(Error::Adapter {
                    module: module.clone(),
                    found: or(found, "no tensors"),
                    expected: or(expected, "no linear layer of this name"),
                });
            }
        }
        for module in OUTSIDE {
            if adapter.config().targets(module)? {
                return Err(Error::Adapter {
                    module: module.into(),
                    found: "named by target_modules".into(),
                    expected: "a layer that adapters of this program cannot update".into(),
                });
            }
        }
        Ok(())
    }

    /// How many query heads share one key and value head.
    #[must_use]
    pub fn queries_per_key(&self) -> usize {
        self.num_attention_heads / self.num_key_value_heads
    }
}

/// The keys of a `config.json`, with the defaults of its model type.
struct Keys<'a> {
    path: &'a Path,
    keys: Map<String, Value>,
}

impl Keys<'_> {
    /// The value of a key, which is there unless its class has no default for it.
    fn get<T: DeserializeOwned>(&self, key: &'static str) -> Result<T> {
        let value = self.keys.get(key).unwrap_or(&Value::Null);
        T::deserialize(value).map_err(|error| {
            let message = error.to_string();
            let expected = message.rsplit("expected ").next().unwrap_or(&message);
            invalid(self.path, key, value, expected)
        })
    }

    /// Refuses keys that change what a model of any type computes, and that are not implemented.
    fn refuse_unknown_functions(&self) -> Result<()> {
        let one_of: [(&'static str, &[Value], &str); 6] = [
            ("hidden_act", &["silu".into(), "swish".into()], "silu"),
            (
                "partial_rotary_factor",
                &[1.0.into(), 1.into()],
                "1, or no such key: only rotations of whole heads are computed",
            ),
            (
                "quantization_config",
                &[],
                "no such key: quantised weights are not supported",
            ),
            ("pruned_heads", &[json!({})], "no pruned heads"),
            ("chunk_size_feed_forward", &[0.into()], "0"),
            (
                "transformers_weights",
                &[],
                "no such key: the weights are model.safetensors or its shards",
            ),
        ];
        for (key, accepted, expected) in one_of {
            let found = self.keys.get(key).unwrap_or(&Value::Null);
            let absent = found.is_null() && key != "hidden_act";
            if !absent && !accepted.contains(found) {
                return Err(invalid(self.path, key, found, expected));
            }
        }
        Ok(())
    }
}

/// Refuses keys of transformers 4 and of transformers 5 beside each other that do not agree.
fn refuse_two_rotations(path: &Path, given: &Map<String, Value>) -> Result<()> {
    let Some(Value::Object(new)) = given.get("rope_parameters") else {
        return Ok(());
    };
    for (key, new) in [
        ("rope_scaling", None),
        ("rope_theta", new.get("rope_theta")),
    ] {
        let old = given.get(key).filter(|old| !old.is_null());
        if let Some(old) =
            old.filter(|old| new.and_then(Value::as_f64) != old.as_f64() || new.is_none())
        {
            return Err(invalid(
                path,
                key,
                old,
                "no such key beside rope_parameters",
            ));
        }
    }
    Ok(())
}

/// Theta and scaling, from `rope_theta` and `rope_scaling`, or from `rope_parameters` of transformers 5,
/// which has both.
fn rope(keys: &Keys) -> Result<(f64, Option<Llama3Scaling>)> {
    let path = keys.path;
    let (key, parameters) = match keys.keys.get("rope_parameters") {
        Some(parameters @ Value::Object(_)) => ("rope_parameters", parameters),
        _ => ("rope_scaling", &keys.keys["rope_scaling"]),
    };
    let theta = match parameters
        .get("rope_theta")
        .filter(|_| key == "rope_parameters")
    {
        Some(theta) => theta
            .as_f64()
            .ok_or_else(|| invalid(path, key, parameters, "a number for rope_theta"))?,
        None => keys.get("rope_theta")?,
    };
    if parameters.is_null() {
        return Ok((theta, None));
    }
    if let Some(partial) = parameters.get("partial_rotary_factor")
        && partial.as_f64() != Some(1.0)
    {
        return Err(invalid(path, key, parameters, "partial_rotary_factor of 1"));
    }
    let kinds = [parameters.get("rope_type"), parameters.get("type")];
    let kind = match kinds {
        [Some(new), Some(old)] if new != old => None,
        _ => kinds[0].or(kinds[1]),
    };
    match kind.and_then(Value::as_str) {
        Some("default") => Ok((theta, None)),
        Some("llama3") => {
            let scaling = Llama3Scaling::deserialize(parameters);
            let refused =
                |error: serde_json::Error| invalid(path, key, parameters, &error.to_string());
            Ok((theta, Some(scaling.map_err(refused)?)))
        }
        _ => Err(invalid(
            path,
            key,
            parameters,
            "a rope_type, default or llama3",
        )),
    }
}

fn invalid(path: &Path, key: &'static str, found: &Value, expected: &str) -> Error {
    Error::Config {
        path: path.into(),
        key,
        found: found.to_string(),
        expected: expected.into(),
    }
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

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
    fn an_absent_key_has_the_default_of_its_family() {
        let only = |text: &str| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("config.json");
            fs::write(&path, text).unwrap();
            Config::read(&path).unwrap()
        };
        let llama = only("{\"model_type\": \"llama\"}");
        assert_eq!(
            (llama.num_key_value_heads, llama.sliding_window),
            (32, None)
        );
        assert_eq!(
            (llama.intermediate_size, llama.max_positions),
            (11008, 2048)
        );
        let mistral = only("{\"model_type\": \"mistral\"}");
        assert_eq!(
            (mistral.num_key_value_heads, mistral.sliding_window),
            (8, Some(4096))
        );
        assert_eq!(
            (mistral.intermediate_size, mistral.max_positions),
            (14336, 131_072)
        );
        let null = only(
            "{\"model_type\": \"mistral\", \"num_key_value_heads\": null, \"sliding_window\": 7, \"x\": NaN,
              \"sliding_window\": null, \"attention_bias\": true, \"tie_word_embeddings\": null}",
        );
        assert_eq!((null.num_key_value_heads, null.sliding_window), (32, None));
        assert!(!null.attention_bias && !null.tie_word_embeddings);
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
            (json!({"model_type": "qwen2"}), "model_type = \"qwen2\""),
            (json!({"hidden_act": "gelu"}), "hidden_act = \"gelu\""),
            (
                json!({"partial_rotary_factor": 0.5}),
                "partial_rotary_factor = 0.5",
            ),
            (json!({"vocab_size": null}), "vocab_size = null"),
            (json!({"hidden_act": null}), "hidden_act = null"),
            (json!({"rms_norm_eps": "NaN"}), "rms_norm_eps = \"NaN\""),
            (json!({"rope_scaling": {}}), "rope_scaling = {}"),
            (
                json!({"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}),
                "yarn",
            ),
            (
                json!({"rope_theta": 100.0, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}),
                "rope_theta = 100.0",
            ),
            (
                json!({"rope_scaling": {"rope_type": "default"}, "rope_parameters": {"rope_type": "default"}}),
                "beside rope_parameters",
            ),
            (
                json!({"transformers_weights": "other.safetensors"}),
                "transformers_weights",
            ),
            (
                json!({"n_positions": 0}),
                "n_positions = 0; expected at least 1",
            ),
            (json!({"quantization_config": {"bits": 4}}), "quantised"),
            (
                json!({"num_key_value_heads": 4}),
                "divisor of num_attention_heads = 6",
            ),
            (json!({"num_attention_heads": 0}), "num_attention_heads = 0"),
            (json!({"head_dim": 5}), "head_dim = 5"),
            (json!({"num_hidden_layers": 1_u64 << 40}), "1 to 4096"),
        ] {
            let error = resolve(&change).unwrap_err().to_string();
            assert!(
                error.contains(message) && error.contains("config.json"),
                "{error}"
            );
        }
    }
}
