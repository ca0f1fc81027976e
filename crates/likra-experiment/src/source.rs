//! Where an experiment's keys come from: its file, what that extends, the command line, a protocol.

use std::path::Path;

use include_dir::{Dir, include_dir};
use toml::de::{DeTable, DeValue};
use toml::map::Entry;
use toml::{Spanned, Table, Value};

use crate::error::{At as _, Error, Mistake, Result};
use crate::spec::Spec;

static EXPERIMENTS: Dir = include_dir!("$CARGO_MANIFEST_DIR/experiments");
static PROTOCOLS: Dir = include_dir!("$CARGO_MANIFEST_DIR/protocols");

/// A key of an experiment and the value that the command line gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The key with its tables, such as `training.batch-size`.
    pub key: String,
    /// Its value.
    pub value: Value,
}

impl Assignment {
    /// `training.batch-size=4`, `evaluation.shots=per-question`: what is no TOML value is text.
    ///
    /// # Errors
    ///
    /// If there is no `=`, or no key before it.
    pub fn parse(text: &str) -> Result<Self> {
        let assignment = text.split_once('=').filter(|(key, _)| {
            let mut names = key.trim().split('.');
            names.all(|name| !name.is_empty())
        });
        let Some((key, value)) = assignment else {
            let message =
                format!("expected key=value, such as training.batch-size=4; found `{text}`");
            return Err(Mistake::new("--set", message).into());
        };
        let parsed = format!("value = {value}").parse::<Table>();
        let parsed = parsed.ok().and_then(|mut table| table.remove("value"));
        Ok(Self {
            key: key.trim().into(),
            value: parsed.unwrap_or_else(|| Value::String(value.into())),
        })
    }

    /// Sets the key. Another way to choose shots replaces a list of them.
    fn apply(&self, to: &mut Table) -> Result<(), Mistake> {
        let mut names: Vec<&str> = self.key.split('.').collect();
        let last = names.pop().unwrap_or_default();
        let mut table = to;
        for name in names {
            let inner = table.entry(name).or_insert_with(|| Table::new().into());
            let message = "holds a value and no keys";
            let no_table = || Mistake::new(name, message);
            table = inner.as_table_mut().ok_or_else(no_table)?;
        }
        let draws = match self.key.as_str() {
            "evaluation.shots" => self.value.as_str() != Some("fixed"),
            key => key == "evaluation.shot-seed",
        };
        if draws {
            table.remove("shot-ids");
        }
        table.insert(last.into(), self.value.clone());
        Ok(())
    }
}

/// The names of the built-in experiments.
#[must_use]
pub fn experiments() -> Vec<&'static str> {
    names(&EXPERIMENTS)
}

/// The names of the protocols.
#[must_use]
pub fn protocols() -> Vec<&'static str> {
    names(&PROTOCOLS)
}

fn names(folder: &'static Dir) -> Vec<&'static str> {
    let stems = folder
        .files()
        .filter_map(|file| file.path().file_stem()?.to_str());
    let mut names: Vec<&str> = stems.collect();
    // The one that needs no files of the user's first.
    names.sort_by_key(|name| (*name != "tiny", *name));
    names
}

fn built_in(folder: &'static Dir, name: &str) -> Option<&'static str> {
    folder.get_file(format!("{name}.toml"))?.contents_utf8()
}

impl Spec {
    /// The experiment called `name`, a built-in one or a path to a TOML file, as the command line
    /// changes it.
    ///
    /// # Errors
    ///
    /// If there is no such experiment, or a key is unknown, has a wrong type or cannot stand beside the
    /// others; the message names the file, the line and the key.
    pub fn open(name: &str, assignments: &[Assignment]) -> Result<Self> {
        let text = text_of(name, Path::new(""))?;
        let folder = Path::new(name).parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder, assignments).at(|| name.into())
    }

    /// The experiment of `text`; what it extends is looked for in `folder`.
    pub(crate) fn parse(text: &str, folder: &Path, assignments: &[Assignment]) -> Result<Self> {
        let with_line = |mistake: Mistake| Error::Key {
            line: line(text, &mistake.key),
            mistake,
        };
        let mut table: Table = toml::from_str(text)?;
        extend(&mut table, folder, 0)?;
        read(&table).map_err(with_line)?;
        for assignment in assignments {
            // One by one, so that the one at fault is named.
            let applied = assignment.apply(&mut table);
            let applied = applied.and_then(|()| read(&table).map(drop));
            applied.at(|| format!("--set {}={}", assignment.key, assignment.value))?;
        }
        if let Some(protocol) = table.get("protocol").and_then(Value::as_str) {
            let settings = built_in(&PROTOCOLS, protocol).ok_or_else(|| {
                let known = protocols().join("`, `");
                let message = format!("no protocol `{protocol}`; expected one of `{known}`");
                with_line(Mistake::new("protocol", message))
            })?;
            fill(&mut table, toml::from_str(settings)?);
        }
        let spec = read(&table).map_err(with_line)?;
        spec.check().map_err(with_line)?;
        Ok(spec)
    }
}

fn text_of(name: &str, folder: &Path) -> Result<String> {
    if let Some(text) = built_in(&EXPERIMENTS, name) {
        return Ok(text.into());
    }
    let path = folder.join(name);
    if path
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        return Ok(fs_err::read_to_string(path)?);
    }
    Err(Error::UnknownExperiment {
        name: name.into(),
        known: experiments().join(", "),
    })
}

/// Adds what `table` extends, and what that extends.
fn extend(table: &mut Table, folder: &Path, depth: usize) -> Result<()> {
    let Some(base) = table.remove("extends") else {
        return Ok(());
    };
    let Some(name) = base.as_str() else {
        return Err(Mistake::new("extends", "expected a name or a path").into());
    };
    if depth > 8 {
        return Err(Mistake::new("extends", format!("`{name}` extends itself")).into());
    }
    let text = match built_in(&EXPERIMENTS, &format!("bases/{name}")) {
        Some(text) => text.into(),
        None => text_of(name, folder)?,
    };
    let mut below: Table = toml::from_str(&text).at(|| name.into())?;
    let folder = folder.join(Path::new(name).parent().unwrap_or(Path::new("")));
    extend(&mut below, &folder, depth + 1)?;
    fill(table, below);
    Ok(())
}

/// Adds what `own` does not say; tables are filled key by key.
fn fill(own: &mut Table, other: Table) {
    for (key, value) in other {
        match own.entry(key) {
            Entry::Vacant(place) => {
                place.insert(value);
            }
            Entry::Occupied(mut place) => {
                if let (Value::Table(own), Value::Table(other)) = (place.get_mut(), value) {
                    fill(own, other);
                }
            }
        }
    }
}

/// The keys as a spec; a mistake is named with its key.
fn read(table: &Table) -> Result<Spec, Mistake> {
    serde_path_to_error::deserialize(table.clone())
        .map_err(|error| Mistake::new(error.path().to_string(), error.inner().message()))
}

/// The line, from 1, on which a dotted key is set or its table begins. If the key is not there, that of
/// the nearest table around it.
fn line(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut found = None;
    // `seeds[0]` stands where `seeds` does.
    for name in key
        .split('.')
        .map(|name| name.split('[').next().unwrap_or(name))
    {
        let Some((at, value)) = table.iter().find(|(at, _)| at.get_ref() == name) else {
            break;
        };
        found = Some(at.span().start);
        let inner: &Spanned<DeValue> = value;
        match inner.get_ref().as_table() {
            Some(inner) => table = inner,
            None => break,
        }
    }
    Some(1 + text[..found?].matches('\n').count())
}

#[cfg(test)]
mod tests;
