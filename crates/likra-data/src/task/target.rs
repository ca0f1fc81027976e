//! What `doc_to_text` and `doc_to_target` give: a text, or which choice is meant.

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::{LineError, literal};

/// What `doc_to_text` gives: a text, or the number of the choice that is right.
#[derive(Debug)]
pub(super) enum Text {
    Text(String),
    Place(i64),
}

/// What `doc_to_target` gives.
#[derive(Debug)]
pub(super) enum Target {
    Text(String),
    Place(i64),
    Texts(Vec<String>),
    Places(Vec<i64>),
}

impl Text {
    /// Of a column or a constant.
    pub(super) fn of(value: &Value) -> Result<Self, LineError> {
        let number = || whole(value).map(Self::Place);
        let text = value.as_str().map(|text| Self::Text(text.into()));
        let expected = || wrong("doc_to_text", value, "a text or the number of a choice");
        text.or_else(number).ok_or_else(expected)
    }

    /// Of what a template printed.
    pub(super) fn printed(text: String) -> Result<Self, LineError> {
        Ok(digits("doc_to_text", &text)?.map_or(Self::Text(text), Self::Place))
    }
}

impl Target {
    /// Of a column or a constant.
    pub(super) fn of(value: &Value) -> Result<Self, LineError> {
        if let Some(text) = value.as_str() {
            return Ok(Self::Text(text.into()));
        }
        if let Some(number) = whole(value) {
            return Ok(Self::Place(number));
        }
        let expected = || {
            wrong(
                "doc_to_target",
                value,
                "a number, a text, or a list of either",
            )
        };
        let items = value
            .try_iter()
            .ok()
            .filter(|_| value.kind() == ValueKind::Seq);
        let items: Vec<Value> = items.ok_or_else(expected)?.collect();
        if let Some(numbers) = items.iter().map(whole).collect() {
            return Ok(Self::Places(numbers));
        }
        let texts: Option<_> = items
            .iter()
            .map(|item| item.as_str().map(String::from))
            .collect();
        texts.map(Self::Texts).ok_or_else(expected)
    }

    /// Of what a template printed.
    pub(super) fn printed(text: String) -> Result<Self, LineError> {
        if let Some(number) = digits("doc_to_target", &text)? {
            return Ok(Self::Place(number));
        }
        let list = (text.starts_with('[') && text.ends_with(']')).then(|| literal::parse(&text));
        match list {
            Some(Ok(list)) => Self::of(&list),
            _ => Ok(Self::Text(text)),
        }
    }

    /// What continues every choice, where they are contexts.
    pub(super) fn continuation(&self) -> Result<String, LineError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Place(number) => Ok(number.to_string()),
            _ => Err(wrong(
                "doc_to_target",
                "a list",
                "a text, as the choices are contexts",
            )),
        }
    }

    /// The places of the right choices; a text is looked up among them, and what is none of them is left out.
    pub(super) fn right(&self, choices: &[String]) -> Vec<usize> {
        let find = |text: &String| choices.iter().position(|choice| choice == text);
        let place = |number: &i64| {
            usize::try_from(*number)
                .ok()
                .filter(|place| *place < choices.len())
        };
        match self {
            Self::Text(text) => find(text).into_iter().collect(),
            Self::Place(number) => place(number).into_iter().collect(),
            Self::Texts(texts) => texts.iter().filter_map(find).collect(),
            Self::Places(numbers) => numbers.iter().filter_map(place).collect(),
        }
    }

    /// The answer of a shot; none if the harness can make no shot of it.
    pub(super) fn shown(&self, choices: &[String]) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Place(number) => from_either_end(*number, choices),
            Self::Texts(texts) => texts.first().cloned(),
            Self::Places(_) => None,
        }
    }
}

/// Python's `choices[number]`.
pub(super) fn from_either_end(number: i64, choices: &[String]) -> Option<String> {
    let place = if number < 0 {
        number + choices.len() as i64
    } else {
        number
    };
    usize::try_from(place)
        .ok()
        .and_then(|place| choices.get(place).cloned())
}

/// An integer; Python's truth values are such.
fn whole(value: &Value) -> Option<i64> {
    match value.kind() {
        ValueKind::Bool => Some(i64::from(value.is_true())),
        _ => value.is_integer().then(|| value.as_i64()).flatten(),
    }
}

/// The number of a text that has nothing but digits.
fn digits(key: &'static str, text: &str) -> Result<Option<i64>, LineError> {
    if text.is_empty() || !text.chars().all(char::is_numeric) {
        return Ok(None);
    }
    let zero = text.bytes().all(|byte| byte == b'0');
    let number = text.parse().ok().filter(|_| zero || !text.starts_with('0'));
    number
        .map(Some)
        .ok_or_else(|| wrong(key, text, "a number as Python writes it"))
}

pub(super) fn wrong(key: &'static str, found: impl std::fmt::Display, expected: &str) -> LineError {
    LineError::Value {
        field: key,
        found: found.to_string(),
        expected: expected.into(),
    }
}
