//! What can go wrong with data, in words that name the place, what was found and what was expected.

use std::fmt::Display;
use std::io;
use std::path::Path;

use crate::AnswerKind;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why questions could not be read or drawn from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// A task, a file of rows or a question is missing or not fit for what is asked for; the message has its name,
    /// and of a file the key or line.
    #[error("{0}")]
    Refused(String),

    /// There is no text to draw the negative answer of the question of this id from.
    #[error(
        "question `{}`: every {} answer that could be drawn has the text of {}",
        .0, .1, if *.1 == AnswerKind::Incorrect { "its right answer" } else { "one of its choices" }
    )]
    NothingToDraw(String, AnswerKind),
}

impl Error {
    /// What is wrong with a key of a task file.
    pub(crate) fn task(file: &str, key: &str, message: impl Display) -> Self {
        Self::Refused(format!("{file}: {key}: {message}"))
    }

    /// What is wrong with the rows of a task.
    pub(crate) fn rows(task: &str, message: impl Display) -> Self {
        Self::Refused(format!("task {task}: {message}"))
    }

    /// What is wrong with a whole file.
    pub(crate) fn file(path: &Path, message: impl Display) -> Self {
        Self::Refused(format!("{}: {message}", path.display()))
    }

    /// What is wrong with a line or row, from 1, of a file.
    pub(crate) fn line(path: &Path, line: usize, message: impl Display) -> Self {
        Self::Refused(format!("{}:{line}: {message}", path.display()))
    }

    /// What is wrong with a question.
    pub(crate) fn question(id: &str, message: impl Display) -> Self {
        Self::Refused(format!("question `{id}` {message}"))
    }
}
