//! The operations that a GPU runs, against the CPU's own: the small experiment on both. `LIKRA_TEST_DEVICE` names the
//! device: CONTRIBUTING.md has the command.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use likra_results::{RunDir, ScoreRecord, read_rows};

use crate::common::{succeed, text};

/// How far a log-likelihood may be from the CPU's, in nats, after training there and here.
const BOUND: f64 = 2e-4;

/// With torch's 1e-8, `AdamW` moves a number by up to the learning rate whose gradient is nothing but rounding. After four
/// steps one of an adapter's 43,008 numbers was 4e-3 away, the next 3e-4, the median 1e-8; log-likelihoods came to be
/// 1.2e-3 nats away.
const EPSILON: &str = "training.adam-epsilon=1e-3";

/// The log-likelihoods of all candidates of a question, in the order of the records.
type Question = (String, Vec<f64>);

fn questions(path: &Path) -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    for record in read_rows::<ScoreRecord>(path).unwrap() {
        match questions.last_mut() {
            Some((id, values)) if *id == record.question_id => values.push(record.log_likelihood),
            _ => questions.push((record.question_id, vec![record.log_likelihood])),
        }
    }
    questions
}

fn likeliest(values: &[f64]) -> usize {
    let places = (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b]));
    places.unwrap()
}

#[test]
#[ignore = "needs a device, named by LIKRA_TEST_DEVICE"]
fn the_small_experiment_decides_as_on_a_cpu() {
    let device = std::env::var("LIKRA_TEST_DEVICE").expect("LIKRA_TEST_DEVICE is to name a device");
    let dir = tempfile::tempdir().unwrap();
    let runs = ["cpu", device.as_str()].map(|device| {
        let out = dir.path().join(device);
        let words = [
            "reproduce",
            "--examples",
            "128",
            "--limit",
            "120",
            "--device",
            device,
        ];
        let more = ["--dtype", "f32", "--set", EPSILON, "--out", &text(&out)];
        succeed(&[&words[..], &more].concat());
        RunDir::new(out)
    });
    let (mut largest, mut compared) = (0.0_f64, 0);
    for (head, examples) in [("positive", 128), ("incorrect", 128), ("contaminated", 64)] {
        let [expected, found] = runs
            .each_ref()
            .map(|run| questions(&run.scores(head, examples)));
        assert_eq!(expected.len(), found.len());
        for ((id, expected), (other, found)) in expected.iter().zip(&found) {
            assert_eq!(id, other);
            assert_eq!(
                likeliest(expected),
                likeliest(found),
                "{head}, question {id}"
            );
            for (expected, found) in expected.iter().zip(found) {
                largest = largest.max((expected - found).abs());
                compared += 1;
            }
        }
    }
    println!("{compared} log-likelihoods, at most {largest:e} nats from the CPU's");
    assert!(compared > 1000 && largest < BOUND, "{largest:e} nats");
}
