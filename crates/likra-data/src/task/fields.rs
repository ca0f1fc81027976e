//! From a row to a question: what a task's fields make of it.

use std::sync::Arc;

use minijinja::Value;

use super::{Own, Task};
use crate::question::{Delimiters, Question, Solved};
use crate::rows::{Row, Rows};
use crate::template::Templates;
use crate::{Error, LineError, Result, literal, python_text};

/// A task's fields, ready for the rows of a benchmark.
#[derive(Debug)]
pub(crate) struct Fields<'t> {
    task: &'t Task,
    own: Own,
    columns: Vec<String>,
    templates: Templates,
    /// The columns of the evaluated split: a field that is the name of one is that cell.
    names: Vec<String>,
    text: Field,
    target: Field,
    choices: Field,
    description: Field,
    answers: Option<Field>,
    labels: Option<Field>,
    /// Whether the choices are contexts and the target is what continues them.
    multiple: bool,
    delimiters: Arc<Delimiters>,
}

#[derive(Debug, Clone)]
enum Field {
    Column(String),
    /// A template by its name.
    Template(&'static str),
    Constant(Value),
}

impl<'t> Fields<'t> {
    /// Prepares a task's fields; `evaluated` are the rows of the split whose questions are asked, or of any
    /// other with the same columns.
    pub(crate) fn new(task: &'t Task, evaluated: &Rows) -> Result<Self> {
        let mut fields = Self {
            task,
            own: task.own(),
            columns: Vec::new(),
            templates: Templates::new(),
            names: evaluated.columns.clone(),
            text: Field::Constant(Value::from("")),
            target: Field::Constant(Value::from("")),
            choices: Field::Constant(Value::from("")),
            description: Field::Constant(Value::from("")),
            answers: None,
            labels: None,
            multiple: false,
            delimiters: Arc::new(Delimiters {
                target: task.target_delimiter().into(),
                few_shot: task.fewshot_delimiter().into(),
            }),
        };
        let own = fields.own.clone();
        for (name, source) in super::load::pairs(&own.columns.unwrap_or_default()) {
            let name = name.to_string();
            let key = format!("likra.columns.{name}");
            let added = fields.templates.add(&key, &source.to_string());
            added.map_err(|message| task.refused(&key, message))?;
            fields.columns.push(name.clone());
            if !fields.names.contains(&name) {
                fields.names.push(name);
            }
        }
        if let Some(id) = &own.id {
            let added = fields.templates.add("likra.id", id);
            added.map_err(|message| task.refused("likra.id", message))?;
        }
        let keys = &task.keys;
        fields.text = fields.field("doc_to_text", keys.doc_to_text.as_ref())?;
        fields.target = fields.field("doc_to_target", keys.doc_to_target.as_ref())?;
        fields.choices = fields.field("doc_to_choice", keys.doc_to_choice.as_ref())?;
        let description = keys
            .description
            .as_ref()
            .map(|text| Value::from(text.as_str()));
        fields.description = fields.field("description", description.as_ref())?;
        let optional = |source: Option<String>| source.map(Value::from);
        if let Some(source) = optional(own.answers) {
            fields.answers = Some(fields.field("likra.answers", Some(&source))?);
        }
        if let Some(source) = optional(own.labels) {
            fields.labels = Some(fields.field("likra.labels", Some(&source))?);
        }
        // What the first row gives holds for all.
        if let Some(first) = evaluated.all.first() {
            let prepared = fields
                .prepared(first)
                .map_err(|source| first.refused(source))?;
            if let Some(row) = prepared {
                let text = fields.text(&row).map_err(|source| first.refused(source))?;
                fields.multiple = matches!(text, Text::Place(_));
            }
        }
        Ok(fields)
    }

    fn field(&mut self, key: &'static str, source: Option<&Value>) -> Result<Field> {
        match source {
            None => Ok(Field::Constant(Value::from(""))),
            Some(source) => match source.as_str() {
                Some(text) if self.names.iter().any(|name| name == text) => {
                    Ok(Field::Column(text.into()))
                }
                Some(text) => {
                    let added = self.templates.add(key, text);
                    added.map_err(|message| self.task.refused(key, message))?;
                    Ok(Field::Template(key))
                }
                None => Ok(Field::Constant(source.clone())),
            },
        }
    }

    /// The questions of rows, those that the task keeps.
    pub(crate) fn questions(&self, split: &str, rows: &Rows) -> Result<Vec<Question>> {
        use rayon::prelude::*;
        let found = rows.all.par_iter().enumerate().map(|(number, row)| {
            let question = self
                .question(split, number, row)
                .map_err(|source| row.refused(source))?;
            Ok(question.map(|question| (row, question)))
        });
        let found: Vec<Option<(&Row, Question)>> = found.collect::<Result<_>>()?;
        let mut questions = Vec::new();
        let mut lines = std::collections::HashMap::new();
        for (row, question) in found.into_iter().flatten() {
            if let Some(first) = lines.insert(question.id().to_owned(), row.line) {
                let id = question.id().to_owned();
                return Err(row.refused(LineError::DuplicateId { id, first }));
            }
            questions.push(question);
        }
        match questions.is_empty() {
            true => Err(Error::Nothing {
                path: rows.files.first().cloned().unwrap_or_default(),
                what: "questions",
            }),
            false => Ok(questions),
        }
    }

    /// The row with the columns that the task makes, unless it leaves the row out.
    fn prepared(&self, row: &Row) -> Result<Option<Value>, LineError> {
        for (column, wanted) in super::load::pairs(&self.own.keep.clone().unwrap_or_default()) {
            let found = row.value.get_item(&column).unwrap_or_default();
            if !found.is_undefined() && found != wanted {
                return Ok(None);
            }
        }
        let mut value = row.value.clone();
        for name in &self.columns {
            let key = format!("likra.columns.{name}");
            let made = self
                .templates
                .value(&key, &value)
                .map_err(|message| LineError::Template { key, message })?;
            let mut pairs = super::load::pairs(&value);
            pairs.retain(|(known, _)| known.as_str() != Some(name));
            pairs.push((Value::from(name.as_str()), made));
            value = Value::from_pairs(pairs);
        }
        Ok(Some(value))
    }

    fn question(
        &self,
        split: &str,
        number: usize,
        row: &Row,
    ) -> Result<Option<Question>, LineError> {
        let Some(value) = self.prepared(row)? else {
            return Ok(None);
        };
        let row = &value;
        let id = match &self.own.id {
            Some(_) => {
                let id = self.templates.render("likra.id", row);
                id.map_err(|message| LineError::Template {
                    key: "likra.id".into(),
                    message,
                })?
            }
            None => format!("{split}#{number}"),
        };
        let choices = self.choices(row)?;
        let text = self.text(row)?;
        let target = self.target(row)?;
        let (context, gold, continuation) = match (&text, self.multiple) {
            (Text::Text(text), false) => (text.clone(), Self::gold(&target, &choices), None),
            (Text::Place(place), true) => (String::new(), vec![*place], Some(target.text()?)),
            (Text::Place(found), false) => {
                return Err(field("doc_to_text", found, "a text, as in the first row"));
            }
            (Text::Text(found), true) => {
                return Err(field("doc_to_text", found, "a number, as in the first row"));
            }
        };
        let solved = self.solved(&text, &target, &choices)?;
        let mut right: Vec<usize> = gold
            .into_iter()
            .filter_map(|gold| usize::try_from(gold).ok())
            .collect();
        right.retain(|gold| *gold < choices.len());
        if let Some(labels) = &self.labels {
            right = self.labelled(labels, row, choices.len())?;
        }
        let texts = self
            .answers
            .as_ref()
            .map(|field| self.list(field, "likra.answers", row))
            .transpose()?;
        if let Some(texts) = texts.as_ref().filter(|texts| texts.len() != choices.len()) {
            return Err(LineError::Count {
                what: "answers",
                found: texts.len(),
                expected: format!("one for each of {} choices", choices.len()),
            });
        }
        let description = self.value(&self.description, "description", row)?;
        let question = Question {
            id,
            description: if description.is_none() {
                String::new()
            } else {
                python_text::display(&description)
            },
            context,
            choices,
            continuation,
            right,
            texts,
            solved,
            delimiters: Arc::clone(&self.delimiters),
        };
        question.checked().map(Some)
    }

    fn value(&self, field: &Field, key: &str, row: &Value) -> Result<Value, LineError> {
        match field {
            // Where a row lacks a column that others have, the harness has None.
            Field::Column(name) => Ok(match row.get_attr(name) {
                Ok(value) if !value.is_undefined() => value,
                _ => Value::from(()),
            }),
            Field::Template(name) => {
                let value = self.templates.value(name, row);
                value.map_err(|message| LineError::Template {
                    key: key.into(),
                    message,
                })
            }
            Field::Constant(value) => Ok(value.clone()),
        }
    }

    /// `doc_to_text`.
    fn text(&self, row: &Value) -> Result<Text, LineError> {
        let key = "doc_to_text";
        let value = self.value(&self.text, key, row)?;
        match (&self.text, value.as_str(), whole(&value)) {
            (Field::Template(_), _, _) => {
                let text = python_text::display(&value);
                Ok(digits(key, &text)?.map_or(Text::Text(text), Text::Place))
            }
            (_, Some(text), _) => Ok(Text::Text(text.into())),
            (_, None, Some(number)) => Ok(Text::Place(number)),
            _ => Err(field(key, &value, "a text or the number of a choice")),
        }
    }

    /// `doc_to_target`.
    fn target(&self, row: &Value) -> Result<Target, LineError> {
        let key = "doc_to_target";
        let value = self.value(&self.target, key, row)?;
        if !matches!(self.target, Field::Template(_)) {
            return Target::of(&value);
        }
        let text = python_text::display(&value);
        if let Some(number) = digits(key, &text)? {
            return Ok(Target::Place(number));
        }
        match text.starts_with('[') && text.ends_with(']') && text.len() > 1 {
            true => Ok(literal::parse(&text)
                .ok()
                .map_or(Ok(Target::Text(text)), |list| Target::of(&list))?),
            false => Ok(Target::Text(text)),
        }
    }

    /// `doc_to_choice`.
    fn choices(&self, row: &Value) -> Result<Vec<String>, LineError> {
        self.list(&self.choices, "doc_to_choice", row)
    }

    /// The texts of a list; one that a template prints is read back as Python would.
    fn list(&self, field: &Field, key: &str, row: &Value) -> Result<Vec<String>, LineError> {
        let refused = |message: String| LineError::Template {
            key: key.into(),
            message,
        };
        let mut value = self.value(field, key, row)?;
        if let (Field::Template(_), Some(text)) = (field, value.as_str()) {
            value = literal::parse(text).map_err(refused)?;
        }
        let expected = || {
            refused(format!(
                "{}: expected a list of texts",
                python_text::repr(&value)
            ))
        };
        let items: Vec<Value> = match value.kind() {
            minijinja::value::ValueKind::Map if matches!(field, Field::Constant(_)) => {
                super::load::pairs(&value)
                    .into_iter()
                    .map(|(_, value)| value)
                    .collect()
            }
            minijinja::value::ValueKind::Seq | minijinja::value::ValueKind::Iterable => {
                value.try_iter().map_err(|_| expected())?.collect()
            }
            _ => return Err(expected()),
        };
        match items.iter().any(Value::is_undefined) {
            true => Err(refused("one of the list is undefined".into())),
            false => Ok(items.iter().map(python_text::display).collect()),
        }
    }

    fn labelled(
        &self,
        field: &Field,
        row: &Value,
        choices: usize,
    ) -> Result<Vec<usize>, LineError> {
        let labels = self.list(field, "likra.labels", row)?;
        if labels.len() != choices {
            return Err(LineError::Count {
                what: "labels",
                found: labels.len(),
                expected: format!("one for each of {choices} choices"),
            });
        }
        Ok((0..choices)
            .filter(|place| labels[*place] == "1" || labels[*place] == "True")
            .collect())
    }

    /// The right choices by the target; a text is looked up among them.
    fn gold(target: &Target, choices: &[String]) -> Vec<i64> {
        let place = |text: &str| {
            choices
                .iter()
                .position(|choice| choice == text)
                .map(|place| place as i64)
        };
        match target {
            Target::Place(number) => vec![*number],
            Target::Text(text) => place(text).into_iter().collect(),
            Target::Places(numbers) => numbers.clone(),
            Target::Texts(texts) => texts.iter().filter_map(|text| place(text)).collect(),
        }
    }

    /// The question as a shot, if it can be one.
    fn solved(
        &self,
        text: &Text,
        target: &Target,
        choices: &[String],
    ) -> Result<Solved, LineError> {
        let chosen = |number: i64| {
            let place = if number < 0 {
                number + choices.len() as i64
            } else {
                number
            };
            usize::try_from(place)
                .ok()
                .and_then(|place| choices.get(place).cloned())
        };
        let question = match text {
            Text::Text(text) => text.clone(),
            Text::Place(number) => {
                let expected = format!("the number of one of {} choices", choices.len());
                chosen(*number).ok_or_else(|| field("doc_to_text", number, &expected))?
            }
        };
        let answer = match target {
            Target::Text(text) if text.is_empty() => Some(String::new()),
            Target::Text(text) => Some(text.clone()),
            Target::Place(_) if self.multiple => None,
            Target::Place(number) => chosen(*number),
            Target::Texts(texts) => texts.first().cloned(),
            Target::Places(_) => None,
        };
        Ok(Solved { question, answer })
    }
}

/// What `doc_to_text` gives: a text, or the number of the choice that is right.
enum Text {
    Text(String),
    Place(i64),
}

/// What `doc_to_target` gives.
enum Target {
    Place(i64),
    Text(String),
    Places(Vec<i64>),
    Texts(Vec<String>),
}

impl Target {
    fn of(value: &Value) -> Result<Self, LineError> {
        let items = || value.try_iter().ok().map(Iterator::collect::<Vec<Value>>);
        if let Some(text) = value.as_str() {
            return Ok(Self::Text(text.into()));
        }
        if let Some(number) = whole(value) {
            return Ok(Self::Place(number));
        }
        let expected = || {
            field(
                "doc_to_target",
                value,
                "a number, a text, or a list of either",
            )
        };
        let items = items()
            .filter(|_| value.len().is_some())
            .ok_or_else(expected)?;
        if let Some(numbers) = items.iter().map(whole).collect() {
            return Ok(Self::Places(numbers));
        }
        let texts: Option<Vec<String>> = items
            .iter()
            .map(|item| item.as_str().map(String::from))
            .collect();
        texts.map(Self::Texts).ok_or_else(expected)
    }

    /// What continues every choice.
    fn text(&self) -> Result<String, LineError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Place(number) => Ok(number.to_string()),
            Self::Places(_) | Self::Texts(_) => Err(field(
                "doc_to_target",
                "a list",
                "a text, as the choices are contexts",
            )),
        }
    }
}

/// An integer; Python's truth values are such.
fn whole(value: &Value) -> Option<i64> {
    match value.kind() {
        minijinja::value::ValueKind::Bool => Some(i64::from(value.is_true())),
        _ => value.is_integer().then(|| value.as_i64()).flatten(),
    }
}

/// The number of a text that has nothing but digits.
fn digits(key: &'static str, text: &str) -> Result<Option<i64>, LineError> {
    if text.is_empty() || !text.chars().all(char::is_numeric) {
        return Ok(None);
    }
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    match text.parse().ok().filter(|_| plain) {
        Some(number) => Ok(Some(number)),
        None if text.bytes().all(|byte| byte == b'0') => Ok(Some(0)),
        None => Err(field(key, text, "a number as Python writes it")),
    }
}

fn field(key: &'static str, found: impl std::fmt::Display, expected: &str) -> LineError {
    LineError::Value {
        field: key,
        found: found.to_string(),
        expected: expected.into(),
    }
}
