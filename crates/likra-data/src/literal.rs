//! Python's literals, as `ast.literal_eval` takes them: what a template prints is read back as a list by it.
//!
//! These are the literals that Python prints, and their other quotes. Rarer ones, such as `r'a'` and `0x1F`, are
//! refused.

use minijinja::Value;

/// Why a text is none of these literals.
#[derive(Debug)]
pub(crate) struct NoLiteral {
    /// Where, what was found and what was expected.
    pub(crate) reason: String,
    /// Whether it may be a rare literal, which Python reads; else Python refuses it, too.
    pub(crate) is_rare: bool,
}

/// What a text is the literal of.
///
/// # Errors
///
/// If it is none; says where.
pub(crate) fn parse(text: &str) -> Result<Value, NoLiteral> {
    // As in any source text of Python's.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut parser = Parser {
        text: &text,
        rest: &text,
        depth: 0,
    };
    let value = parser.value()?;
    parser.space();
    let whole = parser.rest.is_empty().then_some(value);
    whole.ok_or_else(|| parser.wrong("the end of the list"))
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn wrong(&self, expected: &str) -> NoLiteral {
        let before = &self.text[..self.text.len() - self.rest.len()];
        let place = before.chars().count() + 1;
        let found: String = self.rest.chars().take(20).collect();
        let unprefixed = found.trim_start_matches(|c| "rRbBuU".contains(c));
        NoLiteral {
            reason: format!("character {place}: `{found}`, expected {expected}"),
            // `1_000`, `0x1F`, `1j`; `[1], [2]`; `{1}`, `# a comment`, `+7`, `...`; `set()`; `r'a'`.
            is_rare: before.ends_with(|c: char| c.is_ascii_digit())
                && found.starts_with(|c| "_xXoObBjJ".contains(c))
                || found.starts_with(|c: char| c.is_ascii_digit() || ",{#\\+-.".contains(c))
                || found.starts_with("set()")
                || unprefixed != found && unprefixed.starts_with(['\'', '"']),
        }
    }

    fn take(&mut self, expected: &str) -> bool {
        let rest = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\x0c']);
    }

    fn value(&mut self) -> Result<Value, NoLiteral> {
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
            Some('\'' | '"') => self.texts()?,
            Some(c) if c.is_ascii_digit() || "+-.".contains(c) => self.number()?,
            _ if self.take("None") => Value::from(()),
            _ if self.take("True") => Value::from(true),
            _ if self.take("False") => Value::from(false),
            _ => return Err(self.wrong("a list, a text in quotes or a number")),
        };
        self.depth -= 1;
        Ok(value)
    }

    /// Values with commas between them, up to `close`; and whether a comma stands behind the last.
    fn items(&mut self, close: &str) -> Result<(Vec<Value>, bool), NoLiteral> {
        let (mut items, mut comma) = (Vec::new(), true);
        loop {
            self.space();
            if self.take(close) {
                return Ok((items, comma));
            }
            if !comma {
                return Err(self.wrong("a comma or the end of the list"));
            }
            items.push(self.value()?);
            self.space();
            comma = self.take(",");
        }
    }

    /// Adjacent texts, joined.
    fn texts(&mut self) -> Result<Value, NoLiteral> {
        let mut text = String::new();
        while self.rest.starts_with(['\'', '"']) {
            self.text(&mut text)?;
            self.space();
        }
        Ok(Value::from(text))
    }

    fn text(&mut self, text: &mut String) -> Result<(), NoLiteral> {
        let mut quotes = ["'''", "\"\"\"", "'", "\""].into_iter();
        let quote = quotes.find(|quote| self.take(quote)).unwrap_or_default();
        while !self.take(quote) {
            let next = self.rest.chars().next();
            match next.filter(|c| *c != '\n' || quote.len() > 1) {
                Some('\\') => self.escape(text)?,
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
    fn escape(&mut self, text: &mut String) -> Result<(), NoLiteral> {
        let escaped = &self.rest[1..];
        let c = escaped.chars().next();
        let c = c.ok_or_else(|| self.wrong("the closing quote"))?;
        let octal = escaped.trim_start_matches(|c| ('0'..='7').contains(&c));
        let (digits, radix) = match c {
            'x' => (1..3, 16),
            'u' => (1..5, 16),
            'U' => (1..9, 16),
            _ => (0..(escaped.len() - octal.len()).min(3), 8),
        };
        let length = digits.end.max(c.len_utf8());
        match c {
            _ if digits.end > 0 => {
                let code = escaped.get(digits);
                let code = code.and_then(|code| u32::from_str_radix(code, radix).ok());
                let decoded = code.and_then(char::from_u32);
                text.push(decoded.ok_or_else(|| self.wrong("the number of a character"))?);
            }
            'N' => return Err(self.wrong("an escape other than \\N")),
            '\n' => {}
            _ => match r#"\'"ntrabfv"#.find(c) {
                Some(place) => text.push(char::from(b"\\'\"\n\t\r\x07\x08\x0c\x0b"[place])),
                None => text.extend(['\\', c]),
            },
        }
        self.rest = &escaped[length..];
        Ok(())
    }

    fn number(&mut self) -> Result<Value, NoLiteral> {
        let is_inside = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        let rest = self.rest.trim_start_matches(is_inside);
        let number = &self.rest[..self.rest.len() - rest.len()];
        let float = number.parse::<f64>().ok().map(Value::from);
        let float = float.filter(|_| number.contains(['.', 'e', 'E']));
        // Python does not take 007. It takes +7 and -0, which nothing prints.
        let whole = number.parse::<i64>().ok().map(Value::from);
        let whole = whole.filter(|whole| whole.to_string() == number);
        let value = whole.or(float).ok_or_else(|| self.wrong("a number"))?;
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
                r#"['a', "b'c", 'd\'e', 'f\n\x41\u00e9\q\101\12']"#,
                r#"['a', "b'c", "d'e", 'f\nAé\\qA\n']"#,
            ),
            (
                " [1, -2, 1.5, 1e16, True, None,]",
                "[1, -2, 1.5, 1e16, True, None]",
            ),
            ("('a' 'b', 'é')", "['ab', 'é']"),
            ("('a')", "a"),
            ("('a',)", "['a']"),
            ("['''x\r\ny''', [], ()] ", "['x\\ny', [], []]"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for text in [
            "['it's']", "[a]", "[1", "'a", "007", "nan", "f'a'", "['a' 1]", "", "[1 2]", "{1: 2}",
            "[,]",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rare_literals_are_refused_as_such() {
        for text in [
            "r'a'",
            "0x1F",
            "1_000",
            "[1], [2]",
            "+7",
            "['a' # b\n]",
            "...",
            "[{}]",
            "['\\N{DASH}']",
            "[1, rb\"a\"]",
            "[1j]",
            "[set()]",
            "9223372036854775808",
            "[1\\\n]",
        ] {
            assert!(parse(text).err().unwrap().is_rare, "{text}");
        }
        for text in [
            "[1, not a list]",
            "[MASK]",
            "['it's']",
            "[1st]",
            "[10:30]",
            "[1",
            "[a, 5]",
        ] {
            assert!(!parse(text).err().unwrap().is_rare, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in r#"[\[\](),'"\\ rux0-9a-f.eN#{}\n+-]{0,30}"#) {
            let _ = parse(&text);
        }
    }
}
