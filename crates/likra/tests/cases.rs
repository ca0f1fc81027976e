//! Inputs of other people's kind (`fixtures/cases`): the library's number, or an error and no output.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use likra_results::{ScoreRecord, read_rows};
use safetensors::tensor::{SafeTensors, TensorView};
use serde_json::{Map, Value, json};

use crate::common::{fail, fixture, succeed, text};

/// What differs from transformers at most, in nats.
const TOLERANCE: f64 = 2e-3;

fn cases(name: &str) -> String {
    text(&fixture("cases").join(name))
}

/// The folder of the tiny model with some files written anew.
fn checkpoint(dir: &Path, files: &[(&str, Value)]) -> String {
    fs::create_dir_all(dir).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(fixture("tiny").join(name), dir.join(name)).unwrap();
    }
    for (name, content) in files {
        fs::write(dir.join(name), content.to_string()).unwrap();
    }
    text(dir)
}

/// `config.json` with other values.
fn config(changes: Value) -> (&'static str, Value) {
    let bytes = fs::read(fixture("tiny/config.json")).unwrap();
    let mut keys: Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
    keys.extend(changes.as_object().unwrap().clone());
    ("config.json", keys.into())
}

/// `tokenizer.json` with other names for its two special tokens and a post-processor that makes of a
/// text, "A", what `template` says.
fn vocabulary(bos: &str, eos: &str, template: &[&str]) -> (&'static str, Value) {
    let bytes = fs::read(fixture("tiny/tokenizer.json")).unwrap();
    let mut tokenizer: Value = serde_json::from_slice(&bytes).unwrap();
    for (id, name) in [bos, eos].into_iter().enumerate() {
        tokenizer["added_tokens"][id]["content"] = name.into();
        let vocab = tokenizer["model"]["vocab"].as_object_mut().unwrap();
        vocab.retain(|_, value| *value != id);
        vocab.insert(name.into(), id.into());
    }
    let piece = |name: &&str| match *name {
        "A" => json!({"Sequence": {"id": "A", "type_id": 0}}),
        name => json!({"SpecialToken": {"id": name, "type_id": 0}}),
    };
    let single: Vec<Value> = template.iter().map(piece).collect();
    let pair = [
        single.clone(),
        vec![json!({"Sequence": {"id": "B", "type_id": 1}})],
    ]
    .concat();
    let special = |(id, name): (usize, &str)| {
        (
            name.to_owned(),
            json!({"id": name, "ids": [id], "tokens": [name]}),
        )
    };
    let special: Map<String, Value> = [bos, eos].into_iter().enumerate().map(special).collect();
    if !single.is_empty() {
        tokenizer["post_processor"] = json!({"type": "TemplateProcessing", "single": single,
            "pair": pair, "special_tokens": special});
    }
    ("tokenizer.json", tokenizer)
}

/// Scores and compares with what transformers and PEFT give in the case `name`.
fn expect(name: &str, arguments: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let out = text(&dir.path().join("scores.csv"));
    succeed(&[&["score", "--device", "cpu", "--out", &out], arguments].concat());
    let expected: Value =
        serde_json::from_slice(&fs::read(fixture("cases/expected.json")).unwrap()).unwrap();
    let expected: BTreeMap<String, Vec<f64>> =
        serde_json::from_value(expected[name]["log_likelihoods"].clone()).unwrap();
    let head = if arguments.contains(&"--adapter") {
        "x"
    } else {
        "base"
    };
    let records = read_rows::<ScoreRecord>(Path::new(&out)).unwrap();
    let found: Vec<&ScoreRecord> = records
        .iter()
        .filter(|record| record.head == head)
        .collect();
    assert_eq!(
        found.len(),
        expected.values().map(Vec::len).sum::<usize>(),
        "{name}"
    );
    for record in found {
        let right = expected[&record.question_id][record.candidate];
        let (id, value) = (&record.question_id, record.log_likelihood);
        assert!(
            (value - right).abs() < TOLERANCE,
            "{name}: {id}: {value} is not {right}"
        );
    }
}

/// Is refused with these words, and leaves no output.
fn refused(words: &[&str], arguments: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("scores.csv");
    let message = fail(&[&["score", "--out", &text(&out)], arguments].concat(), 1);
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
    assert!(!out.exists(), "{message}");
}

#[test]
fn tokenizers_are_opened_as_transformers_opens_them() {
    let root = tempfile::tempdir().unwrap();
    let questions = cases("questions.jsonl");
    let folder = |name: &str, files: &[(&str, Value)]| checkpoint(&root.path().join(name), files);
    let settings = |content: Value| ("tokenizer_config.json", content);
    let named =
        |class: &str| json!({"bos_token": "[BOS]", "eos_token": "[EOS]", "tokenizer_class": class});

    let mut ended = named("LlamaTokenizerFast");
    ended["add_bos_token"] = false.into();
    ended["add_eos_token"] = true.into();
    let model = folder(
        "eos-in-force",
        &[
            vocabulary("[BOS]", "[EOS]", &["A", "[EOS]"]),
            settings(ended),
        ],
    );
    refused(
        &["ends each text", "add_eos_token"],
        &["--model", &model, "--questions", &questions],
    );

    let tokens = json!({"bos_token": {"content": "[BOS]", "lstrip": false}, "eos_token": {"content": "[EOS]"}});
    let mut mistral = config(json!({"model_type": "mistral", "sliding_window": null}));
    mistral.1["architectures"] = json!(["MistralForCausalLM"]);
    let usual =
        |class: &str| json!({"bos_token": "<s>", "eos_token": "</s>", "tokenizer_class": class});
    let plain = |prefix: bool| {
        let mut settings = usual("PreTrainedTokenizerFast");
        settings["add_prefix_space"] = prefix.into();
        settings
    };
    let mut prefixed = vocabulary("<s>", "</s>", &[]);
    prefixed.1["pre_tokenizer"]["add_prefix_space"] = true.into();
    for (name, files) in [
        (
            "eos-switched-off",
            vec![
                vocabulary("[BOS]", "[EOS]", &["[BOS]", "A", "[EOS]"]),
                settings(named("LlamaTokenizer")),
            ],
        ),
        (
            "bos-in-map",
            vec![
                vocabulary("[BOS]", "[EOS]", &[]),
                settings(json!({"tokenizer_class": "LlamaTokenizer"})),
                ("special_tokens_map.json", tokens),
            ],
        ),
        ("no-tokenizer-config", vec![mistral]),
        (
            "bos-differs",
            vec![
                vocabulary("<s>", "</s>", &["</s>", "A"]),
                settings(usual("LlamaTokenizerFast")),
            ],
        ),
        ("prefix-space-off", vec![prefixed, settings(plain(false))]),
        ("prefix-space-on", vec![settings(plain(true))]),
    ] {
        expect(
            name,
            &["--model", &folder(name, &files), "--questions", &questions],
        );
    }
}

/// The tensors of the tiny model, in its own type.
fn weights(dir: &Path, name: &str, change: impl Fn(&str, &mut Vec<usize>, &mut Vec<u8>)) {
    let bytes = fs::read(fixture("tiny/model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors = Vec::new();
    for (name, view) in file.iter() {
        let (mut shape, mut data) = (view.shape().to_vec(), view.data().to_vec());
        change(name, &mut shape, &mut data);
        tensors.push((name.to_owned(), view.dtype(), shape, data));
    }
    let views = tensors.iter().map(|(name, dtype, shape, data)| {
        (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    fs::write(dir.join(name), safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_token_of_the_configuration_alone_is_one_token() {
    let root = tempfile::tempdir().unwrap();
    let pause = json!({"content": "<|pause|>", "lstrip": false, "rstrip": false, "normalized": false,
        "single_word": false, "special": false});
    let settings = json!({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>",
        "eos_token": "</s>", "added_tokens_decoder": {"640": pause}});
    let wide = config(json!({"vocab_size": 644}));
    let model = checkpoint(root.path(), &[wide, ("tokenizer_config.json", settings)]);
    weights(root.path(), "model.safetensors", |name, shape, data| {
        if name == "model.embed_tokens.weight" {
            // Rows 200 to 203 once more, each backwards.
            let row = data.len() / shape[0];
            let size = row / shape[1];
            for number in 200..204 {
                let values: Vec<&[u8]> = data[number * row..(number + 1) * row]
                    .chunks(size)
                    .rev()
                    .collect();
                let values = values.concat();
                data.extend(values);
            }
            shape[0] += 4;
        }
    });
    expect(
        "token-in-config",
        &["--model", &model, "--questions", &cases("pause.jsonl")],
    );
}

#[test]
fn adapters_are_plain_or_refused() {
    let (tiny, questions) = (text(&fixture("tiny")), cases("questions.jsonl"));
    let adapter = |name: &str| format!("x={}", cases(name));
    for name in ["target-regex", "all-linear"] {
        let adapter = adapter(name);
        expect(
            name,
            &[
                "--model",
                &tiny,
                "--questions",
                &questions,
                "--adapter",
                &adapter,
            ],
        );
    }
    for (name, words) in [
        ("pissa", ["pissa/adapter_config.json", "init_lora_weights"]),
        (
            "outside-targets",
            ["adapter_model.safetensors", "down_proj"],
        ),
        ("nowhere", ["nowhere/adapter_config.json", "No such file"]),
    ] {
        refused(
            &words,
            &[
                "--model",
                &tiny,
                "--questions",
                &questions,
                "--adapter",
                &adapter(name),
            ],
        );
    }
}

#[test]
fn a_text_that_is_too_long_is_refused_or_cut_as_the_harness_cuts_it() {
    let (tiny, questions) = (text(&fixture("tiny")), cases("too-long.jsonl"));
    let asked = ["--model", &tiny, "--questions", &questions];
    refused(&["too-long-0", "936 tokens", "512 positions"], &asked);
    expect(
        "too-long",
        &[&asked[..], &["--too-long", "truncate"]].concat(),
    );
}

#[test]
fn configurations_mean_what_their_class_means() {
    let root = tempfile::tempdir().unwrap();
    let settings = fs::read(fixture("tiny/tokenizer_config.json")).unwrap();
    let settings: Value = serde_json::from_slice(&settings).unwrap();
    let settings = ("tokenizer_config.json", settings);
    let mistral = config(json!({"model_type": "mistral", "max_position_embeddings": 8192}));
    let window = checkpoint(&root.path().join("window"), &[mistral, settings.clone()]);
    expect(
        "no-window",
        &["--model", &window, "--questions", &cases("long.jsonl")],
    );

    let infinity = root.path().join("infinity");
    let model = checkpoint(&infinity, std::slice::from_ref(&settings));
    let path = infinity.join("config.json");
    let python = fs::read_to_string(&path).unwrap();
    let python = python.replacen('{', "{\"a\": [-Infinity, Infinity], \"b\": NaN,", 1);
    fs::write(path, python).unwrap();
    let questions = cases("questions.jsonl");
    expect("infinity", &["--model", &model, "--questions", &questions]);
    // Where a folder has a single file and shards, the shards are not read.
    weights(
        &infinity,
        "model-00001-of-00001.safetensors",
        |_, _, data| data.fill(0),
    );
    let index = json!({"weight_map": {"model.norm.weight": "model-00001-of-00001.safetensors"}});
    fs::write(
        infinity.join("model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
    expect("infinity", &["--model", &model, "--questions", &questions]);
}

#[test]
fn what_downloads_leave_is_named() {
    let root = tempfile::tempdir().unwrap();
    let (questions, pointer) = (
        cases("questions.jsonl"),
        "version https://git-lfs.github.com/spec/v1\n",
    );
    for (file, content, word) in [
        ("model.safetensors", pointer, "Git LFS pointer"),
        (
            "tokenizer.json",
            "<!DOCTYPE html><title>404</title>",
            "web page",
        ),
        ("config.json", "", "empty"),
    ] {
        let dir = root.path().join(file);
        let model = checkpoint(
            &dir,
            &[(
                "tokenizer_config.json",
                json!({"tokenizer_class": "GPT2Tokenizer"}),
            )],
        );
        fs::write(dir.join(file), content).unwrap();
        refused(
            &[file, word],
            &["--model", &model, "--questions", &questions],
        );
    }
}

#[test]
fn files_are_known_by_their_content() {
    let root = tempfile::tempdir().unwrap();
    let tiny = text(&fixture("tiny"));
    for (case, name) in [("lines.json", "lines.json"), ("UPPER.JSONL", "UPPER.JSONL")] {
        let copy = root.path().join(name);
        fs::copy(cases("questions.jsonl"), &copy).unwrap();
        expect(case, &["--model", &tiny, "--questions", &text(&copy)]);
    }
    expect(
        "gzip.parquet",
        &["--model", &tiny, "--questions", &cases("data/gzip.parquet")],
    );
}

/// Four questions, each with two shots of the same file: an answer of its own would make it certain.
#[test]
fn no_question_is_among_its_own_shots() {
    let dir = tempfile::tempdir().unwrap();
    let (tiny, questions) = (text(&fixture("tiny")), cases("questions.jsonl"));
    let asked = [
        "--model",
        &tiny,
        "--questions",
        &questions,
        "--shots-from",
        &questions,
    ];
    let rows = fs::read_to_string(&questions).unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    // The first question after the second and third, which is what a pool without it gives.
    let others = dir.path().join("others.jsonl");
    fs::write(&others, rows[1..].join("\n")).unwrap();
    let scores = |name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        let fixed = ["score", "--num-shots", "2", "--shots", "fixed"];
        succeed(&[&fixed[..], &["--out", &text(&out)], more].concat());
        read_rows::<ScoreRecord>(&out).unwrap()
    };
    let own = scores("own.csv", &asked);
    let apart = [
        "--model",
        &tiny,
        "--questions",
        &questions,
        "--shots-from",
        &text(&others),
    ];
    let apart = scores("apart.csv", &[&apart[..], &["--limit", "1"]].concat());
    for (own, apart) in own.iter().zip(&apart) {
        // Another batch rounds differently.
        assert_eq!(
            (&own.question_id, own.candidate),
            (&apart.question_id, apart.candidate)
        );
        let (own, apart) = (own.log_likelihood, apart.log_likelihood);
        assert!((own - apart).abs() < 1e-4, "{own} is not {apart}");
    }
    assert_eq!(apart.len(), 4);
    succeed(
        &[
            &[
                "score",
                "--out",
                &text(&dir.path().join("p.csv")),
                "--num-shots",
                "2",
                "--shots",
                "per-question",
            ],
            &asked[..],
        ]
        .concat(),
    );
    refused(
        &["tiny-test-0100", "own 4 shots"],
        &[&asked[..], &["--num-shots", "4"]].concat(),
    );
}
