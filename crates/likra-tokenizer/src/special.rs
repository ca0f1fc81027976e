//! Special tokens as the files of a tokenizer write them.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize as _;
use serde_json::{Map, Value};
use tokenizers::AddedToken;

use crate::Result;
use crate::class::Class;
use crate::settings::Settings;

pub(crate) const BOS: &str = "bos_token";
pub(crate) const EOS: &str = "eos_token";
const UNK: &str = "unk_token";
pub(crate) const PAD: &str = "pad_token";
/// `SPECIAL_TOKENS_ATTRIBUTES` of transformers but for the last, which is a list.
const NAMES: [&str; 7] = [BOS, EOS, UNK, "sep_token", PAD, "cls_token", "mask_token"];
pub(crate) const ADDITIONAL: &str = "additional_special_tokens";
/// What only `CodeLlamaTokenizer` has, after the additional ones.
const INFILLING: [&str; 4] = ["prefix_token", "middle_token", "suffix_token", "eot_token"];
pub(crate) const EXTRA: &str = "extra_special_tokens";

/// A special token, and whether it has settings of its own: else it is a text.
pub(crate) type SpecialToken = (AddedToken, bool);

/// The tokens that a configuration lists.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) by_id: BTreeMap<u32, AddedToken>,
    /// The settings that a special token of this text takes.
    pub(crate) by_text: HashMap<String, AddedToken>,
    /// Texts of tokens that do not say whether they are normalized: what is special is not.
    pub(crate) unsaid: HashSet<String>,
}

/// The special tokens of each key: several only of a list.
pub(crate) type Slots = Vec<(String, Vec<SpecialToken>)>;

/// The token of a key, if there is one.
pub(crate) fn named<'a>(specials: &'a Slots, key: &str) -> Option<&'a str> {
    let slot = specials.iter().find(|(name, _)| name == key);
    slot.and_then(|(_, tokens)| Some(&*tokens.first()?.0.content))
}

/// A token with its settings, as `AddedToken(**token)` takes them: what is not special is normalized,
/// unless it says otherwise.
pub(crate) fn added_token(config: &Settings, key: &str, value: &Value) -> Result<AddedToken> {
    let flags = ["single_word", "lstrip", "rstrip", "special"];
    let flags = flags.map(|flag| (flag.to_owned(), Value::from(false)));
    let mut settings = Map::from_iter(flags);
    let special = value.get("special") == Some(&true.into());
    settings.insert("normalized".into(), (!special).into());
    settings.extend(value.as_object().cloned().unwrap_or_default());
    AddedToken::deserialize(Value::from(settings)).map_err(|error| {
        config.refuse_part(key, value, &format!("a token with its settings ({error})"))
    })
}

/// All special tokens of a configuration and its class, by key, in the order of transformers.
///
/// A text that a file gives takes the settings that `listed` has for it; a class's default does not.
pub(crate) fn special_tokens(config: &Settings, class: Class, listed: &Listed) -> Result<Slots> {
    let one = |key: &str| match config.keys.get(key) {
        Some(Value::Null) => Ok(None),
        Some(value) => special_token(config, key, value).map(Some),
        None => Ok(class.default_token(key).map(text_alone)),
    };
    let mut slots = Vec::new();
    for key in NAMES {
        let mut token = one(key)?;
        if let Some((token, has_settings)) = &mut token {
            // `Qwen2TokenizerFast.__init__` has them for these, and so has the slow `LlamaTokenizer`.
            *has_settings |= matches!(class, Class::Qwen2 | Class::ConvertedLlama)
                && [BOS, EOS, UNK, PAD].contains(&key);
            let listed = listed.by_text.get(&token.content);
            if let Some(listed) = listed.filter(|_| config.keys.contains_key(key)) {
                (*token, *has_settings) = (listed.clone(), true);
            }
        }
        slots.push((key.to_owned(), token.into_iter().collect()));
    }
    let mut additional = Vec::new();
    if let Some(found) = config.get(ADDITIONAL) {
        let refused = || config.refuse(ADDITIONAL, "a list of tokens");
        for token in found.as_array().ok_or_else(refused)? {
            additional.push(special_token(config, ADDITIONAL, token)?);
        }
    }
    if class == Class::CodeLlama {
        for key in INFILLING {
            additional.extend(one(key)?);
        }
    }
    slots.push((ADDITIONAL.to_owned(), additional));
    if let Some(found) = config.keys.get(EXTRA) {
        let expected = "an object of tokens by other names than those of special tokens";
        let refused = || config.refuse(EXTRA, expected);
        for (key, token) in found.as_object().ok_or_else(refused)? {
            if NAMES.contains(&key.as_str()) || key == ADDITIONAL {
                return Err(refused());
            }
            slots.push((key.clone(), vec![special_token(config, key, token)?]));
        }
    }
    for (_, tokens) in &mut slots {
        tokens.retain(|(token, _)| !token.content.is_empty());
    }
    Ok(slots)
}

fn special_token(config: &Settings, key: &str, value: &Value) -> Result<SpecialToken> {
    match value {
        Value::String(text) => Ok(text_alone(text)),
        Value::Object(token) if token.get("__type") == Some(&"AddedToken".into()) => {
            Ok((added_token(config, key, value)?, true))
        }
        other => Err(config.refuse_part(key, other, "a token's text, or an AddedToken")),
    }
}

fn text_alone(text: &str) -> SpecialToken {
    (AddedToken::from(text, true), false)
}
