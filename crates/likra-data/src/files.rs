//! The files of a benchmark on this machine.

use std::path::PathBuf;

use crate::{Error, Result};

/// The files of a benchmark on this machine, and what they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) train: Vec<PathBuf>,
    pub(crate) test: Vec<PathBuf>,
    /// Which of the training files shots come from.
    pub(crate) shots: usize,
}

/// The first of these files that is there.
pub(crate) fn first(file: &str, looked: Vec<PathBuf>) -> Result<PathBuf> {
    match looked.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(Error::MissingFile {
            file: file.into(),
            looked,
        }),
    }
}
