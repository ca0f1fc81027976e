//! What a user gets wrong is named, and nothing panics.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use crate::common::{fail, fixture, succeed};

/// A copy of the tiny model in which one file is spoilt.
fn spoilt(file: &str, spoil: impl FnOnce(Vec<u8>) -> Vec<u8>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "train.jsonl",
        "test.jsonl",
    ] {
        fs::copy(fixture("tiny").join(name), dir.path().join(name)).unwrap();
    }
    let path = dir.path().join(file);
    let content = spoil(fs::read(&path).unwrap());
    fs::write(path, content).unwrap();
    dir
}

fn replaced(from: &'static str, to: &'static str) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    move |content| {
        let text = String::from_utf8(content).unwrap();
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1).into_bytes()
    }
}

#[test]
fn what_is_wrong_with_an_input_is_named() {
    let complain = |dir: &tempfile::TempDir, wanted: &[&str]| {
        let (folder, out) = (dir.path().to_str().unwrap(), dir.path().join("out"));
        let message = fail(
            &[
                "reproduce",
                "tiny",
                "--model",
                folder,
                "--data",
                folder,
                "--device",
                "cpu",
                "--out",
                out.to_str().unwrap(),
            ],
            1,
        );
        for wanted in wanted {
            assert!(message.contains(wanted), "expected {wanted:?} in {message}");
        }
        assert!(
            !out.join("scores").exists() && !out.join("report").exists(),
            "{message}"
        );
    };
    let half = |content: Vec<u8>| content[..content.len() / 2].to_vec();
    complain(
        &spoilt("model.safetensors", half),
        &["model.safetensors", "safetensors"],
    );
    complain(
        &spoilt("config.json", replaced("\"llama\"", "\"gpt2\"")),
        &["config.json", "gpt2"],
    );
    complain(
        &spoilt("config.json", replaced("320", "384")),
        &["gate_proj", "384", "320"],
    );
    complain(&spoilt("tokenizer.json", half), &["tokenizer.json"]);
    complain(
        &spoilt("train.jsonl", replaced("\n", "\n{\"id\": 3\n")),
        &["train.jsonl", "2"],
    );
    complain(
        &spoilt(
            "test.jsonl",
            replaced("\"answerKey\": \"", "\"answerKey\": \"Z"),
        ),
        &["test.jsonl", "Z"],
    );
    complain(
        &spoilt(
            "test.jsonl",
            replaced(
                "\"text\": \"",
                "\"text\": \"\"}, {\"label\": \"Q\", \"text\": \"",
            ),
        ),
        &["tiny-test-0000", "choice 1 is empty"],
    );
    let missing = spoilt("config.json", |content| content);
    fs::remove_file(missing.path().join("model.safetensors")).unwrap();
    complain(&missing, &["no weights"]);
}

#[test]
fn a_mistaken_command_line_is_a_usage_error() {
    for arguments in [
        &["reproduce", "--device", "tpu"][..],
        &["reproduce", "--limit", "many"],
        &["train", "--kind", "correct"],
        &[
            "train",
            "--kind",
            "sideways",
            "--model",
            "m",
            "--questions",
            "q",
            "--out",
            "o",
        ],
        &[
            "score",
            "--model",
            "m",
            "--adapter",
            "x",
            "--questions",
            "q",
            "--out",
            "o",
        ],
        &["reproduce", "--protocol", "harness"],
        &["reproduce", "--normalisation", "words"],
        &["reproduce", "--shots", "2"],
        &["frobnicate"],
    ] {
        fail(arguments, 2);
    }
    let message = fail(&["reproduce", "--protocol", "harness"], 2);
    assert!(message.contains("harness-0.4.13"), "{message}");
    let message = fail(&["reproduce", "nonesuch"], 1);
    assert!(
        message.contains("tiny") && message.contains("smollm2-arc"),
        "{message}"
    );
    let message = fail(&["reproduce", "--out", "/dev/null/x"], 1);
    assert!(message.contains("/dev/null/x"), "{message}");
}

#[test]
fn a_learning_rate_that_is_far_too_high_stops_with_a_message() {
    let dir = tempfile::tempdir().unwrap();
    let spec = dir.path().join("wild.toml");
    let text = include_str!("../../likra-experiment/experiments/tiny.toml");
    fs::write(
        &spec,
        text.replace("learning-rate = 3e-3", "learning-rate = 1e38"),
    )
    .unwrap();
    let out = dir.path().join("out");
    let message = fail(
        &[
            "reproduce",
            spec.to_str().unwrap(),
            "--device",
            "cpu",
            "--out",
            out.to_str().unwrap(),
        ],
        1,
    );
    assert!(
        message.contains("step") && message.contains("learning rate"),
        "{message}"
    );
}

#[test]
fn what_would_lose_work_or_do_none_is_refused_first() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let small = [
        "reproduce",
        "tiny",
        "--device",
        "cpu",
        "--limit",
        "8",
        "--out",
        out.to_str().unwrap(),
        "--set",
        "replicates.seeds=[]",
    ];
    let with = |more: &[&'static str]| [&small[..], more].concat();
    let message = fail(&with(&["--set", "lora.target-modules=[\"nonesuch\"]"]), 1);
    assert!(
        message.contains("no linear layer of this model is in [\"nonesuch\"]"),
        "{message}"
    );
    assert!(!out.join("scores").exists());
    succeed(&with(&["--examples", "40"]));
    // A head that has seen more is not thrown away.
    let message = fail(&with(&["--examples", "36"]), 1);
    assert!(message.contains("has seen 40 examples there"), "{message}");
    let again = succeed(&with(&["--examples", "40", "--dry-run"]));
    assert!(
        again.contains("nothing") || !again.contains("train"),
        "{again}"
    );
}
