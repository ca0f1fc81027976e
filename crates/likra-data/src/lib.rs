#![doc = include_str!("../README.md")]

mod benchmark;
mod chat;
mod error;
mod files;
mod literal;
mod pairs;
mod python_random;
mod python_regex;
mod python_text;
mod question;
mod rows;
mod shape;
mod shots;
mod task;
mod template;
mod time;
mod values;

pub use benchmark::{Benchmark, Needs};
pub use chat::{Chat, ChatTemplate};
pub use error::{Error, Result};
pub use files::{Dataset, Source, datasets};
pub use likra_results::AnswerKind;
pub use pairs::{
    Answers, Draw, Ranking, TrainingPair, WrongAnswer, other_answers, training_order,
    training_pairs, training_passes,
};
pub use python_random::PythonRandom;
pub use python_text::is_python_space;
pub use question::Question;
pub use rows::{rows_of, without_compression};
pub use shots::{HARNESS_SEED, ShotRule, Shots};
pub use task::{InPaper, Task, open as open_task};

/// A context that asks nothing.
pub const ANSWER_ONLY: &str = "Answer:";
