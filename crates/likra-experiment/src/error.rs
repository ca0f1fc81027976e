//! Why an experiment could not be read or run.

use std::io;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an experiment could not be read or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error with the file, the flag or the experiment that it is about.
    #[error("{place}: {source}")]
    At {
        /// What it is about.
        place: String,
        /// What went wrong.
        source: Box<Error>,
    },

    /// There is no experiment of this name.
    #[error("no experiment `{name}`: expected one of {known}, or a path to a .toml file")]
    UnknownExperiment {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },

    /// A key is unknown, has a wrong type or cannot stand beside the others.
    #[error("{}{mistake}", line.map_or_else(String::new, |line| format!("line {line}: ")))]
    Key {
        /// The line of the experiment's file that the key stands on, from 1.
        line: Option<usize>,
        /// What is wrong.
        mistake: Mistake,
    },

    /// A file or folder could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// A text is not TOML.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),

    /// A value cannot be written as TOML.
    #[error(transparent)]
    Unwritable(#[from] toml::ser::Error),

    /// A text is longer than the model can run.
    #[error(
        "{what} `{id}`: {tokens} tokens with its answer, but the model has {positions} positions (max_position_embeddings); \
         {remedy}"
    )]
    TooLong {
        /// What it is.
        what: &'static str,
        /// The question's id.
        id: String,
        /// How many tokens it has.
        tokens: usize,
        /// How many positions the model has.
        positions: usize,
        /// What to do.
        remedy: &'static str,
    },

    /// What is to be done does not fit into memory.
    #[error(
        "about {needed} MiB of memory are needed, but {of} leaves {left} MiB; lower --batch-tokens (scoring) or \
         training.batch-size, take --dtype bf16, a smaller model or a larger machine"
    )]
    Memory {
        /// The estimate, in MiB.
        needed: usize,
        /// What is left, in MiB.
        left: u64,
        /// Who says so.
        of: &'static str,
    },

    /// The questions could not be read or drawn from.
    #[error(transparent)]
    Data(#[from] likra_data::Error),

    /// A model or a data set could not be had from the hub.
    #[error(transparent)]
    Hub(#[from] likra_hub::Error),

    /// A text could not be turned into tokens.
    #[error(transparent)]
    Tokenizer(#[from] likra_tokenizer::Error),

    /// An adapter could not be read or written.
    #[error(transparent)]
    Lora(#[from] likra_lora::Error),

    /// The model could not be opened or run.
    #[error(transparent)]
    Model(#[from] likra_model::Error),

    /// A head could not be trained.
    #[error(transparent)]
    Train(#[from] likra_train::Error),

    /// Questions could not be scored.
    #[error(transparent)]
    Score(#[from] likra_score::Error),

    /// A file of the run could not be read or written.
    #[error(transparent)]
    Results(#[from] likra_results::Error),

    /// The scores do not fit each other.
    #[error(transparent)]
    Analysis(#[from] likra_analysis::Error),

    /// The report could not be drawn.
    #[error(transparent)]
    Report(#[from] likra_report::Error),
}

/// A key of an experiment that cannot stand as it does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct Mistake {
    /// The key with its tables, such as `evaluation.num-shots`.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

impl Mistake {
    pub(crate) fn new(key: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Self {
            key: key.into(),
            message: message.to_string(),
        }
    }
}

impl From<Mistake> for Error {
    fn from(mistake: Mistake) -> Self {
        Self::Key {
            line: None,
            mistake,
        }
    }
}

/// Says what an error is about.
pub(crate) trait At<T> {
    fn at(self, place: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Error>> At<T> for Result<T, E> {
    fn at(self, place: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::At {
            place: place(),
            source: Box::new(source.into()),
        })
    }
}
