//! JSON as Python reads and writes it.

use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::ser::Formatter;

/// Parses JSON as Python's `json.load` does: `NaN`, `Infinity` and `-Infinity` are values, and of a
/// key that stands twice the last one counts.
///
/// A key with one of the three values is an error where a number is read from it: none of the numbers
/// that decide a model may be one.
///
/// # Errors
///
/// If the text is not JSON, or has not the shape of a `T`.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    // By way of a `Value`: a struct of serde refuses a key that stands twice.
    let value: Value = serde_json::from_slice(&quoted(bytes))?;
    T::deserialize(value)
}

/// The text with quotes around the three values that JSON lacks.
fn quoted(bytes: &[u8]) -> Vec<u8> {
    const EXTRA: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let mut text = Vec::with_capacity(bytes.len());
    let (mut at, mut in_string) = (0, false);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let word = EXTRA.iter().find(|word| rest.starts_with(word));
        let taken = match (rest, word) {
            (_, Some(word)) if !in_string => {
                text.extend([b"\"", *word, b"\""].concat());
                at += word.len();
                continue;
            }
            ([b'\\', _, ..], _) if in_string => 2,
            _ => 1,
        };
        in_string ^= rest[0] == b'"';
        text.extend(&rest[..taken]);
        at += taken;
    }
    text
}

/// JSON on one line as Python's `json.dumps(value, ensure_ascii=False)` writes it.
#[derive(Debug)]
pub struct PythonJson;

impl Formatter for PythonJson {
    fn write_f64<W: ?Sized + Write>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        out.write_all(python_float(value).as_bytes())
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.begin_array_value(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

/// Python's `repr` of a float: the shortest digits, with an exponent below 1e-4 and from 1e16 on.
pub fn python_float(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        return "nan".into();
    }
    if !value.is_finite() || size == 0.0 || (1e-4..1e16).contains(&size) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    format!("{digits}e{exponent:+03}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_python_writes_is_read() {
        let text =
            r#"{"a": NaN, "b": [-Infinity, Infinity], "c": "NaN \" Infinity", "a2": 1, "a2": 2}"#;
        let value: Value = parse_json(text.as_bytes()).unwrap();
        let read =
            json!({"a": "NaN", "b": ["-Infinity", "Infinity"], "c": "NaN \" Infinity", "a2": 2});
        assert_eq!(value, read);
        assert!(parse_json::<f64>(b"NaN").is_err());
        assert!(parse_json::<Value>(b"{\"a\": nan}").is_err());
        assert!(parse_json::<Value>(b"-NaN").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            _ = parse_json::<Value>(&bytes);
        }

        #[test]
        fn json_stays_what_it_is(text in "\\PC{0,20}(NaN|Infinity|\"|\\\\)?\\PC{0,20}") {
            let value = json!({"key": text});
            prop_assert_eq!(parse_json::<Value>(value.to_string().as_bytes()).unwrap(), value);
        }
    }
}
