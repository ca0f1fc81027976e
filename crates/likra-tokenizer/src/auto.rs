//! A tokenizer's folder, opened as `AutoTokenizer.from_pretrained` opens it (transformers 4.57.1).
//!
//! `tokenizer.json` is only half of a tokenizer: the class that `tokenizer_config.json` names replaces
//! parts of it, and three files may add tokens to it. The steps here are those of
//! `PreTrainedTokenizerBase._from_pretrained` and `PreTrainedTokenizerFast.__init__`, in their order.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, PreTokenizerWrapper, Tokenizer};

use crate::class::Class;
use crate::sentence_piece;
use crate::special::{ADDITIONAL, EXTRA, Listed, Slot, SpecialToken, added_token, special_tokens};
use crate::{Error, Result};

const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
const SPECIAL: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens.json";
const MODEL: &str = "config.json";
const SENTENCE_PIECE: &str = "tokenizer.model";

/// The files of those in `dir` that make a tokenizer which are there; `config.json` is the model's.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let files = [TOKENIZER, CONFIG, SPECIAL, ADDED, SENTENCE_PIECE].map(|file| dir.join(file));
    files.into_iter().filter(|path| path.exists()).collect()
}

/// A tokenizer as its class leaves it.
pub(crate) struct Opened {
    pub(crate) inner: Tokenizer,
    pub(crate) bos: Option<String>,
    pub(crate) eos: Option<String>,
    /// What stands for the gap in a text that is to be filled in: `CodeLlamaTokenizer` alone has it.
    pub(crate) gap: Option<String>,
}

/// Opens the tokenizer in `dir`.
pub(crate) fn open(dir: &Path) -> Result<Opened> {
    // The library panics on some damaged files (tokenizers 0.22, in its decoders).
    likra_files::guarded(|| open_files(dir)).unwrap_or_else(|message| {
        Err(Error::Tokenizer {
            path: dir.join(TOKENIZER),
            message,
        })
    })
}

fn open_files(dir: &Path) -> Result<Opened> {
    let file = parse(
        &dir.join(TOKENIZER),
        likra_files::read(&dir.join(TOKENIZER))?,
    )?;
    let mut config = object(&dir.join(CONFIG))?.unwrap_or_default();
    let mut class = class(dir, &config)?;
    refuse_other_ways(&dir.join(CONFIG), &config)?;
    let own: Vec<(u32, AddedToken)> = file.get_added_tokens_decoder().into_iter().collect();
    let spaced = config
        .get("add_prefix_space")
        .filter(|value| !value.is_null());
    let mut inner = match spaced.filter(|_| class == Class::Llama) {
        None => file,
        Some(found) => {
            class = Class::ConvertedLlama;
            converted(dir, &config, found)?
        }
    };

    let listed = match config.get("added_tokens_decoder") {
        Some(tokens) => own_tokens(&dir.join(CONFIG), tokens)?,
        None => legacy_tokens(dir, own, &mut config)?,
    };
    if let (Some(padding), None) = (inner.get_padding(), class.default_token("pad_token")) {
        let pad = config.entry("pad_token");
        pad.or_insert_with(|| padding.pad_token.clone().into());
    }
    let specials = special_tokens(&dir.join(CONFIG), &config, class, &listed)?;
    refuse_unordered(&dir.join(CONFIG), &config, &inner)?;
    add_tokens(&mut inner, listed, &specials);
    set_prefix_space(&mut inner, &config, class);
    if config.get("split_special_tokens") == Some(&Value::Bool(true)) {
        inner.set_encode_special_tokens(true);
    }
    let named = |key| {
        let slot = specials.iter().find(|(name, _)| name == key);
        slot.and_then(|(_, tokens)| Some(tokens.first()?.text().to_owned()))
    };
    let (bos, eos) = (named("bos_token"), named("eos_token"));
    if class.rebuilds_template() {
        let ends = (bos.as_deref(), eos.as_deref());
        set_template(&mut inner, &dir.join(CONFIG), &config, ends)?;
    }
    let cut = inner.with_truncation(None);
    cut.map_err(|error| refused(&dir.join(TOKENIZER), &error))?
        .with_padding(None);
    let gap = match (class, config.get("fill_token")) {
        (Class::CodeLlama, None) => Some("<FILL_ME>".into()),
        (Class::CodeLlama, Some(token)) => token.as_str().map(String::from),
        _ => None,
    };
    Ok(Opened {
        inner,
        bos,
        eos,
        gap,
    })
}

fn parse(path: &Path, json: impl AsRef<[u8]>) -> Result<Tokenizer> {
    Tokenizer::from_bytes(json).map_err(|error| refused(path, &error))
}

fn refused(path: &Path, error: &tokenizers::Error) -> Error {
    Error::Tokenizer {
        path: path.into(),
        message: error.to_string(),
    }
}

/// The tokenizer that Llama's class makes of `tokenizer.model` if `add_prefix_space` was `found`.
fn converted(dir: &Path, config: &Map<String, Value>, found: &Value) -> Result<Tokenizer> {
    let path = dir.join(SENTENCE_PIECE);
    if !path.exists() {
        let expected = "no such key, or a tokenizer.model in the folder: with it, transformers makes \
            Llama's tokenizer of that file";
        return Err(Error::setting(
            &dir.join(CONFIG),
            "add_prefix_space",
            found,
            expected,
        ));
    }
    if let Some(file) = config.get("vocab_file").filter(|file| !file.is_null()) {
        let expected = "no such key: tokenizer.model in the folder is read";
        return Err(Error::setting(
            &dir.join(CONFIG),
            "vocab_file",
            file,
            expected,
        ));
    }
    parse(&path, sentence_piece::convert(&path, config)?)
}

/// The object in a JSON file, if the file is there.
fn object(path: &Path) -> Result<Option<Map<String, Value>>> {
    if !path.exists() {
        return Ok(None);
    }
    let parsed = likra_files::parse_json(&likra_files::read(path)?);
    parsed.map(Some).map_err(|source| Error::Config {
        path: path.into(),
        source,
    })
}

/// The class that `tokenizer_config.json` names, or `config.json`, or that belongs to its `model_type`.
fn class(dir: &Path, config: &Map<String, Value>) -> Result<Class> {
    const NAME: &str = "tokenizer_class";
    let (path, model) = (dir.join(CONFIG), dir.join(MODEL));
    if let Some(name) = config.get(NAME).filter(|name| !name.is_null()) {
        return Class::named(name).ok_or_else(|| Error::setting(&path, NAME, name, Class::NAMES));
    }
    let Some(config) = object(&model)? else {
        let expected = "one, or a config.json that says which model it is";
        return Err(Error::setting(&path, NAME, &Value::Null, expected));
    };
    if let Some(name) = config.get(NAME).filter(|name| !name.is_null()) {
        return Class::named(name).ok_or_else(|| Error::setting(&model, NAME, name, Class::NAMES));
    }
    let kind = config.get("model_type").unwrap_or(&Value::Null);
    let expected =
        "a model type whose tokenizer is known, or tokenizer_class in tokenizer_config.json";
    Class::of_model(kind).ok_or_else(|| Error::setting(&model, "model_type", kind, expected))
}

/// Refuses keys that make transformers build a tokenizer from anything else than `tokenizer.json`, or
/// build none.
fn refuse_other_ways(path: &Path, config: &Map<String, Value>) -> Result<()> {
    let refused = |key, expected| {
        let found = config.get(key).unwrap_or(&Value::Null);
        Err(Error::setting(path, key, found, expected))
    };
    let expected = "no such key: only tokenizer.json in this folder is read";
    for key in [
        "tokenizer_file",
        "fast_tokenizer_files",
        "init_inputs",
        "add_special_tokens",
    ] {
        if config.contains_key(key) {
            return refused(key, expected);
        }
    }
    for key in ["tokenizer_object", "gguf_file", "from_slow"] {
        if config
            .get(key)
            .is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
        {
            return refused(key, expected);
        }
    }
    let set = |key| config.get(key).filter(|value| !value.is_null());
    for key in [
        "add_prefix_space",
        "add_bos_token",
        "add_eos_token",
        "legacy",
    ] {
        if set(key).is_some_and(|value| !value.is_boolean()) {
            return refused(key, "true or false");
        }
    }
    if config
        .get("split_special_tokens")
        .is_some_and(|value| !value.is_boolean())
    {
        return refused("split_special_tokens", "true or false");
    }
    Ok(())
}

/// Refuses several new tokens under names of a model's own: their ids follow their order in the file,
/// which is lost when it is read.
fn refuse_unordered(path: &Path, config: &Map<String, Value>, inner: &Tokenizer) -> Result<()> {
    let Some(Value::Object(extra)) = config.get(EXTRA) else {
        return Ok(());
    };
    let new = |token: &&Value| {
        token
            .as_str()
            .is_none_or(|text| inner.token_to_id(text).is_none())
    };
    match extra.values().filter(new).count() {
        0 | 1 => Ok(()),
        _ => {
            let expected = "tokens that tokenizer.json has, or at most one more";
            Err(Error::setting(path, EXTRA, &config[EXTRA], expected))
        }
    }
}

/// The tokens that `tokenizer_config.json` lists by id.
fn own_tokens(path: &Path, tokens: &Value) -> Result<Listed> {
    const KEY: &str = "added_tokens_decoder";
    let refused = || Error::setting(path, KEY, tokens, "an object of tokens by their ids");
    let mut listed = Listed::default();
    for (id, token) in tokens.as_object().ok_or_else(refused)? {
        let id = id.parse().map_err(|_| refused())?;
        let unsaid = token.get("normalized").is_none_or(Value::is_null);
        let token = added_token(path, KEY, token)?;
        if unsaid {
            listed.unsaid.insert(token.content.clone());
        }
        listed.by_id.insert(id, token.clone());
        if listed
            .by_text
            .insert(token.content.clone(), token)
            .is_some()
        {
            return Err(Error::setting(path, KEY, tokens, "each token once"));
        }
    }
    Ok(listed)
}

/// The tokens of a folder whose `tokenizer_config.json` lists none, as before transformers 4.34: those of
/// `added_tokens.json`, and those of `tokenizer.json`.
fn legacy_tokens(
    dir: &Path,
    own: Vec<(u32, AddedToken)>,
    config: &mut Map<String, Value>,
) -> Result<Listed> {
    // Of the configuration transformers knows only texts here: a token with its settings is still an object.
    let mut given = config.clone();
    given.remove(EXTRA);
    given.retain(|_, value| !value.is_object());
    for tokens in given.values_mut().filter_map(Value::as_array_mut) {
        tokens.retain(|token| !token.is_object());
    }
    merge_special_map(dir, &mut given)?;
    let last = merge_special_map(dir, config)?;
    let mut listed = Listed::default();
    let specials = special_tokens(&dir.join(CONFIG), &given, Class::Plain, &listed)?;
    let specials = specials.iter().flat_map(|(_, tokens)| tokens);
    let specials: HashSet<&str> = specials.map(SpecialToken::text).collect();
    let path = dir.join(ADDED);
    for (content, id) in object(&path)?.unwrap_or_default() {
        let parsed = id.as_u64().and_then(|id| u32::try_from(id).ok());
        let number =
            parsed.ok_or_else(|| Error::setting(&path, &content, &id, "the token's id"))?;
        // There, transformers puts this token in place of the last additional special token.
        if let Some(last) = last.as_deref().filter(|&last| last != content)
            && specials.contains(last)
            && !own.iter().any(|(_, token)| token.content == last)
        {
            let expected = "no such file: add the tokens to added_tokens_decoder in \
                tokenizer_config.json; transformers mixes them up with additional_special_tokens";
            return Err(Error::setting(&path, &content, &id, expected));
        }
        let special = specials.contains(content.as_str());
        listed
            .by_id
            .insert(number, AddedToken::from(content, special));
    }
    for (id, token) in own {
        listed.by_text.insert(token.content.clone(), token.clone());
        listed.by_id.insert(id, token);
    }
    Ok(listed)
}

/// Puts what `special_tokens_map.json` has into the configuration, in place of what is there; returns
/// the last of its additional tokens.
fn merge_special_map(dir: &Path, config: &mut Map<String, Value>) -> Result<Option<String>> {
    let mut last = None;
    let path = dir.join(SPECIAL);
    for (key, mut value) in object(&path)?.unwrap_or_default() {
        let named = key.ends_with("_token") || key == ADDITIONAL || key == EXTRA;
        if !named || key.starts_with("add_") || value.is_boolean() || value.is_number() {
            let expected = "a special token's name with its text or settings";
            return Err(Error::setting(&path, &key, &value, expected));
        }
        let tokens = match &mut value {
            Value::Array(tokens) => tokens.iter_mut().collect(),
            one => vec![one],
        };
        for token in tokens.into_iter().filter_map(Value::as_object_mut) {
            token.insert("__type".into(), "AddedToken".into());
            token.insert("special".into(), true.into());
        }
        if let (true, Value::Array(more)) = (key == ADDITIONAL, &value) {
            let token = more.last().map(|last| last.get("content").unwrap_or(last));
            last = token.and_then(Value::as_str).map(String::from);
            if let Some(Value::Array(tokens)) = config.get_mut(&key) {
                tokens.extend(more.iter().cloned());
                continue;
            }
        }
        config.insert(key, value);
    }
    Ok(last)
}

/// Adds what `tokenizer.json` lacks, and changes what it has with other settings.
fn add_tokens(inner: &mut Tokenizer, listed: Listed, specials: &[Slot]) {
    let unsaid = listed.unsaid;
    let listed: Vec<AddedToken> = listed.by_id.into_values().collect();
    let own = inner.get_added_tokens_decoder();
    let known = own.values().chain(&listed).map(|token| &token.content);
    let known: HashSet<&String> = known.collect();
    let (mut seen, mut missing) = (HashSet::new(), Vec::new());
    for (_, tokens) in specials {
        let new = tokens.iter().filter(|token| !seen.contains(token.text()));
        missing.extend(new.filter_map(|token| match token {
            SpecialToken::Text(text) if known.contains(text) => None,
            SpecialToken::Text(text) => Some(AddedToken::from(text, true)),
            SpecialToken::Token(token) if listed.contains(token) => None,
            SpecialToken::Token(token) => Some(token.clone()),
        }));
        seen.extend(tokens.iter().map(SpecialToken::text));
    }
    let marked = listed.iter().cloned().chain(missing).map(|token| {
        let special = token.special || seen.contains(token.content.as_str());
        match special && unsaid.contains(&token.content) {
            true => token.normalized(false).special(true),
            false => token.special(special),
        }
    });
    inner.add_tokens(&marked.collect::<Vec<_>>());
}

/// `add_prefix_space` of the configuration decides for a pre-tokenizer that has this setting.
fn set_prefix_space(inner: &mut Tokenizer, config: &Map<String, Value>, class: Class) {
    let wanted = match config.get("add_prefix_space") {
        None if matches!(class, Class::Llama | Class::ConvertedLlama) => None,
        None => Some(false),
        Some(value) => value.as_bool(),
    };
    if let (Some(wanted), Some(PreTokenizerWrapper::ByteLevel(bytes))) =
        (wanted, inner.get_pre_tokenizer())
    {
        let bytes = bytes.add_prefix_space(wanted);
        inner.with_pre_tokenizer(Some(bytes));
    }
}

/// `LlamaTokenizerFast.update_post_processor`, whatever the file's post-processor was.
fn set_template(
    inner: &mut Tokenizer,
    path: &Path,
    config: &Map<String, Value>,
    (bos, eos): (Option<&str>, Option<&str>),
) -> Result<()> {
    let mut template = "$A:0".to_owned();
    let mut tokens = Vec::new();
    for (key, default, token) in [("add_bos_token", true, bos), ("add_eos_token", false, eos)] {
        let found = config.get(key).unwrap_or(&Value::Null);
        if !config
            .get(key)
            .map_or(default, |value| value == &Value::Bool(true))
        {
            continue;
        }
        let refused = |expected| Error::setting(path, key, found, expected);
        let token = token.ok_or_else(|| refused("false, as the tokenizer has no such token"))?;
        template = match key {
            "add_bos_token" => format!("{token}:0 {template}"),
            _ => format!("{template} {token}:0"),
        };
        let id = inner.token_to_id(token);
        tokens.push((
            token.to_owned(),
            id.ok_or_else(|| refused("false, as the tokenizer has no such token"))?,
        ));
    }
    let refused = |message: String| Error::Tokenizer {
        path: path.into(),
        message,
    };
    let mut builder = TemplateProcessing::builder();
    builder.try_single(template).map_err(refused)?;
    let processor = builder.special_tokens(tokens).build();
    inner.with_post_processor(Some(processor.map_err(|error| refused(error.to_string()))?));
    Ok(())
}
