//! Where an experiment's keys come from: its file, what that extends, the command line, a protocol.

use std::path::Path;

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};
use include_dir::{Dir, include_dir};
use likra_data::{Answers, open_task};
use toml::de::DeTable;
use toml::{Table, Value};

use crate::Spec;

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
        let expected =
            || format!("--set: expected key=value, such as training.batch-size=4; found `{text}`");
        let (key, value) = text.split_once('=').with_context(expected)?;
        let alone = |text: String| text.parse::<Table>().ok().filter(|table| table.len() == 1);
        let parsed = alone(format!("value = {value}")).and_then(|mut table| table.remove("value"));
        let value = parsed.unwrap_or_else(|| Value::String(value.into()));
        // The names of its tables, of which those in quotes may have dots.
        let (mut names, mut table) = (Vec::new(), alone(format!("{key} = 0")));
        while let Some((name, inner)) = table.into_iter().flatten().next() {
            names.push(name);
            table = inner.as_table().cloned();
        }
        let plain = names.iter().take_while(|name| !name.contains('.')).count();
        ensure!(plain > 0, expected());
        let rest = names.split_off(plain).into_iter();
        let value = rest.rfold(value, |value, name| {
            Table::from_iter([(name, value)]).into()
        });
        let key = names.join(".");
        Ok(Self { key, value })
    }

    /// Whether it sets `key`, a table around it or a key in it.
    pub(crate) fn touches(&self, key: &str) -> bool {
        let is_in = |inner: &str, outer: &str| {
            let below = inner.strip_prefix(outer);
            below.is_some_and(|below| below.is_empty() || below.starts_with('.'))
        };
        is_in(&self.key, key) || is_in(key, &self.key)
    }

    /// Sets the key, of a table the keys that are given. Another task, or way to choose shots, replaces a list of them.
    fn apply(&self, to: &mut Table) -> Result<()> {
        if self.key == "task"
            && to.get("task") != Some(&self.value)
            && let Some(Value::Table(evaluation)) = to.get_mut("evaluation")
        {
            evaluation.remove("shot-ids");
        }
        let (tables, last) = self.key.rsplit_once('.').unwrap_or(("", &self.key));
        let mut table = to;
        for name in tables.split_terminator('.') {
            let inner = table.entry(name).or_insert_with(|| Table::new().into());
            let no_table = || format!("{name}: holds a value and no keys");
            table = inner.as_table_mut().with_context(no_table)?;
        }
        let chooses = ["evaluation.shots", "evaluation.shot-seed"].contains(&self.key.as_str());
        if chooses && self.value.as_str() != Some("fixed") {
            table.remove("shot-ids");
        }
        let mut value = self.value.clone();
        if let (Value::Table(value), Some(Value::Table(old))) = (&mut value, table.remove(last)) {
            fill(value, old);
        }
        table.insert(last.into(), value);
        Ok(())
    }
}

/// The names of the built-in experiments.
pub(crate) fn experiments() -> Vec<&'static str> {
    names(&EXPERIMENTS)
}

/// The names of the protocols.
pub fn protocols() -> Vec<&'static str> {
    names(&PROTOCOLS)
}

fn names(folder: &'static Dir) -> Vec<&'static str> {
    let files = folder.files();
    let names = files.filter_map(|file| file.path().file_stem()?.to_str());
    let mut names: Vec<&str> = names.collect();
    // The one that needs no files of the user's first.
    names.sort_by_key(|name| (*name != "tiny", *name));
    names
}

/// What a path leads to, by name.
pub(crate) fn file_name(path: &str) -> String {
    let name = Path::new(path).file_name();
    name.unwrap_or(path.as_ref()).to_string_lossy().into_owned()
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
        Self::parse(&text, folder, assignments).with_context(|| name.to_owned())
    }

    /// What a command alone does: defaults, and one head that learns `answers`. Without another number,
    /// there are as many shots as the task's file says.
    ///
    /// # Errors
    ///
    /// If there is no such task or protocol, or a key cannot stand as it does.
    pub fn of_command(answers: Answers, assignments: &[Assignment]) -> Result<Self> {
        // The head is called by what it is trained for, or else by what it learns.
        let objective = |one: &&Assignment| one.key == "training.objective";
        let objective = assignments.iter().rev().find(objective);
        let kind = answers.name();
        let name = objective.and_then(|one| one.value.as_str()).unwrap_or(kind);
        let text = format!(
            "title = \"{name}\"\ntask = \"arc_challenge\"\n[heads.{name}]\nanswers = \"{kind}\"\n"
        );
        let mut spec = Self::parse(&text, Path::new(""), assignments)?;
        let mut given = assignments.iter();
        if !given.any(|given| given.key == "evaluation.num-shots") {
            let tasks = open_task(&spec.task)?;
            let shots = tasks.iter().filter_map(|task| task.num_shots).max();
            spec.evaluation.num_shots = shots.unwrap_or_default();
        }
        Ok(spec)
    }

    /// The experiment of `text`; what it extends is looked for in `folder`.
    pub(crate) fn parse(text: &str, folder: &Path, assignments: &[Assignment]) -> Result<Self> {
        // A mistake begins with its key.
        let mut table: Table = toml::from_str(text)?;
        // What is not in the text itself may be in what it extends.
        let exactly = table.contains_key("extends");
        let with_line = |mistake: Error| {
            let said = mistake.to_string();
            let key = said.split(": ").next().unwrap_or_default();
            let is_given = |given: &&Assignment| given.touches(key);
            if let Some(Assignment { key, value }) = assignments.iter().rfind(is_given) {
                return anyhow!("--set {key}={value}: {said}");
            }
            let line = line(text, key, exactly);
            line.map_or(mistake, |line| anyhow!("line {line}: {said}"))
        };
        extend(&mut table, folder, 0)?;
        read(&table).map_err(with_line)?;
        let mut changed = table.clone();
        let named = |one: &Assignment| format!("--set {}={}", one.key, one.value);
        for assignment in assignments {
            let by_hand = "extends: only a file says what it extends";
            ensure!(assignment.key != "extends", by_hand);
            let applied = assignment.apply(&mut changed);
            applied.with_context(|| named(assignment))?;
        }
        // What some need others may bring. If something is wrong, it is found one by one which is at fault.
        if read(&changed).is_err() {
            for assignment in assignments {
                assignment.apply(&mut table)?;
                read(&table).with_context(|| named(assignment))?;
            }
        }
        table = changed;
        if let Some(protocol) = table.get("protocol").and_then(Value::as_str) {
            let known = protocols().join("`, `");
            let unknown =
                || anyhow!("protocol: no protocol `{protocol}`; expected one of `{known}`");
            let settings = built_in(&PROTOCOLS, protocol).ok_or_else(unknown);
            let settings = settings.map_err(with_line)?;
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
    if path.extension() != Some("toml".as_ref()) {
        let known = experiments().join(", ");
        bail!("no experiment `{name}`: expected one of {known}, or a path to a .toml file");
    }
    read_text(&path)
}

/// The text of a TOML file.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let bytes = likra_files::read(path)?;
    Ok(likra_files::decode_text(path, &bytes)?.to_owned())
}

/// Adds what `table` extends, and what that extends.
fn extend(table: &mut Table, folder: &Path, depth: usize) -> Result<()> {
    // As it was called before.
    if let (Some(task), false) = (table.get("benchmark").cloned(), table.contains_key("task")) {
        table.remove("benchmark");
        table.insert("task".into(), task);
    }
    let Some(base) = table.remove("extends") else {
        return Ok(());
    };
    let name = base.as_str();
    let name = name.context("extends: expected a name or a path")?;
    ensure!(depth <= 8, "extends: `{name}` extends itself");
    let text = match built_in(&EXPERIMENTS, &format!("bases/{name}")) {
        Some(text) => text.into(),
        None => text_of(name, folder)?,
    };
    let mut below: Table = toml::from_str(&text).with_context(|| name.to_owned())?;
    let folder = folder.join(Path::new(name).parent().unwrap_or(Path::new("")));
    extend(&mut below, &folder, depth + 1)?;
    fill(table, below);
    Ok(())
}

/// Adds what `own` does not say; tables are filled key by key.
fn fill(own: &mut Table, other: Table) {
    for (key, value) in other {
        let own = own.entry(key).or_insert_with(|| value.clone());
        if let (Value::Table(own), Value::Table(other)) = (own, value) {
            fill(own, other);
        }
    }
}

/// The keys as a spec; a mistake is named with its key.
fn read(table: &Table) -> Result<Spec> {
    serde_path_to_error::deserialize(table.clone()).map_err(|error| {
        let (path, message) = (error.path().to_string(), plain(error.inner().message()));
        match path.as_str() {
            "." => anyhow!(message),
            path => anyhow!("{path}: {message}"),
        }
    })
}

/// What was found and expected, without the names of Rust's types.
fn plain(message: &str) -> String {
    let message = match message.split_once("expected struct ") {
        Some((before, _)) => format!("{before}expected a table"),
        None => message.to_owned(),
    };
    let types = [("usize", "a whole number"), ("u64", "a whole number")];
    let types = types
        .into_iter()
        .chain([("u32", "a whole number"), ("f64", "a number")]);
    types.fold(message, |message, (rust, words)| {
        message.replace(&format!("expected {rust}"), &format!("expected {words}"))
    })
}

/// The line, from 1, on which a dotted key is set or its table begins. If the key is not there, that of
/// the nearest table around it, or with `exactly` none.
fn line(text: &str, key: &str, exactly: bool) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = Some(document.get_ref());
    let mut found = None;
    for name in key.split('.') {
        // `seeds[0]` stands where `seeds` does.
        let name = name.split('[').next();
        let mut keys = table.into_iter().flatten();
        let Some((at, value)) = keys.find(|(at, _)| name == Some(at.get_ref())) else {
            found.take_if(|_| exactly);
            break;
        };
        found = Some(at.span().start);
        table = value.get_ref().as_table();
    }
    Some(1 + text[..found?].matches('\n').count())
}

#[cfg(test)]
mod tests;
