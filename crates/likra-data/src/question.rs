//! A multiple-choice question in words, whatever benchmark it comes from.

use minijinja::Value;
use serde::Serialize;

use crate::{Error, Result};

/// A multiple-choice question in words: what a model is asked, and what can continue it.
///
/// Of most tasks the choices continue one context. Of some, such as `WinoGrande`, the choices are contexts and
/// one text continues each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The benchmark's name for it, or its split and row (from 0).
    pub id: String,
    /// What stands before the shots: the task's description.
    pub(crate) description: String,
    /// What stands before a choice; nothing where the choices are contexts.
    pub(crate) context: String,
    /// All choices, at least 2, in order.
    pub choices: Vec<String>,
    /// What continues every choice, where they are contexts.
    pub(crate) continuation: Option<String>,
    /// The places of the right choices.
    pub(crate) right: Vec<usize>,
    /// What the choices stand for, where they are letters.
    pub(crate) texts: Option<Vec<String>>,
    /// The row that it was made of.
    pub(crate) doc: Doc,
    /// What the task file gives as the right answer, as Python prints it.
    pub target: String,
    /// What is asked, with its answer, as a shot; nothing if the harness can make no shot of it.
    pub(crate) solved: Option<(String, String)>,
    /// What stands before each choice, or before all, in place of the context or contexts: prompts of a chat.
    pub(crate) prompts: Vec<String>,
    /// What stands between it and its answer out of a chat: most often a space.
    pub target_delimiter: String,
    /// What stands after it as a shot.
    pub(crate) fewshot_delimiter: String,
}

/// The row of a question. Two questions are the same whatever form their rows have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doc(pub(crate) Value);

impl PartialEq for Doc {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Doc {}

impl Question {
    /// The row that it was made of, to be serialized: a map of the data set's columns.
    pub fn doc(&self) -> &(impl Serialize + use<>) {
        &self.doc.0
    }

    /// Whether a choice is right. There may be several right ones, or none.
    pub fn is_right(&self, choice: usize) -> bool {
        self.right.contains(&choice)
    }

    /// The first of the right choices.
    pub fn gold(&self) -> Option<usize> {
        self.right.first().copied()
    }

    /// The choices that are not right, in order. Compared by text, so that a copy of a right answer is never
    /// among them (ARC has none, but has pairs that differ only in case, such as the genotypes `Ss` and `SS`).
    pub fn wrong(&self) -> impl Iterator<Item = usize> {
        let text = |place: usize| &self.choices[place];
        let is_right = move |place| self.right.iter().any(|right| text(*right) == text(place));
        (0..self.choices.len()).filter(move |place| !is_right(*place))
    }

    /// The contexts of the candidates: one for all, or one for each choice.
    pub fn contexts(&self) -> &[String] {
        match &self.continuation {
            _ if !self.prompts.is_empty() => &self.prompts,
            None => std::slice::from_ref(&self.context),
            Some(_) => &self.choices,
        }
    }

    /// What stands before a choice.
    pub fn context(&self, choice: usize) -> &str {
        let contexts = self.contexts();
        contexts.get(choice).unwrap_or(&contexts[0])
    }

    /// What continues the context of a choice, without the delimiter between them.
    pub fn answer(&self, choice: usize) -> &str {
        let all = self.continuation.as_deref();
        all.unwrap_or(&self.choices[choice])
    }

    /// An answer as it continues a context: after the delimiter.
    pub fn continued(&self, answer: &str) -> String {
        [self.delimiter(), answer].concat()
    }

    /// What stands between a context and an answer: nothing in a chat, whose template ends where the answer
    /// begins.
    pub fn delimiter(&self) -> &str {
        match self.prompts.is_empty() {
            true => &self.target_delimiter,
            false => "",
        }
    }

    /// Asks of each answer whether it is true: `P(True)` of Kadavath et al. 2022 ("Language models (mostly) know what they
    /// know", section 3.1). Its choices are contexts, and "(A)" continues each.
    pub fn whether_true(&self) -> Self {
        let asked = |choice: usize| {
            let answer = self.continued(self.answer(choice));
            let choices = "Is the proposed answer:\n (A) True\n (B) False\nThe proposed answer is:";
            format!("{}{answer}\n{choices}", self.context(choice))
        };
        Self {
            choices: (0..self.choices.len()).map(asked).collect(),
            continuation: Some("(A)".into()),
            target_delimiter: " ".into(),
            prompts: Vec::new(),
            texts: None,
            ..self.clone()
        }
    }

    /// The answers in words, also where the choices are letters for them.
    pub fn text(&self, choice: usize) -> &str {
        match &self.texts {
            Some(texts) => &texts[choice],
            None => self.answer(choice),
        }
    }

    /// All of them.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        (0..self.choices.len()).map(|choice| self.text(choice))
    }

    /// Whether an answer's text is one of its own.
    pub(crate) fn has_text(&self, text: &str) -> bool {
        (0..self.choices.len()).any(|place| self.text(place) == text || self.answer(place) == text)
    }

    /// The question with its answer, as a shot: the question alone if the answer is empty.
    pub(crate) fn shot(&self) -> Result<String> {
        let (asked, answer) = self.solved()?;
        let (before, after) = (&self.target_delimiter, &self.fewshot_delimiter);
        Ok(match answer.is_empty() {
            true => asked.clone(),
            false => format!("{asked}{before}{answer}{after}"),
        })
    }

    /// What is asked in a shot, and its answer.
    pub(crate) fn solved(&self) -> Result<&(String, String)> {
        let missing = "has no single answer, so that it cannot be a shot";
        let solved = self.solved.as_ref();
        solved.ok_or_else(|| Error::question(&self.id, missing))
    }

    /// Whether it is `other`: by its text, or by its id.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id
            || (self.context == other.context
                && self.right == other.right
                && self.choices == other.choices
                && self.continuation == other.continuation
                && self.texts == other.texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Question {
        /// A question that stands as `context` before its choices, of which `choices[gold]` is right.
        pub(crate) fn new(id: String, context: String, choices: Vec<String>, gold: usize) -> Self {
            Self {
                description: String::new(),
                doc: Doc(Value::from(&*id)),
                id,
                target: gold.to_string(),
                solved: Some((context.clone(), choices[gold].clone())),
                prompts: Vec::new(),
                context,
                choices,
                continuation: None,
                right: vec![gold],
                texts: None,
                target_delimiter: " ".into(),
                fewshot_delimiter: "\n\n".into(),
            }
        }
    }

    #[test]
    fn of_each_answer_it_is_asked_whether_it_is_true() {
        let choices = ["Lima", "Cusco"].map(String::from).to_vec();
        let question = Question::new("q".into(), "Capital?".into(), choices, 0);
        let asked = question.whether_true();
        let after = "\nIs the proposed answer:\n (A) True\n (B) False\nThe proposed answer is:";
        let expected = ["Capital? Lima", "Capital? Cusco"].map(|text| format!("{text}{after}"));
        assert_eq!(asked.contexts(), expected);
        assert_eq!(asked.continued(asked.answer(1)), " (A)");
        assert!(asked.is_right(0) && !asked.is_right(1));
    }

    #[test]
    fn wrong_choices_leave_out_the_right_text_wherever_it_stands() {
        let choices = ["Ss", "SS", "ss", "SS"].map(String::from).to_vec();
        let question = Question::new("q".into(), "?".into(), choices, 1);
        assert_eq!(question.gold(), Some(1));
        assert_eq!(question.wrong().collect::<Vec<_>>(), [0, 2]);
    }
}
