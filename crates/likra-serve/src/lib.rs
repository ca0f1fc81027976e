#![doc = include_str!("../README.md")]

mod app;
mod backend;
mod completions;
mod error;
mod judge;
mod metrics;
mod pages;
mod refusal;
mod server;
mod settings;
mod tokens;
mod worker;

pub use backend::{Backend, Scored, SpecialTokens, Text};
pub use error::{Error, Result};
pub use server::{serve, stop_signal};
pub use settings::Settings;
