#![doc = include_str!("../README.md")]

mod error;
mod plan;
mod score;

pub use error::{Error, Result};
pub use plan::Plan;
pub use score::{Head, score};
