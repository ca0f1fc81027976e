//! From a row to a question: what a task's fields make of it.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::ValueKind;
use rayon::prelude::*;

use super::target::{Target, Text, from_either_end, wrong};
use super::{Task, columns};
use crate::question::{Delimiters, Question, Solved};
use crate::rows::{Row, Rows, pairs};
use crate::template::Templates;
use crate::{Error, LineError, Result, literal, python_text};

/// A task's fields, ready for rows.
#[derive(Debug)]
struct Fields {
    templates: Templates,
    text: Field,
    target: Field,
    choices: Field,
    description: Field,
    id: Option<Field>,
    answers: Option<Field>,
    labels: Option<Field>,
    delimiters: Arc<Delimiters>,
}

/// A field, and its key for errors.
#[derive(Debug)]
struct Field {
    key: &'static str,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Column(String),
    Template,
    Constant(Value),
}

/// The questions of a split's rows, those that the task keeps.
pub(crate) fn questions(task: &Task, split: &str, rows: &Rows) -> Result<Vec<Question>> {
    let rows = columns::prepare(task, rows)?;
    let nothing = || Error::Nothing {
        path: rows.files.first().cloned().unwrap_or_default(),
        what: "questions",
    };
    let fields = Fields::new(task, &rows.columns)?;
    let first = rows.all.first().ok_or_else(nothing)?;
    // What the first row gives holds for all.
    let text = fields
        .text(&first.value)
        .map_err(|source| first.refused(source))?;
    let multiple = matches!(text, Text::Place(_));
    let question = |(number, row): (usize, &Row)| {
        let question = fields.question(&row.value, multiple, || format!("{split}#{number}"));
        question.map_err(|source| row.refused(source))
    };
    let found = rows.all.par_iter().enumerate().map(question);
    let found: Vec<Question> = found.collect::<Result<_>>()?;
    let mut lines = HashMap::new();
    for (row, question) in rows.all.iter().zip(&found) {
        if let Some(first) = lines.insert(question.id(), row.line) {
            let id = question.id().to_owned();
            return Err(row.refused(LineError::DuplicateId { id, first }));
        }
    }
    Ok(found)
}

impl Fields {
    /// A field that is the name of one of the columns is that cell.
    fn new(task: &Task, columns: &[String]) -> Result<Self> {
        let (keys, own) = (&task.keys, task.own());
        let mut templates = Templates::new();
        let mut field = |key: &'static str, source: Option<Value>| -> Result<Option<Field>> {
            let Some(source) = source else {
                return Ok(None);
            };
            let source = match source.as_str() {
                Some(text) if columns.iter().any(|name| name == text) => {
                    Source::Column(text.into())
                }
                Some(text) => {
                    let added = templates.add(key, text);
                    added.map_err(|message| task.refused(key, message))?;
                    Source::Template
                }
                None => Source::Constant(source),
            };
            Ok(Some(Field { key, source }))
        };
        let missing = || {
            task.refused(
                "task file",
                "expected doc_to_text, doc_to_target and doc_to_choice",
            )
        };
        Ok(Self {
            text: field("doc_to_text", keys.doc_to_text.clone())?.ok_or_else(missing)?,
            target: field("doc_to_target", keys.doc_to_target.clone())?.ok_or_else(missing)?,
            choices: field("doc_to_choice", keys.doc_to_choice.clone())?.ok_or_else(missing)?,
            description: field("description", Some(keys.description.clone()))?
                .ok_or_else(missing)?,
            id: field("likra.id", own.id.map(Value::from))?,
            answers: field("likra.answers", own.answers.map(Value::from))?,
            labels: field("likra.labels", own.labels.map(Value::from))?,
            templates,
            delimiters: Arc::new(Delimiters {
                target: task.target_delimiter().into(),
                few_shot: task.fewshot_delimiter().into(),
            }),
        })
    }

    fn question(
        &self,
        row: &Value,
        multiple: bool,
        number: impl FnOnce() -> String,
    ) -> Result<Question, LineError> {
        let choices = self.list(&self.choices, row)?;
        let (text, target) = (self.text(row)?, self.target(row)?);
        let (context, continuation, solved) = match (&text, multiple) {
            (Text::Text(text), false) => (text.clone(), None, text.clone()),
            (Text::Place(place), true) => {
                let expected = || {
                    wrong(
                        "doc_to_text",
                        place,
                        &format!("one of {} choices", choices.len()),
                    )
                };
                let shown = from_either_end(*place, &choices).ok_or_else(expected)?;
                (String::new(), Some(target.continuation()?), shown)
            }
            (Text::Place(found), false) => {
                return Err(wrong("doc_to_text", found, "a text, as in the first row"));
            }
            (Text::Text(found), true) => {
                return Err(wrong("doc_to_text", found, "a number, as in the first row"));
            }
        };
        let right = match (self.of_each(self.labels.as_ref(), row, &choices)?, &text) {
            (Some(labels), _) => {
                let is_right = |label: &String| label == "1" || label == "True";
                (0..choices.len())
                    .filter(|place| is_right(&labels[*place]))
                    .collect()
            }
            (None, Text::Place(place)) => Target::Place(*place).right(&choices),
            (None, Text::Text(_)) => target.right(&choices),
        };
        let id = self
            .id
            .as_ref()
            .map(|field| self.printed(field, row))
            .transpose()?;
        let question = Question {
            id: id.filter(|id| !id.is_empty()).unwrap_or_else(number),
            description: self.printed(&self.description, row)?,
            texts: self.of_each(self.answers.as_ref(), row, &choices)?,
            solved: Solved {
                question: solved,
                answer: target.shown(&choices),
            },
            context,
            choices,
            continuation,
            right,
            delimiters: Arc::clone(&self.delimiters),
        };
        question.checked()
    }

    fn value(&self, field: &Field, row: &Value) -> Result<Value, LineError> {
        match &field.source {
            // Where a row lacks a column that others have, the harness has None.
            Source::Column(name) => Ok(match row.get_attr(name) {
                Ok(value) if !value.is_undefined() => value,
                _ => Value::from(()),
            }),
            Source::Template => self.templates.value(field.key, row),
            Source::Constant(value) => Ok(value.clone()),
        }
    }

    /// A field as a text; what is absent is none.
    fn printed(&self, field: &Field, row: &Value) -> Result<String, LineError> {
        let value = self.value(field, row)?;
        Ok(if value.is_none() {
            String::new()
        } else {
            python_text::display(&value)
        })
    }

    /// `doc_to_text`.
    fn text(&self, row: &Value) -> Result<Text, LineError> {
        let value = self.value(&self.text, row)?;
        match self.text.source {
            Source::Template => Text::printed(python_text::display(&value)),
            _ => Text::of(&value),
        }
    }

    /// `doc_to_target`.
    fn target(&self, row: &Value) -> Result<Target, LineError> {
        let value = self.value(&self.target, row)?;
        match self.target.source {
            Source::Template => Target::printed(python_text::display(&value)),
            _ => Target::of(&value),
        }
    }

    /// A list with a text for each choice, if there is such a field.
    fn of_each(
        &self,
        field: Option<&Field>,
        row: &Value,
        choices: &[String],
    ) -> Result<Option<Vec<String>>, LineError> {
        let Some(field) = field else { return Ok(None) };
        let found = self.list(field, row)?;
        let expected = format!("one for each of {} choices", choices.len());
        match found.len() == choices.len() {
            true => Ok(Some(found)),
            false => Err(wrong(field.key, found.len(), &expected)),
        }
    }

    /// The texts of a list; one that a template prints is read back as Python would.
    fn list(&self, field: &Field, row: &Value) -> Result<Vec<String>, LineError> {
        let refused = |message: String| LineError::Template {
            key: field.key.into(),
            message,
        };
        let mut value = self.value(field, row)?;
        let is_template = matches!(field.source, Source::Template);
        if let (true, Some(text)) = (is_template, value.as_str()) {
            value = literal::parse(text).map_err(refused)?;
        }
        let items: Vec<Value> = match value.kind() {
            ValueKind::Map if !is_template => {
                pairs(&value).into_iter().map(|(_, value)| value).collect()
            }
            ValueKind::Seq | ValueKind::Iterable => {
                value.try_iter().into_iter().flatten().collect()
            }
            _ => {
                return Err(refused(format!(
                    "{}: expected a list of texts",
                    python_text::repr(&value)
                )));
            }
        };
        match items.iter().any(Value::is_undefined) {
            true => Err(refused("one of the list is undefined".into())),
            false => Ok(items.iter().map(python_text::display).collect()),
        }
    }
}
