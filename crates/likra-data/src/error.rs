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

    /// No task has this name; the names that there are.
    #[error(
        "no task `{0}`: expected one of {1}, a subject such as mmlu_anatomy, or a path to a .yaml file"
    )]
    UnknownTask(String, String),

    /// A task file asks for what is not supported, or is wrong: the file, the key, and what was expected.
    #[error("{0}: {1}: {2}")]
    Task(String, String, String),

    /// A task's rows are not found, or are none that can be used.
    #[error("task {0}: {1}")]
    Rows(String, String),

    /// More than one file may be meant by a split.
    #[error(
        "more than one file could be split `{}`: {}; expected one, or all parts of one",
        .0, display_all(.1)
    )]
    SeveralFiles(String, Vec<PathBuf>),

    /// A line or row, from 1, of a benchmark file is not a question.
    #[error("{}:{}: {}", .0.display(), .1, .2)]
    Line(PathBuf, usize, #[source] LineError),

    /// A file that cannot be read as a whole, and why.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, String),

    /// The task can be scored, but has no training set.
    #[error(
        "task {0} has no training split; expected a task with one, or the key likra.training in its file"
    )]
    NoTrainingSet(String),

    /// A question, by its id, stands in the training set twice.
    #[error("question `{0}` is in the training set twice; expected distinct ids")]
    Twice(String),

    /// A question, by its id, has no one answer, so that it can be no shot.
    #[error("question `{0}` has no single answer, so that it cannot be a shot")]
    NoShot(String),

    /// A question, by its id, has no right answer to learn.
    #[error("question `{0}`: none of its choices is right; expected one, to train on it")]
    NoRight(String),

    /// A test question, by its id, stands in the training set too.
    #[error("question `{0}` is in the training set and in the test set; expected disjoint sets")]
    Leak(String),

    /// More shots are asked for than there are questions to take them from.
    #[error("{0} shots asked for, but the pool has {1} questions")]
    TooManyShots(usize, usize),

    /// As many shots are asked for as there are questions, where one more has to be drawn.
    #[error("{0} shots asked for, and one more is drawn to spare, but the pool has {0} questions")]
    NoSpareShot(usize),

    /// A question, by its id, stands among the shots before it, and no other can take its place.
    #[error("question `{0}` is among its own {1} shots, and there is no other to take its place")]
    OwnShot(String, usize),

    /// A shot is named by an id that the pool does not have.
    #[error("no question `{0}` among the {1} questions that shots are taken from")]
    UnknownShot(String, usize),

    /// There is no text to draw a question's negative answer from.
    #[error(
        "question `{}`: every {} answer that could be drawn has the text of {}",
        .0, .1, if *.1 == AnswerKind::Incorrect { "its right answer" } else { "one of its choices" }
    )]
    NothingToDraw(String, AnswerKind),

    /// A question's wrong choices cannot be ranked by scores of other choices.
    #[error("question `{0}`: {1} scores found, expected one for each of its {2} choices")]
    Scores(String, usize, usize),

    /// `unrelated` answers are asked for without texts to draw them from.
    #[error("no texts of another benchmark are given to draw unrelated answers from")]
    NoUnrelated,
}

/// What is wrong with one line or row of a benchmark file; what a variant holds is in the order of its message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Not JSON: where parsing stopped, in bytes from 1, and what was found there.
    #[error("column {0}: {1}")]
    Json(usize, String),

    /// A template gives no value for the row: the task file's key, and what went wrong.
    #[error("{0}: {1}")]
    Template(String, String),

    /// There are more or fewer of something than there should be.
    #[error("{0} {1} found, expected {2}")]
    Count(usize, &'static str, String),

    /// A value is none of those that it can be.
    #[error("{0} `{1}` is not {2}")]
    Value(&'static str, String, String),

    /// An id has been met before, on a line that is counted from 1.
    #[error("id `{0}` was given on line {1} already")]
    DuplicateId(String, usize),
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
}

impl LineError {
    /// A value that is not what is expected.
    pub(crate) fn value(field: &'static str, found: impl ToString, expected: &str) -> Self {
        Self::Value(field, found.to_string(), expected.into())
    }
}

pub(crate) fn display_all(paths: &[PathBuf]) -> String {
    let paths = paths.iter().map(|path| path.display().to_string());
    paths.collect::<Vec<_>>().join(", ")
}
