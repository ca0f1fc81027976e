//! Why a file of a run could not be written or read.

use std::io;
use std::path::PathBuf;

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a file of a run could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written: it is missing, the disk is full, ...
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// A table has other columns than its kind of file.
    #[error("{}: expected the columns `{expected}`, found `{found}`", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// The first line that it should have.
        expected: String,
        /// The first line that it has.
        found: String,
    },

    /// A line has too few or too many fields.
    #[error("{}:{line}: expected {expected} fields, found {found}", path.display())]
    Width {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The number of columns.
        expected: u64,
        /// The number of fields on this line.
        found: u64,
    },

    /// A field does not hold what its column holds.
    #[error("{}:{line}: column `{column}`: expected {expected}, found `{found}`", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column's name.
        column: &'static str,
        /// What the column holds.
        expected: &'static str,
        /// What was there.
        found: String,
    },

    /// A file is not text.
    #[error("{}:{line}: not valid UTF-8", path.display())]
    Utf8 {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },

    /// A manifest is not TOML, or not of the shape of a manifest.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and why parsing stopped.
        source: toml::de::Error,
    },

    /// A manifest holds a value that TOML cannot express.
    #[error("{}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What could not be expressed.
        source: toml::ser::Error,
    },

    /// A name cannot become a file's name.
    #[error("the name {found:?} cannot name a {what}: expected {expected}")]
    Name {
        /// What was to be named.
        what: &'static str,
        /// What a name may be.
        expected: &'static str,
        /// The name.
        found: String,
    },
}
