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
const NAMES: [&str; 16] = [
    "gemma2",
    "gemma3",
    "gemma3_text",
    "llama",
    "llama3",
    "mistral",
    "olmo2",
    "phi3",
    "phi3-longrope",
    "qwen2",
    "qwen2-window",
    "qwen3",
    "qwen3-yarn",
    "smollm3",
    "smollm3-window",
    "transformers5",
];

#[derive(Deserialize)]
struct Expected {
    ids: Vec<u32>,
    /// `[tokens, vocab]` of the base.
    logits: Vec<Vec<f32>>,
    /// `[tokens, vocab]` under the adapter.
    adapted: Vec<Vec<f32>>,
    long: Option<Text>,
}

/// A text with the base's logits, `[tokens, vocab]`, of all tokens or of the last.
#[derive(Deserialize)]
struct Text {
    ids: Vec<u32>,
    logits: Vec<Vec<f32>>,
}

/// One way to scale rotations: keys to change in `config.json`.
#[derive(Deserialize)]
struct Scaled {
    case: String,
    config: serde_json::Map<String, serde_json::Value>,
    #[serde(flatten)]
    text: Text,
    long: Option<Text>,
}

fn check(model: &Model, text: &Text, case: &str) {
    let hidden = model.forward(&Batch::new(&[Row::sequence(&text.ids)]), None, None);
    let (last, all) = (text.logits.len(), text.ids.len());
    let logits = model.logits(hidden.unwrap()).narrow(0, all - last, last);
    assert_close(logits, &text.logits, case);
}

struct Golden {
    model: Model,
    adapter: Adapter,
    expected: Expected,
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/models")
        .join(name)
}

fn golden(name: &str) -> Golden {
    let dir = fixture(name);
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

/// Each alone, and a text of another regime beside it in one batch.
#[test]
fn scaled_rotations_match_transformers() {
    #[derive(Deserialize)]
    struct Cases {
        cases: Vec<Scaled>,
    }
    let dir = fixture("ropes");
    let read = |name| std::fs::read(dir.join(name)).unwrap();
    let Cases { cases } = serde_json::from_slice(&read("expected.json")).unwrap();
    assert_eq!(cases.len(), 17);
    for Scaled {
        case,
        config,
        text,
        long,
    } in cases
    {
        let copy = tempfile::tempdir().unwrap();
        let mut keys: serde_json::Map<_, _> = serde_json::from_slice(&read("config.json")).unwrap();
        keys.extend(config);
        let keys = serde_json::to_vec(&keys).unwrap();
        std::fs::write(copy.path().join("config.json"), keys).unwrap();
        std::fs::copy(
            dir.join("model.safetensors"),
            copy.path().join("model.safetensors"),
        )
        .unwrap();
        let model = Model::open(copy.path(), FloatDType::F32, &Device::flex()).unwrap();
        check(&model, &text, &case);
        let Some(long) = long else { continue };
        check(&model, &long, &format!("{case}, long"));
        let rows = [&text.ids, &long.ids].map(|ids| Row::sequence(ids));
        let hidden = model.forward(&Batch::new(&rows), None, None).unwrap();
        let last = text.logits.len();
        let logits = model.logits(hidden).narrow(0, text.ids.len() - last, last);
        assert_close(
            logits,
            &text.logits,
            &format!("{case}, beside a longer one"),
        );
        // What they share would be turned by either's angles.
        let rows = [Row {
            trunk: &text.ids,
            branches: vec![&long.ids, &text.ids[..0]],
        }];
        let error = model.forward(&Batch::new(&rows), None, None).unwrap_err();
        assert!(error.to_string().contains("64 tokens"), "{error}");
    }
}

/// One whose texts are rotated otherwise from a length on, and one as transformers 5 describes it.
#[test]
fn other_lengths_and_spellings_match() {
    let Golden {
        model, expected, ..
    } = golden("phi3-longrope");
    check(&model, &expected.long.unwrap(), "phi3-longrope, long");

    let dir = fixture("gemma3_text");
    let copy = tempfile::tempdir().unwrap();
    for (from, to) in [
        ("transformers5.json", "config.json"),
        ("model.safetensors", "model.safetensors"),
    ] {
        std::fs::copy(dir.join(from), copy.path().join(to)).unwrap();
    }
    let model = Model::open(copy.path(), FloatDType::F32, &Device::flex()).unwrap();
    let Golden { expected, .. } = golden("gemma3_text");
    let text = Text {
        ids: expected.ids,
        logits: expected.logits,
    };
    check(&model, &text, "gemma3_text of transformers 5");
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
            logits.narrow(0, batch.index(1, 0, 0), long.len()),
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
        let trunk = logits.clone().narrow(0, batch.index(1, 0, 0), fork - split);
        assert_close(trunk, &expected.adapted[split..fork], name);
        let branch = logits.narrow(0, batch.index(1, 1, fork - split), ids.len() - fork);
        assert_close(branch, &expected.adapted[fork..], name);
    }
}

#[test]
fn what_is_not_asked_for_changes_nothing() {
    for name in NAMES {
        let Golden {
            model,
            adapter,
            expected,
        } = golden(name);
        let mut targets = [(4, 7), (20, 0), (4, 8)];
        let batch = Batch::new(&[Row::sequence(&expected.ids)]).only(&mut targets);
        assert_eq!(targets, [(0, 7), (1, 0), (0, 8)]);
        let hidden = model.forward(&batch, None, Some(&adapter)).unwrap();
        let wanted = [4, 20].map(|at| expected.adapted[at].clone());
        assert_close(model.logits(hidden), &wanted, name);
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
