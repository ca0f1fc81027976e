//! The example `probe` against what transformers, PEFT, torch and lm-evaluation-harness computed for the small
//! checkpoints of `fixtures`: the golden half of `cargo xtask parity`, which needs no Python.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../examples/probe/probe.rs"]
mod probe;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use likra_lora::load_tensors;
use likra_model::DeviceName;
use serde_json::Value;

type Tensors = BTreeMap<String, Vec<f64>>;

/// How many logits a token has in the small checkpoints.
const VOCABULARY: usize = 48;

/// What one side found.
struct Side {
    tensors: Tensors,
    answers: BTreeMap<String, Value>,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/parity")
        .join(name)
}

/// The device that is tested: the CPU, or what the variable says.
fn device() -> DeviceName {
    let name = std::env::var("LIKRA_TEST_DEVICE");
    name.map_or(DeviceName::Cpu, |name| name.try_into().unwrap())
}

fn read(dir: &Path) -> Side {
    let tensors = load_tensors(&dir.join("tensors.safetensors"), &Device::flex()).unwrap();
    let values = |tensor: burn::tensor::Tensor<2>| tensor.try_into_vec_as::<f32>().unwrap();
    let answers = std::fs::read(dir.join("answers.json")).unwrap();
    Side {
        tensors: tensors
            .into_iter()
            .map(|(name, tensor)| (name, values(tensor).into_iter().map(f64::from).collect()))
            .collect(),
        answers: serde_json::from_slice(&answers).unwrap(),
    }
}

/// The peer's side of a fixture, and likra's, with the folder that likra left.
fn both(name: &str) -> (Side, Side, tempfile::TempDir) {
    let out = tempfile::tempdir().unwrap();
    let jobs = fixture(name).join("jobs.json");
    probe::run(&jobs, out.path(), device().place(None, None)).unwrap();
    (read(&fixture(name)), read(out.path()), out)
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    norm(&differences)
}

/// Every tensor whose name begins with `prefix`, each within `bound` of its norm; returns how many.
fn near(case: &str, prefix: &str, bound: f64, peer: &Side, ours: &Side) -> usize {
    let named = peer
        .tensors
        .iter()
        .filter(|(name, _)| name.starts_with(prefix));
    let mut count = 0;
    for (name, peer) in named {
        let difference = distance(&ours.tensors[name], peer) / norm(peer);
        assert!(difference < bound, "{case}, {name}: {difference:e}");
        count += 1;
    }
    count
}

/// The acceptance asks for 1e-4 of logits and 1e-3 of gradients and losses; rounding alone stays ten
/// times below these bounds.
#[test]
fn logits_gradients_and_losses_are_the_libraries() {
    // A and B of three modules and of five in two or three layers; phi3 has fewer, larger modules.
    for (case, windows, of_mlp, of_five) in [
        ("llama", 0, 12, 20),
        ("llama3", 0, 12, 20),
        ("mistral", 2, 12, 20),
        ("qwen2", 0, 12, 20),
        ("qwen3", 0, 12, 20),
        ("olmo2", 0, 12, 20),
        ("gemma2", 2, 18, 30),
        ("gemma3_text", 2, 18, 30),
        ("smollm3", 0, 18, 30),
        ("phi3", 2, 8, 12),
    ] {
        let (peer, ours, _) = both(case);
        let count = |prefix, bound| near(case, prefix, bound, &peer, &ours);
        assert_eq!(count("logits/", 1e-5), 1);
        assert_eq!(count("logits-padded/", 1e-5), 3);
        assert_eq!(count("logits-prefix/", 1e-5), 2);
        assert_eq!(count("logits-window", 1e-5), windows);
        assert_eq!(count("adapter-", 1e-5), 2);
        assert_eq!(count("gradients-mlp/", 1e-4), of_mlp);
        assert_eq!(count("gradients-attention-rslora/", 1e-4), of_five);
        for name in ["training/losses", "training/norms"] {
            let steps = peer.tensors[name].iter().zip(&ours.tensors[name]);
            for (step, (peer, ours)) in steps.enumerate() {
                let difference = (peer - ours).abs() / peer;
                assert!(
                    difference < 1e-4,
                    "{case}, {name}, step {step}: {difference:e}"
                );
            }
            assert_eq!(ours.tensors[name].len(), 50);
        }
    }
}

/// TRL's losses, or torch's where TRL has none: 20 steps from one adapter (`xtask/peers/objectives.py`).
#[test]
fn objectives_lead_where_trl_leads() {
    let (peer, ours, out) = both("objectives");
    let names = [
        "dpo",
        "ipo",
        "kto",
        "kto-negatives",
        "choice",
        "unlikelihood",
        "bradley-terry",
    ];
    for name in names {
        for what in ["losses", "norms"] {
            let what = format!("{name}/{what}");
            let steps = peer.tensors[&what].iter().zip(&ours.tensors[&what]);
            for (step, (peer, ours)) in steps.enumerate() {
                let difference = (peer - ours).abs() / peer;
                assert!(difference < 1e-4, "{what}, step {step}: {difference:e}");
            }
            assert_eq!(ours.tensors[&what].len(), 20);
        }
        let file = out
            .path()
            .join("adapters")
            .join(name)
            .join("adapter_model.safetensors");
        let trained = load_tensors(&file, &Device::flex()).unwrap();
        // A reward has a tensor of its own.
        let reward = usize::from(name == "bradley-terry");
        assert_eq!(trained.len(), 12 + reward);
        for (tensor, found) in trained {
            let tensor = tensor.trim_start_matches("base_model.model.");
            let expected = &peer.tensors[&format!("{name}/{tensor}")];
            let found = found.try_into_vec_as::<f32>().unwrap();
            let found: Vec<f64> = found.into_iter().map(f64::from).collect();
            let difference = distance(&found, expected) / norm(expected);
            assert!(difference < 1e-4, "{name}, {tensor}: {difference:e}");
        }
    }
}

/// In bf16 both sides round in another order: at the middle one of a text's tokens likra may be as far from the
/// exact logits as transformers is, and a quarter more. (Of all tokens together, one alone can decide: where
/// `gemma3_text` is farther by a third, half of the tokens are nearer and one is five times as far.)
#[test]
fn bf16_rounds_no_worse_than_transformers() {
    for case in [
        "llama",
        "llama3",
        "mistral",
        "qwen2",
        "qwen3",
        "olmo2",
        "gemma2",
        "gemma3_text",
        "smollm3",
        "phi3",
    ] {
        let (peer, ours, _) = both(case);
        if device() != DeviceName::Cpu && ours.answers["logits-bf16"] == "unsupported" {
            continue;
        }
        let exact = &peer.tensors["logits-bf16/0#f32"];
        let error = |side: &Side| {
            let found = side.tensors["logits-bf16/0"].chunks(VOCABULARY);
            let by_token = found.zip(exact.chunks(VOCABULARY));
            let mut errors: Vec<f64> = by_token
                .map(|(found, exact)| distance(found, exact) / norm(exact))
                .collect();
            errors.sort_by(f64::total_cmp);
            errors[errors.len() / 2]
        };
        let (theirs, mine) = (error(&peer), error(&ours));
        assert!(theirs > 1e-4, "{case}: not bf16: {theirs:e}");
        assert!(
            mine < 1.25 * theirs,
            "{case}: {mine:e}, transformers {theirs:e}"
        );
    }
}

/// An adapter that PEFT wrote is written again with the same numbers and settings, for PEFT to load.
#[test]
fn adapters_survive_a_copy() {
    let (_, _, out) = both("llama");
    for name in ["mlp", "attention-rslora"] {
        let copy = out.path().join("adapters").join(name);
        let original = fixture("llama").join("adapters").join(name);
        let tensors = |dir: &Path| {
            let file = dir.join("adapter_model.safetensors");
            load_tensors(&file, &Device::flex())
                .unwrap()
                .into_iter()
                .map(|(name, tensor)| (name, tensor.try_into_vec_as::<f32>().unwrap()))
                .collect::<BTreeMap<_, _>>()
        };
        assert!(tensors(&copy) == tensors(&original), "{name}");
        let setting = |dir: &Path, key: &str| {
            let text = std::fs::read(dir.join("adapter_config.json")).unwrap();
            serde_json::from_slice::<Value>(&text).unwrap()[key].clone()
        };
        for key in [
            "r",
            "lora_alpha",
            "use_rslora",
            "peft_type",
            "bias",
            "fan_in_fan_out",
        ] {
            assert_eq!(
                setting(&copy, key),
                setting(&original, key),
                "{name}, {key}"
            );
        }
    }
}

/// Log-likelihoods of lm-evaluation-harness's `hf` model over a whole checkpoint with its tokenizer, each
/// question after shots of its own, and its accuracies.
#[test]
fn scores_are_the_harness_s() {
    let (peer, ours, _) = both("tiny");
    let name = "scores-arc-format";
    let (theirs, mine) = (format!("{name}/log-likelihoods"), &ours.tensors);
    let pairs = peer.tensors[&theirs].iter().zip(&mine[&theirs]);
    for (place, (peer, ours)) in pairs.enumerate() {
        assert!(
            (peer - ours).abs() < 1e-4,
            "candidate {place}: {ours} is not {peer}"
        );
    }
    assert_eq!(mine[&theirs].len(), 160);
    assert_eq!(peer.answers[name], ours.answers[name]);
}

/// A row to run, a question before an answer, examples to learn.
#[test]
fn a_probe_of_nothing_is_refused_and_does_not_panic() {
    let dir = tempfile::tempdir().unwrap();
    let [jobs, out] = ["jobs.json", "out"].map(|name| dir.path().join(name));
    let model = fixture("../models/llama");
    for (job, expected) in [
        (r#""job": "logits", "rows": []"#, "`rows` is empty"),
        (r#""job": "logits", "rows": [[1], []]"#, "row 1 is empty"),
        (
            r#""job": "gradients", "adapter": "ADAPTER", "examples": [{"tokens": [1, 2], "answer-start": 0}]"#,
            "starts at token 0 of 2",
        ),
        (
            r#""job": "gradients", "adapter": "ADAPTER", "examples": []"#,
            "examples = 0",
        ),
        (
            r#""job": "training", "adapter": "ADAPTER", "examples": [{"tokens": [1, 2], "answer-start": 1}],
               "learning-rate": 0.1, "batch-size": 0, "max-grad-norm": 1.0, "weight-decay": 0.0"#,
            "batch-size",
        ),
    ] {
        let job = job.replace("ADAPTER", model.join("adapter").to_str().unwrap());
        let text = format!(
            r#"{{"model": "{}", "jobs": [{{"name": "x", {job}}}]}}"#,
            model.display()
        );
        std::fs::write(&jobs, text).unwrap();
        let found = probe::run(&jobs, &out, DeviceName::Cpu.place(None, None));
        let message = format!("{:#}", found.unwrap_err());
        assert!(
            message.contains("`x`") && message.contains(expected),
            "{message}"
        );
    }
}
