//! Prompts as chats: messages put into a checkpoint's own template, as transformers 4.57.1 does it
//! (`apply_chat_template`), and messages made of questions, as lm-evaluation-harness 0.4.13 makes them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::NaiveDateTime;
use minijinja::{Environment, Value, context};
use onig::{Captures, Regex};
use serde::Deserialize as _;

use crate::question::Question;
use crate::template::{self, Refusal};
use crate::{Error, Result};

/// A checkpoint's chat template, with what it may read.
#[derive(Debug)]
pub struct Chat {
    environment: Environment<'static>,
    path: PathBuf,
    source: String,
    /// Special tokens by their names in the template.
    tokens: BTreeMap<String, Value>,
    /// Whether shots are messages of their own.
    multiturn: bool,
}

const SYSTEM: &str = "system";
const USER: &str = "user";
const ASSISTANT: &str = "assistant";

/// The name of the one template.
const TEMPLATE: &str = "chat";

impl Chat {
    /// Compiles `template`, which stands in the file `path` and may ask for the time. With `multiturn`, shots
    /// are messages of their own; without, they are a part of the one question.
    ///
    /// # Errors
    ///
    /// If it is no template.
    pub fn new(
        path: PathBuf,
        template: &str,
        tokens: &BTreeMap<String, serde_json::Value>,
        now: NaiveDateTime,
        multiturn: bool,
    ) -> Result<Self> {
        let mut environment = template::chat_environment(now);
        let added = environment.add_template_owned(TEMPLATE, without_generation(template));
        added.map_err(|error| Error::file(&path, template::message(&error)))?;
        let token = |(name, token): (&String, &serde_json::Value)| {
            let token = Value::deserialize(token).unwrap_or_default();
            (name.clone(), token)
        };
        Ok(Self {
            environment,
            path,
            source: format!("{template}\n{tokens:?}\n{multiturn}"),
            tokens: tokens.iter().map(token).collect(),
            multiturn,
        })
    }

    /// All that decides its prompts, but for the time.
    pub(crate) fn definition(&self) -> &str {
        &self.source
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
                (false, _) => before += &shot.delimiters.shot(asked, answer),
                (true, "") => messages.push((USER, asked)),
                (true, _) => messages.extend([(USER, asked.as_str()), (ASSISTANT, answer)]),
            }
        }
        let context = |asked: &String| {
            let asked = format!("{before}{asked}");
            self.said(&[&messages[..], &[(USER, &asked)]].concat())
        };
        question.contexts().iter().map(context).collect()
    }

    /// What messages of these roles become, up to where the assistant begins. As the harness does, a template
    /// that refuses them is given them without the system's.
    ///
    /// # Errors
    ///
    /// If the template refuses them.
    pub fn said(&self, messages: &[(&str, &str)]) -> Result<String> {
        let prompt = self.rendered(messages).or_else(|error| {
            let others = messages.iter().filter(|(role, _)| *role != SYSTEM);
            let others: Vec<(&str, &str)> = others.copied().collect();
            match others.len() < messages.len() && Refusal::is(&error) {
                true => self.rendered(&others),
                false => Err(error),
            }
        });
        prompt.map_err(|error| Error::file(&self.path, template::message(&error)))
    }

    fn rendered(&self, messages: &[(&str, &str)]) -> Result<String, minijinja::Error> {
        let mut variables = self.tokens.clone();
        let messages = messages.iter();
        let messages = messages.map(|&(role, content)| context! { role, content });
        variables.insert("messages".into(), messages.collect());
        variables.insert("tools".into(), Value::from(()));
        variables.insert("documents".into(), Value::from(()));
        variables.insert("add_generation_prompt".into(), true.into());
        self.environment.get_template(TEMPLATE)?.render(variables)
    }
}

/// A template without the tags around what an assistant says, which print what they hold.
fn without_generation(template: &str) -> String {
    let template = template.replace("\r\n", "\n").replace('\r', "\n");
    let tag = Regex::new(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}");
    let tag = tag.expect("a regular expression that a test compiles");
    tag.replace_all(&template, |found: &Captures| {
        let at = |group| found.at(group).unwrap_or_default();
        let inside = if at(2).is_empty() { "if true" } else { "endif" };
        format!("{{%{} {inside} {}%}}", at(1), at(3))
    })
}

#[cfg(test)]
mod tests;
