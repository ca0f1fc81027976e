//! Tables on disk: CSV with a fixed header, whose errors name file, line and column; compressed if the
//! file's name ends in `.gz`.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use csv::StringRecord;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::{Error, Result, write_atomically};

/// A line of a table.
pub(crate) trait Row: Sized {
    /// The header of the table.
    const COLUMNS: &'static [&'static str];

    /// The row's fields, in the order of the columns.
    fn to_fields(&self) -> Vec<String>;

    /// The row with these fields.
    fn from_fields(fields: &Fields) -> Result<Self>;
}

/// The fields of one line, and where it stands.
pub(crate) struct Fields<'a> {
    path: &'a Path,
    line: u64,
    columns: &'static [&'static str],
    record: &'a StringRecord,
}

impl Fields<'_> {
    pub(crate) fn text(&self, column: &'static str) -> &str {
        let place = self.columns.iter().position(|&name| name == column);
        place
            .and_then(|place| self.record.get(place))
            .unwrap_or_default()
    }

    pub(crate) fn parse<T: FromStr>(
        &self,
        column: &'static str,
        expected: &'static str,
    ) -> Result<T> {
        let parsed = self.text(column).parse();
        parsed.map_err(|_| self.unexpected(column, expected))
    }

    pub(crate) fn count(&self, column: &'static str) -> Result<usize> {
        self.parse(column, "a whole number")
    }

    /// A float other than infinity and NaN.
    pub(crate) fn finite(&self, column: &'static str) -> Result<f64> {
        const EXPECTED: &str = "a finite number";
        let value: f64 = self.parse(column, EXPECTED)?;
        if value.is_finite() {
            Ok(value)
        } else {
            Err(self.unexpected(column, EXPECTED))
        }
    }

    fn unexpected(&self, column: &'static str, expected: &'static str) -> Error {
        Error::Value {
            path: self.path.into(),
            line: self.line,
            column,
            expected,
            found: self.text(column).into(),
        }
    }
}

/// The shortest decimal that reads back as the same float.
pub(crate) fn float(value: f64) -> String {
    format!("{value:?}")
}

/// Writes `rows` under their header. A row that could not be read back is an error.
pub(crate) fn write_rows<R: Row>(path: &Path, rows: &[R]) -> Result<()> {
    let records: Vec<StringRecord> = rows.iter().map(|row| row.to_fields().into()).collect();
    for (row, record) in records.iter().enumerate() {
        parse_row::<R>(path, row as u64 + 2, record)?;
    }
    let write = |to: &mut dyn Write| {
        let mut writer = csv::Writer::from_writer(to);
        writer.write_record(R::COLUMNS)?;
        for record in &records {
            writer.write_record(record)?;
        }
        writer.flush()
    };
    write_atomically(path, |to| {
        if !is_compressed(path) {
            return write(to);
        }
        // No time and no name in its header: the same rows have the same bytes.
        let mut compressed = GzEncoder::new(to, Compression::best());
        write(&mut compressed)?;
        compressed.finish()?.flush()
    })
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

/// Reads the rows of a table of exactly the columns of `R`.
pub(crate) fn read_rows<R: Row>(path: &Path) -> Result<Vec<R>> {
    let file = File::open(path).map_err(|source| Error::Io {
        path: path.into(),
        source,
    })?;
    let content: Box<dyn Read> = if is_compressed(path) {
        Box::new(GzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut reader = csv::Reader::from_reader(content);
    let header = reader.headers().map_err(|error| csv_error(path, error))?;
    if header != R::COLUMNS {
        return Err(Error::Header {
            path: path.into(),
            expected: R::COLUMNS.join(","),
            found: header.iter().collect::<Vec<_>>().join(","),
        });
    }
    let parse = |record: csv::Result<StringRecord>| {
        let record = record.map_err(|error| csv_error(path, error))?;
        let line = record.position().map_or(0, csv::Position::line);
        parse_row(path, line, &record)
    };
    reader.records().map(parse).collect()
}

fn parse_row<R: Row>(path: &Path, line: u64, record: &StringRecord) -> Result<R> {
    R::from_fields(&Fields {
        path,
        line,
        columns: R::COLUMNS,
        record,
    })
}

fn csv_error(path: &Path, error: csv::Error) -> Error {
    let path = path.into();
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::Io { path, source },
        csv::ErrorKind::Utf8 { .. } => Error::Utf8 { path, line },
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => Error::Width {
            path,
            line,
            expected: expected_len,
            found: len,
        },
        other => Error::Io {
            path,
            source: unexpected_kind(&other),
        },
    }
}

/// Reading strings gives no other kinds of error; if a later `csv` has one, it keeps its words.
fn unexpected_kind(kind: &impl Debug) -> io::Error {
    io::Error::other(format!("{kind:?}"))
}
