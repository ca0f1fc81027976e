//! What lm-evaluation-harness 0.4.13 asked and was answered once, asked again: fixtures/serve.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::Server;
use common::mock;
use serde_json::Value;

const EXCHANGE: &str = include_str!("../../../fixtures/serve/exchange.jsonl");

#[test]
fn the_harness_is_answered_as_ever_and_finds_our_own_numbers() {
    let server = Server::start();
    let mut lines: Vec<Value> = EXCHANGE
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = lines.pop().unwrap();
    for exchange in &lines {
        let path = exchange["path"].as_str().unwrap();
        let mut answer = match exchange["method"].as_str().unwrap() {
            "GET" => server.get(path),
            _ => server.post(path, exchange["request"].clone()),
        }
        .json();
        // The only ones that differ each time.
        for key in ["id", "created"] {
            if !exchange["answer"][key].is_null() {
                answer[key] = exchange["answer"][key].clone();
            }
        }
        assert_eq!(answer, exchange["answer"], "{path}");
    }
    let paths = |path: &str| lines.iter().filter(|line| line["path"] == path).count();
    assert!(
        paths("/tokenizer_info") == 1 && paths("/tokenize") > 8 && paths("/v1/completions") == 8
    );

    let scores = last["scores"].as_array().unwrap();
    let mut greedy = 0;
    for score in scores {
        let text = |key: &str| score[key].as_str().unwrap();
        let model = mock::MODELS
            .iter()
            .position(|model| *model == text("model"))
            .unwrap();
        let expected = mock::sum(model, false, text("context"), text("continuation"));
        let found = score["log_likelihood"].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-9, "{score}: {expected}");
        greedy += usize::from(score["greedy"] == true);
    }
    assert_eq!(scores.len(), 32);
    // The ratio's greedy is made up: the mock's best token is always the chosen one.
    assert_eq!(greedy, 8);
}
