//! Why score records could not be compared.

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why score records could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no scores of the base, with which all others are compared.
    #[error("no score records of the base (head `base`, 0 examples) among {found} records")]
    NoBase {
        /// How many records there are.
        found: usize,
    },

    /// A record is there twice, has no counterpart among those of the base or describes another
    /// candidate, or holds what is no score.
    #[error("{at}: {message}")]
    Record {
        /// Which record: its head, question and candidate.
        at: String,
        /// What is wrong with it, and what was expected.
        message: String,
    },

    /// A question has no right answer among its choices.
    #[error("question `{question}`: expected a right answer among its choices, found none")]
    Gold {
        /// The question's id.
        question: String,
    },
}
