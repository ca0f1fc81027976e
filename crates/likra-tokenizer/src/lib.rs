#![doc = include_str!("../README.md")]

mod bos;
mod encoded_pair;
mod error;
mod tokenizer;

pub use bos::Bos;
pub use encoded_pair::{EncodedContext, EncodedPair};
pub use error::{Error, Result};
pub use tokenizer::Tokenizer;
