//! The small model and benchmark that the program carries, so that it runs anywhere.

use std::path::{Path, PathBuf};

use likra_results::write_atomically;

use crate::error::Result;

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
    for (name, bytes) in FILES {
        let path = dir.join(name);
        if !fs_err::read(&path).is_ok_and(|found| found == *bytes) {
            write_atomically(&path, |file| file.write_all(bytes))?;
        }
    }
    Ok(dir.into())
}
