//! `likra score --format lm-eval` against the files of lm-evaluation-harness 0.4.13 (fixtures/lm-eval).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};

use common::succeed;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// The results, and the samples of `task`, in the one folder below `dir`.
fn read(dir: &Path, task: &str) -> (Value, Vec<Value>) {
    let folder = std::fs::read_dir(dir)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let find = |start: &str| {
        let files = std::fs::read_dir(&folder)
            .unwrap()
            .map(|file| file.unwrap().path());
        let name = |file: &PathBuf| file.file_name().unwrap().to_str().unwrap().to_owned();
        let mut found = files.filter(|file| name(file).starts_with(start));
        std::fs::read_to_string(found.next().unwrap()).unwrap()
    };
    let samples = find(&format!("samples_{task}_"));
    let samples = samples
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    (
        serde_json::from_str(&find("results_")).unwrap(),
        samples.collect(),
    )
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .or_else(|| value.as_str()?.parse().ok())
        .unwrap()
}

fn compare(run: &str, task: &str, flags: &[&str]) {
    let fixtures = fixtures();
    let out = tempfile::tempdir().unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (model, data) = (
        path(&fixtures.join("tiny")),
        path(&fixtures.join("lm-eval/rows")),
    );
    let out_path = path(out.path());
    let fixed = [
        "score", "--device", "cpu", "--format", "lm-eval", "--task", task,
    ];
    let places = ["--model", &model, "--data", &data, "--out", &out_path];
    succeed(&[&fixed[..], &places[..], flags].concat());
    let (results, samples) = read(out.path(), task);
    let (expected_results, expected) = read(&fixtures.join("lm-eval").join(run), task);
    assert_eq!(samples.len(), expected.len(), "{task}");
    for (found, expected) in samples.iter().zip(&expected) {
        for key in [
            "doc_id",
            "doc",
            "target",
            "arguments",
            "metrics",
            "doc_hash",
            "prompt_hash",
            "target_hash",
        ] {
            assert_eq!(found[key], expected[key], "{task}, {key}");
        }
        for metric in expected["metrics"].as_array().unwrap() {
            let metric = metric.as_str().unwrap();
            let difference = number(&found[metric]) - number(&expected[metric]);
            assert!(difference.abs() < 1e-4, "{task}, {metric}: {difference:e}");
        }
        let responses = |sample: &Value| sample["filtered_resps"].as_array().unwrap().clone();
        for (found, expected) in responses(found).iter().zip(&responses(expected)) {
            // Sums of a hundred tokens in f32.
            assert!(
                (number(&found[0]) - number(&expected[0])).abs() < 2e-4,
                "{task}: {found}"
            );
            assert_eq!(found[1], expected[1], "{task}");
        }
    }
    for key in ["task_hashes", "n-shot", "versions", "higher_is_better"] {
        assert_eq!(
            results[key][task], expected_results[key][task],
            "{task}, {key}"
        );
    }
    for (key, expected) in expected_results["results"][task].as_object().unwrap() {
        let found = &results["results"][task][key];
        match expected.is_f64() {
            true => assert!(
                (number(found) - number(expected)).abs() < 1e-4,
                "{task}, {key}"
            ),
            false => assert_eq!(found, expected, "{task}, {key}"),
        }
    }
}

#[test]
fn the_files_are_those_of_the_harness() {
    compare("arc_challenge", "arc_challenge", &["--num-shots", "2"]);
    compare("winogrande", "winogrande", &["--num-shots", "1"]);
    compare("truthfulqa_mc2", "truthfulqa_mc2", &[]);
    for subject in ["mmlu_anatomy", "mmlu_world_religions"] {
        compare("subjects", subject, &["--num-shots", "1", "--limit", "4"]);
    }
}

/// Questions in a chat, with the shots as turns and as one message, and without a template.
#[test]
fn prompts_are_put_into_the_checkpoint_s_template() {
    let fixtures = fixtures();
    let model = tempfile::tempdir().unwrap();
    for file in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        std::fs::copy(fixtures.join("tiny").join(file), model.path().join(file)).unwrap();
    }
    let rows = fixtures.join("lm-eval/rows").display().to_string();
    let folder = model.path().to_str().unwrap();
    let fixed = [
        "arc_challenge",
        "--data",
        &rows,
        "--limit",
        "1",
        "--num-shots",
        "1",
    ];
    let fixed = [
        &["prompts"][..],
        &fixed[..],
        &["--model", folder, "--chat-template"],
    ]
    .concat();
    let error = common::fail(&fixed, 1);
    assert!(error.contains("no chat template: none found"), "{error}");
    let template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}\
                    {% if add_generation_prompt %}<assistant>{% endif %}";
    std::fs::write(model.path().join("chat_template.jinja"), template).unwrap();
    let first = |more: &[&str]| -> Value {
        let lines = succeed(&[&fixed, more].concat());
        serde_json::from_str(lines.lines().next().unwrap()).unwrap()
    };
    let prompt = |line: &Value| line["context"].as_str().unwrap().to_owned();
    let turns = first(&[]);
    assert_eq!(prompt(&turns).matches("<user>").count(), 2);
    assert!(prompt(&turns).ends_with("\nAnswer:<assistant>"), "{turns}");
    assert!(!turns["continuation"].as_str().unwrap().starts_with(' '));
    let one = first(&["--fewshot-as-multiturn", "false"]);
    assert_eq!(prompt(&one).matches("<user>").count(), 1);
    assert!(prompt(&one).ends_with("\nAnswer:<assistant>"), "{one}");

    // A whole run in the chat: an answer alone has other tokens than in it.
    let out = model.path().join("run");
    let run = "reproduce tiny --device cpu --examples 8 --limit 4 --chat-template --set replicates.seeds=[]";
    let words = run.split(' ').chain(["--model", folder, "--out"]);
    let words: Vec<&str> = words.chain([out.to_str().unwrap()]).collect();
    assert!(succeed(&words).contains("SFT-Likra"));
}
