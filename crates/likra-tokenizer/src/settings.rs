//! A file of settings: a JSON object.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::{Error, Result};

/// The object in a JSON file; an empty one if there is no such file.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) path: PathBuf,
    pub(crate) keys: Map<String, Value>,
}

impl Settings {
    pub(crate) fn read(path: PathBuf) -> Result<Self> {
        let mut keys = Map::new();
        if path.exists() {
            let parsed = likra_files::parse_json(&likra_files::read(&path)?);
            keys = parsed.map_err(|error| Error::Config(path.clone(), error.to_string()))?;
        }
        Ok(Self { path, keys })
    }

    /// The value of a key, unless it is null.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    /// Why the value of a key cannot be taken.
    pub(crate) fn refuse(&self, key: &str, expected: &str) -> Error {
        self.refuse_part(key, self.keys.get(key).unwrap_or(&Value::Null), expected)
    }

    /// Why a part of a key's value cannot be taken.
    pub(crate) fn refuse_part(&self, key: &str, found: &Value, expected: &str) -> Error {
        let message = format!("{key} = {found}; expected {expected}");
        Error::Config(self.path.clone(), message)
    }
}
