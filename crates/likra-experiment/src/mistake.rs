//! What is wrong with a key of an experiment.

use std::fmt::Display;

/// A key is unknown, has a wrong type or cannot stand beside the others.
#[derive(Debug, thiserror::Error)]
#[error("{}{key}: {message}", line.map_or_else(String::new, |line| format!("line {line}: ")))]
pub(crate) struct Mistake {
    /// The line of the experiment's file that the key stands on, from 1.
    pub(crate) line: Option<usize>,
    /// The key with its tables, such as `evaluation.num-shots`, or a flag.
    pub(crate) key: String,
    pub(crate) message: String,
}

impl Mistake {
    pub(crate) fn new(key: impl Into<String>, message: impl Display) -> Self {
        Self {
            line: None,
            key: key.into(),
            message: message.to_string(),
        }
    }
}
