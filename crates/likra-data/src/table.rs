//! Tables of comma-separated values.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use crate::{Error, LineError};

/// All rows, the first among them, each with the line on which it begins. A field in quotes may hold commas and
/// new lines.
pub(crate) fn rows(bytes: &[u8]) -> impl Iterator<Item = (usize, Result<StringRecord, LineError>)> {
    let reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes);
    // After a mistake the reader says nothing more.
    reader.into_records().map(|row| match row {
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

fn line(position: Option<&csv::Position>) -> usize {
    position.map_or(1, |position| position.line() as usize)
}

/// A mistake on a line of `path`.
pub(crate) fn refused(path: &Path, line: usize, source: LineError) -> Error {
    Error::Line {
        path: path.into(),
        line,
        source,
    }
}
