//! Rows of files, whatever form they have.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use csv::{ReaderBuilder, StringRecord};
use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use likra_files::decode_text;
use minijinja::value::{Serde, Value, ValueKind};
use parquet::basic::{LogicalType, TimeUnit};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::ColumnDescPtr;
use rayon::prelude::*;

use crate::shape::Columns;
use crate::time::Time;
use crate::values::{get, items, pairs};
use crate::{Error, Result, python_text};

/// A row, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    path: Arc<Path>,
    /// The line or number, from 1.
    pub(crate) line: usize,
    /// A map of its columns as the file has them.
    pub(crate) doc: Value,
    /// The same with those that the task makes.
    pub(crate) value: Value,
}

impl Row {
    /// Gives the row another value for a column, which is made if need be.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        let added = (Value::from(name), value);
        self.value = Value::from_pairs(pairs(&self.value).into_iter().chain([added]));
    }

    pub(crate) fn refused(&self, message: impl Display) -> Error {
        Error::line(&self.path, self.line, message)
    }
}

/// Values with their lines or numbers, from 1.
type Found = Vec<(usize, Value)>;

/// The rows of a split, from one file or several.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) all: Vec<Row>,
    /// The names of all columns.
    pub(crate) columns: BTreeSet<String>,
}

impl Rows {
    /// Reads files; `header` names the columns of tables that have no line for that.
    ///
    /// # Errors
    ///
    /// If one cannot be read, or a row is no map of columns; the message names file and line.
    pub(crate) fn read(files: &[PathBuf], header: Option<&[String]>) -> Result<Self> {
        let (mut rows, mut columns) = (Vec::new(), Columns::default());
        for path in files {
            let (found, is_json) = parse(likra_files::read(path)?, path, header, cells)?;
            let found = Self::of(path, found);
            if is_json {
                for row in &found {
                    columns.add(&row.doc);
                }
            }
            rows.extend(found.into_iter().map(|row| (row, is_json)));
        }
        let shaped = |(mut row, is_json): (Row, bool)| {
            if is_json {
                row.doc = columns.of(&row.doc);
                row.value = row.doc.clone();
            }
            row
        };
        Ok(Self::new(files, rows.into_par_iter().map(shaped).collect()))
    }

    /// Rows that stand in one file.
    pub(crate) fn of(path: &Path, found: Found) -> Vec<Row> {
        let path: Arc<Path> = path.into();
        let row = |(line, value): (usize, Value)| Row {
            path: Arc::clone(&path),
            line,
            doc: value.clone(),
            value,
        };
        found.into_iter().map(row).collect()
    }

    pub(crate) fn new(files: &[PathBuf], all: Vec<Row>) -> Self {
        let names = all.iter().flat_map(|row| items(&row.value));
        let columns = names.map(|name| name.to_string()).collect();
        Self {
            files: files.to_vec(),
            all,
            columns,
        }
    }
}

/// The rows in the bytes of the file at `path`, whatever form they have, each with its line or number from 1. The cells of a
/// table in CSV are texts, and null where they are empty.
///
/// # Errors
///
/// If the form is not known, or a row is no map of columns; the message names file and line.
pub fn rows_of(bytes: Vec<u8>, path: &Path) -> Result<Vec<(usize, serde_json::Value)>> {
    let texts = |texts: &[&str]| {
        let cell = |text: &&str| match text.is_empty() {
            true => Value::from(()),
            false => Value::from(*text),
        };
        texts.iter().map(cell).collect()
    };
    let row = |(line, row)| match serde_json::to_value(row) {
        Ok(value) => Ok((line, value)),
        Err(error) => Err(Error::file(path, error)),
    };
    let (found, _) = parse(bytes, path, None, texts)?;
    found.into_iter().map(row).collect()
}

const UNKNOWN: &str = "neither JSON nor parquet, and the name does not end in .csv";

/// Finds the rows in a file's bytes, which may be compressed with gzip, xz or Zstandard.
///
/// The content decides, for endings are often wrong: parquet begins with its name, JSON is an array, the
/// object around it that the hub's viewer gives, or an object a line. A table is known by its ending
/// alone. Returns whether it is JSON, too.
fn parse(
    bytes: Vec<u8>,
    path: &Path,
    header: Option<&[String]>,
    cells: Cells,
) -> Result<(Found, bool)> {
    let (found, is_json) = parse_any(bytes, path, header, cells)?;
    let no_map = |(_, value): &&(usize, Value)| value.kind() != ValueKind::Map;
    if let Some((line, value)) = found.iter().find(no_map) {
        let message = format!("the row `{value}` is not an object");
        return Err(Error::line(path, *line, message));
    }
    Ok((found, is_json))
}

/// How the texts of a table's column become values.
type Cells = fn(&[&str]) -> Vec<Value>;

fn parse_any(
    bytes: Vec<u8>,
    path: &Path,
    header: Option<&[String]>,
    cells: Cells,
) -> Result<(Found, bool)> {
    let archives: [(&[u8], &str); 2] = [(b"PK\x03\x04", "a zip archive"), (b"BZh", "bzip2")];
    if let Some((_, what)) = archives.iter().find(|(start, _)| bytes.starts_with(start)) {
        let message = format!("{what}, which is not read; expected gzip, xz or Zstandard");
        return Err(Error::file(path, message));
    }
    let bytes = decompressed(bytes)
        .map_err(|error| malformed(path, "a compressed file that is whole", error))?;
    let name = path.to_string_lossy().to_lowercase();
    let ending = Path::new(without_compression(&name)).extension();
    if bytes.starts_with(b"PAR1") || ending == Some(OsStr::new("parquet")) {
        return Ok((parquet_rows(bytes, path)?, false));
    }
    let text = decode_text(path, &bytes)?;
    if ending == Some(OsStr::new("csv")) {
        return Ok((table(text, path, header, cells)?, false));
    }
    match text.trim_start().chars().next() {
        Some('[' | '{') => Ok((json_rows(text, path)?, true)),
        Some(_) => Err(Error::file(path, UNKNOWN)),
        None => Err(Error::file(path, "no rows found, expected at least one")),
    }
}

/// The name of a file that is compressed, before it was.
pub fn without_compression(name: &str) -> &str {
    let mut endings = [".gz", ".xz", ".zst"].iter();
    let plain = endings.find_map(|ending| name.strip_suffix(ending));
    plain.unwrap_or(name)
}

fn decompressed(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut reader: Box<dyn Read> = match bytes.as_slice() {
        gz @ [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(gz)),
        xz @ [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(XzDecoder::new_multi_decoder(xz)),
        zst @ [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::new(zst)?),
        _ => return Ok(bytes),
    };
    let mut content = Vec::new();
    reader.read_to_end(&mut content)?;
    Ok(content)
}

/// Columns of ARC's tables in AI2's archive, whose choices stand in the text of the question.
const AI2: [&str; 3] = ["questionID", "AnswerKey", "question"];
const AI2_TABLE: &str = "ARC as a table, which is not read; expected the .jsonl file beside it, with the same questions";

/// The rows of a table. A field in quotes may hold commas and new lines.
fn table(text: &str, path: &Path, header: Option<&[String]>, cells: Cells) -> Result<Found> {
    let mut builder = ReaderBuilder::new();
    let mut reader = builder.flexible(true).from_reader(text.as_bytes());
    if let Some(header) = header {
        reader.set_headers(header.into());
    }
    // A text in memory whose records may have any length has no errors.
    let names = reader.headers().map_err(io::Error::from)?.clone();
    let records: Result<Vec<StringRecord>, _> = reader.into_records().collect();
    let records = records.map_err(io::Error::from)?;
    let line = |record: &StringRecord| record.position().map_or(1, |at| at.line() as usize);
    // A quote that is not closed makes one field of all that follows, one more line included.
    let last = records.last();
    let start = last
        .and_then(StringRecord::position)
        .map_or(0, |at| at.byte() as usize);
    let more = format!("{}\n0", &text[start..]);
    let mut again = ReaderBuilder::new();
    let again = again
        .has_headers(false)
        .flexible(true)
        .from_reader(more.as_bytes());
    if again.into_records().count() < 2 {
        let message = "a quote is not closed before the file's end";
        return Err(Error::line(path, last.map_or(1, line), message));
    }
    if let Some(record) = records.iter().find(|record| record.len() != names.len()) {
        let (found, expected) = (record.len(), names.len());
        let message = format!("{found} fields found, expected {expected}");
        return Err(Error::line(path, line(record), message));
    }
    let mut seen = BTreeSet::new();
    if let Some(name) = names.iter().find(|name| !seen.insert(*name)) {
        let message = format!("two columns `{name}`, expected different names");
        return Err(Error::line(path, 1, message));
    }
    let has = |column: &&str| names.iter().any(|name| name == *column);
    if AI2.iter().all(has) {
        return Err(Error::file(path, AI2_TABLE));
    }
    let column = |place| {
        let texts: Vec<&str> = records.iter().map(|record| &record[place]).collect();
        cells(&texts)
    };
    let columns: Vec<Vec<Value>> = (0..names.len()).map(column).collect();
    let row = |(number, record): (usize, &StringRecord)| {
        let cells = columns.iter().map(|column| column[number].clone());
        (line(record), Value::from_pairs(names.iter().zip(cells)))
    };
    Ok(records.iter().enumerate().map(row).collect())
}

/// What pandas takes for no value.
const NOTHING: [&str; 19] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
];

/// A column of a table as pandas reads it: integers, floats or truth values where all are such, else texts.
fn cells(texts: &[&str]) -> Vec<Value> {
    let is_nothing = |text: &&str| NOTHING.contains(text);
    let integer = |text: &str| python_text::integer(text).map(Value::from);
    let float = |text: &str| text.trim().parse::<f64>().ok().map(Value::from);
    let truth = |text: &str| match text {
        "True" | "TRUE" | "true" => Some(Value::from(true)),
        "False" | "FALSE" | "false" => Some(Value::from(false)),
        _ => None,
    };
    let text = |text: &str| Some(Value::from(text));
    let kinds: &[fn(&str) -> Option<Value>] = match texts.iter().any(is_nothing) {
        true => &[float, truth, text],
        false => &[integer, float, truth, text],
    };
    let all = |read: &fn(&str) -> Option<Value>| {
        let nothing = |text| is_nothing(text).then(|| Value::from(()));
        let cell = |text| nothing(text).or_else(|| read(text));
        texts.iter().map(cell).collect()
    };
    kinds.iter().find_map(all).unwrap_or_default()
}

/// An array of rows, `{"rows": [{"row": ...}, ...]}`, or an object a line.
fn json_rows(text: &str, path: &Path) -> Result<Found> {
    let wrong = |message: String| Err(malformed(path, "an array of rows in JSON", message));
    let rows = match serde_json::from_str::<Value>(text) {
        Ok(value) if value.kind() == ValueKind::Seq => {
            return Ok((1..).zip(items(&value)).collect());
        }
        Ok(value) => match get(&value, "rows") {
            Some(rows) if rows.kind() == ValueKind::Seq => rows,
            Some(_) => return wrong("an object whose `rows` is no array".into()),
            None => return lines(text, path),
        },
        Err(error) if text.trim_start().starts_with('[') => return wrong(error.to_string()),
        Err(_) => return lines(text, path),
    };
    let row = |(number, value): (usize, Value)| {
        let cut = get(&value, "truncated_cells").map(|cut| items(&cut).collect::<Vec<_>>());
        let Some(inner) = get(&value, "row").filter(|inner| inner.kind() == ValueKind::Map) else {
            return Ok((number, value));
        };
        match cut.unwrap_or_default().as_slice() {
            [] => Ok((number, inner)),
            [cell, ..] => {
                let message =
                    format!("the hub's viewer has cut the cell `{cell}`; expected whole rows");
                Err(Error::line(path, number, message))
            }
        }
    };
    (1..).zip(items(&rows)).map(row).collect()
}

/// An object a line; blank lines are passed over and counted.
fn lines(text: &str, path: &Path) -> Result<Found> {
    let lines = (1..).zip(text.split('\n'));
    let lines: Vec<(usize, &str)> = lines.filter(|(_, line)| !line.trim().is_empty()).collect();
    let row = |(line, text)| match serde_json::from_str(text) {
        Ok(value) => Ok((line, value)),
        Err(error) => Err(Error::line(path, line, json_error(&error))),
    };
    lines.into_par_iter().map(row).collect()
}

/// What the parser said, without its own line number: each line is parsed by itself.
fn json_error(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&place).unwrap_or(&message);
    format!("column {}: {message}", error.column())
}

fn malformed(path: &Path, expected: &str, message: impl Display) -> Error {
    Error::file(path, format!("not {expected}: {message}"))
}

/// All rows of a parquet file.
fn parquet_rows(bytes: Vec<u8>, path: &Path) -> Result<Found> {
    // The library panics on some damaged files (parquet 60.1, in its decoders).
    let read = likra_files::guarded(|| {
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes))?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let unread = schema.columns().iter().filter(|column| is_unread(column));
        let unread: Vec<&str> = unread.map(|column| &*column.path().parts()[0]).collect();
        let row = |row: parquet::record::Row| {
            let cells = row.get_column_iter().map(|(name, field)| {
                let is_unread = unread.contains(&&**name) && !matches!(field, Field::Null);
                let cell = if is_unread {
                    Time::Unread.into()
                } else {
                    cell(field)
                };
                (name.clone(), cell)
            });
            Value::from_pairs(cells)
        };
        let rows = reader.get_row_iter(None)?.map(|found| found.map(row));
        rows.collect::<Result<Vec<_>, parquet::errors::ParquetError>>()
    });
    let rows = read.map_err(|message| malformed(path, "a parquet file", message))?;
    let rows = rows.map_err(|error| malformed(path, "a parquet file", error))?;
    Ok((1..).zip(rows).collect())
}

/// Whether it holds times whose zone or nanoseconds the library's rows do not have.
fn is_unread(column: &ColumnDescPtr) -> bool {
    let kind = column.logical_type_ref();
    matches!(kind, Some(LogicalType::Timestamp(kind)) if kind.is_adjusted_to_u_t_c || kind.unit == TimeUnit::NANOS)
}

fn cell(field: &Field) -> Value {
    let moment = |time: Option<DateTime<Utc>>| {
        time.map_or(Time::Unread, |time| Time::Moment(time.naive_utc()))
    };
    match field {
        Field::Group(row) => {
            let cells = row.get_column_iter();
            Value::from_pairs(cells.map(|(name, field)| (name.clone(), cell(field))))
        }
        // In JSON, a number that is none would be null.
        Field::Float(float) => f64::from(*float).into(),
        Field::Double(float) => (*float).into(),
        Field::Date(days) => {
            let day = NaiveDate::from_epoch_days(*days);
            day.map_or(Time::Unread, Time::Day).into()
        }
        Field::TimestampMillis(millis) => moment(DateTime::from_timestamp_millis(*millis)).into(),
        Field::TimestampMicros(micros) => moment(DateTime::from_timestamp_micros(*micros)).into(),
        Field::ListInternal(list) => list.elements().iter().map(cell).collect(),
        // A text that is not marked as one, or no text: the library would print either in base 64.
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Value::from(text),
            Err(_) => Value::from_bytes(bytes.data().to_vec()),
        },
        other => Serde(other.to_json_value()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by pandas, of the same columns.
    #[test]
    fn a_column_s_cells_are_of_one_kind() {
        for (texts, expected) in [
            (["TRUE", "", "false"], "[True, None, False]"),
            (["1", "", "2"], "[1.0, None, 2.0]"),
            (["1", "x", "2"], "['1', 'x', '2']"),
            (["True", "x", ""], "['True', 'x', None]"),
        ] {
            let found: Value = cells(&texts).into();
            assert_eq!(python_text::display(&found), expected);
        }
    }
}
