#![doc = include_str!("../README.md")]

mod adamw;
mod checkpoint;
mod error;
mod example;
mod gradients;
mod objective;
mod run;
mod settings;
mod trainer;

pub use error::{Error, Result};
pub use example::Example;
pub use gradients::loss_and_gradients;
pub use objective::Objective;
pub use run::train_head;
pub use settings::{LongExample, Schedule, TrainSettings};
pub use trainer::Trainer;
