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

    /// A benchmark's file is in none of the places where it is looked for.
    #[error("{file} not found; looked for {}", display_all(looked))]
    MissingFile {
        /// The file's name.
        file: String,
        /// Every path that was tried.
        looked: Vec<PathBuf>,
    },

    /// More than one file may be meant.
    #[error(
        "more than one file could be {file}: {}; expected one",
        display_all(found)
    )]
    SeveralFiles {
        /// The name that the file would have to have to be preferred.
        file: String,
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

    /// The benchmark has no tables.
    #[error("{}: a table, but {benchmark} has rows in JSON or parquet", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// The benchmark.
        benchmark: &'static str,
    },

    /// A file or folder holds nothing that was looked for.
    #[error("{}: no {what} found, expected at least one", path.display())]
    Nothing {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },

    /// The benchmark can be scored, but has no training set here.
    #[error(
        "mmlu has no training set; expected arc, arc-format or hellaswag as an experiment's benchmark"
    )]
    NoTrainingSet,

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

    /// A field that every line has is not on this one.
    #[error("field `{field}` is missing")]
    MissingField {
        /// The field's name.
        field: &'static str,
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

    /// Two of something have the same name.
    #[error("{what} `{name}` stands there twice")]
    Twice {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
    },

    /// The id has been met before.
    #[error("id `{id}` was given on line {first} already")]
    DuplicateId {
        /// The id.
        id: String,
        /// The line where it was first met, from 1.
        first: usize,
    },

    /// The stem is blank.
    #[error("the question's stem is empty")]
    EmptyStem,

    /// A choice is blank.
    #[error("choice {choice} is empty")]
    EmptyChoice {
        /// The choice's place, from 1.
        choice: usize,
    },
}

fn display_all(paths: &[PathBuf]) -> String {
    let paths = paths.iter().map(|path| path.display().to_string());
    paths.collect::<Vec<_>>().join(", ")
}
