//! From a row to a question: what a task's fields make of it.

use std::collections::{BTreeSet, HashMap};

use minijinja::value::{Value, ValueKind};
use rayon::prelude::*;

use super::Task;
use super::target::{self, from_either_end};
use crate::question::{Doc, Question};
use crate::rows::{Row, Rows};
use crate::template::Templates;
use crate::time::Time;
use crate::values::{get, items, pairs};
use crate::{Error, Result, literal, python_text};

/// A task's fields, ready for rows.
#[derive(Debug)]
struct Fields<'a> {
    task: &'a Task,
    templates: Templates,
    /// By the keys of the fields that the task has.
    sources: HashMap<&'static str, Source>,
}

/// What a field is made of.
#[derive(Debug)]
enum Source {
    Column(String),
    Template,
    Constant(Value),
}

/// What the harness takes from the first row for all.
struct Rule {
    /// Whether choices are contexts: `doc_to_text` is a number.
    multiple: bool,
    /// Whether `doc_to_target` is a list; nothing for rows that the harness does not ask.
    listed: Option<bool>,
}

/// The questions of a split's rows, those that the task keeps.
pub(crate) fn questions(task: &Task, split: &str, rows: &Rows) -> Result<Vec<Question>> {
    let rows = prepare(task, rows)?;
    let fields = Fields::new(task, &rows.columns)?;
    let path = rows.files.first().cloned().unwrap_or_default();
    let nothing = || Error::file(&path, "no questions found, expected at least one");
    let first = rows.all.first().ok_or_else(nothing)?;
    let rule = fields.rule(&first.value, split);
    let rule = rule.map_err(|source| first.refused(source))?;
    let question = |(number, row): (usize, &Row)| {
        let question = fields.question(&row.value, &rule, format!("{split}#{number}"));
        let mut question = question.map_err(|source| row.refused(source))?;
        question.doc = Doc(row.doc.clone());
        Ok(question)
    };
    let found = rows.all.par_iter().enumerate().map(question);
    let found: Vec<Question> = found.collect::<Result<_>>()?;
    let mut lines = HashMap::new();
    for (row, question) in rows.all.iter().zip(&found) {
        if let Some(first) = lines.insert(&question.id, row.line) {
            let message = format!("id `{}` was given on line {first} already", question.id);
            return Err(row.refused(message));
        }
    }
    Ok(found)
}

/// The rows that a task keeps, with the columns that it makes: what `process_docs` does in the harness.
fn prepare(task: &Task, rows: &Rows) -> Result<Rows> {
    let keep = pairs(&task.own.keep);
    let (mut templates, mut names) = (Templates::new(), Vec::new());
    for (name, source) in pairs(&task.own.columns) {
        let key = format!("likra.columns.{name}");
        let added = templates.add(&key, &source.to_string());
        added.map_err(|message| task.refused(&key, message))?;
        names.push((name.to_string(), key));
    }
    // A column that is made is looked at once it is.
    let (later, first): (Vec<_>, Vec<_>) = keep
        .into_iter()
        .partition(|(column, _)| names.iter().any(|(name, _)| *name == column.to_string()));
    let is_kept = |row: &Row, keep: &[(Value, Value)]| {
        keep.iter().all(|(column, wanted)| {
            let found = row.value.get_item(column).unwrap_or_default();
            found.is_undefined() || found == *wanted
        })
    };
    let made = |row: &Row| -> Result<Row> {
        let mut row = row.clone();
        for (name, key) in &names {
            let value = templates.value(key, &row.value);
            row.set(name, value.map_err(|source| row.refused(source))?);
        }
        Ok(row)
    };
    let kept = rows.all.par_iter().filter(|row| is_kept(row, &first));
    let mut made: Vec<Row> = kept.map(made).collect::<Result<_>>()?;
    made.retain(|row| is_kept(row, &later));
    Ok(Rows::new(&rows.files, made))
}

impl<'a> Fields<'a> {
    /// A field that is the name of one of the columns is that cell.
    fn new(task: &'a Task, columns: &BTreeSet<String>) -> Result<Self> {
        let (keys, own) = (&task.keys, &task.own);
        let (mut templates, mut sources) = (Templates::new(), HashMap::new());
        for (key, value) in [
            ("doc_to_text", Some(keys.doc_to_text.clone())),
            ("doc_to_target", Some(keys.doc_to_target.clone())),
            ("doc_to_choice", Some(keys.doc_to_choice.clone())),
            ("description", keys.description.clone().map(Value::from)),
            ("likra.id", own.id.clone().map(Value::from)),
            ("likra.answers", own.answers.clone().map(Value::from)),
            ("likra.labels", own.labels.clone().map(Value::from)),
        ] {
            let Some(value) = value else { continue };
            let source = match value.as_str() {
                Some(text) if columns.contains(text) => Source::Column(text.into()),
                Some(text) => {
                    let added = templates.add(key, text);
                    added.map_err(|message| task.refused(key, message))?;
                    Source::Template
                }
                None => Source::Constant(value),
            };
            sources.insert(key, source);
        }
        Ok(Self {
            task,
            templates,
            sources,
        })
    }

    fn rule(&self, first: &Value, split: &str) -> Result<Rule, String> {
        let multiple = self.text(first)?.as_str().is_none();
        let is_asked = split == self.task.evaluated && !self.sources.contains_key("likra.labels");
        let mut listed = None;
        if is_asked {
            let target = self.target(first)?;
            target::check_first(&target, &self.list("doc_to_choice", first)?)?;
            listed = Some(target.kind() == ValueKind::Seq);
        }
        Ok(Rule { multiple, listed })
    }

    fn question(&self, row: &Value, rule: &Rule, number: String) -> Result<Question, String> {
        let choices = self.list("doc_to_choice", row)?;
        let count = choices.len();
        let (text, target, multiple) = (self.text(row)?, self.target(row)?, rule.multiple);
        if let Some(listed) = rule.listed {
            target::check(&target, listed)?;
        }
        let wrong = |expected: &str| Err(format!("doc_to_text `{text}` is not {expected}"));
        let (context, continuation, shown) = match (text.as_str(), multiple) {
            (Some(text), false) => (text.to_owned(), None, text.to_owned()),
            (None, true) => match from_either_end(&text, &choices) {
                Some(choice) => (String::new(), Some(target::continuation(&target)?), choice),
                None => return wrong(&format!("one of {count} choices")),
            },
            (None, false) => return wrong("a text, as in the first row"),
            (Some(_), true) => return wrong("a number, as in the first row"),
        };
        let right = match self.of_each("likra.labels", row, &choices)? {
            Some(labels) => {
                let is_right = |place: &usize| ["1", "True"].contains(&labels[*place].as_str());
                (0..count).filter(is_right).collect()
            }
            None => target::right(if multiple { &text } else { &target }, &choices),
        };
        if count < 2 {
            return Err(format!("{count} choices found, expected at least 2"));
        }
        let (id, keys) = (self.printed("likra.id", row)?, &self.task.keys);
        let answer = target::shown(&target, &choices);
        Ok(Question {
            id: if id.is_empty() { number } else { id },
            description: self.printed("description", row)?,
            texts: self.of_each("likra.answers", row, &choices)?,
            doc: Doc::default(),
            target: python_text::display(&target),
            solved: answer.map(|answer| (shown, answer)),
            prompts: Vec::new(),
            context,
            choices,
            continuation,
            right,
            target_delimiter: keys.target_delimiter.clone().unwrap_or(" ".into()),
            fewshot_delimiter: keys.fewshot_delimiter.clone().unwrap_or("\n\n".into()),
        })
    }

    /// What a field gives for a row; None if the task has no such field.
    fn value(&self, key: &'static str, row: &Value) -> Result<Value, String> {
        match self.sources.get(key) {
            // Where a row lacks a column that others have, the harness has None.
            Some(Source::Column(name)) => {
                let value = get(row, name).unwrap_or(Value::from(()));
                Time::check(&value).map_err(|message| format!("column {name}: {message}"))?;
                Ok(value)
            }
            Some(Source::Template) => self.templates.value(key, row),
            Some(Source::Constant(value)) => Ok(value.clone()),
            None => Ok(Value::from(())),
        }
    }

    fn is_template(&self, key: &'static str) -> bool {
        matches!(self.sources.get(key), Some(Source::Template))
    }

    /// A field as a text; what is absent is none.
    fn printed(&self, key: &'static str, row: &Value) -> Result<String, String> {
        let value = self.value(key, row)?;
        let text = (!value.is_none()).then(|| python_text::display(&value));
        Ok(text.unwrap_or_default())
    }

    /// `doc_to_text`.
    fn text(&self, row: &Value) -> Result<Value, String> {
        let value = self.value("doc_to_text", row)?;
        target::text(&value, self.is_template("doc_to_text"))
    }

    /// `doc_to_target`.
    fn target(&self, row: &Value) -> Result<Value, String> {
        let value = self.value("doc_to_target", row)?;
        target::target(value, self.is_template("doc_to_target"))
    }

    /// A list with a text for each choice, if the task has such a field.
    fn of_each(
        &self,
        key: &'static str,
        row: &Value,
        choices: &[String],
    ) -> Result<Option<Vec<String>>, String> {
        if !self.sources.contains_key(key) {
            return Ok(None);
        }
        let found = self.list(key, row)?;
        let (count, expected) = (found.len(), choices.len());
        let refused = format!("{key} `{count}` is not one for each of {expected} choices");
        let all = (count == expected).then_some(Some(found));
        all.ok_or(refused)
    }

    /// The texts of a list; one that a template prints is read back as Python would.
    fn list(&self, key: &'static str, row: &Value) -> Result<Vec<String>, String> {
        let refused = |message: String| format!("{key}: {message}");
        let is_template = self.is_template(key);
        let is_constant = matches!(self.sources.get(key), Some(Source::Constant(_)));
        let mut value = self.value(key, row)?;
        if let (true, Some(text)) = (is_template, value.as_str()) {
            value = literal::parse(text).map_err(|found| refused(found.reason))?;
        }
        let texts: Vec<Value> = match value.kind() {
            ValueKind::Map if is_constant => pairs(&value).into_iter().map(|pair| pair.1).collect(),
            ValueKind::Seq | ValueKind::Iterable => items(&value).collect(),
            _ => {
                let found = python_text::repr(&value);
                return Err(refused(format!("{found}: expected a list of texts")));
            }
        };
        // The harness measures its choices' lengths, which other values do not have, or not in characters.
        let is_label = |value: &Value| value.is_number() || value.kind() == ValueKind::Bool;
        let is_read =
            |value: &Value| value.as_str().is_some() || key == "likra.labels" && is_label(value);
        if let Some(other) = texts.iter().find(|value| !is_read(value)) {
            let found = python_text::repr(other);
            let quotes =
                "expected texts alone, and quotes around what YAML would take for another value";
            return Err(refused(format!("{found} is one of the list; {quotes}")));
        }
        Ok(texts.iter().map(python_text::display).collect())
    }
}
