#![doc = include_str!("../README.md")]

mod error;
mod plan;
mod reader;
mod score;

pub use error::{Error, Result};
pub use likra_model::Reading;
pub use plan::Plan;
pub use reader::Reader;
pub use score::{Head, score};
