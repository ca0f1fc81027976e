//! From text to the token ids of a checkpoint's own tokenizer.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{Bos, Error, Result};

/// A checkpoint's tokenizer, with a rule for the beginning of a sequence.
///
/// A text that already begins with the text of that token gets no second one.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    bos: Bos,
    /// What stands before a text that has no context: the BOS token or, for want of one, EOS.
    prefix: Option<SpecialToken>,
}

#[derive(Debug, Clone)]
struct SpecialToken {
    text: String,
    id: u32,
}

impl Tokenizer {
    /// Opens `tokenizer.json` in a checkpoint's folder, and `tokenizer_config.json` if it is there.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or for what [`Tokenizer::parse`] refuses.
    pub fn open(dir: &Path, bos: Bos) -> Result<Self> {
        let tokenizer = fs_err::read(dir.join(TOKENIZER))?;
        let config = dir.join(CONFIG);
        let config = match config.exists() {
            true => Some(fs_err::read(config)?),
            false => None,
        };
        Self::parse(&tokenizer, config.as_deref(), dir, bos)
    }

    /// The files of those that [`Tokenizer::open`] reads from `dir` which are there.
    #[must_use]
    pub fn files(dir: &Path) -> Vec<PathBuf> {
        let files = [TOKENIZER, CONFIG].map(|file| dir.join(file));
        files.into_iter().filter(|path| path.exists()).collect()
    }

    /// Reads the two files from memory; `dir` is the folder that errors name.
    ///
    /// Truncation and padding, which a `tokenizer.json` may ask for, are switched off, as
    /// transformers does.
    ///
    /// # Errors
    ///
    /// If a file is malformed, the special token it names is not in the vocabulary, or BOS is to be
    /// added always and there is none.
    pub fn parse(tokenizer: &[u8], config: Option<&[u8]>, dir: &Path, bos: Bos) -> Result<Self> {
        let path = dir.join(TOKENIZER);
        let refused = |error: tokenizers::Error| Error::Tokenizer {
            path: path.clone(),
            message: error.to_string(),
        };
        let mut inner = tokenizers::Tokenizer::from_bytes(tokenizer).map_err(refused)?;
        inner
            .with_truncation(None)
            .map_err(refused)?
            .with_padding(None);
        let config =
            config.map_or_else(|| Ok(Config::default()), |json| Config::parse(json, dir))?;
        if bos == Bos::Always && config.bos_token.is_none() {
            return Err(Error::NoSpecialToken {
                purpose: "bos = always",
                needed: "bos_token",
            });
        }
        let bos = config.resolve(bos);
        let prefix = config.prefix(&inner, dir)?;
        Ok(Self { inner, bos, prefix })
    }

    /// The token ids of `text`, with a BOS token according to the rule.
    ///
    /// # Errors
    ///
    /// If the tokenizer has no token for a part of the text and none for the unknown.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let marked = self
            .prefix
            .as_ref()
            .is_some_and(|token| text.starts_with(&token.text));
        let mut ids = self.encode_with(text, self.bos != Bos::Never && !marked)?;
        if let (Bos::Always, Some(bos)) = (self.bos, &self.prefix)
            && ids.first() != Some(&bos.id)
        {
            ids.insert(0, bos.id);
        }
        Ok(ids)
    }

    /// The token ids of `text` without any that the post-processor adds.
    pub(crate) fn encode_bare(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_with(text, false)
    }

    /// The token that stands in for an empty context.
    pub(crate) fn prefix_token(&self) -> Result<u32> {
        let needed = "bos_token or eos_token";
        let error = Error::NoSpecialToken {
            purpose: "an empty context",
            needed,
        };
        self.prefix.as_ref().map(|token| token.id).ok_or(error)
    }

    fn encode_with(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>> {
        match self.inner.encode_fast(text, add_special_tokens) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(error) => Err(Error::Encode {
                message: error.to_string(),
            }),
        }
    }
}

const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";

/// What is read from `tokenizer_config.json`.
#[derive(Default, Deserialize)]
struct Config {
    bos_token: Option<TokenName>,
    eos_token: Option<TokenName>,
    tokenizer_class: Option<String>,
    add_bos_token: Option<bool>,
}

/// transformers writes a token as its text, or as an object if it carries settings.
#[derive(Deserialize)]
#[serde(untagged)]
enum TokenName {
    Text(String),
    Object { content: String },
}

impl Config {
    fn parse(json: &[u8], dir: &Path) -> Result<Self> {
        serde_json::from_slice(json).map_err(|source| Error::Config {
            path: dir.join(CONFIG),
            source,
        })
    }

    /// `Auto` decided where the class decides it (`LlamaTokenizerFast.update_post_processor`).
    fn resolve(&self, bos: Bos) -> Bos {
        let class = self.tokenizer_class.as_deref();
        let replaces = matches!(class, Some("LlamaTokenizer" | "LlamaTokenizerFast"));
        match bos {
            Bos::Auto if replaces && self.bos_token.is_some() => {
                if self.add_bos_token.unwrap_or(true) {
                    Bos::Always
                } else {
                    Bos::Never
                }
            }
            other => other,
        }
    }

    fn prefix(self, tokenizer: &tokenizers::Tokenizer, dir: &Path) -> Result<Option<SpecialToken>> {
        let (key, name) = match (self.bos_token, self.eos_token) {
            (Some(bos), _) => ("bos_token", bos),
            (None, Some(eos)) => ("eos_token", eos),
            (None, None) => return Ok(None),
        };
        let (TokenName::Text(text) | TokenName::Object { content: text }) = name;
        match tokenizer.token_to_id(&text) {
            Some(id) => Ok(Some(SpecialToken { text, id })),
            None => Err(Error::UnknownToken {
                path: dir.join(CONFIG),
                key,
                token: text,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTE_LEVEL: &[u8] = include_bytes!("../../../fixtures/data/byte-level/tokenizer.json");
    const METASPACE: &[u8] = include_bytes!("../../../fixtures/data/metaspace/tokenizer.json");
    const TEXT: &str = "Which of the following warms the hands?";

    fn parse(tokenizer: &[u8], config: &str, bos: Bos) -> Result<Tokenizer> {
        Tokenizer::parse(tokenizer, Some(config.as_bytes()), Path::new("model"), bos)
    }

    #[test]
    fn bos_follows_the_rule_and_never_stands_twice() {
        // The first file's post-processor adds nothing, the second's adds `<s>`.
        for (tokenizer, bos, adds) in [
            (BYTE_LEVEL, "<|im_start|>", false),
            (METASPACE, "<s>", true),
        ] {
            let config = format!("{{\"bos_token\": {{\"content\": \"{bos}\"}}}}");
            let [auto, always, never] = [Bos::Auto, Bos::Always, Bos::Never]
                .map(|rule| parse(tokenizer, &config, rule).unwrap());
            let bare = never.encode(TEXT).unwrap();
            let marked = [&[always.prefix_token().unwrap()], bare.as_slice()].concat();
            assert_eq!(always.encode(TEXT).unwrap(), marked);
            assert_eq!(
                auto.encode(TEXT).unwrap(),
                if adds { &marked } else { &bare }.as_slice()
            );

            let text = format!("{bos}{TEXT}");
            let once = never.encode(&text).unwrap();
            assert_eq!(auto.encode(&text).unwrap(), once);
            assert_eq!(always.encode(&text).unwrap(), once);
        }
    }

    #[test]
    fn the_llama_class_asks_its_config_and_not_the_post_processor() {
        for (class, add, adds) in [
            ("LlamaTokenizer", "null", true),
            ("LlamaTokenizerFast", "true", true),
            ("LlamaTokenizerFast", "false", false),
            ("GPT2Tokenizer", "true", false),
        ] {
            let config = format!(
                "{{\"bos_token\": \"<|im_start|>\", \"tokenizer_class\": \"{class}\", \"add_bos_token\": {add}}}"
            );
            let tokenizer = parse(BYTE_LEVEL, &config, Bos::Auto).unwrap();
            let first = tokenizer.encode(TEXT).unwrap()[0];
            assert_eq!(first == tokenizer.prefix_token().unwrap(), adds, "{config}");
        }
    }

    #[test]
    fn truncation_and_padding_in_the_file_are_ignored() {
        let text = std::str::from_utf8(BYTE_LEVEL).unwrap();
        assert!(text.contains("\"max_length\":8") && text.contains("\"Fixed\":8"));
        let tokenizer = parse(BYTE_LEVEL, "{}", Bos::Auto).unwrap();
        assert!(tokenizer.encode(TEXT).unwrap().len() > 8);
        assert!(tokenizer.encode("a").unwrap().len() < 8);
    }

    #[test]
    fn eos_stands_in_where_there_is_no_bos() {
        let config = "{\"bos_token\": null, \"eos_token\": \"</s>\"}";
        assert_eq!(
            parse(METASPACE, config, Bos::Auto)
                .unwrap()
                .prefix_token()
                .unwrap(),
            2
        );
    }

    #[test]
    fn a_folder_may_lack_the_config_but_not_the_tokenizer() {
        let dir = tempfile::tempdir().unwrap();
        let error = Tokenizer::open(dir.path(), Bos::Auto).unwrap_err();
        assert!(error.to_string().contains("tokenizer.json"), "{error}");
        std::fs::write(dir.path().join(TOKENIZER), METASPACE).unwrap();
        let tokenizer = Tokenizer::open(dir.path(), Bos::Auto).unwrap();
        assert_eq!(tokenizer.encode(TEXT).unwrap()[0], 1);
        let error = tokenizer.prefix_token().unwrap_err();
        assert_eq!(
            error.to_string(),
            "an empty context needs bos_token or eos_token in tokenizer_config.json, which names none"
        );
    }

    #[test]
    fn mistakes_are_named_with_their_file() {
        for (tokenizer, config, message) in [
            (&b"{}"[..], "{}", "model/tokenizer.json: not a tokenizer: "),
            (
                METASPACE,
                "[",
                "model/tokenizer_config.json: EOF while parsing",
            ),
            (
                METASPACE,
                "{\"bos_token\": 1}",
                "model/tokenizer_config.json: ",
            ),
            (
                METASPACE,
                "{\"bos_token\": \"<bos>\"}",
                "model/tokenizer_config.json: bos_token `<bos>` is not in the vocabulary",
            ),
            (
                METASPACE,
                "{}",
                "bos = always needs bos_token in tokenizer_config.json",
            ),
        ] {
            let error = parse(tokenizer, config, Bos::Always)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
