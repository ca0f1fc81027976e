//! What can go wrong between text and tokens, in words that name the file or the text.

use std::io;
use std::path::PathBuf;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a tokenizer could not be opened, or a text not encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error with the id of the question that it is about.
    #[error("question `{0}`: {1}")]
    Question(String, #[source] Box<Self>),

    /// A file could not be read; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// A tokenizer file is not one that the `tokenizers` library reads, and what it said.
    #[error("{path}: not a tokenizer: {1}", path = .0.display())]
    Tokenizer(PathBuf, String),

    /// A JSON file beside `tokenizer.json` is malformed, or a key has a value with which the tokenizer cannot be
    /// opened exactly: which, its value (`null` if it is absent), and what would be accepted.
    #[error("{path}: {1}", path = .0.display())]
    Config(PathBuf, String),

    /// Chats are asked for, and the checkpoint's folder has no template for them; what it has.
    #[error(
        "{path}: no chat template: {1} found; expected chat_template.jinja, or the key chat_template in \
         tokenizer_config.json", path = .0.display()
    )]
    ChatTemplate(PathBuf, String),

    /// The post-processor puts a token behind a text, so that nothing can continue it: the checkpoint's
    /// folder, and the token's id.
    #[error(
        "{path}: the tokenizer ends each text with token {1}, so that no answer can follow a question; \
         set add_eos_token to false in tokenizer_config.json, or take the token out of the post_processor in \
         tokenizer.json, or give --bos never", path = .0.display()
    )]
    EndsTexts(PathBuf, u32),

    /// A text has the token for a gap, with which the tokenizer's class does something beside encoding.
    #[error("text with `{0}`, which CodeLlamaTokenizer takes for a gap to fill in; remove it")]
    Gap(String),

    /// Something needs a special token of these keys, and the tokenizer has none.
    #[error("{0} needs {1}, and the tokenizer has none")]
    NoSpecialToken(&'static str, &'static str),

    /// The `tokenizers` library could not encode a text, and what it said.
    #[error("cannot encode a text: {0}")]
    Encode(String),

    /// No token of this context stands before the answer to predict its first token from.
    #[error("context {0:?} has no tokens, expected at least one")]
    EmptyContext(String),

    /// An answer of so many tokens is longer than the model, with so many positions, can run.
    #[error("an answer of {0} tokens is longer than the model's {1} positions")]
    LongContinuation(usize, usize),

    /// A choice, by its place from 1, has no text, so that scores cannot be divided by its length.
    #[error("choice {0} is empty")]
    EmptyChoice(usize),

    /// No token is left for the answer past those that its context has by itself.
    #[error("continuation {0:?} has no tokens past its context's {1}, expected at least one")]
    EmptyContinuation(String, usize),
}
