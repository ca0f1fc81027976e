//! Tables on disk: CSV with a header, whose errors name file, line and column; compressed if the
//! file's name ends in `.gz`.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use csv::StringRecord;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use fs_err::File;
use likra_files::{error_at, write_atomically};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_path_to_error::Segment;

use crate::{Error, Result};

/// A line of a table: its fields are the columns.
pub trait Row: Serialize + DeserializeOwned {
    /// The header of the table: the names of the fields, in their order, with commas between them.
    const HEADER: &'static str;

    /// The columns that hold measured values, which have to be finite.
    fn measured(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// Writes `rows` under their header.
///
/// # Errors
///
/// If a measured value is not finite, or the file cannot be written.
pub fn write_rows<R: Row>(path: &Path, rows: &[R]) -> Result<()> {
    for (line, row) in (2..).zip(rows) {
        check_finite(path, line, row)?;
    }
    let write = |to: &mut dyn Write| {
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(to);
        writer.write_record(R::HEADER.split(','))?;
        for row in rows {
            writer.serialize(row)?;
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
    })?;
    Ok(())
}

/// Reads the rows of a table. It may have other columns beside those of `R`.
///
/// # Errors
///
/// If the file cannot be read, lacks a column, or has a value that is malformed or not finite.
pub fn read_rows<R: Row>(path: &Path) -> Result<Vec<R>> {
    let file = File::open(path)?;
    let content: Box<dyn Read> = match is_compressed(path) {
        true => Box::new(GzDecoder::new(file)),
        false => Box::new(file),
    };
    let mut reader = csv::Reader::from_reader(content);
    let malformed = |error| malformed(path, &error);
    let header = reader.headers().map_err(malformed)?.clone();
    let place = |column: &str| {
        let place = header.iter().position(|found| found == column);
        place.ok_or_else(|| {
            let found = header.iter().collect::<Vec<_>>().join(",");
            let message = format!("expected a column `{column}`, found `{found}`");
            error_at(path, ErrorKind::InvalidData, message).into()
        })
    };
    let places: Vec<usize> = R::HEADER.split(',').map(place).collect::<Result<_>>()?;
    let row = |record: csv::Result<StringRecord>| {
        let record = record.map_err(malformed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let fields = places.iter().filter_map(|&place| record.get(place));
        // In the order of the columns.
        let fields: StringRecord = fields.collect();
        let row = fields.deserialize::<Tracked<R>>(None).map_err(malformed)?;
        let row = row.0.map_err(|(place, message)| Error::Value {
            path: path.into(),
            line,
            column: R::HEADER.split(',').nth(place).unwrap_or_default().into(),
            message,
            found: fields.get(place).unwrap_or_default().into(),
        })?;
        check_finite(path, line, &row)?;
        Ok(row)
    };
    reader.records().map(row).collect()
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

/// A row, or the place of the field that is at fault and what is wrong with it.
struct Tracked<R>(std::result::Result<R, (usize, String)>);

impl<'de, R: Row> Deserialize<'de> for Tracked<R> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let row = serde_path_to_error::deserialize(from);
        Ok(Self(row.map_err(|error| {
            let place = error.path().iter().find_map(|segment| match segment {
                Segment::Seq { index } => Some(*index),
                _ => None,
            });
            (place.unwrap_or_default(), error.inner().to_string())
        })))
    }
}

/// What is no CSV is damaged, and so is what is no gzip, which its library calls invalid input. All other errors of
/// reading stay what they are.
fn malformed(path: &Path, error: &csv::Error) -> Error {
    let kind = match error.kind() {
        csv::ErrorKind::Io(error) if error.kind() != ErrorKind::InvalidInput => error.kind(),
        _ => ErrorKind::InvalidData,
    };
    error_at(path, kind, error).into()
}

fn check_finite<R: Row>(path: &Path, line: u64, row: &R) -> Result<()> {
    let measured = row.measured();
    match measured.iter().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some((column, value)) => Err(Error::Value {
            path: path.into(),
            line,
            column: (*column).into(),
            message: "expected a finite number".into(),
            found: value.to_string(),
        }),
    }
}
