//! Why something could not be had from the hub.

use std::io;
use std::path::PathBuf;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be had from the hub: of which repository, and what it needs or lacks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the cache could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// The hub has no such `model` or `data set`, or no such revision of it, or hides it.
    #[error("{0}: the hub has no such {1} or revision; a private one needs a token in HF_TOKEN")]
    Missing(String, &'static str),

    /// The repository is gated or private on the hub at this address.
    #[error(
        "{0}: the hub refuses access; accept its conditions at {1}/{0}, then set HF_TOKEN to a token of your account"
    )]
    Refused(String, String),

    /// Nothing may be downloaded, and the cache in this folder does not have it.
    #[error("{0}: not in the cache {cache}, and HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE, HF_DATASETS_OFFLINE) forbids to download it", cache = .1.display())]
    Offline(String, PathBuf),

    /// The repository has none of the files that are needed.
    #[error("{0}: none of its files is {1}")]
    Nothing(String, &'static str),

    /// A file is not what the hub says.
    #[error(
        "{name}: {file}: SHA-256 {found}, but the hub says {expected}; it was removed from the cache, try again"
    )]
    Damaged {
        /// The repository.
        name: String,
        /// The file.
        file: String,
        /// Its hash.
        found: String,
        /// The hash that it should have.
        expected: String,
    },

    /// The repository got another commit in the meantime.
    #[error("{0}: changed while it was downloaded; try again")]
    Changed(String),

    /// The hub could not be reached, or broke off; the message is the library's.
    #[error("{0}: {1}; what is there is kept, the same command goes on from it")]
    Transfer(String, String),
}
