//! The small model and benchmark that the program carries, so that it runs anywhere.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// What an experiment writes for `model` or `data` to mean what is here.
pub(crate) const TINY: &str = "embedded:tiny";

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../../fixtures/tiny/", $name)).as_slice())),*]
    };
}

/// The files of `fixtures/tiny` that a run needs.
const FILES: &[(&str, &[u8])] = embedded![
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "train.jsonl",
    "test.jsonl",
    "hellaswag_train.jsonl",
    "hellaswag_val.jsonl",
];

/// Writes the embedded model and benchmark into `dir`, unless they are there already.
pub(crate) fn unpack(dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    for (name, bytes) in FILES {
        let path = dir.join(name);
        if !fs::read(&path).is_ok_and(|found| found == *bytes) {
            likra_results::write_atomically(&path, |file| file.write_all(bytes))?;
        }
    }
    Ok(dir.into())
}
