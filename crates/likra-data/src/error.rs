//! What can go wrong with data, in words that name the place, what was found and what was expected.

use std::io;
use std::path::PathBuf;

use crate::AnswerKind;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why questions could not be read, drawn from, or turned into tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

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

    /// A line of a benchmark file is not a question.
    #[error("{}:{line}: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
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

    /// A file's name ends in nothing that says how to read it.
    #[error("{}: expected a name that ends in {expected}", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
        /// What the benchmark's files end in.
        expected: &'static str,
    },

    /// A folder holds none of a benchmark's files.
    #[error("{}: no file of {expected} in this folder", path.display())]
    NoFiles {
        /// The folder.
        path: PathBuf,
        /// What was looked for.
        expected: &'static str,
    },

    /// A benchmark file holds no question.
    #[error("{}: no questions found, expected at least one", path.display())]
    NoQuestions {
        /// The file.
        path: PathBuf,
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

    /// A tokenizer file is not one that the `tokenizers` library reads.
    #[error("{}: not a tokenizer: {message}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What the library said.
        message: String,
    },

    /// `tokenizer_config.json` is malformed.
    #[error("{}: {source}", path.display())]
    TokenizerConfig {
        /// The file.
        path: PathBuf,
        /// Where and why parsing stopped.
        source: serde_json::Error,
    },

    /// A special token of `tokenizer_config.json` is not in the vocabulary.
    #[error("{}: {key} `{token}` is not in the vocabulary of tokenizer.json", path.display())]
    UnknownToken {
        /// The file that names the token.
        path: PathBuf,
        /// `bos_token` or `eos_token`.
        key: &'static str,
        /// The token.
        token: String,
    },

    /// A text has to begin with a special token, but the tokenizer has none.
    #[error("{purpose} needs {needed} in tokenizer_config.json, which names none")]
    NoSpecialToken {
        /// What the token is needed for.
        purpose: &'static str,
        /// The keys that would do.
        needed: &'static str,
    },

    /// The `tokenizers` library could not encode a text.
    #[error("cannot encode a text: {message}")]
    Encode {
        /// What the library said.
        message: String,
    },

    /// No token stands before the answer to predict its first token from.
    #[error("context {context:?} has no tokens, expected at least one")]
    EmptyContext {
        /// The context.
        context: String,
    },

    /// No token is left for the answer.
    #[error(
        "continuation {continuation:?} has no tokens past its context's {context_tokens}, expected at least one"
    )]
    EmptyContinuation {
        /// The continuation.
        continuation: String,
        /// How many tokens the context has by itself.
        context_tokens: usize,
    },

    /// A question could not be encoded.
    #[error("question `{id}`: {source}")]
    Question {
        /// The question's id.
        id: String,
        /// What went wrong.
        source: Box<Error>,
    },
}

/// What is wrong with one line of a benchmark file.
#[derive(Debug, thiserror::Error)]
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

    /// `answerKey` is none of the choices' labels.
    #[error("answerKey `{found}` is not among the labels {labels:?}")]
    AnswerKey {
        /// The key.
        found: String,
        /// The labels, in order.
        labels: Vec<String>,
    },

    /// Two choices have the same label.
    #[error("label `{label}` stands at more than one choice")]
    DuplicateLabel {
        /// The label.
        label: String,
    },

    /// There are not as many labels as choices.
    #[error("{texts} choices found, but {labels} labels")]
    Labels {
        /// How many choices there are.
        texts: usize,
        /// How many labels.
        labels: usize,
    },

    /// A row of a table has not the columns that it should.
    #[error("{found} fields found, expected {expected}")]
    Fields {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },

    /// A row of a table is not one that the library reads.
    #[error("{message}")]
    Csv {
        /// What the library said.
        message: String,
    },

    /// The answer is none of a row's choices.
    #[error("answer `{found}` is neither a letter from A to D nor a number from 0 to 3")]
    Answer {
        /// The answer.
        found: String,
    },

    /// A text does not end with choices, each after its label in brackets.
    #[error(
        "no choices found in the question; expected `... (A) ... (B) ...` or `... (1) ... (2) ...`, with ({answer_key}) among them"
    )]
    NoChoices {
        /// The right answer's label.
        answer_key: String,
    },

    /// A field that every line has is not on this one.
    #[error("field `{field}` is missing")]
    MissingField {
        /// The field's name.
        field: &'static str,
    },

    /// `label` is not the index of an ending.
    #[error("label `{found}` is not the index, from 0, of one of {endings} endings")]
    Label {
        /// The label.
        found: String,
        /// How many endings there are.
        endings: usize,
    },

    /// The id has been met before.
    #[error("id `{id}` was given on line {first} already")]
    DuplicateId {
        /// The id.
        id: String,
        /// The line where it was first met, from 1.
        first: usize,
    },

    /// The line holds a question that cannot be asked.
    #[error(transparent)]
    Question(#[from] QuestionError),
}

/// Why a question cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuestionError {
    /// The stem is blank.
    #[error("the question's stem is empty")]
    EmptyStem,

    /// A choice is blank.
    #[error("choice {choice} is empty")]
    EmptyChoice {
        /// The choice's place, from 1.
        choice: usize,
    },

    /// There is nothing to choose between.
    #[error("{found} choices found, expected at least 2")]
    TooFewChoices {
        /// How many there are.
        found: usize,
    },

    /// The right answer is not among the choices.
    #[error("the right answer is choice index {found}, expected less than {choices}")]
    Gold {
        /// The index, from 0.
        found: usize,
        /// How many choices there are.
        choices: usize,
    },
}

fn display_all(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}
