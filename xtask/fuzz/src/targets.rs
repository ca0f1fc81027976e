//! Every format that is read, by name: what is done with a file of any bytes.
#![allow(unreachable_pub, reason = "two programs have it as a module")]

use std::fs;
use std::path::Path;

use burn::tensor::{Device, FloatDType};
use likra_data::{Benchmark, Needs, Source};
use likra_experiment::{Experiment, Spec};
use likra_lora::{Adapter, load_tensors};
use likra_model::{Config, Model};
use likra_results::{AnswerRecord, Manifest, ScoreRecord, StepRecord, read_rows};
use likra_tokenizer::{Bos, Tokenizer};

/// A small tokenizer for the files around it.
const TOKENIZER: &[u8] = include_bytes!("../../../fixtures/tokenizers/gpt2.json");
/// A configuration for the weights beside it.
const CONFIG: &[u8] = include_bytes!("../../../fixtures/models/llama/config.json");
/// An adapter's configuration for its tensors, and the other way round.
const ADAPTER: &[u8] = include_bytes!("../../../fixtures/models/llama/adapter/adapter_config.json");
const TENSORS: &[u8] =
    include_bytes!("../../../fixtures/models/llama/adapter/adapter_model.safetensors");

/// The targets, each called by the file that it reads.
pub const NAMES: [&str; 18] = [
    "arc.jsonl",
    "mmlu.csv",
    "hellaswag.jsonl",
    "arc.parquet",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "adapter_config.json",
    "adapter_model.safetensors",
    "scores.csv",
    "run.toml",
    "experiment.toml",
    "tokenizer.model",
    "task.yaml",
];

/// Reads `bytes` as the file `name` in `folder`, whose other files are put there if they are needed.
pub fn read(name: &str, bytes: &[u8], folder: &Path) {
    let folder = folder.join(name.replace('.', "-"));
    let with = |others: &[(&str, &[u8])]| {
        if !folder.exists() {
            fs::create_dir_all(&folder).expect("a folder");
            for (other, content) in others.iter().filter(|(other, _)| *other != name) {
                fs::write(folder.join(other), content).expect("a file");
            }
        }
        let path = folder.join(name);
        fs::write(&path, bytes).expect("a file");
        path
    };
    match name {
        "arc.jsonl" | "arc.parquet" => ask("arc_challenge", &with(&[])),
        "mmlu.csv" => ask("mmlu_anatomy", &with(&[])),
        "hellaswag.jsonl" => ask("hellaswag", &with(&[])),
        "task.yaml" => ask(&with(&[]).display().to_string(), Path::new("/dev/null")),
        "tokenizer.json"
        | "tokenizer_config.json"
        | "special_tokens_map.json"
        | "added_tokens.json" => {
            with(&[("tokenizer.json", TOKENIZER), ("config.json", CONFIG)]);
            if let Ok(tokenizer) = Tokenizer::open(&folder, Bos::Auto) {
                let _ = tokenizer.encode_pair("Question: what?\nAnswer:", " heat \u{e9}<s>");
            }
        }
        "tokenizer.model" => {
            let converted =
                b"{\"tokenizer_class\": \"LlamaTokenizer\", \"add_prefix_space\": true}";
            with(&[
                ("tokenizer.json", TOKENIZER),
                ("tokenizer_config.json", converted),
            ]);
            drop(Tokenizer::open(&folder, Bos::Auto));
        }
        "config.json" => {
            if let Ok(config) = Config::read(&with(&[])) {
                let _ = config.targets().len();
            }
        }
        "model.safetensors" | "model.safetensors.index.json" => {
            with(&[("config.json", CONFIG)]);
            drop(Model::open(&folder, FloatDType::F32, &Device::flex()));
        }
        "adapter_config.json" | "adapter_model.safetensors" => {
            with(&[
                ("adapter_config.json", ADAPTER),
                ("adapter_model.safetensors", TENSORS),
            ]);
            drop(Adapter::load(&folder, &Device::flex()));
            drop(load_tensors(
                &folder.join("adapter_model.safetensors"),
                &Device::flex(),
            ));
        }
        "scores.csv" => {
            let path = with(&[]);
            drop(read_rows::<ScoreRecord>(&path));
            drop(read_rows::<StepRecord>(&path));
            drop(read_rows::<AnswerRecord>(&path));
        }
        "run.toml" => {
            if let Ok(manifest) = Manifest::read(&with(&[])) {
                drop(Experiment::of_run(&manifest));
            }
        }
        _ => drop(Spec::open(with(&[]).to_str().unwrap_or_default(), &[])),
    }
}

/// Makes prompts of a file's rows.
fn ask(task: &str, file: &Path) {
    let source = Source {
        test: vec![file.into()],
        ..Source::default()
    };
    let needs = Needs {
        test: true,
        ..Needs::default()
    };
    drop(Benchmark::open(task, &source, &needs));
}
