//! Special tokens as the files of a tokenizer write them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde::Deserialize as _;
use serde_json::{Map, Value};
use tokenizers::AddedToken;

use crate::class::Class;
use crate::{Error, Result};

/// `SPECIAL_TOKENS_ATTRIBUTES` of transformers, but for the last, which is a list.
pub(crate) const KEYS: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];
pub(crate) const ADDITIONAL: &str = "additional_special_tokens";
/// What only `CodeLlamaTokenizer` has, after the additional ones.
const INFILLING: [&str; 4] = ["prefix_token", "middle_token", "suffix_token", "eot_token"];
pub(crate) const EXTRA: &str = "extra_special_tokens";

/// A special token: its text, or with settings of its own.
#[derive(Debug, Clone)]
pub(crate) enum SpecialToken {
    Text(String),
    Token(AddedToken),
}

impl SpecialToken {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Token(token) => &token.content,
        }
    }
}

/// The tokens that a configuration lists.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) by_id: BTreeMap<u32, AddedToken>,
    /// The settings that a special token of this text takes.
    pub(crate) by_text: HashMap<String, AddedToken>,
    /// Texts of tokens that do not say whether they are normalized: what is special is not.
    pub(crate) unsaid: HashSet<String>,
}

/// The special tokens of one key: several only of a list.
pub(crate) type Slot = (String, Vec<SpecialToken>);

/// A token with its settings, as `AddedToken(**token)` takes them: what is not special is normalized,
/// unless it says otherwise.
pub(crate) fn added_token(path: &Path, key: &str, value: &Value) -> Result<AddedToken> {
    let mut settings = Map::new();
    for flag in ["single_word", "lstrip", "rstrip", "special"] {
        settings.insert(flag.into(), false.into());
    }
    let special = value.get("special") == Some(&true.into());
    settings.insert("normalized".into(), (!special).into());
    settings.extend(value.as_object().cloned().unwrap_or_default());
    AddedToken::deserialize(Value::from(settings)).map_err(|error| {
        let expected = format!("a token with its settings ({error})");
        Error::setting(path, key, value, &expected)
    })
}

/// All special tokens of a configuration and its class, by key, in the order of transformers.
///
/// A text that a file gives takes the settings that `listed` has for it; a class's default does not.
pub(crate) fn special_tokens(
    path: &Path,
    config: &Map<String, Value>,
    class: Class,
    listed: &Listed,
) -> Result<Vec<Slot>> {
    let read = |key: &str, value: &Value| special_token(path, key, value);
    let one = |key: &str| -> Result<Option<SpecialToken>> {
        match config.get(key) {
            Some(Value::Null) => Ok(None),
            Some(value) => read(key, value).map(Some),
            None => {
                let default = class.default_token(key);
                Ok(default.map(|text| SpecialToken::Text(text.into())))
            }
        }
    };
    let list = |key: &str, found: &Value| Error::setting(path, key, found, "a list of tokens");
    let mut slots = Vec::new();
    for key in KEYS {
        let listed = Some(&listed.by_text).filter(|_| config.contains_key(key));
        let token = one(key)?.map(|token| with_settings(key, token, class, listed));
        slots.push((key.to_owned(), token.into_iter().collect()));
    }
    let mut additional = Vec::new();
    if let Some(found) = config.get(ADDITIONAL).filter(|found| !found.is_null()) {
        for token in found.as_array().ok_or_else(|| list(ADDITIONAL, found))? {
            additional.push(read(ADDITIONAL, token)?);
        }
    }
    if class == Class::CodeLlama {
        for key in INFILLING {
            additional.extend(one(key)?);
        }
    }
    slots.push((ADDITIONAL.to_owned(), additional));
    if let Some(found) = config.get(EXTRA) {
        let expected = "an object of tokens by other names than those of special tokens";
        let refused = || Error::setting(path, EXTRA, found, expected);
        for (key, token) in found.as_object().ok_or_else(refused)? {
            if KEYS.contains(&key.as_str()) || key == ADDITIONAL {
                return Err(refused());
            }
            slots.push((key.clone(), vec![read(key, token)?]));
        }
    }
    for (_, tokens) in &mut slots {
        tokens.retain(|token| !token.text().is_empty());
    }
    Ok(slots)
}

fn special_token(path: &Path, key: &str, value: &Value) -> Result<SpecialToken> {
    match value {
        Value::String(text) => Ok(SpecialToken::Text(text.clone())),
        Value::Object(token) if token.get("__type") == Some(&"AddedToken".into()) => {
            added_token(path, key, value).map(SpecialToken::Token)
        }
        other => {
            let expected = "a token's text, or an AddedToken";
            Err(Error::setting(path, key, other, expected))
        }
    }
}

/// The token with the settings that are listed for its text, or with those of its class.
fn with_settings(
    key: &str,
    token: SpecialToken,
    class: Class,
    listed: Option<&HashMap<String, AddedToken>>,
) -> SpecialToken {
    // `Qwen2TokenizerFast.__init__` has them for these, and so has the slow `LlamaTokenizer`.
    let own = matches!(class, Class::Qwen2 | Class::ConvertedLlama)
        && matches!(key, "bos_token" | "eos_token" | "unk_token" | "pad_token");
    match (listed.and_then(|listed| listed.get(token.text())), token) {
        (Some(listed), _) => SpecialToken::Token(listed.clone()),
        (None, SpecialToken::Text(text)) if own => {
            SpecialToken::Token(AddedToken::from(text, true))
        }
        (None, token) => token,
    }
}
