//! What feedback can have wrong.

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why there is nothing to learn from feedback.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A row has no form that is known.
    #[error("{0}: found {1}; expected {2}")]
    Row(String, String, &'static str),
}
