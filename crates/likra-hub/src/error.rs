//! Why something could not be had from the hub.

use std::io;
use std::path::PathBuf;

use hf_hub::api::sync::ApiError;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be had from the hub.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the cache could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// The hub has no such repository or revision, or hides it.
    #[error(
        "{name}: the hub has no such {kind} or revision; a private one needs a token in HF_TOKEN"
    )]
    Missing {
        /// The repository.
        name: String,
        /// `model` or `data set`.
        kind: &'static str,
    },

    /// The repository is gated or private.
    #[error(
        "{name}: the hub refuses access; accept its conditions at {endpoint}/{name}, then set HF_TOKEN to a token of your account"
    )]
    Refused {
        /// The repository.
        name: String,
        /// The hub.
        endpoint: String,
    },

    /// Nothing may be downloaded, and the cache does not have it.
    #[error("{name}: not in the cache {}, and HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE, HF_DATASETS_OFFLINE) forbids to download it", cache.display())]
    Offline {
        /// The repository.
        name: String,
        /// The cache.
        cache: PathBuf,
    },

    /// The repository has none of the files that are needed.
    #[error("{name}: none of its files is {expected}")]
    Nothing {
        /// The repository.
        name: String,
        /// What was looked for.
        expected: &'static str,
    },

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
    #[error("{name}: changed while it was downloaded; try again")]
    Changed {
        /// The repository.
        name: String,
    },

    /// The hub could not be reached, or broke off.
    #[error("{name}: {message}; what is there is kept, the same command goes on from it")]
    Transfer {
        /// The repository.
        name: String,
        /// What the library said.
        message: String,
    },
}

impl Error {
    /// What the library's error means.
    pub(crate) fn of(name: &str, kind: &'static str, endpoint: &str, error: &ApiError) -> Self {
        let name = name.to_owned();
        let message = error.to_string();
        // The library has no variant for an answer's status.
        let status = |code: &str| {
            message.contains(&format!("status: {code}"))
                || message.contains(&format!("code: {code}"))
        };
        match () {
            () if status("401") || status("403") => Self::Refused {
                name,
                endpoint: endpoint.into(),
            },
            () if status("404") => Self::Missing { name, kind },
            () => Self::Transfer { name, message },
        }
    }

    /// Whether the hub could not be reached, so that the cache may stand in.
    pub(crate) fn is_transfer(&self) -> bool {
        matches!(self, Self::Transfer { .. })
    }
}
