//! What `doc_to_text` and `doc_to_target` give: a text, or which choice is meant.

use minijinja::value::{Value, ValueKind};

use crate::values::items;
use crate::{literal, python_text};

/// What `doc_to_text` gives: a text, or the number of a choice.
pub(super) fn text(value: &Value, is_template: bool) -> Result<Value, String> {
    let expected = "a text or the number of a choice";
    match is_template {
        true => printed("doc_to_text", python_text::display(value)),
        false => plain(value).ok_or_else(|| format!("doc_to_text `{value}` is not {expected}")),
    }
}

/// What `doc_to_target` gives: a text or a number, or a list of either.
pub(super) fn target(mut value: Value, is_template: bool) -> Result<Value, String> {
    if is_template {
        let text = python_text::display(&value);
        let is_list = text.starts_with('[') && text.ends_with(']');
        value = match literal::parse(&text) {
            Ok(list) if is_list => list,
            // Python has a list there; of what it cannot read either it takes the text, as for `[MASK]`.
            Err(found) if is_list && found.is_rare => {
                return Err(format!("doc_to_target `{text}` is not {}", found.reason));
            }
            _ => return printed("doc_to_target", text),
        };
    }
    let list = || {
        let all: Option<Vec<Value>> = items(&value).map(|item| plain(&item)).collect();
        let is_text = |answer: &Value| answer.as_str().is_some();
        let alike = all.filter(|all| all.iter().all(is_text) || !all.iter().any(is_text));
        alike.map(Value::from)
    };
    let found = match value.kind() {
        ValueKind::Seq => list(),
        _ => plain(&value),
    };
    let expected = "a number, a text, or a list of either";
    found.ok_or_else(|| format!("doc_to_target `{value}` is not {expected}"))
}

/// Of a column or a constant: a text, or a number; Python's truth values are such.
fn plain(value: &Value) -> Option<Value> {
    match value.kind() {
        ValueKind::String => Some(value.clone()),
        ValueKind::Bool => Some(i64::from(value.is_true()).into()),
        _ if value.is_integer() => value.as_i64().map(Value::from),
        _ => None,
    }
}

/// Of what a template printed: a text that has nothing but digits is a number.
fn printed(key: &str, text: String) -> Result<Value, String> {
    // Python's `isdigit`: fractions, Roman numerals and the like are no digits.
    let is_digit = |c: char| {
        let is_other =
            matches!(c, '\u{bc}'..='\u{be}' | '\u{2150}'..='\u{218f}' | '\u{3000}'..='\u{33ff}');
        c.is_numeric() && !is_other
    };
    if text.is_empty() || !text.chars().all(is_digit) {
        return Ok(text.into());
    }
    let number: Option<i64> = text.parse().ok();
    let number = number.filter(|number| *number == 0 || !text.starts_with('0'));
    let number = number.map(Value::from);
    number.ok_or_else(|| format!("{key} `{text}` is not a number as Python writes it"))
}

/// Refuses what the harness fails at in the first row that it asks.
pub(super) fn check_first(target: &Value, choices: &[String]) -> Result<(), String> {
    let (shown, count) = (python_text::repr(target), choices.len());
    if target.is_integer() && from_either_end(target, choices).is_none() {
        return Err(format!(
            "doc_to_target `{shown}` is not one of {count} choices"
        ));
    }
    match target.kind() == ValueKind::Seq && target.len() == Some(0) {
        true => Err("doc_to_target is an empty list".into()),
        false => Ok(()),
    }
}

/// Refuses what the harness cannot compare with its choice, where `doc_to_target` is a list in the first row, or is none.
pub(super) fn check(target: &Value, listed: bool) -> Result<(), String> {
    let is_list = target.kind() == ValueKind::Seq;
    let expected = match listed {
        true if !is_list => "a list, as in the first row",
        true if items(target).any(|one| one.as_str().is_some()) => "a list of numbers",
        false if is_list => "a number or a text, as in the first row",
        _ => return Ok(()),
    };
    let found = python_text::repr(target);
    Err(format!("doc_to_target `{found}` is not {expected}"))
}

/// What continues every choice, where they are contexts.
pub(super) fn continuation(target: &Value) -> Result<String, String> {
    match target.kind() {
        ValueKind::Seq => Err("doc_to_target is a list, not a text to continue contexts".into()),
        _ => Ok(python_text::display(target)),
    }
}

/// The places of the right choices; what is none of them is left out.
pub(super) fn right(target: &Value, choices: &[String]) -> Vec<usize> {
    let place = |answer: Value| match answer.as_str() {
        Some(text) => choices.iter().position(|choice| choice == text),
        None => answer.as_usize().filter(|place| *place < choices.len()),
    };
    match target.kind() {
        ValueKind::Seq => items(target).filter_map(place).collect(),
        _ => place(target.clone()).into_iter().collect(),
    }
}

/// The answer of a shot; none if the harness can make no shot of it.
pub(super) fn shown(target: &Value, choices: &[String]) -> Option<String> {
    match target.kind() {
        ValueKind::Seq => items(target).next()?.as_str().map(String::from),
        ValueKind::String => target.as_str().map(String::from),
        _ => from_either_end(target, choices),
    }
}

/// Python's `choices[number]`.
pub(super) fn from_either_end(number: &Value, choices: &[String]) -> Option<String> {
    let number = number.as_i64()?;
    let from = if number < 0 { choices.len() as i64 } else { 0 };
    let place = usize::try_from(number + from).ok()?;
    choices.get(place).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_alone_reads_as_a_list_is_no_text() {
        let printed = |text: &str| target(text.into(), true);
        assert_eq!(printed("['a', 'b']").unwrap().kind(), ValueKind::Seq);
        for text in ["[MASK]", "[1, not a list]"] {
            assert_eq!(printed(text).unwrap().as_str(), Some(text));
        }
        for text in ["[0x1F]", "[r'a']", "['a' # b\n]", "[...]", "[{}]"] {
            let error = printed(text).unwrap_err();
            assert!(error.starts_with("doc_to_target"), "{error}");
        }
    }
}
