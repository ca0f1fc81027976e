//! Why score records could not be compared.

use likra_results::ScoreRecord;

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
        /// The record.
        at: Place,
        /// What is wrong with it, and what was expected.
        message: String,
    },

    /// A question has no right answer among its choices, or several.
    #[error("question `{question}`: expected one right answer among its choices, found {found}")]
    Gold {
        /// The question's id.
        question: String,
        /// How many right answers it has.
        found: usize,
    },

    /// A weight of the negative head is infinite or not a number.
    #[error("expected a finite weight of the negative head, found {found}")]
    Weight {
        /// The weight.
        found: f64,
    },
}

/// Which record an error is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("head `{head}` after {examples} examples, question `{question}`, candidate {candidate}")]
pub struct Place {
    /// The head's name.
    pub head: String,
    /// How many training examples the head has seen.
    pub examples: usize,
    /// The question's id.
    pub question: String,
    /// The candidate's place in its question, from 0.
    pub candidate: usize,
}

impl Error {
    pub(crate) fn record(at: impl Into<Place>, message: impl Into<String>) -> Self {
        Self::Record {
            at: at.into(),
            message: message.into(),
        }
    }
}

impl From<&ScoreRecord> for Place {
    fn from(record: &ScoreRecord) -> Self {
        Self {
            head: record.head.clone(),
            examples: record.examples,
            question: record.question_id.clone(),
            candidate: record.candidate,
        }
    }
}
