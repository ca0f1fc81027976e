#![doc = include_str!("../README.md")]

mod adamw;
mod checkpoint;
mod error;
mod settings;
mod trainer;

pub use error::{Error, Result};
pub use settings::Settings;
pub use trainer::{loss_and_gradients, train_head};
