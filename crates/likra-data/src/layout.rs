//! The benchmarks, and how each lays out its files.

mod arc;
mod arc_csv;
mod hellaswag;
mod mmlu;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::files::Files;
use crate::rows::{self, Content};
use crate::{Error, Question, Result};

pub use mmlu::MMLU_SCIENCE;

/// A benchmark, by the layout of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// AI2's Reasoning Challenge: six files.
    #[default]
    Arc,
    /// `train.jsonl` and `test.jsonl` in ARC's format.
    ArcFormat,
    /// `HellaSwag`: a training file, and a validation file as the test.
    Hellaswag,
    /// MMLU: a table for each subject, in folders `dev`, `val` and `test`.
    Mmlu,
}

impl Layout {
    /// The paper's name for the benchmark, and how many questions it trains on (section 3.1): fewer in a
    /// user's files are a part of them.
    #[must_use]
    pub fn in_paper(self) -> Option<(&'static str, usize)> {
        match self {
            Self::Arc => Some(("ARC-Challenge", 6615)),
            Self::Hellaswag => Some(("HellaSwag", 39905)),
            Self::ArcFormat | Self::Mmlu => None,
        }
    }

    /// Finds its files in `dir`.
    pub(crate) fn files(self, dir: &Path) -> Result<Files> {
        match self {
            Self::Arc => arc::files(dir),
            Self::ArcFormat => Ok(Files {
                train: vec![dir.join("train.jsonl")],
                test: vec![dir.join("test.jsonl")],
                shots: 0,
            }),
            Self::Hellaswag => hellaswag::files(dir),
            Self::Mmlu => mmlu::files(dir),
        }
    }

    /// The question of one JSON object. Rows of MMLU have no id but their number.
    fn row(self, text: &[u8], number: usize) -> Result<Question, crate::LineError> {
        match self {
            Self::Arc | Self::ArcFormat => arc::parse(text),
            Self::Hellaswag => hellaswag::parse(text),
            Self::Mmlu => mmlu::parse(text, number),
        }
    }
}

/// Reads the questions of a file: JSON lines, an array in JSON, parquet or, of some benchmarks, a table,
/// compressed or not.
///
/// # Errors
///
/// If the file cannot be read, or a row of it is not a question; the message names the line or row.
pub fn read_questions(layout: Layout, path: &Path) -> Result<Vec<Question>> {
    parse(layout, likra_files::read(path)?, path)
}

/// The questions of a file's bytes.
pub(crate) fn parse(layout: Layout, bytes: Vec<u8>, path: &Path) -> Result<Vec<Question>> {
    match (rows::content(bytes, path)?, layout) {
        (Content::Table(text), Layout::Mmlu) => mmlu::parse_table(&text, path),
        (Content::Table(_), Layout::Hellaswag) => Err(Error::Table {
            path: path.into(),
            benchmark: "hellaswag",
        }),
        (Content::Table(text), _) => arc_csv::parse(&text, path),
        (Content::Rows(rows), _) => {
            let question =
                |(number, (line, row)): (usize, (usize, Vec<u8>))| (line, layout.row(&row, number));
            rows::collect(path, (1..).zip(rows).map(question))
        }
    }
}
