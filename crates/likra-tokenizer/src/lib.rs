#![doc = include_str!("../README.md")]

mod auto;
mod chat;
mod class;
mod encoded_pair;
mod error;
mod questions;
mod sentence_piece;
mod settings;
mod special;
mod tokenizer;

pub use encoded_pair::{EncodedContext, EncodedPair};
pub use error::{Error, Result};
pub use questions::{Asked, Candidate, Other, Request};
pub use tokenizer::{Bos, Tokenizer};
