//! Why score records could not be compared.

use std::fmt;

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

    /// A candidate has two records under one head.
    #[error("{at}: scored twice")]
    Duplicate {
        /// The second record.
        at: Place,
    },

    /// A record has no counterpart among those of the base.
    #[error("{at}: the base has no such candidate")]
    Unknown {
        /// The record.
        at: Place,
    },

    /// A record of the base has no counterpart under a head.
    #[error("{at}: not scored, but the base has scored it")]
    Missing {
        /// The record that is not there.
        at: Place,
    },

    /// A record describes another candidate than the base's.
    #[error("{at}: expected {expected} as for the base, found {found}")]
    Differs {
        /// The record.
        at: Place,
        /// What the base's record says.
        expected: String,
        /// What this record says.
        found: String,
    },

    /// A log-likelihood is infinite or not a number.
    #[error("{at}: expected a finite log-likelihood, found {found}")]
    NotFinite {
        /// The record.
        at: Place,
        /// Its log-likelihood, in nats.
        found: f64,
    },

    /// A candidate of no characters has no score per character, nor one of no bytes or tokens.
    #[error("{at}: expected an answer of at least one {unit}, found none")]
    Empty {
        /// The record.
        at: Place,
        /// What there is none of.
        unit: &'static str,
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
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self {
            head,
            examples,
            question,
            candidate,
        } = self;
        write!(
            f,
            "head `{head}` after {examples} examples, question `{question}`, candidate {candidate}"
        )
    }
}
