//! Where a chat template is taken from, as transformers 4.57.1 does it (fixtures/chat).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use likra_tokenizer::Tokenizer;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Golden {
    sources: Vec<Source>,
}

#[derive(Deserialize)]
struct Source {
    config: Value,
    files: BTreeMap<String, String>,
    text: Option<String>,
}

#[test]
fn a_template_is_found_where_transformers_finds_it() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let golden = std::fs::read(fixtures.join("chat/expected.json")).unwrap();
    let Golden { sources } = serde_json::from_slice(&golden).unwrap();
    assert_eq!(sources.len(), 16);
    for Source {
        config,
        files,
        text,
    } in sources
    {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        let tokenizer = std::fs::read(fixtures.join("tokenizers/gpt2.json")).unwrap();
        write("tokenizer.json", &tokenizer);
        write("tokenizer_config.json", config.to_string().as_bytes());
        for (name, file) in &files {
            write(name, file.as_bytes());
        }
        let case = format!("{config}, {files:?}");
        match (Tokenizer::chat_template(dir.path()), text) {
            // Python reads the ends of lines as one character.
            (Ok(found), Some(text)) => {
                assert_eq!(found.source.replace("\r\n", "\n"), text, "{case}");
            }
            // An empty file is taken for a broken download.
            (Err(error), Some(text)) if text.is_empty() => {
                assert!(error.to_string().contains("the file is empty"), "{error}");
            }
            (Err(error), None) => assert!(error.to_string().contains("chat template"), "{error}"),
            (found, text) => panic!("{case}: {found:?}, expected {text:?}"),
        }
    }
}

#[test]
fn special_tokens_that_are_set_can_be_read() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(
        fixtures.join("tokenizers/gpt2.json"),
        dir.path().join("tokenizer.json"),
    )
    .unwrap();
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": "x", "eos_token": "e", "pad_token": "",
        "additional_special_tokens": ["a", "b"],
    });
    std::fs::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let tokens = Tokenizer::chat_template(dir.path()).unwrap().tokens;
    assert_eq!(
        json!(tokens),
        json!({"eos_token": "e", "additional_special_tokens": ["a", "b"]})
    );
}
