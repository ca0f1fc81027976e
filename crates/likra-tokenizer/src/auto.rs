//! A tokenizer's folder, opened as `AutoTokenizer.from_pretrained` opens it (transformers 4.57.1).
//!
//! `tokenizer.json` is only half of a tokenizer: the class that `tokenizer_config.json` names replaces
//! parts of it, and three files may add tokens to it. The steps here are those of
//! `PreTrainedTokenizerBase._from_pretrained` and `PreTrainedTokenizerFast.__init__`, in their order.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::Value;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, PreTokenizerWrapper, Tokenizer};

use crate::class::Class;
use crate::sentence_piece;
use crate::settings::Settings;
use crate::special::{
    ADDITIONAL, BOS, EOS, EXTRA, Listed, Slots, added_token, named, special_tokens,
};
use crate::{Error, Result};

pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const CONFIG: &str = "tokenizer_config.json";
const SPECIAL: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens.json";
const MODEL: &str = "config.json";
/// The key of the configuration with tokens by their ids.
const LISTED: &str = "added_tokens_decoder";

impl crate::Tokenizer {
    /// The files of those that [`Tokenizer::open`](Self::open) reads from `dir` which are there, but for
    /// the model's `config.json`.
    pub fn files(dir: &Path) -> Vec<PathBuf> {
        let names = [TOKENIZER, CONFIG, SPECIAL, ADDED, sentence_piece::FILE];
        let files = names.map(|name| dir.join(name)).into_iter();
        files.filter(|path| path.exists()).collect()
    }
}

/// Opens the tokenizer in `dir` as its class leaves it, with its special tokens and the one that stands for
/// the gap in a text that is to be filled in, which `CodeLlamaTokenizer` alone has.
pub(crate) fn open(dir: &Path) -> Result<(Tokenizer, Slots, Option<String>)> {
    // The library panics on some damaged files (tokenizers 0.22, in its decoders).
    likra_files::guarded(|| opened(dir))
        .unwrap_or_else(|message| Err(Error::Tokenizer(dir.join(TOKENIZER), message)))
}

fn opened(dir: &Path) -> Result<(Tokenizer, Slots, Option<String>)> {
    let path = dir.join(TOKENIZER);
    let refused = |error: tokenizers::Error| Error::Tokenizer(path.clone(), error.to_string());
    let mut inner = Tokenizer::from_bytes(likra_files::read(&path)?).map_err(refused)?;
    let mut config = Settings::read(dir.join(CONFIG))?;
    let mut class = class(dir, &config)?;
    refuse_other_ways(&config)?;
    let own = inner.get_added_tokens_decoder().into_iter().collect();
    if class == Class::Llama && config.get("add_prefix_space").is_some() {
        class = Class::ConvertedLlama;
        inner = sentence_piece::convert(dir, &config)?;
    }
    let listed = match config.keys.get(LISTED) {
        Some(tokens) => listed_tokens(&config, tokens)?,
        None => old_tokens(dir, own, &mut config)?,
    };
    if let (Some(padding), None) = (inner.get_padding(), class.default_token("pad_token")) {
        let pad = config.keys.entry("pad_token");
        pad.or_insert_with(|| padding.pad_token.clone().into());
    }
    let specials = special_tokens(&config, class, &listed)?;
    refuse_unordered(&config, &inner)?;
    add_tokens(&mut inner, listed, &specials);
    set_prefix_space(&mut inner, &config, class);
    let split = config.keys.get("split_special_tokens");
    inner.set_encode_special_tokens(split == Some(&Value::Bool(true)));
    if class.rebuilds_template() {
        set_template(&mut inner, &config, &specials)?;
    }
    let whole = inner.with_truncation(None).map_err(refused)?;
    whole.with_padding(None);
    let gap = match config.keys.get("fill_token") {
        _ if class != Class::CodeLlama => None,
        None => Some("<FILL_ME>".into()),
        Some(token) => token.as_str().map(String::from),
    };
    Ok((inner, specials, gap))
}

/// The class that `tokenizer_config.json` names, or `config.json`, or that belongs to its `model_type`.
fn class(dir: &Path, config: &Settings) -> Result<Class> {
    const NAME: &str = "tokenizer_class";
    let named = |settings: &Settings| {
        let class = Class::named(settings.get(NAME)?);
        Some(class.ok_or_else(|| settings.refuse(NAME, Class::NAMES)))
    };
    if let Some(class) = named(config) {
        return class;
    }
    if !dir.join(MODEL).exists() {
        let expected = "one, or a config.json that says which model it is";
        return Err(config.refuse(NAME, expected));
    }
    let model = Settings::read(dir.join(MODEL))?;
    named(&model).unwrap_or_else(|| {
        let expected =
            "a model type whose tokenizer is known, or tokenizer_class in tokenizer_config.json";
        let class = model.get("model_type").and_then(Class::of_model);
        class.ok_or_else(|| model.refuse("model_type", expected))
    })
}

/// Refuses keys that make transformers build a tokenizer from anything else than `tokenizer.json`, or
/// build none.
fn refuse_other_ways(config: &Settings) -> Result<()> {
    const OTHER: &str = "no such key: only tokenizer.json in this folder is read";
    const FLAG: &str = "true or false";
    for (key, value) in &config.keys {
        let (unset, flag) = (value.is_null(), value.is_boolean());
        let (accepted, expected) = match key.as_str() {
            "tokenizer_file" | "fast_tokenizer_files" | "init_inputs" | "add_special_tokens" => {
                (false, OTHER)
            }
            "tokenizer_object" | "gguf_file" | "from_slow" => (unset || value == false, OTHER),
            "add_bos_token" | "add_eos_token" | "add_prefix_space" | "legacy" => {
                (unset || flag, FLAG)
            }
            "split_special_tokens" => (flag, FLAG),
            _ => continue,
        };
        if !accepted {
            return Err(config.refuse(key, expected));
        }
    }
    Ok(())
}

/// Refuses several new tokens under names of a model's own: their ids follow their order in the file,
/// which is lost when it is read.
fn refuse_unordered(config: &Settings, inner: &Tokenizer) -> Result<()> {
    let Some(Value::Object(extra)) = config.keys.get(EXTRA) else {
        return Ok(());
    };
    let is_known = |text: &str| inner.token_to_id(text).is_some();
    let new = |token: &&Value| !token.as_str().is_some_and(is_known);
    match extra.values().filter(new).count() {
        0 | 1 => Ok(()),
        _ => Err(config.refuse(EXTRA, "tokens that tokenizer.json has, or at most one more")),
    }
}

/// The tokens that `tokenizer_config.json` lists by id.
fn listed_tokens(config: &Settings, tokens: &Value) -> Result<Listed> {
    let refused = || config.refuse(LISTED, "an object of tokens by their ids");
    let mut listed = Listed::default();
    for (id, token) in tokens.as_object().ok_or_else(refused)? {
        let id = id.parse().map_err(|_| refused())?;
        let is_unsaid = token.get("normalized").is_none();
        let token = added_token(config, LISTED, token)?;
        let text = &token.content;
        if is_unsaid {
            listed.unsaid.insert(text.clone());
        }
        listed.by_id.insert(id, token.clone());
        if listed.by_text.insert(text.clone(), token).is_some() {
            return Err(config.refuse(LISTED, "each token once"));
        }
    }
    Ok(listed)
}

/// The tokens of a folder whose `tokenizer_config.json` lists none, as before transformers 4.34: those of
/// `added_tokens.json`, and the `own` ones of `tokenizer.json`.
fn old_tokens(dir: &Path, own: Vec<(u32, AddedToken)>, config: &mut Settings) -> Result<Listed> {
    // Of the configuration transformers knows only texts here: a token with its settings is still an object.
    let mut given = config.clone();
    given.keys.retain(|_, value| !value.is_object());
    for tokens in given.keys.values_mut().filter_map(Value::as_array_mut) {
        tokens.retain(|token| !token.is_object());
    }
    merge_special_map(dir, &mut given)?;
    let last = merge_special_map(dir, config)?;
    let mut listed = Listed::default();
    let specials = special_tokens(&given, Class::Plain, &listed)?;
    let specials = specials.iter().flat_map(|(_, tokens)| tokens);
    let specials: HashSet<&String> = specials.map(|(token, _)| &token.content).collect();
    let is_own = |text: &String| own.iter().any(|(_, token)| token.content == *text);
    let last = last.filter(|last| specials.contains(last) && !is_own(last));
    let added = Settings::read(dir.join(ADDED))?;
    for (content, id) in &added.keys {
        let id = u32::deserialize(id).map_err(|_| added.refuse(content, "the token's id"))?;
        // There, transformers puts this token in place of the last additional special token.
        if last.as_ref().is_some_and(|last| last != content) {
            let expected = "no such file: add the tokens to added_tokens_decoder in \
                tokenizer_config.json; transformers mixes them up with additional_special_tokens";
            return Err(added.refuse(content, expected));
        }
        let token = AddedToken::from(content, specials.contains(content));
        listed.by_id.insert(id, token);
    }
    for (id, token) in own {
        listed.by_text.insert(token.content.clone(), token.clone());
        listed.by_id.insert(id, token);
    }
    Ok(listed)
}

/// Puts what `special_tokens_map.json` has into the configuration, in place of what is there; returns
/// the last of its additional tokens.
fn merge_special_map(dir: &Path, config: &mut Settings) -> Result<Option<String>> {
    let mut last = None;
    let map = Settings::read(dir.join(SPECIAL))?;
    for (key, value) in &map.keys {
        let named = key.ends_with("_token") || key == ADDITIONAL || key == EXTRA;
        if !named || key.starts_with("add_") || value.is_boolean() || value.is_number() {
            return Err(map.refuse(key, "a special token's name with its text or settings"));
        }
        let mut value = value.clone();
        let tokens = match &mut value {
            Value::Array(tokens) => tokens.as_mut_slice(),
            one => std::slice::from_mut(one),
        };
        for token in tokens.iter_mut().filter_map(Value::as_object_mut) {
            token.insert("__type".into(), "AddedToken".into());
            token.insert("special".into(), true.into());
        }
        if let (true, Value::Array(more)) = (key == ADDITIONAL, &mut value) {
            let token = more.last().map(|last| last.get("content").unwrap_or(last));
            last = token.and_then(Value::as_str).map(String::from);
            if let Some(Value::Array(tokens)) = config.keys.get_mut(key) {
                let text = |token: &Value| token.get("content").unwrap_or(token).clone();
                let known: Vec<Value> = tokens.iter().map(text).collect();
                more.retain(|token| !known.contains(&text(token)));
                tokens.append(more);
                continue;
            }
        }
        config.keys.insert(key.clone(), value);
    }
    Ok(last)
}

/// Adds what `tokenizer.json` lacks, and changes what it has with other settings.
fn add_tokens(inner: &mut Tokenizer, listed: Listed, specials: &Slots) {
    let unsaid = listed.unsaid;
    let listed: Vec<AddedToken> = listed.by_id.into_values().collect();
    let own = inner.get_added_tokens_decoder();
    let known = own.values().chain(&listed).map(|token| &token.content);
    let known: HashSet<&String> = known.collect();
    let (mut seen, mut missing) = (HashSet::new(), Vec::new());
    for (_, tokens) in specials {
        let new = tokens
            .iter()
            .filter(|(token, _)| !seen.contains(&token.content));
        let new = new.filter(|(token, has_settings)| match has_settings {
            true => !listed.contains(token),
            false => !known.contains(&token.content),
        });
        missing.extend(new.map(|(token, _)| token.clone()));
        seen.extend(tokens.iter().map(|(token, _)| &token.content));
    }
    let marked = listed.iter().cloned().chain(missing).map(|token| {
        let special = token.special || seen.contains(&token.content);
        let normalized = token.normalized && !(special && unsaid.contains(&token.content));
        token.normalized(normalized).special(special)
    });
    inner.add_tokens(&marked.collect::<Vec<_>>());
}

/// `add_prefix_space` of the configuration decides for a pre-tokenizer that has this setting.
fn set_prefix_space(inner: &mut Tokenizer, config: &Settings, class: Class) {
    let wanted = match config.keys.get("add_prefix_space") {
        None => Some(false).filter(|_| class != Class::Llama),
        Some(value) => value.as_bool(),
    };
    let found = inner.get_pre_tokenizer();
    if let (Some(wanted), Some(PreTokenizerWrapper::ByteLevel(bytes))) = (wanted, found) {
        let bytes = bytes.add_prefix_space(wanted);
        inner.with_pre_tokenizer(Some(bytes));
    }
}

/// `LlamaTokenizerFast.update_post_processor`, whatever the file's post-processor was.
fn set_template(inner: &mut Tokenizer, config: &Settings, specials: &Slots) -> Result<()> {
    let mut template = "$A:0".to_owned();
    let mut tokens = Vec::new();
    for (key, default, token) in [("add_bos_token", true, BOS), ("add_eos_token", false, EOS)] {
        if !config.keys.get(key).map_or(default, |value| value == true) {
            continue;
        }
        let token = named(specials, token)
            .and_then(|token| Some((token.to_owned(), inner.token_to_id(token)?)));
        let expected = "false, as the tokenizer has no such token";
        let (token, id) = token.ok_or_else(|| config.refuse(key, expected))?;
        template = match key {
            "add_bos_token" => format!("{token}:0 {template}"),
            _ => format!("{template} {token}:0"),
        };
        tokens.push((token, id));
    }
    let refused = |message: String| Error::Tokenizer(config.path.clone(), message);
    let mut builder = TemplateProcessing::builder();
    builder.try_single(template).map_err(refused)?;
    let processor = builder.special_tokens(tokens).build();
    inner.with_post_processor(Some(processor.map_err(|error| refused(error.to_string()))?));
    Ok(())
}
