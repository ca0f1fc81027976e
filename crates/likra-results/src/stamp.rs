//! What is kept of finished work, so that it is not done again.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::manifest::write_toml;

/// What is kept of finished work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stamp {
    /// The hash of all that decided its result.
    pub key: String,
    /// How long it took, in seconds; the last stretch only if it was interrupted.
    pub seconds: f64,
    /// The model of what computed it, in words; earlier versions did not say.
    #[serde(default)]
    pub hardware: String,
    /// How many answer tokens gave a gradient, if it was training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_tokens: Option<usize>,
    /// The most memory that the process had held by then, in MiB, where the system says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
}

impl Stamp {
    /// Writes the stamp as TOML.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_toml(path, self)
    }

    /// Reads a stamp; what cannot be read stands for no work.
    pub fn read(path: &Path) -> Option<Self> {
        let stamp: Self = toml::from_str(&fs_err::read_to_string(path).ok()?).ok()?;
        let took = Duration::try_from_secs_f64(stamp.seconds);
        took.is_ok().then_some(stamp)
    }
}
