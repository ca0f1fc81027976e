#![doc = include_str!("../README.md")]

mod error;
mod plan;
mod request;
mod score;

pub use error::{Error, Result};
pub use plan::Plan;
pub use request::{Candidate, Request};
pub use score::{Head, score};
