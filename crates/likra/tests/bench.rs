//! `likra bench` on the model that the program carries: what it writes for `cargo xtask bench` to read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn tiny() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny");
    path.to_str().unwrap().to_owned()
}

fn bench(dir: &Path, jobs: &Value) -> Output {
    let file = json!({"model": tiny(), "benchmark": "arc-format", "data": tiny(), "jobs": jobs});
    let path = dir.join("jobs.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let mut likra = Command::new(env!("CARGO_BIN_EXE_likra"));
    likra
        .arg("bench")
        .arg(path)
        .args(["--device", "cpu", "--out"]);
    likra.arg(dir.join("ours.json")).output().unwrap()
}

fn measured(jobs: &Value) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let output = bench(dir.path(), jobs);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let left = std::fs::read_dir(dir.path()).unwrap().count();
    assert!(left <= 3, "adapters, jobs and results are left: {left}");
    let text = std::fs::read(dir.path().join("ours.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn training_and_scoring_are_timed_and_say_what_they_found() {
    let score = |name: &str, heads: Value, rule: &str| {
        json!({"name": name, "job": "score", "heads": heads, "questions": 3, "shots": 2, "rule": rule,
            "warm-up": {"questions": 1, "shots": 0}, "samples": 2})
    };
    let found = measured(&json!([
        {"name": "adapters", "job": "adapters", "folder": "adapters", "heads": 1},
        {"name": "train", "job": "train", "adapter": "adapters/initial", "batch-size": 2, "warm-up": 1,
            "steps": 2, "learning-rate": 1e-3, "max-grad-norm": 1.0, "weight-decay": 0.0},
        score("base", json!(["base"]), "per-question"),
        score("fixed", json!(["base", "adapters/head-1"]), "fixed"),
        {"name": "first", "job": "first-score", "context": "Question: x?\nAnswer:", "continuation": " y"},
        {"name": "peak", "job": "peak", "sizes": [32, 64], "samples": 1},
    ]));
    assert_eq!(found["dtype"], "f32");
    assert!(found["peak-memory-mib"].as_u64().unwrap() > 1);
    let results = &found["results"];
    for name in ["train", "base", "fixed"] {
        let (seconds, result) = (numbers(&results[name]["seconds"]), &results[name]);
        assert!(seconds.iter().all(|seconds| *seconds > 0.0), "{name}");
        assert!(result["operations"].as_f64().unwrap() > 1e6, "{name}");
        assert!(result["tokens"].as_u64().unwrap() > 10, "{name}");
    }
    assert_eq!(numbers(&results["train"]["values"]).len(), 3);
    assert_eq!(numbers(&results["base"]["seconds"]).len(), 2);
    let fixed = &results["fixed"];
    let (values, heads) = (numbers(&fixed["values"]), numbers(&fixed["heads"]));
    // Four candidates of three questions, under two heads that differ.
    assert_eq!((values.len(), heads.len()), (24, 2));
    assert_ne!(values[..12], values[12..]);
    assert!(fixed["shared"].as_u64().unwrap() > results["base"]["shared"].as_u64().unwrap());
    assert!(results["first"]["at"].as_f64().unwrap() > 1e9);
    assert!(results["peak"]["rates"]["64"].as_f64().unwrap() > 1e6);
}

#[test]
fn an_impossible_job_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let job = json!([{"name": "none", "job": "score", "heads": [], "questions": 1, "shots": 0,
        "rule": "fixed", "warm-up": {"questions": 1, "shots": 0}}]);
    let output = bench(dir.path(), &job);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let expected = "job `none`: heads = []: expected at least one";
    assert!(errors.contains(expected), "{errors}");
}
