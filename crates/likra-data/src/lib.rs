#![doc = include_str!("../README.md")]

mod arc;
mod arc_csv;
mod benchmark;
mod encoded_pair;
mod error;
mod example;
mod hellaswag;
mod hellaswag_files;
mod lines;
mod mmlu;
mod pairs;
pub mod prompt;
mod python_random;
mod python_text;
mod question;
mod scoring;
pub mod shots;
mod source;
mod table;
mod tokenizer;
mod unrelated;

pub use arc::{parse_arc, read_arc};
pub use benchmark::{ArcFiles, Benchmark, read_arc_benchmark};
pub use encoded_pair::EncodedPair;
pub use error::{Error, LineError, QuestionError, Result};
pub use example::TrainingExample;
pub use hellaswag::{parse_hellaswag, read_hellaswag};
pub use hellaswag_files::{HellaswagFiles, read_hellaswag_benchmark};
pub use mmlu::{MMLU_SCIENCE, read_mmlu, read_mmlu_dir};
pub use pairs::{
    Rank, TrainingPair, WrongAnswer, contaminated, ranked_pairs, training_order, training_pairs,
};
pub use prompt::PromptStyle;
pub use python_random::PythonRandom;
pub use question::Question;
pub use scoring::{Asked, CandidateTokens, ScoringRequest, scoring_requests};
pub use source::{Source, read_questions};
pub use tokenizer::{Bos, Tokenizer};
pub use unrelated::Unrelated;

pub use likra_results::AnswerKind;
