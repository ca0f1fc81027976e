//! Prompts as chats: messages put into a checkpoint's own template, as transformers 4.57.1 does it
//! (`apply_chat_template`), and messages made of questions, as lm-evaluation-harness 0.4.13 makes them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{NaiveDate, NaiveDateTime};
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use onig::{Captures, Regex};

use crate::question::Question;
use crate::template::{self, Refusal};
use crate::{Error, Result};

/// A checkpoint's chat template, and what it may read.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatTemplate {
    /// The file that it stands in.
    pub path: PathBuf,
    /// Jinja.
    pub source: String,
    /// Texts of special tokens by their keys, such as `bos_token`; of the additional ones a list.
    pub tokens: BTreeMap<String, serde_json::Value>,
}

/// A chat template that is compiled.
#[derive(Debug)]
pub struct Chat {
    environment: Environment<'static>,
    template: ChatTemplate,
    /// Whether shots are messages of their own.
    multiturn: bool,
    /// The day that the template is told, if it asks.
    today: Option<NaiveDate>,
}

const SYSTEM: &str = "system";
const USER: &str = "user";
const ASSISTANT: &str = "assistant";

/// The name of the one template.
const TEMPLATE: &str = "chat";

impl Chat {
    /// Compiles `template`, which may ask for the time. With `multiturn`, shots are messages of their own; without,
    /// they are a part of the one question.
    ///
    /// # Errors
    ///
    /// If it is no template.
    pub fn new(template: ChatTemplate, now: NaiveDateTime, multiturn: bool) -> Result<Self> {
        let asks = template.source.contains("strftime_now");
        let mut environment = template::chat_environment(now);
        let source = without_generation(&template.source);
        let added = environment.add_template_owned(TEMPLATE, source);
        added.map_err(|error| Error::file(&template.path, template::message(&error)))?;
        Ok(Self {
            environment,
            template,
            multiturn,
            today: asks.then(|| now.date()),
        })
    }

    /// The day that its prompts hang on, if they do.
    pub fn today(&self) -> Option<NaiveDate> {
        self.today
    }

    /// All that decides its prompts, but for the time of day.
    pub(crate) fn definition(&self) -> String {
        let ChatTemplate { source, tokens, .. } = &self.template;
        let day = self.today.map(|day| format!("\n{day}"));
        format!(
            "{source}\n{tokens:?}\n{}{}",
            self.multiturn,
            day.unwrap_or_default()
        )
    }

    /// What stands before each choice of `question`, or before all of them: the task's description as the
    /// system's message, `shots` with their answers, and the question, up to where the assistant begins.
    pub(crate) fn contexts(&self, question: &Question, shots: &[&Question]) -> Result<Vec<String>> {
        let mut messages = Vec::new();
        if !question.description.is_empty() {
            messages.push((SYSTEM, question.description.as_str()));
        }
        let mut before = String::new();
        for shot in shots {
            let (asked, answer) = shot.solved()?;
            match (self.multiturn, answer.as_str()) {
                (false, _) => before += &shot.shot()?,
                (true, "") => messages.push((USER, asked)),
                (true, _) => messages.extend([(USER, asked.as_str()), (ASSISTANT, answer)]),
            }
        }
        let context = |asked: &String| {
            let asked = format!("{before}{asked}");
            self.said_to_harness(&[&messages[..], &[(USER, &asked)]].concat())
        };
        question.contexts().iter().map(context).collect()
    }

    /// What messages of these roles become, up to where the assistant begins.
    ///
    /// # Errors
    ///
    /// If the template refuses them.
    pub fn said(&self, messages: &[(&str, &str)]) -> Result<String> {
        self.rendered(messages)
            .map_err(|error| self.refused(&error))
    }

    /// The same as the harness has it: a template that refuses the messages is given them without the system's.
    fn said_to_harness(&self, messages: &[(&str, &str)]) -> Result<String> {
        let others = messages.iter().filter(|(role, _)| *role != SYSTEM);
        let others: Vec<(&str, &str)> = others.copied().collect();
        match self.rendered(messages) {
            Err(error) if others.len() < messages.len() && Refusal::is(&error) => {
                self.said(&others)
            }
            prompt => prompt.map_err(|error| self.refused(&error)),
        }
    }

    fn refused(&self, error: &minijinja::Error) -> Error {
        Error::file(&self.template.path, template::message(error))
    }

    fn rendered(&self, messages: &[(&str, &str)]) -> Result<String, minijinja::Error> {
        let message = |&(role, content): &(&str, &str)| context! { role, content };
        let messages: Vec<Value> = messages.iter().map(message).collect();
        let tokens = Value::from(Serde(&self.template.tokens));
        self.environment.get_template(TEMPLATE)?.render(context! {
            messages, tools => (), documents => (), add_generation_prompt => true, ..tokens
        })
    }
}

/// A template without the tags around what an assistant says, which print what they hold.
fn without_generation(template: &str) -> String {
    let template = template.replace("\r\n", "\n").replace('\r', "\n");
    let tag = Regex::new(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}");
    let tag = tag.expect("a regular expression that a test compiles");
    tag.replace_all(&template, |found: &Captures| {
        let at = |group| found.at(group).unwrap_or_default();
        let inside = if at(2).is_empty() { "with" } else { "endwith" };
        format!("{{%{} {inside} {}%}}", at(1), at(3))
    })
}

#[cfg(test)]
mod tests;
