#![doc = include_str!("../README.md")]

mod answers;
mod atomic;
mod csv_file;
mod digest;
mod error;
mod layout;
mod log;
mod manifest;
mod scores;

pub use answers::{AnswerRecord, read_answers, write_answers};
pub use atomic::write_atomically;
pub use digest::{sha256, sha256_file};
pub use error::{Error, Result};
pub use layout::{ANSWER_ONLY, BASE, HeadDir, RunDir};
pub use log::{StepRecord, read_log, write_log};
pub use manifest::{Input, Manifest, Questions};
pub use scores::{Kind, ScoreRecord, UnknownKind, read_scores, write_scores};
