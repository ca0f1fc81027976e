//! Python's way with text, where it is not Rust's.
//!
//! The tests compare with `CPython` 3.11 over all of its characters (`fixtures/data/make_text.py`), but
//! for 6 rare ones that its Unicode 14 treats otherwise than the later one of Rust.

use likra_files::python_float;
use minijinja::value::{Value, ValueKind};
use unicode_titlecase::TitleCase as _;

use crate::time::Time;
use crate::values::{items, pairs};

/// What Python's `str.strip` takes off: Unicode's white space and four separators of ASCII.
pub fn is_python_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}

/// `str.capitalize`: the first character in title case, all others in lower case.
pub(crate) fn capitalize(text: &str) -> String {
    let Some(first) = text.chars().next() else {
        return String::new();
    };
    // All of it, for a sigma is final or not by what stands before it.
    let lower = text.to_lowercase();
    let rest = lower.chars().skip(first.to_lowercase().count());
    first.to_titlecase().chain(rest).collect()
}

/// `str(value)`.
pub(crate) fn display(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None if Time::is_one(value) || value.is_undefined() => value.to_string(),
        None => repr(value),
    }
}

/// Deeper than any value of JSON: a namespace of a template may hold itself.
const DEEPEST: usize = 200;

/// Whether lists and maps stand in one another without end.
pub(crate) fn is_endless(value: &Value) -> bool {
    fn is_deeper(value: &Value, left: usize) -> bool {
        left == 0
            || match value.kind() {
                ValueKind::Map => pairs(value)
                    .iter()
                    .any(|(_, value)| is_deeper(value, left - 1)),
                ValueKind::Seq => items(value).any(|item| is_deeper(&item, left - 1)),
                _ => false,
            }
    }
    is_deeper(value, DEEPEST)
}

/// `repr(value)`, of values that JSON can hold.
pub(crate) fn repr(value: &Value) -> String {
    match is_endless(value) {
        true => "...".into(),
        false => printed(value),
    }
}

fn printed(value: &Value) -> String {
    let items = || {
        let items = items(value).map(|item| printed(&item));
        items.collect::<Vec<_>>().join(", ")
    };
    match value.kind() {
        ValueKind::Undefined => "Undefined".into(),
        ValueKind::String => quoted(value.as_str().unwrap_or_default()),
        ValueKind::Number if !value.is_integer() => match f64::try_from(value.clone()) {
            Ok(float) => python_float(float),
            Err(_) => value.to_string(),
        },
        ValueKind::Seq if value.is_tuple() && value.len() == Some(1) => format!("({},)", items()),
        ValueKind::Seq if value.is_tuple() => format!("({})", items()),
        ValueKind::Seq | ValueKind::Iterable => format!("[{}]", items()),
        ValueKind::Map => {
            let pairs = pairs(value).into_iter();
            let pairs = pairs.map(|(key, value)| format!("{}: {}", printed(&key), printed(&value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        _ => match value.downcast_object_ref::<Time>() {
            Some(time) => time.repr(),
            None => value.to_string(),
        },
    }
}

/// `repr` of a text.
fn quoted(text: &str) -> String {
    let double = text.contains('\'') && !text.contains('"');
    let quote = if double { '"' } else { '\'' };
    let mut result = String::from(quote);
    for c in text.chars() {
        let code = u32::from(c);
        match c {
            '\\' => result += "\\\\",
            '\n' => result += "\\n",
            '\r' => result += "\\r",
            '\t' => result += "\\t",
            _ if c == quote => result.extend(['\\', c]),
            _ if c == ' ' || !is_unprintable(c) => result.push(c),
            _ if code < 0x100 => result.extend(format!("\\x{code:02x}").chars()),
            _ if code < 0x1_0000 => result.extend(format!("\\u{code:04x}").chars()),
            _ => result.extend(format!("\\U{code:08x}").chars()),
        }
    }
    result.push(quote);
    result
}

/// What `repr` escapes: white space, controls, invisible format characters and private use; of unassigned
/// characters we know nothing.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(
            c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}'
        )
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{10ffff}')
}

/// `int(text)`.
pub(crate) fn integer(text: &str) -> Option<i64> {
    text.trim_matches(is_python_space).parse().ok()
}

/// `float(value)`.
pub(crate) fn float(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some(text) => text.trim_matches(is_python_space).parse().ok(),
        None => f64::try_from(value.clone()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use sha2::{Digest, Sha256};

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        left_out: Vec<(u32, u32)>,
        sha256: String,
        samples: Vec<(String, String)>,
    }

    fn golden() -> Golden {
        let text = include_str!("../../../fixtures/data/python_text.json");
        serde_json::from_str(text).unwrap()
    }

    /// The generator script's texts around a character.
    fn around(character: char) -> Vec<String> {
        let c = character;
        let mut texts: Vec<String> = [
            format!("{c}"),
            format!(".{c}"),
            format!("{c}Σ"),
            format!(".a{c}Σ"),
            format!(".aΣ{c}"),
            format!(".aΣ{c}a"),
        ]
        .iter()
        .map(|text| capitalize(text))
        .collect();
        let spaced = format!("{c}a{c}");
        texts.push(spaced.trim_matches(is_python_space).to_owned());
        texts
    }

    #[test]
    fn every_character_is_treated_as_cpython_does() {
        let golden = golden();
        let mut digest = Sha256::new();
        let mut left_out = golden.left_out.into_iter().peekable();
        for code in 0..=u32::from(char::MAX) {
            left_out.next_if(|(_, last)| *last < code);
            if left_out.peek().is_some_and(|(first, _)| *first <= code) {
                continue;
            }
            for text in around(char::from_u32(code).unwrap()) {
                digest.update(text + "\0");
            }
        }
        let hex = |hex: String, byte: &u8| hex + &format!("{byte:02x}");
        assert_eq!(
            digest.finalize().iter().fold(String::new(), hex),
            golden.sha256
        );
    }

    #[test]
    fn drawn_texts_are_capitalized_as_cpython_does() {
        for (text, expected) in golden().samples {
            assert_eq!(capitalize(&text), expected, "{text:?}");
        }
    }
}
