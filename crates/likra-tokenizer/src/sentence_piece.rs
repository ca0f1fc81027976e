//! A tokenizer made of `tokenizer.model`, as transformers makes it (`LlamaConverter` in
//! `convert_slow_tokenizer.py` of 4.57.1).
//!
//! It does so where `tokenizer_config.json` of Llama's class has `add_prefix_space`, whatever
//! `tokenizer.json` says. Mistral 7B v0.3 is such a model.

use std::collections::HashMap;
use std::path::Path;

use prost::Message;
use serde_json::{Map, Value, json};

use crate::{Error, Result};

/// `ModelProto` of `SentencePiece`, as far as it is needed.
#[derive(Message)]
struct Model {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<Trainer>,
}

#[derive(Message)]
struct Piece {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(float, tag = "2")]
    score: f32,
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
}

#[derive(Message)]
struct Trainer {
    #[prost(int32, optional, tag = "3")]
    model_type: Option<i32>,
    #[prost(string, optional, tag = "45")]
    unknown: Option<String>,
}

/// Of `Trainer`: byte pair encoding.
const BPE: i32 = 2;
/// Of `Piece`: special tokens, and what is never split.
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// The text of the `tokenizer.json` that transformers makes of the file at `path`.
pub(crate) fn convert(path: &Path, config: &Map<String, Value>) -> Result<Vec<u8>> {
    let refused = |message: String| Error::Tokenizer {
        path: path.into(),
        message,
    };
    let bytes = likra_files::read(path)?;
    let model = Model::decode(bytes.as_slice()).map_err(|error| refused(error.to_string()))?;
    let trainer = model.trainer.unwrap_or_default();
    if trainer.model_type != Some(BPE) || model.pieces.len() < 3 {
        return Err(refused("expected a model of byte pairs".into()));
    }
    let flag = |key, default| match config.get(key) {
        None | Some(Value::Null) => default,
        Some(value) => *value == Value::Bool(true),
    };
    let (legacy, space) = (flag("legacy", true), flag("add_prefix_space", true));
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let prepend = json!({"type": "Prepend", "prepend": "▁"});
    let normalizers = if space {
        vec![prepend, replace]
    } else {
        vec![replace]
    };
    let normalizer = json!({"type": "Sequence", "normalizers": normalizers});
    let scheme = if space { "first" } else { "never" };
    let metaspace =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false});
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if space {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    let tokenizer = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added_tokens(&model.pieces),
        "normalizer": legacy.then_some(normalizer),
        "pre_tokenizer": (!legacy).then_some(metaspace),
        "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": trainer.unknown.unwrap_or_else(|| "<unk>".into()),
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": true,
            "byte_fallback": true,
            "ignore_merges": false,
            "vocab": vocabulary(&model.pieces),
            "merges": merges(&model.pieces),
        },
    });
    Ok(tokenizer.to_string().into_bytes())
}

fn added_tokens(pieces: &[Piece]) -> Vec<Value> {
    let added = pieces.iter().enumerate().filter(|(_, piece)| {
        let kind = piece.kind.unwrap_or_default();
        [CONTROL, USER_DEFINED].contains(&kind)
    });
    let token = |(id, piece): (usize, &Piece)| {
        json!({"id": id, "content": piece.text, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": piece.kind == Some(CONTROL)})
    };
    added.map(token).collect()
}

fn vocabulary(pieces: &[Piece]) -> HashMap<&str, usize> {
    let texts = pieces.iter().map(|piece| piece.text.as_str());
    texts.zip(0..).collect()
}

/// All pairs of pieces that make a piece, those of the best first (`generate_merges`).
fn merges(pieces: &[Piece]) -> Vec<(&str, &str)> {
    let places = vocabulary(pieces);
    let mut merges: Vec<(f32, &str, &str)> = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        // The first three are the special tokens, whatever their scores.
        // Python does not tell -0.0 from 0.0.
        let score = if number < 3 { 0.0 } else { piece.score + 0.0 };
        let splits = piece.text.char_indices().skip(1);
        let pairs = splits.map(|(at, _)| piece.text.split_at(at));
        let mut pairs: Vec<(&str, &str)> = pairs
            .filter(|(left, right)| places.contains_key(left) && places.contains_key(right))
            .collect();
        pairs.sort_by_key(|(left, right)| (places[left], places[right]));
        merges.extend(pairs.into_iter().map(|(left, right)| (score, left, right)));
    }
    let length = |text: &str| text.chars().count();
    merges.sort_by(|a, b| {
        let scores = b.0.total_cmp(&a.0);
        scores
            .then(length(b.1).cmp(&length(a.1)))
            .then(length(b.2).cmp(&length(a.2)))
    });
    merges
        .into_iter()
        .map(|(_, left, right)| (left, right))
        .collect()
}
