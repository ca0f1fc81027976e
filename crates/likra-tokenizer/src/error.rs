//! What can go wrong between text and tokens, in words that name the file or the text.

use std::io;
use std::path::{Path, PathBuf};

use likra_data::Question;
use serde_json::Value;

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

    /// A JSON file beside `tokenizer.json` is malformed.
    #[error("{}: {source}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Where and why parsing stopped.
        source: serde_json::Error,
    },

    /// A key has a value with which the tokenizer cannot be opened exactly.
    #[error("{}: {key} = {found}; expected {expected}", path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value, as JSON; `null` if it is absent.
        found: String,
        /// What would be accepted.
        expected: String,
    },

    /// The post-processor puts a token behind a text, so that nothing can continue it.
    #[error(
        "{}: the tokenizer ends each text with token {token}, so that no answer can follow a question; \
         set add_eos_token to false in tokenizer_config.json, or take the token out of the post_processor in \
         tokenizer.json, or give --bos never", dir.display()
    )]
    EndsTexts {
        /// The checkpoint's folder.
        dir: PathBuf,
        /// The last token's id.
        token: u32,
    },

    /// A text asks for what the tokenizer's class does with it beside encoding.
    #[error("text with `{token}`, which CodeLlamaTokenizer takes for a gap to fill in; remove it")]
    Gap {
        /// The token for a gap.
        token: String,
    },

    /// A text has to begin with a special token, but the tokenizer has none.
    #[error("{purpose} needs {needed}, and the tokenizer has none")]
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

    /// An answer is longer than the model can run.
    #[error("an answer of {tokens} tokens is longer than the model's {positions} positions")]
    LongContinuation {
        /// The answer's tokens.
        tokens: usize,
        /// The model's positions.
        positions: usize,
    },

    /// A choice has no text, so that scores cannot be divided by its length.
    #[error("choice {choice} is empty")]
    EmptyChoice {
        /// The choice's place, from 1.
        choice: usize,
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
    pub(crate) fn encode(error: tokenizers::Error) -> Self {
        Self::Encode {
            message: error.to_string(),
        }
    }

    pub(crate) fn setting(path: &Path, key: &str, found: &Value, expected: &str) -> Self {
        Self::Setting {
            path: path.into(),
            key: key.into(),
            found: found.to_string(),
            expected: expected.into(),
        }
    }

    pub(crate) fn question(question: &Question, source: Self) -> Self {
        Self::Question {
            id: question.id().into(),
            source: Box::new(source),
        }
    }
}
