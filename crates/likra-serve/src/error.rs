//! Why there is no server.

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a server could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refuses threads, or the listener fails.
    #[error("the server cannot run: {0}")]
    System(#[from] std::io::Error),
}
