//! What can go wrong between text and tokens, in words that name the file or the text.

use std::io;
use std::path::PathBuf;

use likra_data::Question;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a tokenizer could not be opened, or a text not encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error with the question that it is about.
    #[error("question `{id}`: {source}")]
    Question {
        /// The question's id.
        id: String,
        /// What went wrong.
        source: Box<Self>,
    },

    /// A file could not be read; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

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
    Config {
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
}

impl Error {
    pub(crate) fn question(question: &Question, source: Self) -> Self {
        Self::Question {
            id: question.id().into(),
            source: Box::new(source),
        }
    }
}
