//! Impossible combinations of keys, named with the key and its line.

use std::fmt;

use anyhow::{Error, Result};

/// A key that cannot stand as it does beside the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Impossible {
    /// The key with its tables, such as `evaluation.num-shots`.
    pub(crate) key: String,
    pub(crate) message: String,
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

impl std::error::Error for Impossible {}

pub(super) fn impossible(key: &str, message: impl Into<String>) -> Error {
    Error::new(Impossible {
        key: key.into(),
        message: message.into(),
    })
}

/// An error of another crate about a key of ours.
pub(super) trait About<T> {
    fn about(self, key: &str) -> Result<T>;
}

impl<T, E: fmt::Display> About<T> for std::result::Result<T, E> {
    fn about(self, key: &str) -> Result<T> {
        self.map_err(|error| impossible(key, error.to_string()))
    }
}

/// The error with the line of `text` that the key stands on, if it stands there: it may come from the
/// command line or a protocol.
pub(super) fn with_line(error: Error, text: &str) -> Error {
    let key = error.downcast_ref::<Impossible>().map(|found| &found.key);
    match key.and_then(|key| line(text, key)) {
        Some(line) => error.context(format!("line {line}")),
        None => error,
    }
}

/// The line, from 1, on which a dotted key is set or a table of its name begins. If the key is not there,
/// that of the nearest table around it.
fn line(text: &str, key: &str) -> Option<usize> {
    let mut table = String::new();
    let mut best: Option<(usize, usize)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let found = match line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, _)) => {
                name.trim().clone_into(&mut table);
                table.clone()
            }
            None => match line.split_once('=') {
                Some((name, _)) if table.is_empty() => name.trim().into(),
                Some((name, _)) => format!("{table}.{}", name.trim()),
                None => continue,
            },
        };
        let around = key == found
            || key
                .strip_prefix(&found)
                .is_some_and(|rest| rest.starts_with('.'));
        if around && best.is_none_or(|(length, _)| found.len() > length) {
            best = Some((found.len(), number));
        }
    }
    best.map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_their_tables() {
        let text = "seed = 1\n[a]\nseed = 2\n# seed = 9\n[a.b] # more\n seed = 3\n";
        assert_eq!(line(text, "seed"), Some(1));
        assert_eq!(line(text, "a.seed"), Some(3));
        assert_eq!(line(text, "a.b.seed"), Some(6));
        assert_eq!(line(text, "a.b"), Some(5));
        assert_eq!(line(text, "a.b.missing"), Some(5));
        assert_eq!(line(text, "c.seed"), None);
        assert_eq!(line(text, "se"), None);
    }
}
