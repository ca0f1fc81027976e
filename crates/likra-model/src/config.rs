//! `config.json` of a checkpoint, in either of the spellings in use.

use std::collections::BTreeMap;
use std::path::Path;

use likra_kernels::Scores;
use likra_lora::{Adapter, OUTSIDE, Target};
use serde_json::Value;

use crate::family::{Activation, Family, LayerKind};
use crate::keys::{Keys, Object, invalid};
use crate::rope::Rope;
use crate::{Error, Result};

// Past every model by far, and so small that no product of them overflows.
const WIDEST: usize = 1 << 22;
const DEEPEST: usize = 1 << 12;

/// What decides a model's shape and arithmetic, under Hugging Face's names.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Which of transformers' classes the checkpoint is of: `llama`, `qwen3`.
    pub model_type: String,
    /// What adapters call the module with the layers.
    pub(crate) base: &'static str,
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
    /// How positions turn queries and keys: every layer's first, then that of gemma3's local layers.
    pub(crate) ropes: Vec<Rope>,
    /// What each layer does with positions.
    pub(crate) layers: Vec<LayerKind>,
    /// How far back a token of a sliding layer sees, in tokens, itself included.
    pub(crate) sliding_window: Option<usize>,
    /// How many tokens a text may have (`max_position_embeddings`, or `n_positions` if that is there).
    pub max_positions: usize,
    /// Whether the embedding is the output head too.
    pub tie_word_embeddings: bool,
    /// Whether the attention's projections have a bias: of queries, keys and values, and of the output.
    pub(crate) attention_biases: (bool, bool),
    /// Whether the feed-forward's projections have a bias.
    pub(crate) mlp_bias: bool,
    pub(crate) activation: Activation,
    pub(crate) scores: Scores,
    /// `c` in `c · tanh(logit / c)`.
    pub(crate) final_softcap: Option<f64>,
    pub(crate) family: Family,
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
            return Err(Error::IsAdapter(adapter));
        }
        let parsed = likra_files::parse_json(&likra_files::read(path)?);
        let mut given: Object = parsed.map_err(|source| Error::Json(path.into(), source))?;
        let within = given.get("model_type") == Some(&"gemma3".into());
        if within {
            given = text_model(path, &given)?;
        }
        let model_type = given.get("model_type").unwrap_or(&Value::Null);
        let (family, defaults) = Family::find(model_type.as_str())
            .map_err(|families| invalid(path, "model_type", model_type, &families))?;
        let model_type = model_type.as_str().unwrap_or_default().to_owned();
        refuse_two_rotations(path, &given)?;
        let mut config = Self::resolve(&Keys::new(path, defaults, given)?, model_type, family)?;
        if within {
            // The class with images does not use it.
            config.final_softcap = None;
            config.base = "model.language_model";
        }
        Ok(config)
    }

    /// What adapters call the module that checkpoints of text models have at `path`.
    pub(crate) fn module(&self, path: &str) -> String {
        path.replacen("model", self.base, 1)
    }

    fn resolve(keys: &Keys, model_type: String, family: Family) -> Result<Self> {
        // The first of two names for a thing, if it is there.
        let named = |first, second| match keys.value(first) {
            Value::Null => second,
            _ => first,
        };
        let num_attention_heads: usize = keys.get("num_attention_heads")?;
        let hidden_size: usize = keys.get("hidden_size")?;
        let divided = hidden_size / num_attention_heads.max(1);
        let head_dim = keys.get::<Option<_>>("head_dim")?.unwrap_or(divided);
        let key_heads = keys.get::<Option<_>>("num_key_value_heads")?;
        let scalar = keys.positive("query_pre_attn_scalar")?;
        let biased = keys.flag("attention_bias")?;
        let positions = named("n_positions", "max_position_embeddings");
        let mut config = Self {
            model_type,
            base: "model",
            vocab_size: keys.get("vocab_size")?,
            hidden_size,
            intermediate_size: keys.get("intermediate_size")?,
            num_hidden_layers: keys.get("num_hidden_layers")?,
            num_attention_heads,
            num_key_value_heads: key_heads.unwrap_or(num_attention_heads),
            head_dim,
            rms_norm_eps: keys.get("rms_norm_eps")?,
            ropes: Vec::new(),
            layers: Vec::new(),
            sliding_window: None,
            max_positions: keys.get(positions)?,
            tie_word_embeddings: keys.flag("tie_word_embeddings")?,
            attention_biases: (biased || family.query_key_value_biases, biased),
            mlp_bias: keys.flag("mlp_bias")?,
            activation: keys.get(named("hidden_activation", "hidden_act"))?,
            scores: Scores {
                head_dim,
                scale: scalar.unwrap_or(head_dim as f64).sqrt().recip(),
                softcap: keys.positive("attn_logit_softcapping")?,
                rounded: false,
            },
            final_softcap: keys.positive("final_logit_softcapping")?,
            family,
        };
        config.check_sizes(keys, positions)?;
        config.ropes = Rope::read(keys, head_dim)?;
        let layers = config.family.layers(keys, config.num_hidden_layers)?;
        (config.layers, config.sliding_window) = layers;
        Ok(config)
    }

    /// Refuses sizes that make no sense, before anything is made of them.
    fn check_sizes(&self, keys: &Keys, positions: &'static str) -> Result<()> {
        let (heads, key_heads) = (self.num_attention_heads, self.num_key_value_heads);
        let even = self.head_dim > 0 && self.head_dim.is_multiple_of(2);
        let some = (1..=usize::MAX >> 1).contains(&self.max_positions);
        let within = |key, size: usize, most: usize| {
            let expected = format!("1 to {most}");
            (key, size, (1..=most).contains(&size), expected)
        };
        let divides = heads.is_multiple_of(key_heads);
        let divisor = format!("a divisor of num_attention_heads = {heads}");
        let queries = heads.saturating_mul(self.head_dim);
        let sizes = [
            within("num_hidden_layers", self.num_hidden_layers, DEEPEST),
            ("head_dim", self.head_dim, even, "an even number".into()),
            (positions, self.max_positions, some, "at least 1".into()),
            within("vocab_size", self.vocab_size, WIDEST),
            within("hidden_size", self.hidden_size, WIDEST),
            within("intermediate_size", self.intermediate_size, WIDEST),
            within("num_attention_heads", heads, WIDEST),
            within("num_key_value_heads", key_heads, WIDEST),
            within("num_attention_heads * head_dim", queries, WIDEST),
            ("num_key_value_heads", key_heads, divides, divisor),
        ];
        match sizes.into_iter().find(|(_, _, holds, _)| !holds) {
            Some((key, size, _, expected)) => Err(keys.invalid(key, &size.into(), &expected)),
            None => Ok(()),
        }
    }

    /// Every linear layer that an adapter can update, in the order of the forward pass.
    pub fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        for layer in 0..self.num_hidden_layers {
            for products in self.products() {
                targets.extend(products.linears().map(|(name, output)| Target {
                    module: self.module(&format!("model.layers.{layer}.{name}")),
                    input: products.input,
                    output,
                }));
            }
        }
        targets
    }

    /// The products of a layer: the attention's input and output, then the feed-forward's.
    pub(crate) fn products(&self) -> [Products; 4] {
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let queries = self.num_attention_heads * self.head_dim;
        let keys = self.num_key_value_heads * self.head_dim;
        let (bias, output_bias) = self.attention_biases;
        let [qkv, gate_up]: [&[&str]; 2] = match self.family.fused {
            true => [&["self_attn.qkv_proj"], &["mlp.gate_up_proj"]],
            false => [
                &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
                &["mlp.gate_proj", "mlp.up_proj"],
            ],
        };
        let products = |names, input, outputs: &[usize], bias| Products {
            names,
            input,
            outputs: outputs.to_vec(),
            bias,
        };
        [
            products(qkv, hidden, &[queries, keys, keys], bias),
            products(&["self_attn.o_proj"], queries, &[hidden], output_bias),
            products(gate_up, hidden, &[inner, inner], self.mlp_bias),
            products(&["mlp.down_proj"], inner, &[hidden], self.mlp_bias),
        ]
    }

    /// Checks that `adapter` has an update for every layer that its configuration names, in its sizes,
    /// and no other.
    ///
    /// # Errors
    ///
    /// If it has not; the message names the module and both sizes.
    pub fn check_adapter(&self, adapter: &Adapter) -> Result<()> {
        let sizes = |input: usize, output: usize| format!("{input} features in, {output} out");
        // By module, as found and as expected.
        let mut modules: BTreeMap<String, [Option<String>; 2]> = BTreeMap::new();
        for (module, update) in &adapter.updates {
            let sizes = sizes(update.a.dims()[1], update.b.dims()[0]);
            modules.entry(module.clone()).or_default()[0] = Some(sizes);
        }
        for target in self.targets() {
            if adapter.config().targets(&target.module)? {
                let sizes = sizes(target.input, target.output);
                modules.entry(target.module).or_default()[1] = Some(sizes);
            }
        }
        if self.base != "model" {
            // No text of a prompt comes through these.
            let images = ["model.vision_tower.", "model.multi_modal_projector."];
            modules.retain(|module, _| !images.iter().any(|part| module.starts_with(part)));
        }
        let differ = modules.into_iter().filter(|(_, it)| it[0] != it[1]);
        if let Some((module, [found, expected])) = differ.min_by_key(|(_, [_, it])| it.is_none()) {
            let found = found.unwrap_or_else(|| "no tensors".into());
            let expected = expected.unwrap_or_else(|| "no linear layer of this name".into());
            return Err(Error::Adapter(module, found, expected));
        }
        if let Some([_, width]) = adapter.reward.as_ref().map(burn::Tensor::dims)
            && width != self.hidden_size
        {
            let expected = format!("{} features in", self.hidden_size);
            return Err(Error::Adapter(
                "score".into(),
                format!("{width} features in"),
                expected,
            ));
        }
        for module in OUTSIDE {
            if adapter.config().targets(module)? {
                let expected = "a layer that adapters of this program cannot update";
                let found = "named by target_modules".into();
                return Err(Error::Adapter(module.into(), found, expected.into()));
            }
        }
        Ok(())
    }
}

/// Products of one input: each with a weight of its own, or all with one.
pub(crate) struct Products {
    names: &'static [&'static str],
    pub(crate) input: usize,
    /// How many outputs each of the products has.
    pub(crate) outputs: Vec<usize>,
    pub(crate) bias: bool,
}

impl Products {
    /// The linear layers, each with its name and how many outputs it has.
    pub(crate) fn linears(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let outputs = match self.names {
            [_] => vec![self.outputs.iter().sum()],
            _ => self.outputs.clone(),
        };
        self.names.iter().copied().zip(outputs)
    }
}

/// The text model's keys of a gemma3, whose file describes one for images, too.
fn text_model(path: &Path, given: &Object) -> Result<Object> {
    const KEY: &str = "text_config";
    let found = given.get(KEY).unwrap_or(&Value::Null);
    let object = || invalid(path, KEY, found, "the keys of a text model");
    let mut text = found.as_object().cloned().ok_or_else(object)?;
    text.insert("model_type".into(), "gemma3_text".into());
    let quantised = given.get("quantization_config");
    text.extend(quantised.map(|found| ("quantization_config".into(), found.clone())));
    Ok(text)
}

/// Refuses keys of transformers 4 and of transformers 5 beside each other that do not agree.
fn refuse_two_rotations(path: &Path, given: &Object) -> Result<()> {
    let Some(Value::Object(new)) = given.get("rope_parameters") else {
        return Ok(());
    };
    let local = new.get("sliding_attention");
    let local = local.and_then(|local| local.get("rope_theta"));
    let partial = "partial_rotary_factor";
    let original = "original_max_position_embeddings";
    let kind = new.get("rope_type").and_then(Value::as_str);
    let is_original_used = matches!(kind, Some("yarn" | "llama3"));
    // With whether the old one may stand alone.
    for (key, new, alone) in [
        ("rope_scaling", None, false),
        ("rope_theta", new.get("rope_theta"), false),
        ("rope_local_base_freq", local, true),
        (partial, new.get(partial), true),
        (original, new.get(original), !is_original_used),
    ] {
        let agrees = |old: &&Value| new.map_or(alone, |new| new.as_f64() == old.as_f64());
        let old = given.get(key).filter(|old| !old.is_null());
        if let Some(old) = old.filter(|old| !agrees(old)) {
            let expected = "no such key beside rope_parameters, or the same value";
            return Err(invalid(path, key, old, expected));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use fs_err as fs;
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
        assert_eq!((config.head_dim, config.scores.scale), (4, 0.5));
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
        assert!(null.attention_biases == (false, false) && !null.tie_word_embeddings);
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
        assert_ne!(old, resolve(&json!({})).unwrap());
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (change, message) in [
            (
                json!({"model_type": "gpt2"}),
                "model_type = \"gpt2\"; expected gemma2, gemma3_text, llama",
            ),
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
                json!({"rope_scaling": {"rope_type": "ntk", "factor": 2.0}}),
                "yarn or longrope",
            ),
            (
                json!({"rope_scaling": {"rope_type": "yarn"}}),
                "a key `factor`",
            ),
            (
                json!({"rope_scaling": {"rope_type": "linear", "factor": 0}}),
                "factors above 0",
            ),
            (
                json!({"model_type": "phi3", "partial_rotary_factor": 0.3}),
                "partial_rotary_factor = 0.3",
            ),
            (
                json!({"model_type": "qwen2", "layer_types": ["full_attention", "chunked_attention"]}),
                "2 times full_attention or sliding_attention",
            ),
            (
                json!({"model_type": "smollm3", "no_rope_layers": [1]}),
                "no_rope_layers = [1]",
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
                json!({"model_type": "phi3", "partial_rotary_factor": 1.0,
                       "rope_parameters": {"rope_type": "default", "rope_theta": 500_000.0, "partial_rotary_factor": 0.5}}),
                "partial_rotary_factor = 1.0",
            ),
            (
                json!({"rope_theta": null, "original_max_position_embeddings": 2048,
                       "rope_parameters": {"rope_type": "yarn", "rope_theta": 500_000.0, "factor": 4.0}}),
                "original_max_position_embeddings = 2048",
            ),
            (
                json!({"rope_scaling": {"rope_type": "su", "short_factor": [1.0, 1.0], "long_factor": [1.0, 1.0]}}),
                "a rope_type",
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
