//! A multiple-choice question, whatever benchmark it comes from.

use crate::LineError;

/// The words around a question's stem.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PromptStyle {
    /// `Question: {stem}`, a new line, and `Answer:` (task `arc_challenge`).
    #[default]
    QuestionAnswer,
    /// The stem alone, which the answer continues (task `hellaswag`).
    Completion,
    /// The stem, the options with their letters, and `Answer:`, which a letter answers (task `mmlu`). The
    /// question's choices are the letters.
    Letters {
        /// What the question is about, such as `world religions`.
        subject: String,
        /// The texts of the options.
        options: Vec<String>,
    },
}

/// A multiple-choice question with exactly one right answer.
///
/// Its texts are as the benchmark's file has them, without a prompt around them ([`prompt`](crate::prompt)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    id: String,
    stem: String,
    choices: Vec<String>,
    gold: usize,
    style: PromptStyle,
}

impl Question {
    /// A question whose right answer is `choices[gold]`.
    ///
    /// # Errors
    ///
    /// If the stem or a choice is blank, there are fewer than 2 choices, or `gold` is none of them.
    pub fn new(
        id: String,
        stem: String,
        choices: Vec<String>,
        gold: usize,
    ) -> Result<Self, LineError> {
        if stem.trim().is_empty() {
            return Err(LineError::EmptyStem);
        }
        if let Some(place) = choices.iter().position(|text| text.trim().is_empty()) {
            return Err(LineError::EmptyChoice { choice: place + 1 });
        }
        if choices.len() < 2 {
            return Err(LineError::Count {
                what: "choices",
                found: choices.len(),
                expected: "at least 2".into(),
            });
        }
        if gold >= choices.len() {
            return Err(LineError::Value {
                field: "the right answer's index",
                found: gold.to_string(),
                expected: format!("less than {}", choices.len()),
            });
        }
        Ok(Self {
            id,
            stem,
            choices,
            gold,
            style: PromptStyle::default(),
        })
    }

    /// The same question, put in another style; [`new`](Self::new) gives the default.
    #[must_use]
    pub fn with_style(self, style: PromptStyle) -> Self {
        Self { style, ..self }
    }

    /// How it is put to a model in words.
    #[must_use]
    pub fn style(&self) -> &PromptStyle {
        &self.style
    }

    /// The texts of the answers to choose from; its choices, unless these are letters for them.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        match &self.style {
            PromptStyle::Letters { options, .. } => options,
            _ => &self.choices,
        }
    }

    /// Whether it is `other`: by its text, or by its id. An id that is the number of a row tells nothing, for
    /// another file has a row of that number too.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let numbered =
            matches!(self.style, PromptStyle::Letters { .. }) || self.id.starts_with("row#");
        let text = self.stem == other.stem && self.gold == other.gold;
        (!numbered && self.id == other.id) || (text && self.texts() == other.texts())
    }

    /// The benchmark's name for it, unique in its file.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is asked.
    #[must_use]
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// All answers to choose from, at least 2, in the file's order.
    #[must_use]
    pub fn choices(&self) -> &[String] {
        &self.choices
    }

    /// Which of the choices is right, from 0.
    #[must_use]
    pub fn gold(&self) -> usize {
        self.gold
    }

    /// The right answer's text.
    #[must_use]
    pub fn gold_choice(&self) -> &str {
        &self.choices[self.gold]
    }

    /// The choices that are not the right answer, in order. Compared by text, so that a copy of the
    /// right answer is never among them (ARC has none, but has pairs that differ only in case, such
    /// as the genotypes `Ss` and `SS`).
    pub fn wrong_choices(&self) -> impl Iterator<Item = &str> {
        self.choices
            .iter()
            .map(String::as_str)
            .filter(|choice| *choice != self.gold_choice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(stem: &str, choices: &[&str], gold: usize) -> Result<Question, LineError> {
        let choices = choices.iter().map(ToString::to_string).collect();
        Question::new("q".into(), stem.into(), choices, gold)
    }

    #[test]
    fn wrong_choices_leave_out_the_gold_text_wherever_it_stands() {
        let question = question("?", &["Ss", "SS", "ss", "SS"], 1).unwrap();
        assert_eq!(question.gold_choice(), "SS");
        assert_eq!(question.wrong_choices().collect::<Vec<_>>(), ["Ss", "ss"]);
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        assert_eq!(question(" \n", &["a", "b"], 0), Err(LineError::EmptyStem));
        assert_eq!(
            question("?", &["a", " "], 0),
            Err(LineError::EmptyChoice { choice: 2 })
        );
        assert_eq!(
            question("?", &["a"], 0),
            Err(LineError::Count {
                what: "choices",
                found: 1,
                expected: "at least 2".into(),
            })
        );
        assert_eq!(
            question("?", &["a", "b"], 2),
            Err(LineError::Value {
                field: "the right answer's index",
                found: "2".into(),
                expected: "less than 2".into(),
            })
        );
    }
}
