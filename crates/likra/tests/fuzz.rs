//! Any bytes are read or refused: the fixtures of every format and what fuzzing has found, and changes of
//! them at random for `LIKRA_FUZZ_SECONDS` (5) in all.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::expect_used, reason = "likewise")]

mod common;
#[path = "../../../xtask/fuzz/src/targets.rs"]
mod targets;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::common::fixture;

/// Good files of each format, by the name of its target.
fn seeds(name: &str) -> Vec<PathBuf> {
    let mut paths: Vec<&str> = match name {
        "arc.jsonl" => vec![
            "data/hub/arc.jsonl",
            "data/hub/arc-viewer.json",
            "cases/questions.jsonl",
        ],
        "mmlu.csv" => vec!["data/philosophy_test.csv"],
        "hellaswag.jsonl" => vec![
            "data/hellaswag-sample.jsonl",
            "data/hellaswag-stripped.jsonl",
        ],
        "arc.parquet" => vec![
            "data/hub/arc.parquet",
            "data/hub/arc-brotli.parquet",
            "data/hub/arc-structs.parquet",
        ],
        "tokenizer.json" => vec!["tokenizers/gpt2.json", "tokenizers/llama.json"],
        "tokenizer_config.json" => vec![
            "tiny/tokenizer_config.json",
            "data/byte-level/tokenizer_config.json",
        ],
        "tokenizer.model" => vec!["tokenizers/sp.model"],
        "config.json" => vec![
            "models/llama3/config.json",
            "models/mistral/config.json",
            "models/transformers5/config.json",
        ],
        "model.safetensors" => vec!["models/llama/model.safetensors"],
        "model.safetensors.index.json" => vec!["models/mistral/model.safetensors.index.json"],
        "adapter_config.json" => vec![
            "cases/target-regex/adapter_config.json",
            "models/llama/adapter/adapter_config.json",
        ],
        "adapter_model.safetensors" => vec!["models/llama/adapter/adapter_model.safetensors"],
        _ => Vec::new(),
    };
    let mut paths: Vec<PathBuf> = paths.drain(..).map(fixture).collect();
    let results = fixture("../results/smollm2-arc");
    match name {
        "run.toml" => paths.push(results.join("run.toml")),
        "scores.csv" => paths.push(results.join("heads/positive/log.csv")),
        _ => {}
    }
    if let Ok(found) = fs::read_dir(fixture("fuzz").join(name)) {
        paths.extend(found.map(|entry| entry.unwrap().path()));
    }
    paths
}

/// Small files of formats that have no fixture.
fn written(name: &str) -> &'static str {
    match name {
        "special_tokens_map.json" => {
            "{\"bos_token\": {\"content\": \"<s>\", \"lstrip\": true}, \"additional_special_tokens\": [\"[X]\"]}"
        }
        "added_tokens.json" => "{\"<|pause|>\": 640, \"[X]\": 641}",
        "scores.csv" => {
            "question_id,candidate,kind,head,examples,log_likelihood,tokens,chars,bytes\nq,0,correct,base,0,-1.5,2,3,3\n"
        }
        "experiment.toml" => {
            "title = \"t\"\ntask = \"arc\"\nprotocol = \"paper\"\n[heads.positive]\nanswers = \"correct\"\n[lora]\ntarget-modules = \"all-linear\"\n"
        }
        _ => "{}",
    }
}

/// A few changes, each of a byte, a stretch or a piece of another file.
fn change(bytes: &mut Vec<u8>, other: &[u8], rng: &mut impl Rng) {
    for _ in 0..rng.random_range(1..4) {
        if bytes.is_empty() {
            bytes.extend(other);
            continue;
        }
        let place = rng.random_range(0..bytes.len());
        let end = (place + rng.random_range(1..20)).min(bytes.len());
        match rng.random_range(0..7) {
            0 => bytes[place] = rng.random(),
            1 => bytes[place] ^= 1 << rng.random_range(0..8),
            2 => drop(bytes.drain(place..end)),
            3 => bytes.truncate(place),
            4 => bytes.extend_from_within(place..end),
            5 => drop(bytes.splice(place..end, b"-1e999\0\"[{".iter().copied())),
            _ => {
                let from = rng.random_range(0..=other.len().saturating_sub(1));
                let piece = other[from..].iter().take(30).copied().collect::<Vec<u8>>();
                drop(bytes.splice(place..place, piece));
            }
        }
    }
}

#[test]
fn any_bytes_are_read_or_refused() {
    let seconds = std::env::var("LIKRA_FUZZ_SECONDS").ok();
    let seconds: f64 = seconds.map_or(5.0, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut executions = 0;
    for name in targets::NAMES {
        let mut stored: Vec<Vec<u8>> = seeds(name)
            .iter()
            .map(|path| fs::read(path).unwrap())
            .collect();
        stored.push(written(name).into());
        for bytes in &stored {
            targets::read(name, bytes, folder.path());
        }
        let mut rng = ChaCha8Rng::seed_from_u64(17);
        let end = Instant::now() + Duration::from_secs_f64(seconds / targets::NAMES.len() as f64);
        while Instant::now() < end {
            let mut bytes = stored[rng.random_range(0..stored.len())].clone();
            let other = &stored[rng.random_range(0..stored.len())];
            change(&mut bytes, other, &mut rng);
            // The name of the input, should the next line panic.
            let last = folder.path().join("last");
            fs::write(&last, &bytes).unwrap();
            let read = std::panic::catch_unwind(|| targets::read(name, &bytes, folder.path()));
            if read.is_err() {
                let kept = fixture("fuzz").join(name);
                fs::create_dir_all(&kept).unwrap();
                let path = kept.join(&likra_results::sha256(&bytes)[..12]);
                fs::write(&path, &bytes).unwrap();
                panic!("{name} panics on {}", path.display());
            }
            executions += 1;
        }
    }
    println!("{executions} executions");
}
