//! What can go wrong with data, in words that name the place, what was found and what was expected.

use std::io;
use std::path::{Path, PathBuf};

use crate::AnswerKind;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why questions could not be read or drawn from; what a variant holds is in the order of its message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// A task file asks for what is not supported, or is wrong: the file, the key, and what was expected.
    #[error("{0}: {1}: {2}")]
    Task(String, String, String),

    /// A task's rows are not found, or are none that can be used.
    #[error("task {0}: {1}")]
    Rows(String, String),

    /// A line or row, from 1, of a benchmark file is not a question.
    #[error("{}:{}: {}", .0.display(), .1, .2)]
    Line(PathBuf, usize, String),

    /// A file that cannot be read as a whole, and why.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, String),

    /// There is no such task, or its questions are not fit for what is asked for.
    #[error("{0}")]
    Refused(String),

    /// There is no text to draw a question's negative answer from.
    #[error(
        "question `{}`: every {} answer that could be drawn has the text of {}",
        .0, .1, if *.1 == AnswerKind::Incorrect { "its right answer" } else { "one of its choices" }
    )]
    NothingToDraw(String, AnswerKind),
}

impl Error {
    /// What is wrong with a key of a task file.
    pub(crate) fn task(file: &str, key: &str, message: impl Into<String>) -> Self {
        Self::Task(file.into(), key.into(), message.into())
    }

    /// What is wrong with a whole file.
    pub(crate) fn file(path: &Path, message: impl Into<String>) -> Self {
        Self::File(path.into(), message.into())
    }

    /// What is wrong with a question.
    pub(crate) fn question(id: &str, message: &str) -> Self {
        Self::Refused(format!("question `{id}` {message}"))
    }
}
