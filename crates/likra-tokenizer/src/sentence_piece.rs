//! A tokenizer made of `tokenizer.model`, as transformers makes it (`LlamaConverter` in
//! `convert_slow_tokenizer.py` of 4.57.1).
//!
//! It does so where `tokenizer_config.json` of Llama's class has `add_prefix_space`, whatever
//! `tokenizer.json` says. Mistral 7B v0.3 is such a model.

use std::collections::HashMap;
use std::path::Path;

use prost::Message;
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use crate::settings::Settings;
use crate::{Error, Result};

pub(crate) const FILE: &str = "tokenizer.model";

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

/// The tokenizer that Llama's class makes of `tokenizer.model` in `dir`.
pub(crate) fn convert(dir: &Path, config: &Settings) -> Result<Tokenizer> {
    let path = dir.join(FILE);
    if !path.exists() {
        let expected = "no such key, or a tokenizer.model in the folder: with it, transformers makes \
            Llama's tokenizer of that file";
        return Err(config.refuse("add_prefix_space", expected));
    }
    if config.get("vocab_file").is_some() {
        let expected = "no such key: tokenizer.model in the folder is read";
        return Err(config.refuse("vocab_file", expected));
    }
    let refused = |message: String| Error::Tokenizer(path.clone(), message);
    let bytes = likra_files::read(&path)?;
    let model = Model::decode(bytes.as_slice()).map_err(|error| refused(error.to_string()))?;
    let trainer = model.trainer.unwrap_or_default();
    if trainer.model_type != Some(BPE) || model.pieces.len() < 3 {
        return Err(refused("expected a model of byte pairs".into()));
    }
    let unknown = trainer.unknown.unwrap_or_else(|| "<unk>".into());
    let tokenizer = tokenizer_json(&model.pieces, unknown, config).to_string();
    Tokenizer::from_bytes(tokenizer).map_err(|error| refused(error.to_string()))
}

/// What transformers writes into a `tokenizer.json` of the pieces, as far as it is not the default.
fn tokenizer_json(pieces: &[Piece], unknown: String, config: &Settings) -> Value {
    let flag = |key| config.get(key).is_none_or(|value| value == true);
    let (legacy, space) = (flag("legacy"), flag("add_prefix_space"));
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let prepend = json!({"type": "Prepend", "prepend": "▁"});
    let (normalizers, scheme) = match space {
        true => (vec![prepend, replace], "first"),
        false => (vec![replace], "never"),
    };
    let normalizer = json!({"type": "Sequence", "normalizers": normalizers});
    let metaspace =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false});
    let decoders = json!([
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": u8::from(space), "stop": 0},
    ]);
    json!({
        "added_tokens": added_tokens(pieces),
        "normalizer": legacy.then_some(normalizer),
        "pre_tokenizer": (!legacy).then_some(metaspace),
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "BPE",
            "unk_token": unknown,
            "fuse_unk": true,
            "byte_fallback": true,
            "vocab": vocabulary(pieces),
            "merges": merges(pieces),
        },
    })
}

fn added_tokens(pieces: &[Piece]) -> Vec<Value> {
    let added = pieces.iter().enumerate();
    let added = added.filter(|(_, piece)| matches!(piece.kind, Some(CONTROL | USER_DEFINED)));
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
    let lengths = |merge: &(f32, &str, &str)| [merge.1, merge.2].map(|text| text.chars().count());
    merges.sort_by(|a, b| {
        b.0.total_cmp(&a.0)
            .then_with(|| lengths(b).cmp(&lengths(a)))
    });
    let merges = merges.into_iter();
    merges.map(|(_, left, right)| (left, right)).collect()
}
