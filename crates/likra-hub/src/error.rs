//! Why something could not be had from the hub.

use std::io;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be had from the hub: of which repository, and what it needs or lacks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the cache could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// The repository has none of the files that are needed.
    #[error("{0}: none of its files is {1}")]
    Nothing(String, &'static str),

    /// The hub could not be reached, or broke off; the message is the library's.
    #[error("{0}: {1}; what is there is kept, the same command goes on from it")]
    Transfer(String, String),

    /// The hub hides the repository or has none, has another one than it says, or may not be asked; the
    /// message names the repository.
    #[error("{0}")]
    Refused(String),
}
