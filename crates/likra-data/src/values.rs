//! Values of minijinja, as rows and task files have them.

use minijinja::Value;

/// What a map has under a name.
pub(crate) fn get(map: &Value, name: &str) -> Option<Value> {
    let found = map.get_attr(name).ok();
    found.filter(|value| !value.is_undefined())
}

/// The items of a list, or the keys of a map.
pub(crate) fn items(value: &Value) -> impl Iterator<Item = Value> + use<> {
    value.try_iter().into_iter().flatten()
}

/// The pairs of a map.
pub(crate) fn pairs(map: &Value) -> Vec<(Value, Value)> {
    let keys = items(map).filter(|_| map.as_str().is_none());
    let pair = |key: Value| (key.clone(), map.get_item(&key).unwrap_or_default());
    keys.map(pair).collect()
}

/// A text by itself, or the texts of a list.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    match value.as_str() {
        Some(text) => vec![text.into()],
        None => items(value).map(|item| item.to_string()).collect(),
    }
}
