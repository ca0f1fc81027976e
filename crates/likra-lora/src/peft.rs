//! Adapter folders as PEFT reads and writes them: `adapter_config.json` and
//! `adapter_model.safetensors` (checked against PEFT 0.21).

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use likra_files::write_atomically;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::tensors::{load_tensors, mismatch, save_tensors};
use crate::{Adapter, Error, LoraConfig, LowRank, Result};

const CONFIG: &str = "adapter_config.json";
const TENSORS: &str = "adapter_model.safetensors";
/// What PEFT puts before a module's path in the base model.
const PREFIX: &str = "base_model.model.";

/// The keys of `adapter_config.json` that may have any value: they do not change what an adapter
/// computes, or are read by themselves.
const ANY: [&str; 16] = [
    "alpha_pattern",
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "lora_alpha",
    "lora_dropout",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "use_rslora",
    // Only of weight where another key, which is refused, asks for it.
    "loftq_config",
];
/// The keys with values that mean a plain update. All others, known or not, must be empty: each is a
/// variant of LoRA, or will be one.
const PLAIN: [(&str, &[&str]); 4] = [
    ("peft_type", &["\"LORA\""]),
    ("task_type", &["\"CAUSAL_LM\"", "null"]),
    ("bias", &["\"none\""]),
    // The others begin with a change of the base's weights, or may do so one day.
    (
        "init_lora_weights",
        &["true", "false", "null", "\"gaussian\""],
    ),
];
const EMPTY: [&str; 3] = ["null", "false", "[]"];

impl Adapter {
    /// Writes the adapter into the folder `dir`, which is made if need be. Each file is written
    /// beside its place and renamed, so that it is whole or absent.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let tensors = self
            .tensors()
            .into_iter()
            .map(|(name, tensor)| (format!("{PREFIX}{name}"), tensor));
        save_tensors(&dir.join(TENSORS), tensors, ("format", "pt"))?;
        let config = format!("{:#}\n", config_file(self));
        let write = |to: &mut dyn std::io::Write| to.write_all(config.as_bytes());
        Ok(write_atomically(&dir.join(CONFIG), write)?)
    }

    /// Reads the adapter in the folder `dir`.
    ///
    /// # Errors
    ///
    /// If a file is missing or malformed, a tensor does not fit the configuration, or the adapter
    /// uses a part of PEFT that is not a plain low-rank update (dropout aside, which only matters
    /// while training).
    pub fn load(dir: &Path, device: &Device) -> Result<Self> {
        let (config, base) = read_config(&dir.join(CONFIG))?;
        let of_config = |source| Error::Config {
            path: dir.join(CONFIG),
            source: Box::new(source),
        };
        let path = dir.join(TENSORS);
        let mut halves = load_tensors(&path, device)?;
        let modules: Vec<String> = halves
            .keys()
            .filter_map(|name| name.strip_prefix(PREFIX)?.strip_suffix(".lora_A.weight"))
            .map(String::from)
            .collect();
        let mut updates = BTreeMap::new();
        for module in modules {
            if !config.targets(&module).map_err(of_config)? {
                let name = format!("{PREFIX}{module}.lora_A.weight");
                let expected = "only modules that target_modules of adapter_config.json names";
                return Err(mismatch(&path, &name, expected, "another one"));
            }
            let shape = config
                .rank_of(&module)
                .and_then(|rank| Ok((rank, config.scale_of(&module)?)));
            let update = take_update(&path, &module, shape.map_err(of_config)?, &mut halves)?;
            updates.insert(module, update);
        }
        let expected = "only pairs of lora_A and lora_B weights, at least one";
        match halves.into_keys().next() {
            Some(name) => Err(mismatch(&path, &name, expected, "another name")),
            None if updates.is_empty() => Err(mismatch(&path, "*", expected, "none")),
            None => Ok(Self::from_parts(config, updates).of_base(base)),
        }
    }
}

/// What PEFT would write of an adapter; it has a whole alpha as an integer.
fn config_file(adapter: &Adapter) -> Value {
    let config = adapter.config();
    let number = |alpha: f64| match alpha {
        whole if whole.fract() == 0.0 && whole < f64::from(u32::MAX) => json!(whole as u32),
        alpha => json!(alpha),
    };
    let alphas = config.alpha_pattern.iter();
    let alphas: Map<String, Value> = alphas
        .map(|(key, alpha)| (key.clone(), number(*alpha)))
        .collect();
    json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": adapter.base(),
        "r": config.rank,
        "lora_alpha": number(config.alpha),
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": config.target_modules,
        "use_rslora": config.rslora,
        "use_dora": false,
        "fan_in_fan_out": false,
        "rank_pattern": config.rank_pattern,
        "alpha_pattern": alphas,
        "modules_to_save": null,
        "inference_mode": true,
    })
}

/// The adapter's shape, and the name or path of its base if there is one.
fn read_config(path: &Path) -> Result<(LoraConfig, Option<String>)> {
    let parsed = likra_files::parse_json(&likra_files::read(path)?);
    let mut keys: Map<String, Value> = parsed.map_err(|source| Error::Json {
        path: path.into(),
        source,
    })?;
    keys.entry("peft_type").or_insert(Value::Null);
    for (key, value) in &keys {
        let plain = PLAIN.iter().find(|(plain, _)| plain == key);
        let accepted = plain.map_or(&EMPTY[..], |(_, values)| values);
        if !ANY.contains(&key.as_str()) && !accepted.contains(&value.to_string().as_str()) {
            let expected = match plain {
                Some((_, values)) => values.join(" or "),
                None => "no such key, or null: only plain LoRA is computed".into(),
            };
            return Err(unsupported(path, key, value, &expected));
        }
    }
    let config = LoraConfig {
        rank: setting(path, &keys, "r")?.unwrap_or(8),
        alpha: setting(path, &keys, "lora_alpha")?.unwrap_or(8.0),
        target_modules: setting(path, &keys, "target_modules")?.ok_or_else(|| {
            let expected = "a list of module names, a regular expression or all-linear";
            unsupported(path, "target_modules", &Value::Null, expected)
        })?,
        rslora: setting(path, &keys, "use_rslora")?.unwrap_or(false),
        rank_pattern: setting(path, &keys, "rank_pattern")?.unwrap_or_default(),
        alpha_pattern: setting(path, &keys, "alpha_pattern")?.unwrap_or_default(),
    };
    config.validate().map_err(|source| Error::Config {
        path: path.into(),
        source: Box::new(source),
    })?;
    Ok((config, setting(path, &keys, "base_model_name_or_path")?))
}

/// The value of a key that may be absent or null.
fn setting<T: DeserializeOwned>(
    path: &Path,
    keys: &Map<String, Value>,
    key: &str,
) -> Result<Option<T>> {
    let value = keys.get(key).unwrap_or(&Value::Null);
    Option::deserialize(value).map_err(|error| {
        let message = error.to_string();
        let expected = message.rsplit("expected ").next().unwrap_or(&message);
        unsupported(path, key, value, expected)
    })
}

fn unsupported(path: &Path, key: &str, found: &Value, expected: &str) -> Error {
    Error::Unsupported {
        path: path.into(),
        key: key.into(),
        found: found.to_string(),
        expected: expected.into(),
    }
}

/// Takes the two halves of `module`'s update out of `halves` and checks that they fit each other.
fn take_update(
    path: &Path,
    module: &str,
    (rank, scale): (usize, f64),
    halves: &mut BTreeMap<String, Tensor<2>>,
) -> Result<LowRank> {
    let mut take = |half: &str| {
        let name = format!("{PREFIX}{module}.{half}.weight");
        let tensor = halves.remove(&name);
        tensor
            .map(|tensor| (name.clone(), tensor))
            .ok_or_else(|| mismatch(path, &name, "a tensor", "none of this name"))
    };
    let (a_name, a) = take("lora_A")?;
    let (b_name, b) = take("lora_B")?;
    let ([a_rank, input], [output, b_rank]) = (a.dims(), b.dims());
    let halves = [
        (a_name, a_rank, format!("[{rank}, in]"), [a_rank, input]),
        (b_name, b_rank, format!("[out, {rank}]"), [output, b_rank]),
    ];
    match halves.iter().find(|(_, found, ..)| *found != rank) {
        Some((name, _, expected, found)) => {
            Err(mismatch(path, name, expected, &format!("{found:?}")))
        }
        None => Ok(LowRank { a, b, scale }),
    }
}
