//! Why a file of a run could not be written or read.

use std::io;
use std::path::PathBuf;

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a file of a run could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written: it is missing, the disk is full, a table is no CSV or lacks a
    /// column, a manifest is no TOML, ... The message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// A field does not hold what its column holds.
    #[error("{}:{line}: column `{column}`: {message}, found `{found}`", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column's name.
        column: String,
        /// What is wrong with it.
        message: String,
        /// What was there.
        found: String,
    },

    /// Another process does this job of a run.
    #[error(
        "{}: {owner} is at work on this; if that is gone, it is free after two minutes without a sign of life",
        path.display()
    )]
    Claimed {
        /// The claim.
        path: PathBuf,
        /// Who has made it.
        owner: String,
    },

    /// Another process trains this head.
    #[error("{}: another process is at work in this folder", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },

    /// A name cannot be a head's.
    #[error(
        "the name {found:?} cannot name a head: expected letters, digits, `-`, `_` and `.`, not starting with `.`, \
         other than `base`, `answer-only`, `p-true` and `report`"
    )]
    HeadName {
        /// The name.
        found: String,
    },
}

impl Error {
    /// Whether a file is damaged, as opposed to one that cannot be read or written now.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Io(error) => likra_files::is_damage(error),
            _ => true,
        }
    }
}
