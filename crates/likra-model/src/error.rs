//! Why a checkpoint folder could not be opened, in words that name the file, key or tensor.

use std::io;
use std::path::PathBuf;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a model could not be opened or run; what a variant holds is in the order of its message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// The device is not there, or this build cannot use it: its name, why not, and what to do.
    #[error("--device {0}: {1}")]
    Device(String, String),

    /// A thread of the device has panicked, so that results may be anything.
    #[error(
        "a thread has panicked, see above: what was computed since then cannot be trusted; nothing of it is written"
    )]
    Panicked,

    /// A result could not be read back from the device, and what Burn said.
    #[error("a result could not be read from the device: {0}")]
    Read(String),

    /// A JSON file is malformed, or lacks a key that the model needs.
    #[error("{}: {}", .0.display(), .1)]
    Json(PathBuf, #[source] serde_json::Error),

    /// The configuration asks for something that this crate does not compute, or makes no sense: the file,
    /// a key, its value, and what would be accepted.
    #[error("{}: {} = {}; expected {}", .0.display(), .1, .2, .3)]
    Config(PathBuf, &'static str, String, String),

    /// The checkpoint's folder holds no weights in a format that can be read.
    #[error(
        "{}: no weights: expected model.safetensors, or model.safetensors.index.json with its shards (pytorch_model.bin is \
         not read: save the model again with transformers, which writes safetensors)",
        .0.display()
    )]
    NoWeights(PathBuf),

    /// The folder is an adapter's, which has this configuration.
    #[error(
        "{}: the folder has an adapter in it; give the base model's folder as the model, and this one as an adapter, \
         or move the adapter's two files away", .0.display()
    )]
    IsAdapter(PathBuf),

    /// A weight file is truncated or otherwise malformed, and what the parser found.
    #[error("{}: not a valid safetensors file: {}", .0.display(), .1)]
    Safetensors(PathBuf, String),

    /// A tensor is missing, or is not what the configuration says: the weight file, or the folder if no file
    /// has it; its name, what was expected, and what was found.
    #[error("{}: tensor `{}`: expected {}, found {}", .0.display(), .1, .2, .3)]
    Tensor(PathBuf, String, String, String),

    /// An adapter has an update that fits no layer of this model: its module, the layer's sizes in the adapter,
    /// and those in the model.
    #[error("adapter update for `{0}` ({1}) does not fit the model, which has {2}")]
    Adapter(String, String, String),

    /// An adapter's configuration cannot be applied to the model's layers.
    #[error(transparent)]
    Lora(#[from] likra_lora::Error),

    /// A token id is outside of the model's vocabulary of so many.
    #[error(
        "token id {0} is outside of the model's vocabulary of {1}; does the tokenizer belong to the model?"
    )]
    Token(u32, usize),

    /// Texts that share tokens, the longest with so many, are of lengths at which a model rotates them
    /// differently.
    #[error(
        "a text of {0} tokens: from some length on this model's rope_type turns all tokens of a text otherwise, \
         so that it cannot share them with shorter texts; expected each of them in a row of its own"
    )]
    Rotations(usize),
}

impl Error {
    /// For `map_err` where tensors come back to the host.
    pub fn read(error: impl std::fmt::Display) -> Self {
        Self::Read(error.to_string())
    }
}
