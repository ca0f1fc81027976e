//! A checkpoint's chat template, as transformers 4.57.1 finds it.

use std::path::{Path, PathBuf};

use likra_data::ChatTemplate;
use serde_json::Value;

use crate::auto::{CONFIG, open};
use crate::settings::Settings;
use crate::special::{ADDITIONAL, SpecialToken};
use crate::{Error, Result, Tokenizer};

const FILE: &str = "chat_template.jinja";
const FOLDER: &str = "additional_chat_templates";
const KEY: &str = "chat_template";
const DEFAULT: &str = "default";

impl Tokenizer {
    /// The chat template of the tokenizer in `dir`: of a file of its own, or if there is none of
    /// `tokenizer_config.json`. Of several, the one called `default`.
    ///
    /// # Errors
    ///
    /// If there is none, or the tokenizer cannot be opened.
    pub fn chat_template(dir: &Path) -> Result<ChatTemplate> {
        let (_, specials, _) = open(dir)?;
        let token = |(key, tokens): (String, Vec<SpecialToken>)| {
            let texts = tokens.into_iter().map(|token| Value::from(token.0.content));
            let texts: Vec<Value> = texts.collect();
            let value = match texts.first()? {
                _ if key == ADDITIONAL => texts.into(),
                one => one.clone(),
            };
            Some((key, value))
        };
        let (path, source) = source(dir)?;
        Ok(ChatTemplate {
            path,
            source,
            tokens: specials.into_iter().filter_map(token).collect(),
        })
    }
}

/// The template, and the file that has it.
fn source(dir: &Path) -> Result<(PathBuf, String)> {
    let none = |found: &str| Error::ChatTemplate(dir.into(), found.into());
    let named = "templates, but none that is called `default`";
    for file in [dir.join(FOLDER).join("default.jinja"), dir.join(FILE)] {
        if file.exists() {
            let bytes = likra_files::read(&file)?;
            let text = likra_files::decode_text(&file, &bytes)?;
            // Python keeps it.
            let mark = if bytes.starts_with("\u{feff}".as_bytes()) {
                "\u{feff}"
            } else {
                ""
            };
            return Ok((file.clone(), format!("{mark}{text}")));
        }
    }
    if dir.join(FOLDER).exists() {
        let files = fs_err::read_dir(dir.join(FOLDER))?;
        let mut paths = files.filter_map(|file| Some(file.ok()?.path()));
        if paths.any(|path| path.extension().is_some_and(|ending| ending == "jinja")) {
            return Err(none(named));
        }
    }
    let config = Settings::read(dir.join(CONFIG))?;
    let found = match config.get(KEY) {
        None => return Err(none("none")),
        Some(Value::Object(templates)) => templates.get(DEFAULT),
        Some(Value::Array(list)) => {
            let found = list.iter().rfind(|entry| entry["name"] == DEFAULT);
            found.map(|entry| &entry["template"])
        }
        one => one,
    };
    match found {
        None => Err(none(named)),
        Some(Value::String(source)) => Ok((config.path.clone(), source.clone())),
        Some(_) => Err(config.refuse(KEY, "a template, or templates by their names")),
    }
}
