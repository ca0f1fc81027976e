//! The program from outside: the built-in experiment shows the effect, its control does not, a killed
//! run goes on, and what a user gets wrong is named.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

fn likra(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_likra"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(name)
}

/// Runs to the end and returns what it printed.
fn succeed(arguments: &[&str]) -> String {
    let output = likra(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs into an error and returns the message.
fn fail(arguments: &[&str], code: i32) -> String {
    let Output { status, stderr, .. } = likra(arguments).output().unwrap();
    let message = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{arguments:?}: {message}");
    assert!(!message.contains("panicked"), "{message}");
    message
}

/// Rows of a table by method and examples: `acc` and `acc_norm`.
fn accuracies(path: &Path) -> BTreeMap<(String, usize), (f64, f64)> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|column| column == name).unwrap();
    let (method, examples) = (place("method"), place("examples"));
    let (acc, acc_norm) = (place("acc"), place("acc_norm"));
    reader
        .records()
        .map(|row| {
            let row = row.unwrap();
            let key = (row[method].to_owned(), row[examples].parse().unwrap());
            (
                key,
                (row[acc].parse().unwrap(), row[acc_norm].parse().unwrap()),
            )
        })
        .collect()
}

/// Every file of a run with the hash of its bytes, but for the times that its steps took.
fn files(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("steps") => {}
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(dir).unwrap().to_owned();
                    found.insert(name, likra_results::sha256_file(&path).unwrap());
                }
            }
        }
    }
    found
}

#[test]
fn negative_examples_help_and_the_control_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let summary = succeed(&[
        "reproduce",
        "--examples",
        "256",
        "--device",
        "cpu",
        "--out",
        out,
    ]);
    assert!(summary.contains("SFT-Likra"), "{summary}");

    let table = accuracies(&dir.path().join("report/table1.csv"));
    let of = |method: &str, examples: usize| table[&(method.to_owned(), examples)];
    let base = of("base", 0);
    // The interval of an accuracy here is 7 points wide; the same questions are asked of both.
    let gains = [
        ("sft-likra", 128, of("sft", 128)),
        ("sft-likra", 256, of("sft", 256)),
        ("base-likra", 256, base),
    ];
    for (method, examples, other) in gains {
        let found = of(method, examples);
        let gained = found.0 > other.0 + 0.06 && found.1 > other.1;
        assert!(
            gained,
            "{method} after {examples}: {found:?}, compared with {other:?}"
        );
    }
    // A "negative" head that learnt from right answers gives no gain.
    let control = accuracies(&dir.path().join("report/control.csv"));
    for (key, found) in control {
        assert!(
            found.0 <= base.0 && found.1 <= base.1,
            "{key:?}: {found:?}, base {base:?}"
        );
    }

    // Drawn again from the scores alone, the report is the same.
    let before = files(&dir.path().join("report"));
    fs::remove_dir_all(dir.path().join("report")).unwrap();
    fs::remove_dir_all(dir.path().join("heads")).unwrap();
    assert_eq!(succeed(&["report", out]), summary);
    assert_eq!(files(&dir.path().join("report")), before);
}

#[test]
fn a_killed_run_ends_like_one_that_was_not() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, killed] = ["whole", "killed"].map(|name| dir.path().join(name));
    let arguments = |out: &Path| {
        let words = "reproduce tiny --examples 96 --limit 60 --device cpu --out".split(' ');
        words
            .map(String::from)
            .chain([out.to_str().unwrap().to_owned()])
            .collect::<Vec<_>>()
    };
    let run = |out: &Path| {
        let arguments = arguments(out);
        succeed(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let summary = run(&whole);
    // Killed at one point after another, each a little further on.
    for product in [
        "heads/positive/n00032",
        "heads/incorrect/n00064",
        "scores/positive-n00032.csv",
    ] {
        let arguments = arguments(&killed);
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut child = likra(&words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !killed.join(product).exists() && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(run(&killed), summary);
    assert_eq!(files(&killed), files(&whole));
}

#[test]
fn a_folder_holds_one_run_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let lock = fs::File::create(dir.path().join(".lock")).unwrap();
    lock.lock().unwrap();
    let message = fail(
        &[
            "reproduce",
            "--device",
            "cpu",
            "--out",
            dir.path().to_str().unwrap(),
        ],
        1,
    );
    assert!(message.contains("another run"), "{message}");
}

#[test]
fn other_settings_do_not_mix_with_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let with = |more: &[&'static str]| {
        let base = [
            "reproduce",
            "--device",
            "cpu",
            "--out",
            out,
            "--examples",
            "32",
            "--limit",
            "8",
        ];
        [&base, more].concat()
    };
    succeed(&with(&[]));
    let message = fail(&with(&["--seed", "9"]), 1);
    assert!(message.contains("other settings"), "{message}");
    succeed(&with(&["--seed", "9", "--fresh"]));

    // More questions and more examples are no other run: only what depends on them is done.
    let longer = succeed(&[
        "reproduce",
        "--device",
        "cpu",
        "--out",
        out,
        "--examples",
        "64",
        "--limit",
        "9",
        "--seed",
        "9",
    ]);
    assert!(
        longer.contains(" 64 ") && longer.contains("of 9 questions"),
        "{longer}"
    );
    // And back: the longer run's scores are not mixed in.
    let shorter = succeed(&with(&["--seed", "9"]));
    assert!(
        !shorter.contains(" 64 ") && shorter.contains("of 8 questions"),
        "{shorter}"
    );
    assert_eq!(succeed(&["report", out]), shorter);
}

#[test]
fn the_two_steps_alone_give_what_the_experiment_gives() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let tiny = fixture("tiny");
    let (model, train, test) = (
        tiny.to_str().unwrap(),
        tiny.join("train.jsonl"),
        tiny.join("test.jsonl"),
    );
    let (train, test) = (train.to_str().unwrap(), test.to_str().unwrap());
    let (head, scores, run) = (path("head"), path("scores.csv"), path("run"));
    succeed(&[
        "train",
        "--model",
        model,
        "--questions",
        train,
        "--kind",
        "incorrect",
        "--out",
        &head,
        "--examples",
        "32",
        "--seed",
        "1",
        "--learning-rate",
        "3e-3",
        "--device",
        "cpu",
    ]);
    succeed(&[
        "reproduce",
        "--examples",
        "32",
        "--limit",
        "20",
        "--device",
        "cpu",
        "--out",
        &run,
    ]);
    let adapter =
        |dir: &str| fs::read(Path::new(dir).join("n00032/adapter_model.safetensors")).unwrap();
    assert_eq!(adapter(&head), adapter(&format!("{run}/heads/incorrect")));

    let named = format!("incorrect={head}/n00032");
    succeed(&[
        "score",
        "--model",
        model,
        "--adapter",
        &named,
        "--questions",
        test,
        "--limit",
        "20",
        "--out",
        &scores,
        "--device",
        "cpu",
    ]);
    let read = |path: &str| fs::read_to_string(path).unwrap();
    let (base, negative) = (
        read(&format!("{run}/scores/base.csv")),
        read(&format!("{run}/scores/incorrect-n00032.csv")),
    );
    let rows = negative.split_once('\n').unwrap().1;
    assert_eq!(read(&scores), format!("{base}{rows}"));
}

#[test]
fn shots_come_from_a_file_in_order_or_by_seed() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = fixture("tiny");
    let file = |name: &str| tiny.join(name).to_str().unwrap().to_owned();
    let score = |name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        let (model, test, train) = (
            tiny.to_str().unwrap(),
            file("test.jsonl"),
            file("train.jsonl"),
        );
        let base = [
            "score",
            "--model",
            model,
            "--questions",
            &test,
            "--shots-from",
            &train,
            "--limit",
            "3",
            "--device",
            "cpu",
            "--out",
            out.to_str().unwrap(),
        ];
        succeed(&[&base, more].concat());
        fs::read_to_string(out).unwrap()
    };
    let (none, first) = (score("0.csv", &[]), score("1.csv", &["--num-shots", "2"]));
    let (seven, again) = (
        score("2.csv", &["--num-shots", "2", "--shot-seed", "7"]),
        score("3.csv", &["--num-shots", "2", "--shot-seed", "7"]),
    );
    assert_ne!(none, first);
    assert_ne!(first, seven);
    assert_eq!(seven, again);
}

/// The authors' protocol on a few examples and questions; returns the run's folder.
fn authors(dir: &Path) -> PathBuf {
    let (spec, run) = (dir.join("mine.toml"), dir.join("run"));
    let experiment = "title = \"t\"\nmodel = \"embedded:tiny\"\ndata = \"embedded:tiny\"\n\
                      benchmark = \"arc-format\"\nheads = [\"positive\", \"incorrect\"]\n\
                      examples = 64\nprotocol = \"authors\"\n\
                      [evaluation]\nnum-shots = 2\nquestions = 6\n";
    fs::write(&spec, experiment).unwrap();
    let [spec, out] = [&spec, &run].map(|path| path.to_str().unwrap());
    succeed(&["reproduce", spec, "--device", "cpu", "--out", out]);
    run
}

#[test]
fn a_run_says_what_its_protocol_has_set() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = fs::read_to_string(authors(dir.path()).join("run.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let resolved = &manifest["experiment"];
    assert_eq!(resolved["protocol"].as_str(), Some("authors"));
    assert_eq!(resolved["wrong-answer"].as_str(), Some("first"));
    assert_eq!(resolved["lora"]["rank"].as_integer(), Some(8));
    let training = &resolved["training"];
    assert_eq!(training["batch-size"].as_integer(), Some(32));
    assert_eq!(training["bos"].as_str(), Some("always"));
    let evaluation = &resolved["evaluation"];
    assert_eq!(evaluation["shots"].as_str(), Some("per-question"));
    assert_eq!(evaluation["shot-seed"].as_integer(), Some(1234));
    let analysis = &resolved["analysis"];
    assert_eq!(analysis["candidate-score"].as_str(), Some("log-likelihood"));
    assert_eq!(analysis["normalisation"].as_str(), Some("chars"));
}

#[test]
fn a_protocol_s_head_can_be_trained_alone() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = fixture("tiny");
    let questions = tiny.join("train.jsonl");
    let train = |name: &str, more: &str| {
        let out = dir.path().join(name);
        let [model, questions, to] = [&tiny, &questions, &out].map(|path| path.to_str().unwrap());
        let mut words = vec![
            "train",
            "--model",
            model,
            "--questions",
            questions,
            "--out",
            to,
        ];
        words.extend("--kind incorrect --examples 64 --batch-size 32 --device cpu".split(' '));
        words.extend(more.split(' '));
        succeed(&words);
        fs::read(out.join("n00064/adapter_model.safetensors")).unwrap()
    };
    let alone = train("0", "--bos always --wrong-answer first");
    let of_run = authors(dir.path()).join("heads/incorrect/n00064/adapter_model.safetensors");
    assert_eq!(alone, fs::read(of_run).unwrap());
    assert_ne!(train("1", "--bos never --wrong-answer first"), alone);
    assert_ne!(train("2", "--bos always --wrong-answer random"), alone);
}

#[test]
fn shots_may_be_drawn_for_every_question() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = fixture("tiny");
    let out = dir.path().join("scores.csv");
    let files = [
        &tiny,
        &tiny.join("test.jsonl"),
        &tiny.join("train.jsonl"),
        &out,
    ];
    let [model, asked, pool, to] = files.map(|path| path.to_str().unwrap());
    let score = |more: &str| {
        let mut words = vec!["score", "--model", model, "--questions", asked, "--out", to];
        words.extend(["--shots-from", pool]);
        words.extend("--num-shots 2 --limit 6 --device cpu".split(' '));
        words.extend(more.split(' '));
        succeed(&words);
        fs::read_to_string(&out).unwrap()
    };
    let drawn = score("--shots per-question --bos never");
    let of_run = authors(dir.path()).join("scores/base.csv");
    assert_eq!(drawn, fs::read_to_string(of_run).unwrap());
    for other in [
        "--shots fixed --bos never",
        "--shots per-question --bos always",
        "--shots per-question --shot-seed 1",
    ] {
        assert_ne!(score(other), drawn, "{other}");
    }
}

#[test]
fn other_benchmarks_are_scored_from_any_form_of_file() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("scores.csv");
    let (tiny, out) = (fixture("tiny"), out.to_str().unwrap());
    let score = |benchmark: &str, file: &str| {
        let file = fixture("data").join(file);
        let [model, questions] = [&tiny, &file].map(|path| path.to_str().unwrap());
        let mut words = vec![
            "score",
            "--model",
            model,
            "--benchmark",
            benchmark,
            "--out",
            out,
        ];
        words.extend(["--questions", questions, "--shots-from", questions]);
        words.extend("--num-shots 1 --shots per-question --limit 2 --device cpu".split(' '));
        succeed(&words);
        fs::read_to_string(out).unwrap()
    };
    let lines = score("hellaswag", "hellaswag-sample.jsonl");
    assert_eq!(lines.lines().count(), 1 + 2 * 4);
    assert_eq!(score("hellaswag", "hub/hellaswag.parquet"), lines);
    assert!(score("mmlu", "philosophy_test.csv").contains("philosophy#2"));
    assert_eq!(
        score("arc", "hub/arc.json"),
        score("arc", "arc-sample.jsonl")
    );
}

#[test]
fn another_normalisation_is_drawn_from_the_same_scores() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let with = |more: &[&'static str]| {
        let base = ["reproduce", "tiny", "--device", "cpu", "--out", out];
        let words = ["--examples", "32", "--limit", "40"];
        succeed(&[&base[..], &words, more].concat())
    };
    let chars = with(&[]);
    assert!(
        chars.contains("acc_norm is by score per character."),
        "{chars}"
    );
    let scores = files(&dir.path().join("scores"));
    let tokens = with(&["--normalisation", "tokens"]);
    assert!(
        tokens.contains("acc_norm is by score per token"),
        "{tokens}"
    );
    let figure = fs::read_to_string(dir.path().join("report/figure1.svg")).unwrap();
    assert!(
        figure.contains("accuracy by score per token (%)"),
        "{figure}"
    );
    assert_eq!(files(&dir.path().join("scores")), scores);
    assert_eq!(succeed(&["report", out]), tokens);
}

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
        &spoilt("config.json", replaced("\"llama\"", "\"qwen2\"")),
        &["config.json", "qwen2"],
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
        &["test.jsonl"],
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
    assert!(message.contains("`harness-0.4.13`"), "{message}");
    let message = fail(&["reproduce", "nonesuch"], 1);
    assert!(
        message.contains("tiny") && message.contains("smollm2-arc"),
        "{message}"
    );
    let message = fail(&["reproduce", "smollm2-arc", "--out", "/dev/null/x"], 1);
    assert!(message.contains("/dev/null/x"), "{message}");
}

#[test]
fn a_learning_rate_that_is_far_too_high_stops_with_a_message() {
    let dir = tempfile::tempdir().unwrap();
    let spec = dir.path().join("wild.toml");
    let text = include_str!("../experiments/tiny.toml");
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
