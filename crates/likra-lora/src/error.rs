//! What can go wrong with an adapter, in words that name the file and the tensor.

use std::io;
use std::path::PathBuf;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an adapter could not be made, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The rank of a low-rank update has to be at least 1.
    #[error("LoRA rank must be at least 1, found {found}")]
    Rank {
        /// The rank that was asked for.
        found: usize,
    },

    /// The scaling numerator has to be a positive number.
    #[error("LoRA alpha must be positive and finite, found {found}")]
    Alpha {
        /// The alpha that was asked for.
        found: f64,
    },

    /// A pattern is not one of Python's regular expressions.
    #[error("{key}: `{pattern}` is no regular expression: {message}")]
    Pattern {
        /// The key of PEFT's that has it.
        key: &'static str,
        /// The pattern.
        pattern: String,
        /// What the library said.
        message: String,
    },

    /// Two patterns give a module different values.
    #[error("{key}: several patterns match `{module}` and differ; expected one value for it")]
    Ambiguous {
        /// The key of PEFT's that has them.
        key: &'static str,
        /// The module.
        module: String,
    },

    /// No linear layer of the model has one of the target names.
    #[error("no linear layer of the model is named by target_modules {targets}; it has {known:?}")]
    NoTarget {
        /// The names that were asked for, as JSON.
        targets: String,
        /// The names that the model has.
        known: Vec<String>,
    },

    /// A file could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// `adapter_config.json` is not what PEFT writes.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why parsing stopped.
        source: serde_json::Error,
    },

    /// A setting of `adapter_config.json` describes no adapter.
    #[error("{}: {source}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Self>,
    },

    /// The adapter asks for something that this crate does not compute.
    #[error("{}: {key} = {found} is not supported; expected {expected}", path.display())]
    Unsupported {
        /// The adapter's `adapter_config.json`.
        path: PathBuf,
        /// The key in question.
        key: String,
        /// The value found.
        found: String,
        /// What would be accepted.
        expected: String,
    },

    /// The tensor file is truncated or otherwise malformed.
    #[error("{}: not a valid safetensors file: {source}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What the parser found.
        source: safetensors::SafeTensorError,
    },

    /// A device did not give a tensor's numbers.
    #[error("{}: tensor `{tensor}`: the device gave no numbers: {message}", path.display())]
    Device {
        /// The file that was to be written.
        path: PathBuf,
        /// The tensor's name in the file.
        tensor: String,
        /// What the device said.
        message: String,
    },

    /// A tensor of the adapter file is missing, unknown, or of another shape or type.
    #[error("{}: tensor `{tensor}`: expected {expected}, found {found}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name in the file.
        tensor: String,
        /// What should have been there.
        expected: String,
        /// What was there.
        found: String,
    },
}

impl Error {
    /// Whether a file is damaged, as opposed to one that cannot be read or written now.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Io(error) => likra_files::is_damage(error),
            Self::Device { .. } => false,
            _ => true,
        }
    }
}
