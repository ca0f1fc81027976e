//! Adapter folders as PEFT reads and writes them: `adapter_config.json` and
//! `adapter_model.safetensors` (checked against PEFT 0.21).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use likra_files::write_atomically;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::adapter::SCORE;
use crate::selection::Selection;
use crate::tensors::{load_tensors, save_tensors};
use crate::{Adapter, Error, LoraConfig, LowRank, Result, TargetModules};

const CONFIG: &str = "adapter_config.json";
const TENSORS: &str = "adapter_model.safetensors";
/// What PEFT puts before a module's path in the base model.
const PREFIX: &str = "base_model.model.";

/// Keys of `adapter_config.json` that do not change what an adapter computes, and may have any value.
const ANY: [&str; 9] = [
    "auto_mapping",
    "inference_mode",
    "lora_dropout",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    // Only of weight where another key, which is refused, asks for it.
    "loftq_config",
];
/// The keys with values that mean a plain update. All others, known or not, must be empty: each is a
/// variant of LoRA, or will be one.
const PLAIN: [(&str, &str); 5] = [
    ("peft_type", "\"LORA\""),
    ("task_type", "\"CAUSAL_LM\" or \"SEQ_CLS\" or null"),
    ("bias", "\"none\""),
    // The others begin with a change of the base's weights, or may do so one day.
    (
        "init_lora_weights",
        "true or false or null or \"gaussian\" or \"orthogonal\" or \"eva\"",
    ),
    // PEFT undoes it for linear layers.
    ("fan_in_fan_out", "true or false or null"),
];
const EMPTY: &str = "null or false or []";

impl Adapter {
    /// The files that an adapter in the folder `dir` is read from.
    pub fn files(dir: &Path) -> [PathBuf; 2] {
        [CONFIG, TENSORS].map(|file| dir.join(file))
    }

    /// Writes the adapter into the folder `dir`, which is made if need be. Each file is written
    /// beside its place and renamed, so that it is whole or absent.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let tensors = self.tensors().into_iter();
        let tensors = tensors.map(|(name, tensor)| (format!("{PREFIX}{name}"), tensor));
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
        let (mut config, base, has_reward, selection) = read_config(&dir.join(CONFIG))?;
        let of_config = |error: Error| Error::File(dir.join(CONFIG), error.to_string());
        let path = tensor_file(dir)?;
        let refused =
            |name: &str, expected: &str, found: &str| Error::tensor(&path, name, expected, found);
        let pairs = "only pairs of lora_A and lora_B weights, at least one";
        let mut updates = BTreeMap::new();
        let mut halves = load_tensors(&path, device)?;
        let reward = has_reward.then(|| reward(&path, &mut halves)).transpose()?;
        // Of the two halves of a pair, A is the first.
        while let Some((a_name, a)) = halves.pop_first() {
            let module = a_name.strip_prefix(PREFIX);
            let Some(module) = module.and_then(|name| name.strip_suffix(".lora_A.weight")) else {
                return Err(refused(&a_name, pairs, "another name"));
            };
            // What earlier versions of transformers called it in a model with images.
            let name = match module.strip_prefix("language_model.model.") {
                Some(rest) => format!("model.language_model.{rest}"),
                None => module.to_owned(),
            };
            let keeps = |some: &Selection| some.keeps(module);
            let is_meant = selection
                .as_ref()
                .map_or_else(|| config.targets(module), keeps);
            if !is_meant.map_err(of_config)? {
                let expected = "only modules that target_modules of adapter_config.json names, less what \
                                layers_to_transform and exclude_modules leave out";
                return Err(refused(&a_name, expected, "another one"));
            }
            if let TargetModules::Names(names) = &mut config.target_modules
                && selection.is_some()
            {
                names.extend([module.to_owned(), name.clone()]);
            }
            let rank = config.rank_of(module).map_err(of_config)?;
            let scale = config.scale_of(module).map_err(of_config)?;
            let b_name = format!("{PREFIX}{module}.lora_B.weight");
            let none = || refused(&b_name, "a tensor", "none of this name");
            let b = halves.remove(&b_name).ok_or_else(none)?;
            let both = [
                (&a_name, a.dims(), format!("[{rank}, in]")),
                (&b_name, b.dims(), format!("[out, {rank}]")),
            ];
            for (place, (name, shape, expected)) in both.into_iter().enumerate() {
                if shape[place] != rank {
                    return Err(refused(name, &expected, &format!("{shape:?}")));
                }
            }
            updates.insert(name, LowRank { a, b, scale });
        }
        if updates.is_empty() {
            return Err(refused("*", pairs, "none"));
        }
        Ok(Self {
            config,
            base,
            updates,
            reward,
        })
    }
}

/// Takes out the layer that gives a reward, `[1, hidden]`.
fn reward(path: &Path, tensors: &mut BTreeMap<String, Tensor<2>>) -> Result<Tensor<2>> {
    let name = format!("{PREFIX}{SCORE}");
    let found = tensors.remove(&name);
    let shape = found.as_ref().map(Tensor::dims);
    let is_one = found.filter(|found| found.dims()[0] == 1);
    is_one.ok_or_else(|| {
        let found = shape.map_or("none".into(), |shape| format!("{shape:?}"));
        Error::tensor(path, &name, "[1, hidden]: one label", &found)
    })
}

/// The file of an adapter's tensors.
fn tensor_file(dir: &Path) -> Result<PathBuf> {
    let (path, other) = (dir.join(TENSORS), dir.join("adapter_model.bin"));
    if !path.exists() && other.exists() {
        let message = "this format is not read; expected adapter_model.safetensors, as save_pretrained writes it by \
                       default";
        return Err(Error::File(other, message.into()));
    }
    Ok(path)
}

/// What PEFT would write of an adapter; it has a whole alpha as an integer.
fn config_file(adapter: &Adapter) -> Value {
    let config = adapter.config();
    let number = |alpha: f64| match alpha {
        whole if whole.fract() == 0.0 && whole < f64::from(u32::MAX) => json!(whole as u32),
        alpha => json!(alpha),
    };
    let alphas = config.alpha_pattern.iter();
    let alphas: BTreeMap<&String, Value> = alphas.map(|(key, &of)| (key, number(of))).collect();
    let (task, saved) = match adapter.reward {
        None => ("CAUSAL_LM", Value::Null),
        Some(_) => ("SEQ_CLS", json!(["classifier", "score"])),
    };
    json!({
        "peft_type": "LORA",
        "task_type": task,
        "base_model_name_or_path": adapter.base,
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
        "modules_to_save": saved,
        "inference_mode": true,
    })
}

/// The adapter's shape, the name or path of its base if there is one, whether it gives rewards, and what it selects if it
/// leaves out some of the layers that `target_modules` names: then its shape names none.
fn read_config(path: &Path) -> Result<(LoraConfig, Option<String>, bool, Option<Selection>)> {
    let parsed = likra_files::parse_json(&likra_files::read(path)?);
    let mut keys: Map<String, Value> =
        parsed.map_err(|error| Error::File(path.into(), error.to_string()))?;
    let base = take(path, &mut keys, "base_model_name_or_path")?;
    let targets: Option<TargetModules> = take(path, &mut keys, "target_modules")?;
    let mut config = LoraConfig {
        rank: take(path, &mut keys, "r")?.unwrap_or(8),
        alpha: take(path, &mut keys, "lora_alpha")?.unwrap_or(8.0),
        rslora: take(path, &mut keys, "use_rslora")?.unwrap_or(false),
        rank_pattern: take(path, &mut keys, "rank_pattern")?.unwrap_or_default(),
        alpha_pattern: take(path, &mut keys, "alpha_pattern")?.unwrap_or_default(),
        ..LoraConfig::default()
    };
    let saved: Vec<String> = take(path, &mut keys, "modules_to_save")?.unwrap_or_default();
    // The layer of a reward; PEFT adds `classifier` for families that call it so.
    if let Some(other) = saved
        .iter()
        .find(|one| !["score", "classifier"].contains(&&***one))
    {
        let expected = "null or [] or [\"score\"]";
        return Err(unsupported(
            path,
            "modules_to_save",
            &json!(other),
            expected,
        ));
    }
    let layers = take(path, &mut keys, "layers_to_transform")?;
    let patterns = take(path, &mut keys, "layers_pattern")?;
    let excluded = take(path, &mut keys, "exclude_modules")?;
    refuse_variants(path, keys)?;
    config.target_modules = targets.ok_or_else(|| {
        let expected = "a list of module names, a regular expression or all-linear";
        unsupported(path, "target_modules", &Value::Null, expected)
    })?;
    let of_config = |error: Error| Error::File(path.into(), error.to_string());
    config.validate().map_err(of_config)?;
    let selection = Selection {
        config: config.clone(),
        layers,
        patterns,
        excluded,
    };
    let selection = selection.selects().then_some(selection);
    if selection.is_some() {
        config.target_modules = TargetModules::Names(Vec::new());
    }
    Ok((config, base, !saved.is_empty(), selection))
}

/// Refuses keys that ask for more than a plain update.
fn refuse_variants(path: &Path, mut keys: Map<String, Value>) -> Result<()> {
    keys.entry("peft_type").or_insert(Value::Null);
    for (key, value) in &keys {
        let plain = PLAIN.iter().find(|(plain, _)| plain == key);
        let (accepted, expected) = match plain {
            Some((_, values)) => (*values, *values),
            None => (EMPTY, "no such key, or null: only plain LoRA is computed"),
        };
        let found = value.to_string();
        if !ANY.contains(&key.as_str()) && !accepted.split(" or ").any(|value| value == found) {
            return Err(unsupported(path, key, value, expected));
        }
    }
    Ok(())
}

/// Takes out the value of a key that may be absent or null.
fn take<T: DeserializeOwned>(
    path: &Path,
    keys: &mut Map<String, Value>,
    key: &str,
) -> Result<Option<T>> {
    let value = keys.remove(key).unwrap_or_default();
    Option::deserialize(&value).map_err(|error| {
        let message = error.to_string();
        let expected = message.rsplit("expected ").next().unwrap_or(&message);
        unsupported(path, key, &value, expected)
    })
}

fn unsupported(path: &Path, key: &str, found: &Value, expected: &str) -> Error {
    let message = format!("{key} = {found} is not supported; expected {expected}");
    Error::File(path.into(), message)
}
