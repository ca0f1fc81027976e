//! What can go wrong with data, in words that name the place, what was found and what was expected.

use std::io;
use std::path::PathBuf;

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

    /// No task has this name.
    #[error(
        "no task `{name}`: expected one of {known}, a subject such as mmlu_anatomy, or a path to a .yaml file"
    )]
    UnknownTask {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },

    /// A task file asks for what is not supported, or is wrong.
    #[error("{file}: {key}: {message}")]
    Task {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// What is wrong, and what was expected.
        message: String,
    },

    /// It is not said where a task's rows are.
    #[error(
        "task {task}: no folder with the rows of split `{split}` is given; expected --data DIR"
    )]
    NoData {
        /// The task.
        task: String,
        /// The split.
        split: String,
    },

    /// A split's file is in none of the places where it is looked for.
    #[error(
        "task {task}: no file of split `{split}` found; looked for {} (.jsonl, .json, .csv or .parquet, also compressed)",
        display_all(looked)
    )]
    MissingFile {
        /// The task.
        task: String,
        /// The split.
        split: String,
        /// Every path that was tried, without its ending; `*` stands for anything.
        looked: Vec<PathBuf>,
    },

    /// More than one file may be meant.
    #[error(
        "more than one file could be split `{split}`: {}; expected one, or all parts of one",
        display_all(found)
    )]
    SeveralFiles {
        /// The split.
        split: String,
        /// The files.
        found: Vec<PathBuf>,
    },

    /// A line or row of a benchmark file is not a question.
    #[error("{}:{line}: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line or row, from 1.
        line: usize,
        /// What is wrong with it.
        source: LineError,
    },

    /// A file that is not lines of text cannot be read as a whole.
    #[error("{}: not {expected}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What the library said.
        message: String,
    },

    /// A file is of no form that can be read.
    #[error("{}: neither JSON nor parquet, and the name does not end in .csv", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
    },

    /// A file or folder holds nothing that was looked for.
    #[error("{}: no {what} found, expected at least one", path.display())]
    Nothing {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },

    /// The task can be scored, but has no training set.
    #[error(
        "task {task} has no training split; expected a task with one, or the key likra.training in its file"
    )]
    NoTrainingSet {
        /// The task.
        task: String,
    },

    /// A question stands in the training set twice.
    #[error("question `{id}` is in the training set twice; expected distinct ids")]
    Twice {
        /// The question's id.
        id: String,
    },

    /// A question has no one answer, so that it can be no shot.
    #[error("question `{id}` has no single answer, so that it cannot be a shot")]
    NoShot {
        /// The question's id.
        id: String,
    },

    /// A task's answers are the same to all questions.
    #[error(
        "task {task}: all its questions have the same few answers, which say nothing by themselves; name their texts in the key likra.answers of its file, or take another task for unrelated answers"
    )]
    SameAnswers {
        /// The task.
        task: String,
    },

    /// A question has no right answer to learn.
    #[error("question `{id}`: none of its choices is right; expected one, to train on it")]
    NoRight {
        /// The question's id.
        id: String,
    },

    /// A test question stands in the training set too.
    #[error("question `{id}` is in the training set and in the test set; expected disjoint sets")]
    Leak {
        /// The question's id.
        id: String,
    },

    /// More shots are asked for than there are questions to take them from.
    #[error("{count} shots asked for, but the pool has {pool} questions")]
    TooManyShots {
        /// How many were asked for.
        count: usize,
        /// How many there are.
        pool: usize,
    },

    /// As many shots are asked for as there are questions, where one more has to be drawn.
    #[error(
        "{count} shots asked for, and one more is drawn to spare, but the pool has {count} questions"
    )]
    NoSpareShot {
        /// How many were asked for.
        count: usize,
    },

    /// A question stands among the shots before it, and no other can take its place.
    #[error(
        "question `{id}` is among its own {count} shots, and there is no other to take its place"
    )]
    OwnShot {
        /// The question's id.
        id: String,
        /// How many shots were asked for.
        count: usize,
    },

    /// A shot is named that the pool does not have.
    #[error("no question `{id}` among the {pool} questions that shots are taken from")]
    UnknownShot {
        /// The id that was asked for.
        id: String,
        /// How many questions there are.
        pool: usize,
    },

    /// There is no text to draw a question's negative answer from.
    #[error("question `{id}`: every {kind} answer that could be drawn has the text of {excluded}",
        excluded = if *kind == AnswerKind::Incorrect { "its right answer" } else { "one of its choices" })]
    NothingToDraw {
        /// The question's id.
        id: String,
        /// The kind of answer.
        kind: AnswerKind,
    },

    /// Wrong choices cannot be ranked by scores of other choices.
    #[error(
        "question `{id}`: {found} scores found, expected one for each of its {expected} choices"
    )]
    Scores {
        /// The question's id.
        id: String,
        /// How many scores there are.
        found: usize,
        /// How many choices the question has.
        expected: usize,
    },

    /// `unrelated` answers are asked for without texts to draw them from.
    #[error("no texts of another benchmark are given to draw unrelated answers from")]
    NoUnrelated,
}

/// What is wrong with one line or row of a benchmark file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Not JSON, or not the object that was expected.
    #[error("column {column}: {message}")]
    Json {
        /// Where parsing stopped, in bytes from 1.
        column: usize,
        /// What was found there.
        message: String,
    },

    /// Not a row of a table.
    #[error("{message}")]
    Csv {
        /// What the library said.
        message: String,
    },

    /// A template gives no value for the row.
    #[error("{key}: {message}")]
    Template {
        /// The task file's key.
        key: String,
        /// What went wrong.
        message: String,
    },

    /// There are more or fewer of something than there should be.
    #[error("{found} {what} found, expected {expected}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: String,
    },

    /// A value is none of those that it can be.
    #[error("{field} `{found}` is not {expected}")]
    Value {
        /// What the value is.
        field: &'static str,
        /// The value.
        found: String,
        /// What it can be.
        expected: String,
    },

    /// The id has been met before.
    #[error("id `{id}` was given on line {first} already")]
    DuplicateId {
        /// The id.
        id: String,
        /// The line where it was first met, from 1.
        first: usize,
    },
}

fn display_all(paths: &[PathBuf]) -> String {
    let paths = paths.iter().map(|path| path.display().to_string());
    paths.collect::<Vec<_>>().join(", ")
}
