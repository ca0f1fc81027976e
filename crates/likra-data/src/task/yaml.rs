//! YAML as `PyYAML` reads it, which is YAML 1.1: `no` is false, `012` is ten, and of two equal keys the last counts.

use std::collections::HashMap;

use minijinja::value::{Value, ValueKind};
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};

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
        events: Parser::new_from_str(text),
        line: 0,
        end: 0,
        length: text.chars().count(),
        is_ended: text.ends_with('\n'),
        anchors: HashMap::new(),
        count: 0,
    };
    let mut document = None;
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
            Event::DocumentStart(_) if document.is_some() => {
                return Err(reader.wrong("a second document; expected one"));
            }
            Event::DocumentStart(_) => document = reader.value(0)?,
            _ => return Ok(document.unwrap_or_default()),
        }
    }
}

/// So many values no task file has. One whose aliases stand for aliases may.
const MOST: usize = 1 << 20;

/// How deep lists and maps may stand in one another.
const DEEPEST: usize = 60;

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// Where the last event begins, and at which character it ends.
    line: usize,
    end: usize,
    /// How many characters the text has, and whether a line break is the last.
    length: usize,
    is_ended: bool,
    /// What has an anchor and how many values that is, by its number.
    anchors: HashMap<usize, (Value, usize)>,
    /// How many values there are so far, those of aliases included.
    count: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        let Some(event) = self.events.next() else {
            return Ok(Event::StreamEnd);
        };
        let (event, span) = event.map_err(|error| error.to_string())?;
        (self.line, self.end) = (span.start.line(), span.end.index());
        Ok(event)
    }

    fn wrong(&self, message: &str) -> String {
        format!("line {}: {message}", self.line)
    }

    /// The next value; none at the end of a list or map.
    fn value(&mut self, depth: usize) -> Result<Option<Value>, String> {
        let event = self.next()?;
        if matches!(event, Event::SequenceEnd | Event::MappingEnd) {
            return Ok(None);
        }
        if depth > DEEPEST {
            return Err(self.wrong("lists or maps in one another too deep"));
        }
        let before = self.count;
        self.count += 1;
        let (anchor, value) = match event {
            Event::Scalar(mut text, style, anchor, tag) => {
                // Where a block is cut off by the file's end, the parser adds a line break that is not there.
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                if is_block && !self.is_ended && self.end >= self.length {
                    let cut = text.strip_suffix('\n').map(String::from);
                    text = cut.map_or(text, Into::into);
                }
                let tag = tag.as_deref().map(name);
                let value = scalar(&text, style == ScalarStyle::Plain, tag.as_deref());
                (anchor, value.map_err(|message| self.wrong(&message))?)
            }
            Event::SequenceStart(anchor, None) => {
                let mut items = Vec::new();
                while let Some(item) = self.value(depth + 1)? {
                    items.push(item);
                }
                (anchor, Value::from(items))
            }
            Event::MappingStart(anchor, None) => {
                let mut pairs = Vec::new();
                while let Some(key) = self.value(depth + 1)? {
                    if key.as_str() == Some("<<") {
                        return Err(self.wrong("a merge key `<<`; write the keys out"));
                    }
                    if matches!(key.kind(), ValueKind::Map | ValueKind::Seq) {
                        return Err(
                            self.wrong("a list or map as a key; put a template into quotes")
                        );
                    }
                    pairs.push((key, self.value(depth + 1)?.unwrap_or_default()));
                }
                (anchor, Value::from_pairs(pairs))
            }
            Event::Alias(anchor) => return self.alias(anchor).map(Some),
            Event::SequenceStart(_, Some(tag)) | Event::MappingStart(_, Some(tag)) => {
                return Err(self.wrong(&format!("the tag {}", name(&tag))));
            }
            _ => return Err(self.wrong("the file ends too early")),
        };
        if anchor > 0 {
            let count = self.count - before;
            self.anchors.insert(anchor, (value.clone(), count));
        }
        Ok(Some(value))
    }

    /// What has this anchor.
    fn alias(&mut self, anchor: usize) -> Result<Value, String> {
        let Some((value, count)) = self.anchors.get(&anchor).cloned() else {
            return Err(self.wrong("an alias of what is not yet complete"));
        };
        self.count += count;
        match self.count > MOST {
            true => Err(self.wrong("aliases that make more than a million values")),
            false => Ok(value),
        }
    }
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
        None if plain && is_time(text) => {
            Err(format!("{text}: a date or time; put it into quotes"))
        }
        None if plain => Ok(resolve(text)),
        None => Ok(Value::from(text)),
    }
}

/// What a scalar without quotes is: the resolvers of `PyYAML` 6.
fn resolve(text: &str) -> Value {
    let number = || {
        let integer = integer(text).map(Value::from);
        integer.or_else(|| float(text).map(Value::from))
    };
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::from(()),
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => true.into(),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => false.into(),
        _ => number().unwrap_or_else(|| Value::from(text)),
    }
}

/// Whether it begins as a date, such as `2020-1-1`, or is digits with colons.
fn is_time(text: &str) -> bool {
    let shape = text.replace(|c: char| c.is_ascii_digit(), "0");
    let month = shape.strip_prefix("0000-").unwrap_or_default();
    let after = month.trim_start_matches('0');
    let is_date = month.starts_with('0') && after.starts_with("-0");
    is_date || shape.contains(':') && shape.chars().all(|c| "0:.".contains(c))
}

fn integer(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let plain = unsigned.replace('_', "");
    let number: Option<i64> = match plain.as_bytes() {
        _ if !unsigned.starts_with(|c: char| c.is_ascii_digit()) => None,
        [b'0', b'x', ..] => i64::from_str_radix(&plain[2..], 16).ok(),
        [b'0', b'b', ..] => i64::from_str_radix(&plain[2..], 2).ok(),
        [b'0', _, ..] => i64::from_str_radix(&plain[1..], 8).ok(),
        _ => plain.parse().ok(),
    };
    let sign = if text.starts_with('-') { -1 } else { 1 };
    number.map(|number| sign * number)
}

/// A float has a point, and a sign in its exponent: `1e3` is text.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.trim_start_matches(['-', '+']);
    if [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(&unsigned) {
        return text.replace('.', "").parse().ok();
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "+0"));
    let is_decimal = |b: u8| b.is_ascii_digit() || b"._".contains(&b);
    let numeric = mantissa.contains('.') && mantissa.bytes().all(is_decimal);
    let float = text.replace('_', "").parse().ok();
    float.filter(|_| numeric && exponent.starts_with(['+', '-']))
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
        for (text, expected) in [
            ("a: |\n  x\n  y", "x\ny"),
            ("a: >\n  x\n  y", "x y"),
            ("a: |\n  x\n", "x\n"),
            ("a: |+\n  x\n\n", "x\n\n"),
            ("a: |\n  x\nb: 1", "x\n"),
            ("a: |\n  x\n# end", "x\n"),
            ("a: |-\n  x", "x"),
        ] {
            let found = parse(text).unwrap().get_attr("a").unwrap();
            assert_eq!(found.as_str(), Some(expected), "{text}");
        }
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
        assert!(parse("a: {{q}}").unwrap_err().contains("quotes"));
    }

    #[test]
    fn aliases_of_aliases_have_an_end() {
        let line = |level: usize| match level.checked_sub(1) {
            Some(last) => format!("a{level}: &a{level} [*a{last}, *a{last}]\n"),
            None => "a0: &a0 [x, x]\n".into(),
        };
        let text: String = (0..40).map(line).collect();
        let error = parse(&text).unwrap_err();
        assert!(error.contains("million"), "{error}");
    }
}
