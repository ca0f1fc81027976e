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
    let text = text.trim_start_matches(SPACES);
    let mut parser = Parser {
        text,
        rest: text,
        depth: 0,
    };
    let mut value = parser.value()?;
    parser.space();
    // A bare tuple: `1, 2`.
    if parser.take(",") {
        let (others, _) = parser.items("")?;
        value = [value].into_iter().chain(others).collect();
    }
    match parser.rest {
        "" => Ok(value),
        _ => Err(parser.wrong("the end of the list")),
    }
}

const SPACES: [char; 5] = [' ', '\t', '\n', '\r', '\x0c'];

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn wrong(&self, expected: &str) -> String {
        let found: String = self.rest.chars().take(20).collect();
        let place = self.text.chars().count() - self.rest.chars().count() + 1;
        format!("character {place}: `{found}`, expected {expected}")
    }

    fn take(&mut self, expected: &str) -> bool {
        let rest = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Passes over white space and comments.
    fn space(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches(SPACES);
            if self.rest.starts_with('#') {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.rest = &self.rest[end..];
            } else if !self.take("\\\n") {
                return;
            }
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        self.space();
        self.depth += 1;
        if self.depth > 100 {
            return Err(self.wrong("fewer lists in one another"));
        }
        let value = match self.rest.chars().next() {
            _ if self.take("[") => Value::from(self.items("]")?.0),
            // Only a comma makes a tuple of one.
            _ if self.take("(") => match self.items(")")? {
                (items, false) if items.len() == 1 => items[0].clone(),
                (items, _) => Value::from(items),
            },
            Some('{') => return Err(self.wrong("a list")),
            _ if self.is_at_text() => self.texts()?,
            Some(c) if c.is_ascii_digit() || "+-.".contains(c) => self.number()?,
            _ if self.take("None") => Value::from(()),
            _ if self.take("True") => Value::from(true),
            _ if self.take("False") => Value::from(false),
            _ => return Err(self.wrong("a list, a text in quotes or a number")),
        };
        self.depth -= 1;
        Ok(value)
    }

    /// Values with commas between them, up to `close`, or to the end if that is empty; and whether a comma
    /// stands behind the last.
    fn items(&mut self, close: &str) -> Result<(Vec<Value>, bool), String> {
        let (mut items, mut comma) = (Vec::new(), false);
        loop {
            self.space();
            if (!close.is_empty() || self.rest.is_empty()) && self.take(close) {
                return Ok((items, comma));
            }
            if !comma && !items.is_empty() {
                return Err(self.wrong("a comma or the end of the list"));
            }
            items.push(self.value()?);
            self.space();
            comma = self.take(",");
        }
    }

    /// Whether a text in quotes begins here, perhaps with `r` or `u` before it.
    fn is_at_text(&self) -> bool {
        let unmarked = self.rest.strip_prefix(['r', 'R', 'u', 'U']);
        unmarked.unwrap_or(self.rest).starts_with(['\'', '"'])
    }

    /// Adjacent texts, joined.
    fn texts(&mut self) -> Result<Value, String> {
        let mut text = String::new();
        while self.is_at_text() {
            self.text(&mut text)?;
            self.space();
        }
        Ok(Value::from(text))
    }

    fn text(&mut self, text: &mut String) -> Result<(), String> {
        let raw = self.rest.starts_with(['r', 'R']);
        self.rest = self.rest.trim_start_matches(['r', 'R', 'u', 'U']);
        let mut quotes = ["'''", "\"\"\"", "'", "\""].into_iter();
        let quote = quotes.find(|quote| self.take(quote)).unwrap_or_default();
        while !self.take(quote) {
            let next = self.rest.chars().next();
            match next.filter(|c| *c != '\n' || quote.len() > 1) {
                Some('\\') => self.escape(raw, text)?,
                Some(c) => {
                    text.push(c);
                    self.rest = &self.rest[c.len_utf8()..];
                }
                None => return Err(self.wrong("the closing quote")),
            }
        }
        Ok(())
    }

    /// What follows a backslash; an unknown escape stands for itself.
    fn escape(&mut self, raw: bool, text: &mut String) -> Result<(), String> {
        let escaped = &self.rest[1..];
        let next = escaped.chars().next();
        let c = next.ok_or_else(|| self.wrong("the closing quote"))?;
        let octal = escaped.bytes().take(3);
        let octal = octal.take_while(|b| (b'0'..=b'7').contains(b)).count();
        let (digits, radix) = match c {
            _ if raw => (0..0, 8),
            'x' => (1..3, 16),
            'u' => (1..5, 16),
            'U' => (1..9, 16),
            _ => (0..octal, 8),
        };
        if !digits.is_empty() {
            let code = escaped.get(digits.clone());
            let code = code.and_then(|code| u32::from_str_radix(code, radix).ok());
            let decoded = code.and_then(char::from_u32);
            text.push(decoded.ok_or_else(|| self.wrong("the number of a character"))?);
            self.rest = &escaped[digits.end..];
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
        self.rest = &escaped[c.len_utf8()..];
        Ok(())
    }

    fn number(&mut self) -> Result<Value, String> {
        let body = self.rest.trim_start_matches(['+', '-', ' ']);
        let signs = &self.rest[..self.rest.len() - body.len()];
        let negative = signs.matches('-').count() % 2 == 1;
        let sign = if negative { -1_i32 } else { 1 };
        let mut before = ' ';
        let end = body.find(|c: char| {
            let signed = "+-".contains(c) && "eE".contains(before) && !body.starts_with("0x");
            before = c;
            !(c.is_ascii_alphanumeric() || "_.".contains(c) || signed)
        });
        let (digits, rest) = body.split_at(end.unwrap_or(body.len()));
        let plain = digits.replace('_', "").to_ascii_lowercase();
        let radix = |radix| i64::from_str_radix(&plain[2..], radix).ok();
        let integer = match plain.get(..2) {
            Some("0x") => radix(16),
            Some("0o") => radix(8),
            Some("0b") => radix(2),
            _ if plain.starts_with('0') && plain.bytes().any(|b| b != b'0') => None,
            _ => plain.parse().ok(),
        };
        let is_decimal = |b: u8| b.is_ascii_digit() || b".e+-".contains(&b);
        let decimal = plain.contains(['.', 'e']) && plain.bytes().all(is_decimal);
        let float = plain.parse::<f64>().ok().filter(|_| decimal);
        let float = float.map(|float| Value::from(float * f64::from(sign)));
        let integer = integer.map(|integer: i64| Value::from(integer * i64::from(sign)));
        let value = integer.or(float).ok_or_else(|| self.wrong("a number"))?;
        self.rest = rest;
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
