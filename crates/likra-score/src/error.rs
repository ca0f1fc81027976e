//! Why questions could not be scored.

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why questions could not be scored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The question of this id has no candidates.
    #[error("question `{0}` has no candidate answers")]
    NoCandidates(String),

    /// A candidate has no answer token, or no token before its answer.
    #[error(
        "question `{question}`, candidate {candidate}: the answer starts at token {start} of {tokens}; expected at least one token before and one after that"
    )]
    Candidate {
        /// The question's id.
        question: String,
        /// The candidate's place, from 0.
        candidate: usize,
        /// Where its answer starts.
        start: usize,
        /// How many tokens it has, the question's included.
        tokens: usize,
    },

    /// The model gave something that is no number.
    #[error("token {0} of a text has the log-likelihood {1}; expected a finite number")]
    NotANumber(u32, f32),

    /// The model gave something other than a log-likelihood: infinite, no number, or above 0.
    #[error(
        "head `{head}` after {examples} examples gives candidate {candidate} of question `{question}` the log-likelihood {value}; expected a finite number of at most 0"
    )]
    NotALogLikelihood {
        /// The head's name.
        head: String,
        /// How many examples the head has seen.
        examples: usize,
        /// The question's id.
        question: String,
        /// The candidate's place, from 0.
        candidate: usize,
        /// What it was given.
        value: f64,
    },

    /// The model could not run.
    #[error(transparent)]
    Model(#[from] likra_model::Error),
}
