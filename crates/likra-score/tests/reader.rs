//! What a text's tokens come to does not depend on what else is read: beside it, or before.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use burn::tensor::{Device, FloatDType};
use likra_lora::Adapter;
use likra_model::{Batch, Model, Row};
use likra_score::{Reader, Reading};

fn open(name: &str) -> (Model, Adapter) {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/models")
        .join(name);
    let device = Device::flex();
    let model = Model::open(&dir, FloatDType::F32, &device).unwrap();
    let adapter = Adapter::load(&dir.join("adapter"), &device).unwrap();
    (model, adapter)
}

/// Texts that begin alike, some of them for long, and very short ones.
fn texts() -> Vec<Vec<u32>> {
    let shots: Vec<u32> = (0..140).map(|i| (i * 7 + 3) % 48).collect();
    let after = |rest: &[u32]| [&shots, rest].concat();
    vec![
        after(&[1, 2, 3]),
        vec![5],
        after(&[1, 9, 10, 11, 12]),
        vec![7, 8],
        after(&[]),
        shots[..135].to_vec(),
        after(&[1, 2, 3]),
    ]
}

/// Each token by a pass of its own text alone.
fn alone(model: &Model, adapter: &Adapter, text: &[u32]) -> Vec<f32> {
    let batch = Batch::new(&[Row::sequence(text)]);
    let hidden = model.forward(&batch, None, Some(adapter)).unwrap();
    let targets: Vec<(usize, u32)> = text.iter().skip(1).copied().enumerate().collect();
    if targets.is_empty() {
        return Vec::new();
    }
    let found = model.log_likelihoods(&hidden, &targets).unwrap();
    found.try_into_vec_as::<f32>().unwrap()
}

fn check(model: &Model, adapter: &Adapter, text: &[u32], found: &[Reading]) {
    let expected = alone(model, adapter, text);
    assert_eq!(found.len(), expected.len());
    for ((reading, expected), token) in found.iter().zip(expected).zip(&text[1..]) {
        assert_eq!(reading.log_likelihood, expected, "{text:?}");
        let (id, value) = reading.likeliest;
        assert!(value >= reading.log_likelihood - 1e-5, "{reading:?}");
        if id == *token {
            assert_eq!(value, reading.log_likelihood, "{text:?}");
        }
    }
}

#[test]
fn readings_are_those_of_each_text_alone() {
    for name in ["llama", "mistral"] {
        let (model, adapter) = open(name);
        // So few tokens at a time that texts run in several passes.
        for batch_tokens in [200, 2000] {
            let mut reader = Reader::new(&model, Some(&adapter), batch_tokens);
            let texts = texts();
            // Together, then again with what is kept, then one by one.
            let parts = [&texts[..], &texts[..]].into_iter().chain(texts.chunks(1));
            for part in parts {
                for (text, found) in part.iter().zip(reader.read(part).unwrap()) {
                    check(&model, &adapter, text, &found);
                }
            }
        }
    }
}

#[test]
fn a_token_outside_of_the_vocabulary_is_an_error() {
    let (model, adapter) = open("llama");
    let mut reader = Reader::new(&model, Some(&adapter), 100);
    assert!(reader.read(&[vec![1, 2, 1_000_000]]).is_err());
    assert!(reader.read(&[]).unwrap().is_empty());
}
