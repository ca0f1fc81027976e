#![doc = include_str!("../README.md")]

mod answer_kind;
mod claim;
mod csv_file;
mod digest;
mod error;
mod layout;
mod manifest;
mod records;
mod stamp;

pub use answer_kind::AnswerKind;
pub use claim::Claim;
pub use csv_file::{Row, read_rows, write_rows};
pub use digest::{sha256, sha256_file, sha256_kept};
pub use error::{Error, Result};
pub use layout::{
    ANSWER_ONLY, BASE, HeadDir, P_TRUE, REPORT, RunDir, check_head_name, checkpoint_examples,
    remove,
};
pub use manifest::{Input, Manifest, Questions, TooLong, versions};
pub use records::{AnswerRecord, ScoreRecord, StepRecord};
pub use stamp::Stamp;
