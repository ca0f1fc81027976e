//! Files that hold one question on each line.

use std::collections::HashMap;
use std::path::Path;

use crate::{Error, LineError, Question, Result};

/// All bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| Error::Io {
        path: path.into(),
        source,
    })
}

/// The questions that `parse_line` makes of the lines, in order; `path` is what errors call the file.
///
/// A byte order mark, blank lines and carriage returns at line ends are passed over. No question at
/// all is an error, and so is an id that has been there before.
pub(crate) fn parse(
    bytes: &[u8],
    path: &Path,
    parse_line: impl Fn(&[u8]) -> Result<Question, LineError>,
) -> Result<Vec<Question>> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let lines = (1..).zip(bytes.split(|&byte| byte == b'\n'));
    let lines = lines.filter(|(_, text)| !text.trim_ascii().is_empty());
    collect(path, lines.map(|(line, text)| (line, parse_line(text))))
}

/// The questions of numbered lines or rows; no question at all is an error, and so is an id that has been
/// there before.
pub(crate) fn collect(
    path: &Path,
    rows: impl Iterator<Item = (usize, Result<Question, LineError>)>,
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
        return Err(Error::NoQuestions { path: path.into() });
    }
    Ok(questions)
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
