#![doc = include_str!("../README.md")]

mod app;
mod backend;
mod completions;
mod judge;
mod metrics;
mod pages;
mod refusal;
mod server;
mod settings;
mod tokens;
mod worker;

pub use backend::{Backend, Scored, SpecialTokens, Text};
pub use server::{Error, Result, serve, stop_signal};
pub use settings::Settings;
