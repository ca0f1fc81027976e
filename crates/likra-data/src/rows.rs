//! Rows of a file, whatever form it has.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use likra_files::decode_text;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde::Deserialize;
use serde_json::Value;

use crate::{Error, LineError, Question, Result};

/// What a row is read into, or what is wrong with it; with its line or number, from 1.
pub(crate) type Numbered<T> = (usize, Result<T, LineError>);

/// What is in a file.
pub(crate) enum Content {
    /// JSON objects, each as text, with their line or number.
    Rows(Vec<(usize, Vec<u8>)>),
    /// A table with commas.
    Table(String),
}

/// Finds the rows in a file's bytes, which may be compressed with gzip, xz or Zstandard.
///
/// The content decides, for endings are often wrong: parquet begins with its name, JSON is an array, the
/// object around it that the hub's viewer gives, or an object a line. A table is known by its ending
/// alone.
pub(crate) fn content(bytes: Vec<u8>, path: &Path) -> Result<Content> {
    let bytes = decompressed(bytes).map_err(|error| Error::Malformed {
        path: path.into(),
        expected: "a compressed file that is whole",
        message: error.to_string(),
    })?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let name = [".gz", ".xz", ".zst"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(&name);
    if bytes.starts_with(b"PAR1") || name.ends_with(".parquet") {
        return parquet_rows(bytes, path).map(Content::Rows);
    }
    let text = decode_text(path, &bytes)?;
    if Path::new(name).extension() == Some("csv".as_ref()) {
        return Ok(Content::Table(text.to_owned()));
    }
    match text.trim_start().chars().next() {
        Some('[' | '{') => json_rows(text, path).map(Content::Rows),
        Some(_) => Err(Error::Unknown { path: path.into() }),
        None => Ok(Content::Rows(Vec::new())),
    }
}

fn decompressed(bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    match bytes.as_slice() {
        [0x1f, 0x8b, ..] => MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut content)?,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            XzDecoder::new_multi_decoder(bytes.as_slice()).read_to_end(&mut content)?
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            zstd::Decoder::new(bytes.as_slice())?.read_to_end(&mut content)?
        }
        _ => return Ok(bytes),
    };
    Ok(content)
}

/// The choices of a question, in any of the forms in which benchmarks write them.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Choices {
    pub(crate) texts: Vec<String>,
    labels: Option<Vec<String>>,
}

/// The forms.
#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    List(Vec<String>),
    Columns {
        text: Vec<String>,
        label: Vec<String>,
    },
    Structs(Vec<Choice>),
}

#[derive(Deserialize)]
struct Choice {
    text: String,
    label: String,
}

impl TryFrom<Value> for Choices {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let form = Form::deserialize(&value).map_err(|_| {
            format!("{value} is no list of texts, list of objects with text and label, or object with lists of both")
        })?;
        let (texts, labels) = match form {
            Form::List(texts) => (texts, None),
            Form::Columns { text, label } => (text, Some(label)),
            Form::Structs(choices) => {
                let pairs = choices
                    .into_iter()
                    .map(|choice| (choice.text, choice.label));
                let (texts, labels) = pairs.unzip();
                (texts, Some(labels))
            }
        };
        Ok(Self { texts, labels })
    }
}

impl Choices {
    /// The labels: those given, or letters from A, or numbers from 1 where `key` is one.
    pub(crate) fn labels(&self, key: &str) -> Vec<String> {
        let count = self.texts.len();
        match &self.labels {
            Some(labels) => labels.clone(),
            None if key.parse::<usize>().is_ok() => (1..=count).map(|n| n.to_string()).collect(),
            None => ('A'..).take(count).map(String::from).collect(),
        }
    }
}

/// The rows of a table, the first among them, each with the line on which it begins. A field in quotes
/// may hold commas and new lines.
pub(crate) fn table(text: &str) -> impl Iterator<Item = Numbered<StringRecord>> {
    let line = |position: Option<&csv::Position>| position.map_or(1, |at| at.line() as usize);
    let reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    // After a mistake the reader says nothing more.
    reader.into_records().map(move |row| match row {
        Ok(row) => (line(row.position()), Ok(row)),
        Err(error) => {
            let message = error.to_string();
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

/// An array of rows, `{"rows": [{"row": ...}, ...]}`, or an object a line; blank lines are passed over
/// and counted.
fn json_rows(text: &str, path: &Path) -> Result<Vec<(usize, Vec<u8>)>> {
    let array = text.trim_start().starts_with('[');
    let rows = match serde_json::from_str(text) {
        Ok(Value::Array(rows)) => rows,
        Ok(Value::Object(mut viewer)) => match viewer.remove("rows") {
            Some(Value::Array(rows)) => rows,
            Some(_) => {
                return Err(malformed(path, "an object whose `rows` is no array"));
            }
            None => return Ok(lines(text)),
        },
        Err(error) if array => return Err(malformed(path, error)),
        _ => return Ok(lines(text)),
    };
    let unwrapped = rows.into_iter().map(|mut row| match row.get_mut("row") {
        Some(inner @ Value::Object(_)) => inner.take(),
        _ => row,
    });
    Ok((1..)
        .zip(unwrapped.map(|row| row.to_string().into_bytes()))
        .collect())
}

fn malformed(path: &Path, message: impl std::fmt::Display) -> Error {
    Error::Malformed {
        path: path.into(),
        expected: "an array of rows in JSON",
        message: message.to_string(),
    }
}

fn lines(text: &str) -> Vec<(usize, Vec<u8>)> {
    let lines = (1..).zip(text.split('\n'));
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(number, line)| (number, line.into())).collect()
}

/// All rows of a parquet file.
fn parquet_rows(bytes: Vec<u8>, path: &Path) -> Result<Vec<(usize, Vec<u8>)>> {
    let malformed = |message: String| Error::Malformed {
        path: path.into(),
        expected: "a parquet file",
        message,
    };
    // The library panics on some damaged files (parquet 60.1, in its decoders).
    let read = likra_files::guarded(|| {
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes))?;
        let rows = reader.get_row_iter(None)?;
        let rows = rows.map(|row| row.map(|row| row.to_json_value().to_string().into_bytes()));
        rows.collect::<Result<Vec<_>, parquet::errors::ParquetError>>()
    });
    let rows = read
        .map_err(malformed)?
        .map_err(|error| malformed(error.to_string()))?;
    Ok((1..).zip(rows).collect())
}
