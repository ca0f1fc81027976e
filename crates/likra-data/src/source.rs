//! A benchmark's questions from whatever form of file holds them.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, LineError, Question, Result, arc, arc_csv, hellaswag, lines, mmlu};

/// A benchmark, by which the rows of a file are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// AI2's Reasoning Challenge.
    #[default]
    Arc,
    /// `HellaSwag`.
    Hellaswag,
    /// MMLU.
    Mmlu,
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
/// The hub is Hugging Face's: `allenai/ai2_arc`, `Rowan/hellaswag`, `cais/mmlu`.
///
/// # Errors
///
/// If the file cannot be read or has another ending, or, named by its line or row, for what is no question.
pub fn read_questions(source: Source, path: &Path) -> Result<Vec<Question>> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match (extension, source) {
        (Some("jsonl"), Source::Mmlu) => numbered(path, split_lines(&lines::read(path)?), source),
        (Some("jsonl"), _) => lines::parse(&lines::read(path)?, path, |row| source.row(row, 0)),
        (Some("json"), _) => rows(path, json_rows(path)?, source),
        (Some("parquet"), _) => rows(path, parquet_rows(path)?, source),
        (Some("csv"), Source::Arc) => arc_csv::parse(&lines::read(path)?, path),
        (Some("csv"), Source::Mmlu) => mmlu::parse(&lines::read(path)?, path),
        _ => Err(Error::Extension {
            path: path.into(),
            expected: source.endings(),
        }),
    }
}

impl Source {
    fn endings(self) -> &'static str {
        match self {
            Self::Arc | Self::Mmlu => ".jsonl, .json, .parquet or .csv",
            Self::Hellaswag => ".jsonl, .json or .parquet",
        }
    }

    /// The question of one JSON object; rows of MMLU have no id but their number.
    fn row(self, text: &[u8], number: usize) -> Result<Question, LineError> {
        match self {
            Self::Arc => arc::parse_line(text),
            Self::Hellaswag => hellaswag::parse_line(text),
            Self::Mmlu => mmlu::parse_row(text, number),
        }
    }
}

fn rows(path: &Path, rows: Vec<Value>, source: Source) -> Result<Vec<Question>> {
    numbered(
        path,
        rows.into_iter().map(|row| row.to_string().into_bytes()),
        source,
    )
}

fn numbered(
    path: &Path,
    rows: impl Iterator<Item = Vec<u8>>,
    source: Source,
) -> Result<Vec<Question>> {
    let rows = (1..).zip(rows);
    lines::collect(
        path,
        rows.map(|(number, row)| (number, source.row(&row, number))),
    )
}

fn split_lines(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec);
    lines.filter(|line| !line.trim_ascii().is_empty())
}

/// An array of rows, or `{"rows": [{"row": ...}, ...]}`.
fn json_rows(path: &Path) -> Result<Vec<Value>> {
    let malformed = |message: String| Error::Malformed {
        path: path.into(),
        expected: "an array of rows in JSON",
        message,
    };
    let whole: Value = serde_json::from_slice(&lines::read(path)?)
        .map_err(|error| malformed(error.to_string()))?;
    let rows = match whole {
        Value::Array(rows) => rows,
        Value::Object(mut viewer) => match viewer.remove("rows") {
            Some(Value::Array(rows)) => rows,
            _ => return Err(malformed("an object without an array `rows`".into())),
        },
        other => return Err(malformed(format!("found {other}"))),
    };
    let unwrapped = rows.into_iter().map(|mut row| match row.get_mut("row") {
        Some(inner @ Value::Object(_)) => inner.take(),
        _ => row,
    });
    Ok(unwrapped.collect())
}

/// All rows of a parquet file.
fn parquet_rows(path: &Path) -> Result<Vec<Value>> {
    let file = File::open(path).map_err(|source| Error::Io {
        path: path.into(),
        source,
    })?;
    // The library panics on some damaged files (parquet 60.1, in its decoders), which is no fault of the caller's.
    let read = catch_unwind(AssertUnwindSafe(|| {
        let reader = SerializedFileReader::new(file)?;
        let rows = reader.get_row_iter(None)?;
        rows.map(|row| row.map(|row| row.to_json_value())).collect()
    }));
    let damaged = Err(parquet::errors::ParquetError::General(
        "its pages are damaged".into(),
    ));
    read.unwrap_or(damaged).map_err(|error| Error::Malformed {
        path: path.into(),
        expected: "a parquet file",
        message: error.to_string(),
    })
}
