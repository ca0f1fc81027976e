//! Adapter folders as PEFT reads and writes them: `adapter_config.json` and
//! `adapter_model.safetensors` (checked against PEFT 0.18).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use fs_err as fs;
use likra_files::write_atomically;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::tensors::{load_tensors, mismatch, save_tensors};
use crate::{Adapter, Error, LoraConfig, LowRank, Result};

const CONFIG: &str = "adapter_config.json";
const TENSORS: &str = "adapter_model.safetensors";
/// What PEFT puts before a module's path in the base model.
const PREFIX: &str = "base_model.model.";

/// The keys of `adapter_config.json` that make another update than a plain one of it, each with the value that does
/// not, as JSON. A key that is absent or empty does not, either.
const PLAIN: [(&str, &str); 7] = [
    ("peft_type", "\"LORA\""),
    ("bias", "\"none\""),
    ("use_dora", "false"),
    ("fan_in_fan_out", "false"),
    ("rank_pattern", "{}"),
    ("alpha_pattern", "{}"),
    ("modules_to_save", "null"),
];

/// The files of the adapter in the folder `dir`.
#[must_use]
pub fn adapter_files(dir: &Path) -> [PathBuf; 2] {
    [dir.join(CONFIG), dir.join(TENSORS)]
}

/// The keys of `adapter_config.json` that decide a plain update.
#[derive(Deserialize)]
struct ConfigFile {
    r: usize,
    lora_alpha: f64,
    target_modules: Value,
    #[serde(default)]
    use_rslora: bool,
}

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
        let config = format!("{:#}\n", config_file(self.config()));
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
        let config = read_config(&dir.join(CONFIG))?;
        let path = dir.join(TENSORS);
        let mut halves = load_tensors(&path, device)?;
        let modules: Vec<String> = halves
            .keys()
            .filter_map(|name| name.strip_prefix(PREFIX)?.strip_suffix(".lora_A.weight"))
            .map(String::from)
            .collect();
        let mut updates = BTreeMap::new();
        for module in modules {
            let update = take_update(&path, &module, config.rank, &mut halves)?;
            updates.insert(module, update);
        }
        let expected = "only pairs of lora_A and lora_B weights, at least one";
        match halves.into_keys().next() {
            Some(name) => Err(mismatch(&path, &name, expected, "another name")),
            None if updates.is_empty() => Err(mismatch(&path, "*", expected, "none")),
            None => Ok(Self::from_parts(config, updates)),
        }
    }
}

/// What PEFT would write of an adapter; it has a whole alpha as an integer.
fn config_file(config: &LoraConfig) -> Value {
    let alpha = match config.alpha {
        whole if whole.fract() == 0.0 && whole < f64::from(u32::MAX) => json!(whole as u32),
        alpha => json!(alpha),
    };
    json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": null,
        "r": config.rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": config.target_modules,
        "use_rslora": config.rslora,
        "use_dora": false,
        "fan_in_fan_out": false,
        "rank_pattern": {},
        "alpha_pattern": {},
        "modules_to_save": null,
        "inference_mode": true,
    })
}

fn read_config(path: &Path) -> Result<LoraConfig> {
    let malformed = |source| Error::Json {
        path: path.into(),
        source,
    };
    let keys: Value = serde_json::from_slice(&fs::read(path)?).map_err(malformed)?;
    for (key, expected) in PLAIN {
        let found = keys.get(key).unwrap_or(&Value::Null).to_string();
        let absent = key != "peft_type" && ["null", "[]", "{}"].contains(&found.as_str());
        if !absent && found != expected {
            return Err(unsupported(path, key, found, expected));
        }
    }
    let file: ConfigFile = serde_json::from_value(keys).map_err(malformed)?;
    let modules = file.target_modules;
    let target_modules = serde_json::from_value(modules.clone()).map_err(|_| {
        let expected = "a list of module names";
        unsupported(path, "target_modules", modules.to_string(), expected)
    })?;
    let config = LoraConfig {
        rank: file.r,
        alpha: file.lora_alpha,
        target_modules,
        rslora: file.use_rslora,
    };
    config.validate()?;
    Ok(config)
}

fn unsupported(path: &Path, key: &'static str, found: String, expected: &'static str) -> Error {
    Error::Unsupported {
        path: path.into(),
        key,
        found,
        expected,
    }
}

/// Takes the two halves of `module`'s update out of `halves` and checks that they fit each other.
fn take_update(
    path: &Path,
    module: &str,
    rank: usize,
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
        None => Ok(LowRank { a, b }),
    }
}
