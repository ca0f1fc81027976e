#![doc = include_str!("../README.md")]

mod error;
mod plan;
mod reader;
mod score;

pub use error::{Error, Result};
pub use plan::Plan;
pub use reader::{Reader, Reading};
pub use score::{Head, score};
