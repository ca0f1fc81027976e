//! What `doc_to_text` and `doc_to_target` give: a text, or which choice is meant.

use std::fmt::{self, Display, Formatter};

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::values::items;
use crate::{LineError, literal, python_text};

/// A text, or the number of a choice.
#[derive(Debug)]
pub(super) enum Answer {
    Text(String),
    Place(i64),
}

/// What `doc_to_target` gives: an answer, or a list of texts or of numbers.
#[derive(Debug)]
pub(super) struct Target {
    answers: Vec<Answer>,
    is_list: bool,
}

impl Answer {
    /// Of a column or a constant.
    fn of(value: &Value) -> Option<Self> {
        let text = value.as_str().map(|text| Self::Text(text.into()));
        text.or_else(|| whole(value).map(Self::Place))
    }

    /// What `doc_to_text` gives as a column or a constant.
    pub(super) fn text(value: &Value) -> Result<Self, LineError> {
        let expected = "a text or the number of a choice";
        Self::of(value).ok_or_else(|| LineError::value("doc_to_text", value, expected))
    }

    /// Of what a template printed: a text that has nothing but digits is a number.
    pub(super) fn printed(key: &'static str, text: String) -> Result<Self, LineError> {
        if text.is_empty() || !text.chars().all(char::is_numeric) {
            return Ok(Self::Text(text));
        }
        let zero = text.bytes().all(|byte| byte == b'0');
        let number = text.parse().ok().filter(|_| zero || !text.starts_with('0'));
        let expected = "a number as Python writes it";
        let number = number.ok_or_else(|| LineError::value(key, text, expected))?;
        Ok(Self::Place(number))
    }

    /// The place of the choice that is meant; a text is looked up among them.
    pub(super) fn place(&self, choices: &[String]) -> Option<usize> {
        match self {
            Self::Text(text) => choices.iter().position(|choice| choice == text),
            Self::Place(number) => usize::try_from(*number)
                .ok()
                .filter(|at| *at < choices.len()),
        }
    }
}

impl Target {
    /// Of a column or a constant.
    pub(super) fn of(value: &Value) -> Result<Self, LineError> {
        let is_list = value.kind() == ValueKind::Seq;
        let answers: Option<Vec<Answer>> = match is_list {
            true => items(value).map(|item| Answer::of(&item)).collect(),
            false => Answer::of(value).map(|answer| vec![answer]),
        };
        let is_text = |answer: &Answer| matches!(answer, Answer::Text(_));
        let answers = answers.filter(|all| all.iter().all(is_text) || !all.iter().any(is_text));
        let expected = "a number, a text, or a list of either";
        let answers = answers.ok_or_else(|| LineError::value("doc_to_target", value, expected))?;
        Ok(Self { answers, is_list })
    }

    /// Of what a template printed.
    pub(super) fn printed(text: String) -> Result<Self, LineError> {
        let is_list = text.starts_with('[') && text.ends_with(']');
        match literal::parse(&text) {
            Ok(list) if is_list => Self::of(&list),
            // Python has a list there; of what it cannot read either it takes the text, as for `[MASK]`.
            Err(found) if is_list && found.is_rare => {
                Err(LineError::value("doc_to_target", text, &found.reason))
            }
            _ => Ok(Self {
                answers: vec![Answer::printed("doc_to_target", text)?],
                is_list: false,
            }),
        }
    }

    /// What continues every choice, where they are contexts.
    pub(super) fn continuation(&self) -> Result<String, LineError> {
        let expected = "a text, as the choices are contexts";
        match self.answers.first() {
            Some(Answer::Text(text)) if !self.is_list => Ok(text.clone()),
            Some(Answer::Place(number)) if !self.is_list => Ok(number.to_string()),
            _ => Err(LineError::value("doc_to_target", "a list", expected)),
        }
    }

    /// The places of the right choices; what is none of them is left out.
    pub(super) fn right(&self, choices: &[String]) -> Vec<usize> {
        let place = |answer: &Answer| answer.place(choices);
        self.answers.iter().filter_map(place).collect()
    }

    /// The answer of a shot; none if the harness can make no shot of it.
    pub(super) fn shown(&self, choices: &[String]) -> Option<String> {
        match self.answers.first()? {
            Answer::Text(text) => Some(text.clone()),
            Answer::Place(_) if self.is_list => None,
            Answer::Place(number) => from_either_end(*number, choices),
        }
    }
}

impl Display for Target {
    /// As Python's `str`.
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let value = |answer: &Answer| match answer {
            Answer::Text(text) => Value::from(text.as_str()),
            Answer::Place(number) => Value::from(*number),
        };
        let mut values = self.answers.iter().map(value);
        let value = match self.is_list {
            true => values.collect(),
            false => values.next().unwrap_or_default(),
        };
        f.write_str(&python_text::display(&value))
    }
}

/// Python's `choices[number]`.
pub(super) fn from_either_end(number: i64, choices: &[String]) -> Option<String> {
    let from = if number < 0 { choices.len() as i64 } else { 0 };
    let place = usize::try_from(number + from).ok()?;
    choices.get(place).cloned()
}

/// An integer; Python's truth values are such.
fn whole(value: &Value) -> Option<i64> {
    match value.kind() {
        ValueKind::Bool => Some(i64::from(value.is_true())),
        _ => value.is_integer().then(|| value.as_i64()).flatten(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_alone_reads_as_a_list_is_no_text() {
        let printed = |text: &str| Target::printed(text.into());
        assert!(printed("['a', 'b']").unwrap().is_list);
        for text in ["[MASK]", "[1, not a list]"] {
            assert!(!printed(text).unwrap().is_list);
        }
        for text in ["[0x1F]", "[r'a']", "['a' # b\n]", "[...]", "[{}]"] {
            let error = printed(text).unwrap_err().to_string();
            assert!(error.starts_with("doc_to_target"), "{error}");
        }
    }
}
