//! YAML as `PyYAML` reads it, which is YAML 1.1: `no` is false, `012` is ten, and of two equal keys the last counts.

use std::iter::Peekable;

use minijinja::Value;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

/// The key of the map that stands for `!function NAME`.
pub(crate) const FUNCTION: &str = "!function";

/// Reads the one document of a file.
///
/// # Errors
///
/// What is wrong, and on which line.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        events: Parser::new_from_str(text).peekable(),
        anchors: Vec::new(),
    };
    let mut document = None;
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentEnd | Event::Nothing, _) => {}
            (Event::DocumentStart(_), span) if document.is_some() => {
                return Err(at(&span, "a second document; expected one"));
            }
            (Event::DocumentStart(_), _) => {
                let event = reader.next()?;
                document = Some(reader.value(event, 0)?);
            }
            _ => return Ok(document.unwrap_or_default()),
        }
    }
}

struct Reader<'a> {
    events: Peekable<Parser<'a, StrInput<'a>>>,
    /// What has an anchor, by its number.
    anchors: Vec<(usize, Value)>,
}

type Found<'a> = (Event<'a>, Span);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Found<'a>, String> {
        let end = || Ok((Event::StreamEnd, Span::default()));
        let event: Result<Found<'a>, ScanError> = self.events.next().unwrap_or_else(end);
        event.map_err(|error| error.to_string())
    }

    fn value(&mut self, (event, span): Found<'a>, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err(at(&span, "lists or maps in one another too deep"));
        }
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref().map(name);
                let value = scalar(&text, style == ScalarStyle::Plain, tag.as_deref());
                (anchor, value.map_err(|message| at(&span, &message))?)
            }
            Event::SequenceStart(anchor, None) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break (anchor, Value::from(items)),
                        event => items.push(self.value(event, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, None) => (anchor, self.map(depth)?),
            Event::Alias(anchor) => {
                let found = self.anchors.iter().rev().find(|(name, _)| *name == anchor);
                let unknown = || at(&span, "an alias of what is not yet complete");
                return found.map(|(_, value)| value.clone()).ok_or_else(unknown);
            }
            Event::SequenceStart(_, Some(tag)) | Event::MappingStart(_, Some(tag)) => {
                return Err(at(&span, &format!("the tag {}", name(&tag))));
            }
            _ => return Err(at(&span, "the file ends too early")),
        };
        if anchor > 0 {
            self.anchors.push((anchor, value.clone()));
        }
        Ok(value)
    }

    fn map(&mut self, depth: usize) -> Result<Value, String> {
        let mut pairs: Vec<(Value, Value)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::from_pairs(pairs));
            }
            let key = self.value((event, span), depth + 1)?;
            if key.as_str() == Some("<<") {
                return Err(at(&span, "a merge key `<<`; write the keys out"));
            }
            let event = self.next()?;
            let value = self.value(event, depth + 1)?;
            match pairs.iter_mut().find(|(known, _)| *known == key) {
                Some(pair) => pair.1 = value,
                None => pairs.push((key, value)),
            }
        }
    }
}

/// How deep lists and maps may stand in one another.
const DEEPEST: usize = 60;

fn at(span: &Span, message: &str) -> String {
    format!("line {}: {message}", span.start.line())
}

fn name(tag: &Tag) -> String {
    format!("{}{}", tag.handle, tag.suffix)
}

fn scalar(text: &str, plain: bool, tag: Option<&str>) -> Result<Value, String> {
    match tag {
        Some("!function") => Ok(Value::from_pairs([(FUNCTION, text)])),
        Some("tag:yaml.org,2002:null") => Ok(Value::from(())),
        Some("tag:yaml.org,2002:str" | "!") => Ok(Value::from(text)),
        Some(tag) => Err(format!("the tag {tag}; expected !function or none")),
        None if plain => resolve(text),
        None => Ok(Value::from(text)),
    }
}

/// What a scalar without quotes is: the resolvers of `PyYAML` 6.
fn resolve(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::from(())),
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(Value::from(true));
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(Value::from(false));
        }
        _ => {}
    }
    let date = |text: &str| {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let mut parts = text.splitn(3, '-');
        let mut next = || parts.next().unwrap_or_default();
        let (year, month, day) = (next(), next(), next());
        year.len() == 4
            && digits(year)
            && digits(month)
            && day.starts_with(|c: char| c.is_ascii_digit())
    };
    if date(text)
        || (text.contains(':')
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || b":.".contains(&b)))
    {
        return Err(format!("{text}: a date or time; put it into quotes"));
    }
    let number = integer(text)
        .map(Value::from)
        .or_else(|| float(text).map(Value::from));
    Ok(number.unwrap_or_else(|| Value::from(text)))
}

fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let first = digits.bytes().next()?;
    let plain = digits.replace('_', "");
    let number = match plain.as_bytes() {
        _ if !first.is_ascii_digit() => None,
        [b'0', b'x', ..] => i64::from_str_radix(&plain[2..], 16).ok(),
        [b'0', b'b', ..] => i64::from_str_radix(&plain[2..], 2).ok(),
        [b'0', _, ..] => i64::from_str_radix(&plain[1..], 8).ok(),
        _ => plain.parse().ok(),
    };
    number.map(|number: i64| if negative { -number } else { number })
}

/// A float has a point, and a sign in its exponent: `1e3` is text.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.trim_start_matches(['-', '+']);
    match unsigned {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => return Some(f64::NEG_INFINITY),
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "+0"));
    let numeric = mantissa.contains('.')
        && mantissa
            .bytes()
            .all(|b| b.is_ascii_digit() || b"._".contains(&b))
        && exponent.starts_with(['+', '-']);
    numeric
        .then(|| text.replace('_', "").parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `PyYAML` 6.0.3 reads them, printed by Python.
    #[test]
    fn scalars_are_what_pyyaml_makes_of_them() {
        let text = "[no, 'no', On, ~, '', 012, 0x1F, 1_000, -3, 1e3, 1.5, 1.0e+3, .5, A, 1.2.3, \"a\\\n  b\"]";
        let found = parse(text).unwrap();
        let expected = "[False, 'no', True, None, '', 10, 31, 1000, -3, '1e3', 1.5, 1000.0, 0.5, 'A', '1.2.3', 'ab']";
        assert_eq!(found.to_string(), expected);
        assert!(parse("a: 2020-01-01").unwrap_err().contains("date"));
        assert!(parse("a: 12:30").unwrap_err().contains("quotes"));
    }

    #[test]
    fn functions_keep_their_tag_and_the_last_of_equal_keys_counts() {
        let found = parse("a: 1\nb: !function utils.f\na: 2\nc: !!null 'null'\n").unwrap();
        assert_eq!(
            found.to_string(),
            "{'a': 2, 'b': {'!function': 'utils.f'}, 'c': None}"
        );
        assert!(parse("a: !other 1").unwrap_err().contains("!other"));
        assert!(parse("a: *b").is_err());
    }
}
