//! Rows of files, whatever form they have.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use csv::{ReaderBuilder, StringRecord};
use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use likra_files::decode_text;
use minijinja::Value;
use minijinja::value::ValueKind;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use crate::{Error, LineError, Result, ai2, python_text};

/// A row, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    path: Arc<Path>,
    /// The line or number, from 1.
    pub(crate) line: usize,
    /// A map of its columns.
    pub(crate) value: Value,
}

impl Row {
    pub(crate) fn new(path: &Path, line: usize, value: Value) -> Self {
        Self {
            path: path.into(),
            line,
            value,
        }
    }

    /// Gives the row another value for a column, which is made if need be.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        let mut pairs = pairs(&self.value);
        match pairs
            .iter_mut()
            .find(|(known, _)| known.as_str() == Some(name))
        {
            Some(pair) => pair.1 = value,
            None => pairs.push((name.into(), value)),
        }
        self.value = Value::from_pairs(pairs);
    }

    pub(crate) fn refused(&self, source: LineError) -> Error {
        refused(&self.path, self.line, source)
    }
}

fn refused(path: &Path, line: usize, source: LineError) -> Error {
    Error::Line {
        path: path.into(),
        line,
        source,
    }
}

/// The pairs of a map.
pub(crate) fn pairs(map: &Value) -> Vec<(Value, Value)> {
    let keys = map
        .try_iter()
        .into_iter()
        .flatten()
        .filter(|_| map.as_str().is_none());
    keys.map(|key| (key.clone(), map.get_item(&key).unwrap_or_default()))
        .collect()
}

/// The rows of a split, from one file or several.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) all: Vec<Row>,
    /// The names of all columns, as they first occur.
    pub(crate) columns: Vec<String>,
}

impl Rows {
    /// Reads files; `header` names the columns of tables that have no line for that.
    ///
    /// # Errors
    ///
    /// If one cannot be read, or a row is no map of columns; the message names file and line.
    pub(crate) fn read(files: &[PathBuf], header: Option<&[String]>) -> Result<Self> {
        let mut rows = Vec::new();
        for path in files {
            rows.extend(parse(likra_files::read(path)?, path, header)?);
        }
        Ok(Self::new(files, rows))
    }

    pub(crate) fn new(files: &[PathBuf], mut rows: Vec<Row>) -> Self {
        let mut columns: Vec<String> = Vec::new();
        for row in &rows {
            let mut expected = columns.iter();
            for name in row.value.try_iter().into_iter().flatten() {
                let name = name.to_string();
                // Most rows have the columns of the first, in its order.
                if expected.next() != Some(&name) && !columns.contains(&name) {
                    columns.push(name);
                    expected = [].iter();
                }
            }
        }
        for name in &columns {
            unify(&mut rows, name);
        }
        Self {
            files: files.to_vec(),
            all: rows,
            columns,
        }
    }
}

/// A column with one float among integers has floats alone, as the harness's library for data sets has it.
fn unify(rows: &mut [Row], name: &str) {
    let cell = |row: &Row| row.value.get_attr(name).unwrap_or_default();
    let is_number = |value: &Value| value.kind() == ValueKind::Number;
    let numbers = || rows.iter().map(cell).filter(is_number);
    if numbers().all(|value| value.is_integer()) || numbers().all(|value| !value.is_integer()) {
        return;
    }
    for row in rows {
        let value = cell(row);
        if is_number(&value)
            && let Some(float) = python_text::float(&value)
        {
            row.set(name, Value::from(float));
        }
    }
}

/// Finds the rows in a file's bytes, which may be compressed with gzip, xz or Zstandard.
///
/// The content decides, for endings are often wrong: parquet begins with its name, JSON is an array, the
/// object around it that the hub's viewer gives, or an object a line. A table is known by its ending
/// alone.
pub(crate) fn parse(bytes: Vec<u8>, path: &Path, header: Option<&[String]>) -> Result<Vec<Row>> {
    let bytes = decompressed(bytes)
        .map_err(|error| malformed(path, "a compressed file that is whole", error))?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let mut endings = [".gz", ".xz", ".zst"].iter();
    let name = endings
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(&name);
    if bytes.starts_with(b"PAR1") || name.ends_with(".parquet") {
        return parquet_rows(bytes, path);
    }
    let text = decode_text(path, &bytes)?;
    if Path::new(name).extension() == Some("csv".as_ref()) {
        return table(text, path, header);
    }
    match text.trim_start().chars().next() {
        Some('[' | '{') => json_rows(text, path),
        Some(_) => Err(Error::Unknown { path: path.into() }),
        None => Err(Error::Nothing {
            path: path.into(),
            what: "rows",
        }),
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

/// The rows of a table. A field in quotes may hold commas and new lines.
fn table(text: &str, path: &Path, header: Option<&[String]>) -> Result<Vec<Row>> {
    let place = |position: Option<&csv::Position>| position.map_or(1, |at| at.line() as usize);
    let reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut records: Vec<(usize, StringRecord)> = Vec::new();
    for record in reader.into_records() {
        match record {
            Ok(record) => records.push((place(record.position()), record)),
            Err(error) => {
                let message = error.to_string();
                return Err(refused(
                    path,
                    place(error.position()),
                    LineError::Csv { message },
                ));
            }
        }
    }
    let names: Vec<String> = match header {
        Some(names) => names.to_vec(),
        None if records.is_empty() => Vec::new(),
        None => records.remove(0).1.iter().map(String::from).collect(),
    };
    if let Some((line, record)) = records
        .iter()
        .find(|(_, record)| record.len() != names.len())
    {
        return Err(refused(
            path,
            *line,
            LineError::Count {
                what: "fields",
                found: record.len(),
                expected: names.len().to_string(),
            },
        ));
    }
    if ai2::is_table(&names) {
        let row = |(line, record): (usize, StringRecord)| {
            let value = ai2::row(&names, &record).map_err(|source| refused(path, line, source))?;
            Ok(Row::new(path, line, value))
        };
        return records.into_iter().map(row).collect();
    }
    let columns: Vec<Vec<Value>> = (0..names.len())
        .map(|place| cells(records.iter().map(|(_, record)| &record[place])))
        .collect();
    let row = |(number, (line, _)): (usize, &(usize, StringRecord))| {
        let pairs = names
            .iter()
            .zip(&columns)
            .map(|(name, column)| (name.clone(), column[number].clone()));
        Row::new(path, *line, Value::from_pairs(pairs))
    };
    Ok(records.iter().enumerate().map(row).collect())
}

/// What pandas takes for no value.
const NOTHING: [&str; 18] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan",
];

/// A column of a table as pandas reads it: integers, floats or truth values where all are such, else texts.
fn cells<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Vec<Value> {
    let is_nothing = |text: &str| NOTHING.contains(&text) || text == "null";
    let all = |read: fn(&str) -> Option<Value>| {
        let cell = |text: &str| {
            if is_nothing(text) {
                Some(Value::from(()))
            } else {
                read(text)
            }
        };
        texts.clone().map(cell).collect::<Option<Vec<Value>>>()
    };
    let some = texts.clone().any(|text| !is_nothing(text));
    let whole = !texts.clone().any(is_nothing);
    let integers = || all(|text| python_text::integer(text).map(Value::from)).filter(|_| whole);
    let floats = || all(|text| text.trim().parse::<f64>().ok().map(Value::from));
    let truths = || {
        let truth =
            |text: &str| matches!(text, "True" | "TRUE" | "true" | "False" | "FALSE" | "false");
        let texts = texts.clone();
        let is_truth = whole && texts.clone().all(truth);
        is_truth.then(|| {
            texts
                .map(|text| Value::from(text.eq_ignore_ascii_case("true")))
                .collect()
        })
    };
    let typed = some
        .then(|| integers().or_else(floats).or_else(truths))
        .flatten();
    typed.unwrap_or_else(|| all(|text| Some(Value::from(text))).unwrap_or_default())
}

/// An array of rows, `{"rows": [{"row": ...}, ...]}`, or an object a line; blank lines are passed over
/// and counted.
fn json_rows(text: &str, path: &Path) -> Result<Vec<Row>> {
    let whole: Result<Value, serde_json::Error> = serde_json::from_str(text);
    let rows = match whole {
        Ok(value) if value.kind() == ValueKind::Seq => value,
        Ok(value) => match value.get_attr("rows") {
            Ok(rows) if rows.kind() == ValueKind::Seq => rows,
            Ok(rows) if !rows.is_undefined() => {
                return Err(malformed(
                    path,
                    "an array of rows in JSON",
                    "an object whose `rows` is no array",
                ));
            }
            _ => return lines(text, path),
        },
        Err(error) if text.trim_start().starts_with('[') => {
            return Err(malformed(path, "an array of rows in JSON", error));
        }
        _ => return lines(text, path),
    };
    let row = |(line, value): (usize, Value)| {
        let inner = value.get_attr("row").unwrap_or_default();
        map(
            path,
            line,
            if inner.kind() == ValueKind::Map {
                inner
            } else {
                value
            },
        )
    };
    (1..)
        .zip(rows.try_iter().into_iter().flatten())
        .map(row)
        .collect()
}

fn lines(text: &str, path: &Path) -> Result<Vec<Row>> {
    use rayon::prelude::*;
    let lines = (1..)
        .zip(text.split('\n'))
        .filter(|(_, line)| !line.trim().is_empty());
    let lines: Vec<(usize, &str)> = lines.collect();
    let row = |(line, text): &(usize, &str)| match serde_json::from_str(text) {
        Ok(value) => map(path, *line, value),
        Err(error) => Err(refused(path, *line, json_error(&error))),
    };
    lines.par_iter().map(row).collect()
}

fn map(path: &Path, line: usize, value: Value) -> Result<Row> {
    match value.kind() {
        ValueKind::Map => Ok(Row::new(path, line, value)),
        _ => Err(refused(
            path,
            line,
            LineError::Value {
                field: "the row",
                found: value.to_string(),
                expected: "an object".into(),
            },
        )),
    }
}

/// What the parser said, without its own line number: each line is parsed by itself.
fn json_error(error: &serde_json::Error) -> LineError {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&place).unwrap_or(&message).to_owned();
    LineError::Json {
        column: error.column(),
        message,
    }
}

fn malformed(path: &Path, expected: &'static str, message: impl std::fmt::Display) -> Error {
    Error::Malformed {
        path: path.into(),
        expected,
        message: message.to_string(),
    }
}

/// All rows of a parquet file.
fn parquet_rows(bytes: Vec<u8>, path: &Path) -> Result<Vec<Row>> {
    // The library panics on some damaged files (parquet 60.1, in its decoders).
    let read = likra_files::guarded(|| {
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes))?;
        let rows = reader.get_row_iter(None)?;
        let rows =
            rows.map(|row| row.map(|row| minijinja::value::Serde(row.to_json_value()).into()));
        rows.collect::<Result<Vec<_>, parquet::errors::ParquetError>>()
    });
    let rows = read.map_err(|message| malformed(path, "a parquet file", message))?;
    let rows = rows.map_err(|error| malformed(path, "a parquet file", error))?;
    (1..)
        .zip(rows)
        .map(|(line, value)| map(path, line, value))
        .collect()
}
