//! Adapter folders as PEFT reads and writes them: `adapter_config.json` and
//! `adapter_model.safetensors` (checked against PEFT 0.18).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use fs_err as fs;
use likra_results::write_atomically;
use serde::{Deserialize, Serialize, Serializer};

use crate::tensors::{load_tensors, mismatch, save_tensors};
use crate::{Adapter, Error, LoraConfig, LowRank, Result};

const CONFIG: &str = "adapter_config.json";
const TENSORS: &str = "adapter_model.safetensors";
/// What PEFT puts before a module's path in the base model.
const PREFIX: &str = "base_model.model.";

/// The files of the adapter in the folder `dir`.
#[must_use]
pub fn adapter_files(dir: &Path) -> [PathBuf; 2] {
    [dir.join(CONFIG), dir.join(TENSORS)]
}

/// The keys of `adapter_config.json` that this crate writes, and reads if present.
#[derive(Debug, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "the file has them")]
struct ConfigFile {
    peft_type: String,
    #[serde(default)]
    task_type: Option<String>,
    #[serde(default)]
    base_model_name_or_path: Option<String>,
    r: usize,
    #[serde(serialize_with = "whole_if_it_is")]
    lora_alpha: f64,
    #[serde(default)]
    lora_dropout: f64,
    #[serde(default = "none")]
    bias: String,
    target_modules: serde_json::Value,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    fan_in_fan_out: bool,
    #[serde(default)]
    rank_pattern: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    modules_to_save: Option<Vec<String>>,
    #[serde(default)]
    inference_mode: bool,
}

fn none() -> String {
    "none".into()
}

impl Adapter {
    /// Writes the adapter into the folder `dir`, which is made if need be. Each file is written
    /// beside its place and renamed, so that it is whole or absent.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let mut config =
            serde_json::to_vec_pretty(&ConfigFile::from(self.config())).map_err(|source| {
                Error::Json {
                    path: dir.join(CONFIG),
                    source,
                }
            })?;
        config.push(b'\n');
        let tensors = self
            .tensors()
            .into_iter()
            .map(|(name, tensor)| (format!("{PREFIX}{name}"), tensor));
        save_tensors(&dir.join(TENSORS), tensors, ("format", "pt"))?;
        Ok(write_atomically(&dir.join(CONFIG), |to| {
            to.write_all(&config)
        })?)
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
        let updates = modules
            .into_iter()
            .map(|module| {
                Ok((
                    module.clone(),
                    take_update(&path, &module, config.rank, &mut halves)?,
                ))
            })
            .collect::<Result<BTreeMap<_, _>>>()?;
        if let Some(name) = halves.into_keys().next() {
            return Err(mismatch(
                &path,
                &name,
                "only pairs of lora_A and lora_B weights",
                "another name",
            ));
        }
        if updates.is_empty() {
            return Err(mismatch(
                &path,
                "*",
                "at least one pair of lora_A and lora_B weights",
                "none",
            ));
        }
        Ok(Self::from_parts(config, updates))
    }
}

impl From<&LoraConfig> for ConfigFile {
    fn from(config: &LoraConfig) -> Self {
        Self {
            peft_type: "LORA".into(),
            task_type: Some("CAUSAL_LM".into()),
            base_model_name_or_path: None,
            r: config.rank,
            lora_alpha: config.alpha,
            lora_dropout: 0.0,
            bias: none(),
            target_modules: config.target_modules.clone().into(),
            use_rslora: config.rslora,
            use_dora: false,
            fan_in_fan_out: false,
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            modules_to_save: None,
            inference_mode: true,
        }
    }
}

fn read_config(path: &Path) -> Result<LoraConfig> {
    let text = fs::read(path)?;
    let file: ConfigFile = serde_json::from_slice(&text).map_err(|source| Error::Json {
        path: path.into(),
        source,
    })?;
    refuse_unsupported(path, &file)?;
    let target_modules = serde_json::from_value(file.target_modules.clone()).map_err(|_| {
        unsupported(
            path,
            "target_modules",
            &file.target_modules,
            "a list of module names",
        )
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

/// PEFT has many variants of LoRA; computing a plain update for one of them would be silently wrong.
fn refuse_unsupported(path: &Path, file: &ConfigFile) -> Result<()> {
    let fail =
        |key, found: &dyn std::fmt::Debug, expected| Err(unsupported(path, key, found, expected));
    if file.peft_type != "LORA" {
        return fail("peft_type", &file.peft_type, "\"LORA\"");
    }
    if file.bias != "none" {
        return fail("bias", &file.bias, "\"none\"");
    }
    if file.use_dora {
        return fail("use_dora", &file.use_dora, "false");
    }
    if file.fan_in_fan_out {
        return fail("fan_in_fan_out", &file.fan_in_fan_out, "false");
    }
    if !file.rank_pattern.is_empty() {
        return fail(
            "rank_pattern",
            &file.rank_pattern,
            "one rank for all layers",
        );
    }
    if !file.alpha_pattern.is_empty() {
        return fail(
            "alpha_pattern",
            &file.alpha_pattern,
            "one alpha for all layers",
        );
    }
    match &file.modules_to_save {
        Some(modules) if !modules.is_empty() => fail("modules_to_save", modules, "none"),
        _ => Ok(()),
    }
}

fn unsupported(
    path: &Path,
    key: &'static str,
    found: &(impl std::fmt::Debug + ?Sized),
    expected: &'static str,
) -> Error {
    Error::Unsupported {
        path: path.into(),
        key,
        found: format!("{found:?}"),
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
    if a_rank != rank {
        return Err(mismatch(
            path,
            &a_name,
            &format!("[{rank}, in]"),
            &format!("[{a_rank}, {input}]"),
        ));
    }
    if b_rank != rank {
        return Err(mismatch(
            path,
            &b_name,
            &format!("[out, {rank}]"),
            &format!("[{output}, {b_rank}]"),
        ));
    }
    Ok(LowRank { a, b })
}
/// PEFT's own files have an integer here, and its type says so.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde asks for"
)]
fn whole_if_it_is<S: Serializer>(value: &f64, to: S) -> std::result::Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() < f64::from(u32::MAX) {
        to.serialize_i64(*value as i64)
    } else {
        to.serialize_f64(*value)
    }
}
