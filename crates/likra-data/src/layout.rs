//! The benchmarks, and how each lays out its files.

mod arc;
mod arc_csv;
mod hellaswag;
mod mmlu;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::files::Files;
use crate::{Error, Question, Result, rows};

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

/// Reads all questions of a file, in order. How, its name's ending says:
///
/// | ending | form |
/// |---|---|
/// | `.jsonl` | a JSON object a line, the authors' own or one of the hub's rows |
/// | `.json` | an array of such rows, or the object around them that the hub's viewer gives |
/// | `.parquet` | the hub's rows |
/// | `.csv` | the authors' tables of ARC and MMLU |
///
/// The hub is Hugging Face's: `allenai/ai2_arc`, `Rowan/hellaswag`, `cais/mmlu`. A byte order mark,
/// blank lines and carriage returns at line ends are passed over.
///
/// # Errors
///
/// If the file cannot be read or has another ending, or, named by its line or row, for what is no question.
pub fn read_questions(layout: Layout, path: &Path) -> Result<Vec<Question>> {
    let form = path.extension().and_then(|extension| extension.to_str());
    let forms: &[&str] = match layout {
        Layout::Hellaswag => &["jsonl", "json", "parquet"],
        _ => &["jsonl", "json", "parquet", "csv"],
    };
    match form.filter(|form| forms.contains(form)) {
        Some("parquet") => parse(layout, "parquet", &[], path),
        Some(form) => parse(layout, form, &fs_err::read(path)?, path),
        None => Err(Error::Extension {
            path: path.into(),
            expected: forms.join(", ."),
        }),
    }
}

/// The questions of a file's bytes; a parquet file is read from its path.
pub(crate) fn parse(
    layout: Layout,
    form: &str,
    bytes: &[u8],
    path: &Path,
) -> Result<Vec<Question>> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    match (form, layout) {
        ("csv", Layout::Mmlu) => mmlu::parse_table(bytes, path),
        ("csv", _) => arc_csv::parse(bytes, path),
        _ => {
            let rows = (1..).zip(rows::json(form, bytes, path)?);
            let question =
                |(number, (line, row)): (usize, (usize, Vec<u8>))| (line, layout.row(&row, number));
            rows::collect(path, rows.map(question))
        }
    }
}
