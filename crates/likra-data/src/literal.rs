//! Python's literals, as `ast.literal_eval` takes them: what a template prints is read back as a list by it.

use minijinja::Value;

/// What a text is the literal of.
///
/// # Errors
///
/// If it is none; says where.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    // As in any source text of Python's.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut parser = Parser {
        text: text.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']),
        place: 0,
        depth: 0,
    };
    let mut value = parser.value()?;
    parser.space();
    // A bare tuple: `1, 2`.
    if parser.take(',') {
        let mut items = vec![value];
        items.extend(parser.items(None)?);
        value = Value::from(items);
    }
    parser.space();
    match parser.rest() {
        "" => Ok(value),
        _ => Err(parser.wrong("the end of the list")),
    }
}

struct Parser<'a> {
    text: &'a str,
    place: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.place..]
    }

    fn wrong(&self, expected: &str) -> String {
        let found: String = self.rest().chars().take(20).collect();
        let place = self.text[..self.place].chars().count() + 1;
        format!("character {place}: `{found}`, expected {expected}")
    }

    fn take(&mut self, expected: char) -> bool {
        let found = self.rest().starts_with(expected);
        self.place += if found { expected.len_utf8() } else { 0 };
        found
    }

    /// Passes over white space and comments.
    fn space(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
            let trimmed = trimmed.strip_prefix("\\\n").unwrap_or(trimmed);
            let trimmed = match trimmed.strip_prefix('#') {
                Some(comment) => &comment[comment.find('\n').unwrap_or(comment.len())..],
                None => trimmed,
            };
            if trimmed.len() == rest.len() {
                return;
            }
            self.place += rest.len() - trimmed.len();
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        self.space();
        self.depth += 1;
        if self.depth > 100 {
            return Err(self.wrong("fewer lists in one another"));
        }
        let value = self.any();
        self.depth -= 1;
        value
    }

    fn any(&mut self) -> Result<Value, String> {
        match self.rest().chars().next() {
            Some('[') => {
                self.place += 1;
                Ok(Value::from(self.items(Some(']'))?))
            }
            Some('(') => {
                self.place += 1;
                let start = self.place;
                let mut items = self.items(Some(')'))?;
                // Only a comma makes a tuple of one.
                let inside = self.text[start..self.place - 1].trim_end();
                match items.len() == 1 && !inside.ends_with(',') {
                    true => Ok(items.remove(0)),
                    false => Ok(Value::from(items)),
                }
            }
            Some('{') => Err(self.wrong("a list")),
            Some('\'' | '"') => self.strings(),
            Some(c) if c.is_alphabetic() && self.prefixed() => self.strings(),
            Some(c) if c.is_ascii_digit() || "+-.".contains(c) => self.number(),
            _ => {
                for (name, value) in [
                    ("None", Value::from(())),
                    ("True", Value::from(true)),
                    ("False", Value::from(false)),
                ] {
                    if self.rest().starts_with(name) {
                        self.place += name.len();
                        return Ok(value);
                    }
                }
                Err(self.wrong("a list, a text in quotes or a number"))
            }
        }
    }

    /// Values with commas between them, up to `close`, or to the end.
    fn items(&mut self, close: Option<char>) -> Result<Vec<Value>, String> {
        let mut items = Vec::new();
        loop {
            self.space();
            match close {
                Some(close) if self.take(close) => return Ok(items),
                None if self.rest().is_empty() => return Ok(items),
                _ => {}
            }
            items.push(self.value()?);
            self.space();
            if !self.take(',') {
                return match close {
                    Some(close) if self.take(close) => Ok(items),
                    None if self.rest().is_empty() => Ok(items),
                    _ => Err(self.wrong("a comma or the end of the list")),
                };
            }
        }
    }

    /// Whether a text in quotes begins here with `r` or `u` before it.
    fn prefixed(&self) -> bool {
        let rest = self.rest().trim_start_matches(['r', 'R', 'u', 'U']);
        self.rest().len() - rest.len() == 1 && rest.starts_with(['\'', '"'])
    }

    /// Adjacent texts, joined.
    fn strings(&mut self) -> Result<Value, String> {
        let mut text = String::new();
        loop {
            text += &self.string()?;
            self.space();
            if !self.rest().starts_with(['\'', '"']) && !self.prefixed() {
                return Ok(Value::from(text));
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let raw = self.rest().starts_with(['r', 'R']);
        self.place += usize::from(self.prefixed());
        let quote = &self.rest()[..1];
        let triple = quote.repeat(3);
        let delimiter = if self.rest().starts_with(&triple) {
            &triple
        } else {
            quote
        };
        self.place += delimiter.len();
        let mut text = String::new();
        while !self.rest().starts_with(delimiter) {
            match self.rest().chars().next() {
                Some('\\') => self.escape(raw, &mut text)?,
                Some('\n') if delimiter.len() == 1 => return Err(self.wrong("the closing quote")),
                Some(c) => {
                    text.push(c);
                    self.place += c.len_utf8();
                }
                None => return Err(self.wrong("the closing quote")),
            }
        }
        self.place += delimiter.len();
        Ok(text)
    }

    /// What follows a backslash; an unknown escape stands for itself.
    fn escape(&mut self, raw: bool, text: &mut String) -> Result<(), String> {
        let Some(c) = self.rest()[1..].chars().next() else {
            return Err(self.wrong("the closing quote"));
        };
        let hex = match c {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let octal = self.rest()[1..]
            .bytes()
            .take(3)
            .take_while(|b| (b'0'..=b'7').contains(b));
        let octal = octal.count();
        let (length, code) = match (hex, octal) {
            _ if raw => (0, None),
            (0, 0) => (0, None),
            (0, digits) => (
                digits,
                u32::from_str_radix(&self.rest()[1..=digits], 8).ok(),
            ),
            (digits, _) => {
                let code = self.rest().get(2..2 + digits);
                (
                    1 + digits,
                    code.and_then(|code| u32::from_str_radix(code, 16).ok()),
                )
            }
        };
        if length > 0 {
            let Some(decoded) = code.and_then(char::from_u32) else {
                return Err(self.wrong("the number of a character"));
            };
            text.push(decoded);
            self.place += 1 + length;
            return Ok(());
        }
        match c {
            _ if raw => text.extend(['\\', c]),
            'N' => return Err(self.wrong("an escape other than \\N")),
            '\n' => {}
            '\\' | '\'' | '"' => text.push(c),
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'a' => text.push('\x07'),
            'b' => text.push('\x08'),
            'f' => text.push('\x0c'),
            'v' => text.push('\x0b'),
            _ => text.extend(['\\', c]),
        }
        self.place += 1 + c.len_utf8();
        Ok(())
    }

    fn number(&mut self) -> Result<Value, String> {
        let rest = self.rest();
        let signs = rest.len() - rest.trim_start_matches(['+', '-', ' ']).len();
        let negative = rest[..signs].bytes().filter(|b| *b == b'-').count() % 2 == 1;
        let body = &rest[signs..];
        let exponent = |place: usize| matches!(body.as_bytes()[place - 1], b'e' | b'E');
        let end = body.char_indices().find(|&(place, c)| {
            let signed =
                "+-".contains(c) && place > 0 && exponent(place) && !body.starts_with("0x");
            !(c.is_ascii_alphanumeric() || c == '_' || c == '.' || signed)
        });
        let digits = &body[..end.map_or(body.len(), |(place, _)| place)];
        let plain = digits.replace('_', "").to_ascii_lowercase();
        let radix = |radix| i64::from_str_radix(&plain[2..], radix).ok();
        let integer = match plain.get(..2) {
            Some("0x") => radix(16),
            Some("0o") => radix(8),
            Some("0b") => radix(2),
            _ if plain.len() > 1 && plain.starts_with('0') && plain.bytes().any(|b| b != b'0') => {
                None
            }
            _ => plain.parse().ok(),
        };
        let decimal = plain.contains(['.', 'e'])
            && plain
                .bytes()
                .all(|b| b.is_ascii_digit() || b".e+-".contains(&b));
        let value = match integer {
            Some(integer) => Value::from(if negative { -integer } else { integer }),
            None => match plain.parse::<f64>().ok().filter(|_| decimal) {
                Some(float) => Value::from(if negative { -float } else { float }),
                None => return Err(self.wrong("a number")),
            },
        };
        self.place += signs + digits.len();
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_read_as_python_reads_them() {
        for (text, expected) in [
            (
                r#"['a', "b'c", 'd\'e', 'f\n\x41\u00e9\q']"#,
                r#"['a', "b'c", "d'e", 'f\nAé\\q']"#,
            ),
            (
                " [1, -2, 0x1F, 1_000, 1.5, True, None,]",
                "[1, -2, 31, 1000, 1.5, True, None]",
            ),
            ("('a' 'b', r'\\n', u'é')", "['ab', '\\\\n', 'é']"),
            ("('a')", "a"),
            ("('a',)", "['a']"),
            ("1, 2", "[1, 2]"),
            ("['''x\r\ny''', [], ()] # the end", "['x\\ny', [], []]"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for text in [
            "['it's']", "[a]", "[1", "'a", "007", "nan", "f'a'", "['a' 1]", "", "[1 2]", "{1: 2}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in r#"[\[\](),'"\\ rux0-9a-f.eN#{}\n+-]{0,30}"#) {
            let _ = parse(&text);
        }
    }
}
