#![doc = include_str!("../README.md")]

mod benchmark;
mod error;
mod files;
mod layout;
mod pairs;
pub mod prompt;
mod python_random;
mod python_text;
mod question;
mod rows;
mod shots;
mod unrelated;

pub use benchmark::Benchmark;
pub use error::{Error, LineError, Result};
pub use layout::{Layout, MMLU_SCIENCE, read_questions};
pub use likra_results::AnswerKind;
pub use pairs::{
    Answers, Draw, Ranking, TrainingPair, WrongAnswer, other_answers, training_order,
    training_pairs,
};
pub use python_random::PythonRandom;
pub use question::{PromptStyle, Question};
pub use shots::{HARNESS_SEED, ShotRule, Shots};
pub use unrelated::Unrelated;
