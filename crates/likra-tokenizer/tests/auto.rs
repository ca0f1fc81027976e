//! Folders of every kind are opened as transformers opens them, or refused: the ids of transformers
//! 4.57.1 are in `fixtures/tokenizers/cases.json.gz`, made by `make.py` beside it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use flate2::read::GzDecoder;
use likra_tokenizer::{Bos, Tokenizer};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    tokenizer: String,
    changes: Map<String, Value>,
    files: Map<String, Value>,
    /// Of each text, as the harness encodes it; none if transformers cannot open the folder.
    ids: Option<Vec<Vec<u32>>>,
    /// Without special tokens.
    bare: Option<Vec<Vec<u32>>>,
}

fn write(case: &Case, dir: &Path) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tokenizers");
    let text = fs::read(fixtures.join(format!("{}.json", case.tokenizer))).unwrap();
    let mut tokenizer: Map<String, Value> = serde_json::from_slice(&text).unwrap();
    tokenizer.extend(case.changes.clone());
    let tokenizer = ("tokenizer.json", Value::from(tokenizer).to_string());
    let files = case.files.iter().filter(|(_, content)| !content.is_null());
    let files = files.map(|(name, content)| match content {
        Value::String(text) => (name.as_str(), text.clone()),
        other => (name.as_str(), other.to_string()),
    });
    for (name, content) in files.chain([tokenizer]) {
        match name {
            "tokenizer.model" => drop(fs::copy(fixtures.join(content), dir.join(name)).unwrap()),
            _ => fs::write(dir.join(name), content).unwrap(),
        }
    }
}

/// How many texts have other ids than those of transformers, and what was refused instead.
fn compare(
    dir: &Path,
    bos: Bos,
    texts: &[String],
    expected: Option<&Vec<Vec<u32>>>,
) -> Result<usize, String> {
    let tokenizer = Tokenizer::open(dir, bos).map_err(|error| error.to_string())?;
    let Some(expected) = expected else {
        panic!(
            "{}: opened, although transformers refuses it",
            dir.display()
        );
    };
    let differ = |(text, ids): &(&String, &Vec<u32>)| {
        tokenizer.encode(text).is_ok_and(|found| found != **ids)
    };
    Ok(texts.iter().zip(expected).filter(differ).count())
}

#[test]
fn folders_are_opened_as_transformers_opens_them() {
    let golden = include_bytes!("../../../fixtures/tokenizers/cases.json.gz");
    let golden: Golden = serde_json::from_reader(GzDecoder::new(&golden[..])).unwrap();
    let (mut opened, mut refused, mut different) = (0, Vec::new(), Vec::new());
    for case in &golden.cases {
        let dir = tempfile::tempdir().unwrap();
        write(case, dir.path());
        for (bos, expected) in [(Bos::Auto, &case.ids), (Bos::Never, &case.bare)] {
            let expected = expected.as_ref();
            match compare(dir.path(), bos, &golden.texts, expected) {
                Ok(0) => opened += 1,
                Ok(texts) => different.push((&case.name, bos, texts)),
                Err(error) if expected.is_some() => refused.push((&case.name, error)),
                Err(_) => {}
            }
        }
    }
    assert!(different.is_empty(), "{different:#?}");
    // What transformers opens and we refuse: by name, and for one of these reasons.
    let reasons = [
        "ends each text",
        "tokenizer_class",
        "model_type",
        "add_prefix_space",
        "mixes them up",
        "has no such token",
        "special_tokens_map.json: add_bos_token",
        "extra_special_tokens",
        "legacy = ",
        "vocab_file",
    ];
    for (name, error) in &refused {
        assert!(
            reasons.iter().any(|reason| error.contains(reason)),
            "{name}: {error}"
        );
    }
    println!("{opened} equal, {} refused", refused.len());
    assert!(
        opened > 4 * refused.len() && opened >= 80,
        "{opened} equal, {refused:#?}"
    );
}
