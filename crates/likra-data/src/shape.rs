//! What the columns of JSON hold in all rows, as the harness's library for data sets (datasets 5.0.1) has them.

use minijinja::value::{Value, ValueKind};

use crate::python_text;
use crate::time::moment;
use crate::values::{items, pairs};

/// The columns of all rows.
#[derive(Debug, Default)]
pub(crate) struct Columns(Vec<(Value, Shape)>);

impl Columns {
    /// Takes the columns of a row in, or of a map in one.
    pub(crate) fn add(&mut self, map: &Value) {
        for (key, value) in pairs(map) {
            let known = self.0.iter().position(|(known, _)| *known == key);
            let place = known.unwrap_or_else(|| {
                self.0.push((key, Shape::default()));
                self.0.len() - 1
            });
            self.0[place].1.add(&value);
        }
    }

    /// A row with all columns, in the order in which they come first; what it lacks is null.
    pub(crate) fn of(&self, map: &Value) -> Value {
        Value::from_pairs(self.0.iter().map(|(key, shape)| {
            let found = map.get_item(key).ok().filter(|found| !found.is_undefined());
            (key.clone(), shape.of(&found.unwrap_or(Value::from(()))))
        }))
    }

    /// Whether a map has these keys and no others.
    fn are_of(&self, map: &Value) -> bool {
        let has =
            |(key, _): &(Value, Shape)| map.get_item(key).is_ok_and(|found| !found.is_undefined());
        map.len() == Some(self.0.len()) && self.0.iter().all(has)
    }
}

/// What a column holds, or the lists or maps in it.
#[derive(Debug, Default)]
struct Shape {
    /// The kind of the first value that is not null.
    kind: Option<ValueKind>,
    /// Whether its values have nothing in common: each is as the file has it.
    is_mixed: bool,
    keys: Columns,
    items: Option<Box<Shape>>,
    has_floats: bool,
    /// Whether a text is no moment.
    has_words: bool,
}

impl Shape {
    fn add(&mut self, value: &Value) {
        if value.is_none() || self.is_mixed {
            return;
        }
        let (kind, is_first) = (value.kind(), self.kind.is_none());
        match kind {
            _ if *self.kind.get_or_insert(kind) != kind => self.is_mixed = true,
            ValueKind::Map if value.len() == Some(0) => self.is_mixed = true,
            ValueKind::Map if !is_first && !self.keys.are_of(value) => self.is_mixed = true,
            ValueKind::Map => self.keys.add(value),
            ValueKind::Seq => {
                let shape = self.items.get_or_insert_default();
                items(value).for_each(|item| shape.add(&item));
            }
            ValueKind::Number => self.has_floats |= value.as_i64().is_none() || !value.is_integer(),
            ValueKind::String => {
                self.has_words |= value.as_str().and_then(moment).is_none();
            }
            _ => {}
        }
    }

    /// A value in this shape.
    fn of(&self, value: &Value) -> Value {
        if value.is_none() {
            return value.clone();
        }
        if self.is_mixed {
            return value.as_str().map_or_else(|| rounded(value), decoded);
        }
        match (value.kind(), &self.items) {
            (ValueKind::Map, _) => self.keys.of(value),
            (ValueKind::Seq, Some(shape)) => items(value).map(|item| shape.of(&item)).collect(),
            (ValueKind::Number, _) if self.has_floats => {
                let float = python_text::float(value);
                float.map_or_else(|| value.clone(), Value::from)
            }
            (ValueKind::String, _) if !self.has_words => {
                let moment = value.as_str().and_then(moment);
                moment.map_or_else(|| value.clone(), Value::from)
            }
            _ => value.clone(),
        }
    }
}

/// A text of a mixed column: where it is JSON itself, what that says.
fn decoded(text: &str) -> Value {
    let trimmed = text.trim();
    let number = trimmed.trim_start_matches('0');
    let has_zeros = number.len() < trimmed.len() && number.bytes().all(|b| b.is_ascii_digit());
    let found = match trimmed {
        "NaN" => return Value::from(()),
        _ if has_zeros => serde_json::from_str(&format!("{number:0>1}")),
        _ => serde_json::from_str(trimmed),
    };
    found.map_or_else(|_| text.into(), |found| rounded(&found))
}

/// The library's JSON has ten digits after the point.
fn rounded(value: &Value) -> Value {
    match value.kind() {
        ValueKind::Number if !value.is_integer() => {
            let float =
                python_text::float(value).map(|float| format!("{float:.10}").parse::<f64>());
            float
                .and_then(Result::ok)
                .map_or_else(|| value.clone(), Value::from)
        }
        ValueKind::Map => {
            let pairs = pairs(value).into_iter();
            Value::from_pairs(pairs.map(|(key, value)| (key, rounded(&value))))
        }
        ValueKind::Seq => items(value).map(|item| rounded(&item)).collect(),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by datasets 5.0.1, of the same lines.
    #[test]
    fn rows_are_as_the_library_has_them() {
        for (rows, expected) in [
            (
                r#"[{"o": {"A": 1, "B": [1]}, "l": [{"k": 1, "v": 2}]}, {"o": {"B": [2, 2.5], "A": 3}, "h": "x", "l": [{"v": 3, "k": 4}]}]"#,
                "[{'o': {'A': 1, 'B': [1.0]}, 'l': [{'k': 1, 'v': 2}], 'h': None}, {'o': {'A': 3, 'B': [2.0, 2.5]}, 'l': [{'k': 4, 'v': 3}], 'h': 'x'}]",
            ),
            (
                r#"[{"o": {"A": "x"}}, {"o": {"B": "3", "A": 1e-12}}, {"o": null}, {"q": 1}]"#,
                "[{'o': {'A': 'x'}, 'q': None}, {'o': {'B': '3', 'A': 0.0}, 'q': None}, {'o': None, 'q': None}, {'o': None, 'q': 1}]",
            ),
            (r#"[{"o": {}}, {"o": {}}]"#, "[{'o': {}}, {'o': {}}]"),
            (
                r#"[{"l": [{"k": {"a": 1}}]}, {"l": [{"k": {"b": "2"}}]}, {"l": null}]"#,
                "[{'l': [{'k': {'a': 1}}]}, {'l': [{'k': {'b': '2'}}]}, {'l': None}]",
            ),
            (
                r#"[{"a": {"x": 1}}, {"a": "{\"y\": 2}"}, {"a": "plain"}, {"a": " 3 "}, {"a": "007"}, {"a": ""}, {"a": "NaN"}, {"a": "1e5"}, {"a": "[1,"}]"#,
                "[{'a': {'x': 1}}, {'a': {'y': 2}}, {'a': 'plain'}, {'a': 3}, {'a': 7}, {'a': ''}, {'a': None}, {'a': 100000.0}, {'a': '[1,'}]",
            ),
            (
                r#"[{"a": ["x", "1"]}, {"a": "x"}, {"a": "[1]"}]"#,
                "[{'a': ['x', '1']}, {'a': 'x'}, {'a': [1]}]",
            ),
            (
                r#"[{"a": ["x", "1"]}, {"a": [1, 2]}]"#,
                "[{'a': ['x', 1]}, {'a': [1, 2]}]",
            ),
            (r#"[{"a": 1}, {"a": true}]"#, "[{'a': 1}, {'a': True}]"),
            (
                r#"[{"a": 9223372036854775808}, {"a": 1}, {"a": null}]"#,
                "[{'a': 9.223372036854776e+18}, {'a': 1.0}, {'a': None}]",
            ),
            (
                r#"[{"a": ["2020-01-01", "x"], "b": "2020-01-01"}, {"a": [], "b": "2021-03-04T10:00:00Z"}]"#,
                "[{'a': ['2020-01-01', 'x'], 'b': datetime.datetime(2020, 1, 1, 0, 0)}, {'a': [], 'b': datetime.datetime(2021, 3, 4, 10, 0)}]",
            ),
        ] {
            let rows: Vec<Value> = serde_json::from_str(rows).unwrap();
            let mut columns = Columns::default();
            for row in &rows {
                columns.add(row);
            }
            let found: Value = rows.iter().map(|row| columns.of(row)).collect();
            assert_eq!(python_text::display(&found), expected);
        }
    }
}
