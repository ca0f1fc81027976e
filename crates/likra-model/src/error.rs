//! Why a checkpoint folder could not be opened, in words that name the file, key or tensor.

use std::io;
use std::path::PathBuf;

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a model could not be opened or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// The device is not there, or this build cannot use it.
    #[error("--device {name}: {message}")]
    Device {
        /// The device.
        name: String,
        /// Why not, and what to do.
        message: String,
    },

    /// A thread of the device has panicked, so that results may be anything.
    #[error(
        "a thread has panicked, see above: what was computed since then cannot be trusted; nothing of it is written"
    )]
    Panicked,

    /// A result could not be read back from the device.
    #[error("a result could not be read from the device: {message}")]
    Read {
        /// What Burn said.
        message: String,
    },

    /// A JSON file is malformed, or lacks a key that the model needs.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why parsing stopped.
        source: serde_json::Error,
    },

    /// The configuration asks for something that this crate does not compute, or makes no sense.
    #[error("{}: {key} = {found}; expected {expected}", path.display())]
    Config {
        /// The checkpoint's `config.json`.
        path: PathBuf,
        /// The key in question.
        key: &'static str,
        /// The value found.
        found: String,
        /// What would be accepted.
        expected: String,
    },

    /// The folder holds no weights in a format that can be read.
    #[error(
        "{}: no weights: expected model.safetensors, or model.safetensors.index.json with its shards",
        dir.display()
    )]
    NoWeights {
        /// The checkpoint folder.
        dir: PathBuf,
    },

    /// The folder is an adapter's.
    #[error(
        "{}: the folder has an adapter in it; give the base model's folder as the model, and this one as an adapter, \
         or move the adapter's two files away", path.display()
    )]
    IsAdapter {
        /// The adapter's configuration.
        path: PathBuf,
    },

    /// A weight file is truncated or otherwise malformed.
    #[error("{}: not a valid safetensors file: {message}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What the parser found.
        message: String,
    },

    /// A tensor is missing, or has another shape or type than the configuration says.
    #[error("{}: tensor `{tensor}`: expected {expected}, found {found}", path.display())]
    Tensor {
        /// The weight file, or the folder if no file has the tensor.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What the configuration asks for.
        expected: String,
        /// What there is.
        found: String,
    },

    /// An adapter has an update that fits no layer of this model.
    #[error("adapter update for `{module}` ({found}) does not fit the model, which has {expected}")]
    Adapter {
        /// The module path that the adapter names.
        module: String,
        /// The layer's sizes in the adapter.
        found: String,
        /// The layer's sizes in the model.
        expected: String,
    },

    /// An adapter's configuration cannot be applied to the model's layers.
    #[error(transparent)]
    Lora(#[from] likra_lora::Error),

    /// A token id is outside of the model's vocabulary.
    #[error(
        "token id {id} is outside of the model's vocabulary of {vocab_size}; does the tokenizer belong to the model?"
    )]
    Token {
        /// The id.
        id: u32,
        /// How many ids there are.
        vocab_size: usize,
    },

    /// Texts that share tokens are of lengths at which a model rotates them differently.
    #[error(
        "a text of {tokens} tokens: from some length on this model's rope_type turns all tokens of a text otherwise, \
         so that it cannot share them with shorter texts; use fewer examples in the prompt"
    )]
    Rotations {
        /// How many tokens the longest of them has.
        tokens: usize,
    },
}

impl Error {
    /// For `map_err` where tensors come back to the host.
    pub fn read(error: impl std::fmt::Display) -> Self {
        Self::Read {
            message: error.to_string(),
        }
    }
}
