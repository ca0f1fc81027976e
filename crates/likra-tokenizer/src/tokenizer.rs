//! From text to the token ids of a checkpoint's own tokenizer.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auto::open;
use crate::special::{BOS, EOS, PAD, named};
use crate::{Error, Result};

/// Whether a sequence begins with the beginning-of-sequence token.
///
/// lm-evaluation-harness 0.4.13 does as `Auto`, its 0.4.2 (the paper's) as `Never`; the paper's
/// training code does as `Always`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bos {
    /// As the tokenizer's class in transformers does: by its post-processor.
    #[default]
    Auto,
    /// Also if the post-processor does not.
    Always,
    /// Special tokens are not added, whatever the post-processor says.
    Never,
}

/// A checkpoint's tokenizer, with a rule for the beginning of a sequence.
///
/// A text that already begins with the text of that token gets no second one.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    bos: Bos,
    /// What stands before a text that has no context, the BOS token or, for want of one, EOS: its id and
    /// its text.
    prefix: Option<(u32, String)>,
    /// The texts of the tokens that begin, end and fill texts, as far as there are any.
    pub special_texts: [Option<String>; 3],
    /// A text with this one is refused.
    gap: Option<String>,
}

impl Tokenizer {
    /// Opens the tokenizer in a checkpoint's folder as transformers' `AutoTokenizer` does: from
    /// `tokenizer.json` and, where they are there, `tokenizer_config.json`, `special_tokens_map.json`,
    /// `added_tokens.json` and `config.json`.
    ///
    /// Truncation and padding, which a `tokenizer.json` may ask for, are switched off, as
    /// transformers does.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or is malformed, the tokenizer cannot be opened exactly as
    /// transformers opens it, it ends each text with a token, or BOS is to be added always and there
    /// is none.
    pub fn open(dir: &Path, bos: Bos) -> Result<Self> {
        let (inner, specials, gap) = open(dir)?;
        let begin = named(&specials, BOS);
        if bos == Bos::Always && begin.is_none() {
            return Err(Error::NoSpecialToken("bos = always", "a bos_token"));
        }
        // As the harness has it: `prefix_token_id`, and its text as the tokenizer decodes it.
        let prefix = begin.or(named(&specials, EOS));
        let prefix = prefix.and_then(|text| inner.token_to_id(text));
        let decoded = |id| inner.decode(&[id], false).map(|text| (id, text));
        let prefix = prefix.map(decoded).transpose().map_err(refused)?;
        let tokenizer = Self {
            inner,
            bos,
            prefix,
            special_texts: [BOS, EOS, PAD].map(|key| named(&specials, key).map(String::from)),
            gap,
        };
        tokenizer.refuse_endings(dir)?;
        Ok(tokenizer)
    }

    /// Refuses a tokenizer that puts something behind a text.
    fn refuse_endings(&self, dir: &Path) -> Result<()> {
        const TEXT: &str = "a";
        let (bare, whole) = (self.encode_bare(TEXT)?, self.encode(TEXT)?);
        match whole.last() {
            Some(&token) if !whole.ends_with(&bare) => Err(Error::EndsTexts(dir.into(), token)),
            _ => Ok(()),
        }
    }

    /// The token ids of `text`, with a BOS token according to the rule.
    ///
    /// # Errors
    ///
    /// If the tokenizer has no token for a part of the text and none for the unknown.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let prefix = self.prefix.as_ref();
        let marked = prefix.is_some_and(|(_, token)| text.starts_with(token));
        let mut ids = self.encode_with(text, self.bos != Bos::Never && !marked)?;
        if let (Bos::Always, Some((bos, _))) = (self.bos, prefix)
            && ids.first() != Some(bos)
        {
            ids.insert(0, *bos);
        }
        Ok(ids)
    }

    /// The text of token ids, special tokens included; nothing if one of them has no text.
    pub fn decode(&self, ids: &[u32]) -> String {
        let decode = || self.inner.decode(ids, false);
        likra_files::guarded(decode).map_or_else(|_| String::new(), Result::unwrap_or_default)
    }

    /// The token ids of `text` without any that the post-processor adds.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_bare(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_with(text, false)
    }

    /// The token that stands in for an empty context.
    pub(crate) fn prefix_token(&self) -> Result<u32> {
        let id = self.prefix.as_ref().map(|(id, _)| *id);
        let needed = "a bos_token or eos_token";
        id.ok_or(Error::NoSpecialToken("an empty context", needed))
    }

    fn encode_with(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>> {
        if let Some(token) = self.gap.as_ref().filter(|gap| text.contains(*gap)) {
            return Err(Error::Gap(token.clone()));
        }
        let encode = || self.inner.encode_fast(text, add_special_tokens);
        let encoding = likra_files::guarded(encode).map_err(Error::Encode)?;
        Ok(encoding.map_err(refused)?.get_ids().to_vec())
    }
}

fn refused(error: tokenizers::Error) -> Error {
    Error::Encode(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;

    const BYTE_LEVEL: &str = include_str!("../../../fixtures/data/byte-level/tokenizer.json");
    const METASPACE: &str = include_str!("../../../fixtures/data/metaspace/tokenizer.json");
    const TEXT: &str = "Which of the following warms the hands?";

    fn open(tokenizer: &str, mut config: Value, bos: Bos) -> Result<Tokenizer> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("tokenizer.json"), tokenizer).unwrap();
        if config.get("tokenizer_class").is_none() {
            config["tokenizer_class"] = "PreTrainedTokenizerFast".into();
        }
        let path = dir.path().join("tokenizer_config.json");
        fs::write(path, config.to_string()).unwrap();
        Tokenizer::open(dir.path(), bos)
    }

    #[test]
    fn bos_follows_the_rule_and_never_stands_twice() {
        // The first file's post-processor adds nothing, the second's adds `<s>`.
        for (tokenizer, bos, adds) in [
            (BYTE_LEVEL, "<|im_start|>", false),
            (METASPACE, "<s>", true),
        ] {
            let config = json!({"bos_token": bos});
            let [auto, always, never] = [Bos::Auto, Bos::Always, Bos::Never]
                .map(|rule| open(tokenizer, config.clone(), rule).unwrap());
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
    fn truncation_and_padding_in_the_file_are_ignored() {
        assert!(BYTE_LEVEL.contains("\"max_length\":8") && BYTE_LEVEL.contains("\"Fixed\":8"));
        let tokenizer = open(BYTE_LEVEL, json!({}), Bos::Auto).unwrap();
        assert!(tokenizer.encode(TEXT).unwrap().len() > 8);
        assert!(tokenizer.encode("a").unwrap().len() < 8);
    }

    #[test]
    fn eos_stands_in_where_there_is_no_bos() {
        let config = json!({"bos_token": null, "eos_token": "</s>"});
        let tokenizer = open(METASPACE, config, Bos::Auto).unwrap();
        assert_eq!(tokenizer.prefix_token().unwrap(), 2);
        let error = open(METASPACE, json!({}), Bos::Auto).unwrap();
        assert_eq!(
            error.prefix_token().unwrap_err().to_string(),
            "an empty context needs a bos_token or eos_token, and the tokenizer has none"
        );
    }

    #[test]
    fn an_end_that_the_tokenizer_appends_is_refused_unless_nothing_is_added() {
        let config = json!({"tokenizer_class": "LlamaTokenizer", "add_eos_token": true});
        let error = open(METASPACE, config.clone(), Bos::Auto).unwrap_err();
        assert!(
            error.to_string().contains("ends each text with token 2"),
            "{error}"
        );
        let never = open(METASPACE, config, Bos::Never).unwrap();
        assert!(!never.encode(TEXT).unwrap().contains(&2));
    }

    #[test]
    fn a_gap_to_fill_in_is_refused() {
        let config = json!({"tokenizer_class": "CodeLlamaTokenizer"});
        let tokenizer = open(METASPACE, config, Bos::Auto).unwrap();
        let error = tokenizer.encode("def <FILL_ME>").unwrap_err().to_string();
        assert!(error.contains("<FILL_ME>"), "{error}");
    }

    #[test]
    fn mistakes_are_named_with_their_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = Tokenizer::open(dir.path(), Bos::Auto).unwrap_err();
        assert!(error.to_string().contains("tokenizer.json"), "{error}");
        for (tokenizer, config, message) in [
            ("{}", json!({}), "tokenizer.json: not a tokenizer: "),
            (METASPACE, json!([]), "tokenizer_config.json: invalid type"),
            (
                METASPACE,
                json!({"bos_token": 1}),
                "tokenizer_config.json: bos_token = 1; ",
            ),
            (
                METASPACE,
                json!({"tokenizer_class": "BertTokenizer"}),
                "tokenizer_config.json: tokenizer_class = \"BertTokenizer\"; expected Llama",
            ),
            (METASPACE, json!({}), "bos = always needs a bos_token"),
        ] {
            fs::write(dir.path().join("tokenizer.json"), tokenizer).unwrap();
            let path = dir.path().join("tokenizer_config.json");
            fs::write(path, config.to_string()).unwrap();
            fs::write(
                dir.path().join("config.json"),
                "{\"model_type\": \"qwen2\"}",
            )
            .unwrap();
            let error = Tokenizer::open(dir.path(), Bos::Always).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }
}
