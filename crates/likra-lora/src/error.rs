//! What can go wrong with an adapter, in words that name the file and the tensor.

use std::io;
use std::path::{Path, PathBuf};

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an adapter could not be made, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The rank of a low-rank update has to be at least 1, and no more than any layer could use.
    #[error("LoRA rank must be from 1 to 1048576, found {0}")]
    Rank(usize),

    /// The scaling numerator has to be a positive number.
    #[error("LoRA alpha must be positive and finite, found {0}")]
    Alpha(f64),

    /// At this key of PEFT's, this is not one of Python's regular expressions: what the library said.
    #[error("{0}: `{1}` is no regular expression: {2}")]
    Pattern(&'static str, String, String),

    /// Patterns of this key of PEFT's give this module different values.
    #[error("{0}: several patterns match `{1}` and differ; expected one value for it")]
    Ambiguous(&'static str, String),

    /// No linear layer of the model has one of the target names, in JSON; then the names that it has.
    #[error("no linear layer of the model is named by target_modules {0}; it has {1:?}")]
    NoTarget(String, Vec<String>),

    /// A file could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// A file of an adapter is not what PEFT writes, describes no adapter, or asks for something that this crate
    /// does not compute; which key or tensor it is, what was found and what was expected.
    #[error("{path}: {1}", path = .0.display())]
    File(PathBuf, String),

    /// The tensor file is truncated or otherwise malformed.
    #[error("{path}: not a valid safetensors file: {1}", path = .0.display())]
    Safetensors(PathBuf, #[source] safetensors::SafeTensorError),

    /// A device did not give the numbers of a tensor that was to be written into a file, and what it said.
    #[error("{path}: tensor `{1}`: the device gave no numbers: {2}", path = .0.display())]
    Device(PathBuf, String, String),
}

impl Error {
    /// A tensor of a file is missing, unknown, or of another shape or type.
    pub fn tensor(path: &Path, tensor: &str, expected: &str, found: &str) -> Self {
        let message = format!("tensor `{tensor}`: expected {expected}, found {found}");
        Self::File(path.into(), message)
    }

    /// Whether a file is damaged, as opposed to one that cannot be read or written now.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Io(error) => likra_files::is_damage(error),
            Self::Device { .. } => false,
            _ => true,
        }
    }
}
