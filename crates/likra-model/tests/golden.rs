//! The forward pass against what transformers and PEFT computed for the checkpoints in
//! `fixtures/models` (made by the script there).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use burn::tensor::{Device, FloatDType, Tensor};
use likra_lora::Adapter;
use likra_model::{Batch, Model, Row};
use serde::Deserialize;

/// The bound of the project's acceptance is 1e-3; rounding alone stays a hundred times below it.
const TOLERANCE: f32 = 1e-5;
const NAMES: [&str; 4] = ["llama", "llama3", "mistral", "transformers5"];

#[derive(Deserialize)]
struct Expected {
    ids: Vec<u32>,
    /// `[tokens, vocab]` of the base.
    logits: Vec<Vec<f32>>,
    /// `[tokens, vocab]` under the adapter.
    adapted: Vec<Vec<f32>>,
}

struct Golden {
    model: Model,
    adapter: Adapter,
    expected: Expected,
}

fn golden(name: &str) -> Golden {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/models")
        .join(name);
    let device = Device::flex();
    let model = Model::open(&dir, FloatDType::F32, &device).unwrap();
    let adapter = Adapter::load(&dir.join("adapter"), &device).unwrap();
    model.config().check_adapter(&adapter).unwrap();
    let expected =
        serde_json::from_slice(&std::fs::read(dir.join("expected.json")).unwrap()).unwrap();
    Golden {
        model,
        adapter,
        expected,
    }
}

/// Row by row, so that a failure names the position.
fn assert_close(found: Tensor<2>, expected: &[Vec<f32>], case: &str) {
    let [rows, columns] = found.dims();
    assert_eq!(rows, expected.len(), "{case}");
    let found = found.try_into_vec_as::<f32>().unwrap();
    for (position, (found, expected)) in found.chunks(columns).zip(expected).enumerate() {
        for (a, b) in found.iter().zip(expected) {
            assert!(
                (a - b).abs() < TOLERANCE,
                "{case}, position {position}: {a} is not {b}"
            );
        }
    }
}

#[test]
fn whole_texts_match_transformers() {
    for name in NAMES {
        let Golden {
            model, expected, ..
        } = golden(name);
        let batch = Batch::new(&[Row::sequence(&expected.ids)]);
        let hidden = model.forward(&batch, None, None).unwrap();
        assert_close(model.logits(hidden), &expected.logits, name);
    }
}

#[test]
fn adapters_match_peft() {
    for name in NAMES {
        let Golden {
            model,
            adapter,
            expected,
        } = golden(name);
        let batch = Batch::new(&[Row::sequence(&expected.ids)]);
        let hidden = model.forward(&batch, None, Some(&adapter)).unwrap();
        assert_close(model.logits(hidden), &expected.adapted, name);
    }
}

#[test]
fn padding_changes_nothing() {
    for name in NAMES {
        let Golden {
            model, expected, ..
        } = golden(name);
        let (short, long) = (&expected.ids[..5], &expected.ids[..]);
        let batch = Batch::new(&[Row::sequence(short), Row::sequence(long)]);
        let logits = model.logits(model.forward(&batch, None, None).unwrap());
        assert_close(logits.clone().narrow(0, 0, 5), &expected.logits[..5], name);
        assert_close(
            logits.narrow(0, batch.index(1, 0), long.len()),
            &expected.logits,
            name,
        );
    }
}

#[test]
fn a_prefix_and_branches_change_nothing() {
    for name in NAMES {
        let Golden {
            model,
            adapter,
            expected,
        } = golden(name);
        let (ids, split, fork) = (&expected.ids, 11, 18);
        let prefix = model.prefill(&ids[..split], Some(&adapter)).unwrap();
        assert_eq!(prefix.tokens(), split);
        // The text itself is the second of two branches; the first and the other row are decoys.
        let rows = [
            Row::sequence(&ids[3..9]),
            Row {
                trunk: &ids[split..fork],
                branches: vec![&ids[..4], &ids[fork..]],
            },
        ];
        let batch = Batch::new(&rows);
        let hidden = model
            .forward(&batch, Some(&prefix), Some(&adapter))
            .unwrap();
        let logits = model.logits(hidden);
        let trunk = logits.clone().narrow(0, batch.index(1, 0), fork - split);
        assert_close(trunk, &expected.adapted[split..fork], name);
        let branch = logits.narrow(0, batch.index(1, fork - split + 4), ids.len() - fork);
        assert_close(branch, &expected.adapted[fork..], name);
    }
}

#[test]
fn log_likelihoods_are_log_softmax_of_the_logits() {
    let Golden {
        model, expected, ..
    } = golden("llama");
    let batch = Batch::new(&[Row::sequence(&expected.ids)]);
    let hidden = model.forward(&batch, None, None).unwrap();
    let targets: Vec<_> = [(4, 7), (4, 8), (20, 0)].to_vec();
    let found = model.log_likelihoods(&hidden, &targets).unwrap();
    for (found, (position, id)) in found.try_into_vec_as::<f32>().unwrap().iter().zip(targets) {
        let logits = &expected.logits[position];
        let total: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
        let wanted = f64::from(logits[id as usize]) - total.ln();
        assert!(
            (f64::from(*found) - wanted).abs() < 1e-5,
            "{found} is not {wanted}"
        );
    }
}

#[test]
fn an_unknown_token_is_an_error() {
    let Golden { model, .. } = golden("llama");
    let batch = Batch::new(&[Row::sequence(&[3, 48])]);
    let error = model.forward(&batch, None, None).unwrap_err().to_string();
    assert!(error.contains("48"), "{error}");
}
