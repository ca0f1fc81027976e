//! Rows of a file, whatever form it has.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use fs_err::File;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde_json::Value;

use crate::{Error, LineError, Question, Result};

/// What a row is read into, or what is wrong with it; with its line or number, from 1.
pub(crate) type Numbered<T> = (usize, Result<T, LineError>);

/// The rows of a JSON file: objects, each as text, with their line or number.
///
/// `jsonl` has one on each line; blank lines are passed over and counted. `json` has an array, or the
/// object around it that the hub's viewer gives. `parquet` has the hub's columns, and is read from `path`.
pub(crate) fn json(form: &str, bytes: &[u8], path: &Path) -> Result<Vec<(usize, Vec<u8>)>> {
    if form == "jsonl" {
        let lines = (1..).zip(bytes.split(|&byte| byte == b'\n'));
        let lines = lines.filter(|(_, text)| !text.trim_ascii().is_empty());
        return Ok(lines.map(|(line, text)| (line, text.to_vec())).collect());
    }
    let rows = match form {
        "json" => json_rows(bytes, path)?,
        _ => parquet_rows(path)?,
    };
    let rows = rows.into_iter().map(|row| row.to_string().into_bytes());
    Ok((1..).zip(rows).collect())
}

/// The rows of a table, the first among them, each with the line on which it begins. A field in quotes
/// may hold commas and new lines.
pub(crate) fn table(bytes: &[u8]) -> impl Iterator<Item = Numbered<StringRecord>> {
    let line = |position: Option<&csv::Position>| position.map_or(1, |at| at.line() as usize);
    let reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes);
    // After a mistake the reader says nothing more.
    reader.into_records().map(move |row| match row {
        Ok(row) => (line(row.position()), Ok(row)),
        Err(error) => {
            let message = match error.kind() {
                csv::ErrorKind::Utf8 { err, .. } => err.to_string(),
                _ => error.to_string(),
            };
            (line(error.position()), Err(LineError::Csv { message }))
        }
    })
}

/// The questions of rows; no question at all is an error, and so is an id that has been there before.
pub(crate) fn collect(
    path: &Path,
    rows: impl Iterator<Item = Numbered<Question>>,
) -> Result<Vec<Question>> {
    let mut questions = Vec::new();
    let mut lines_by_id = HashMap::new();
    for (line, question) in rows {
        let refused = |source| Error::Line {
            path: path.into(),
            line,
            source,
        };
        let question = question.map_err(refused)?;
        if let Some(first) = lines_by_id.insert(question.id().to_owned(), line) {
            let id = question.id().to_owned();
            return Err(refused(LineError::DuplicateId { id, first }));
        }
        questions.push(question);
    }
    if questions.is_empty() {
        return Err(Error::Nothing {
            path: path.into(),
            what: "questions",
        });
    }
    Ok(questions)
}

/// A number or a text, as it is written without quotes.
pub(crate) fn unquoted(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What the parser said, without its own line number: each line is parsed by itself.
pub(crate) fn json_error(error: &serde_json::Error) -> LineError {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&place).unwrap_or(&message).to_owned();
    LineError::Json {
        column: error.column(),
        message,
    }
}

/// An array of rows, or `{"rows": [{"row": ...}, ...]}`.
fn json_rows(bytes: &[u8], path: &Path) -> Result<Vec<Value>> {
    let malformed = |message: String| Error::Malformed {
        path: path.into(),
        expected: "an array of rows in JSON",
        message,
    };
    let whole: Value =
        serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
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
    let file = File::open(path)?.into_parts().0;
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
