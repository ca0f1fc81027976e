//! `likra train` and `likra score` from outside: alone they give what an experiment gives, under every protocol and
//! from any form of file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use likra_results::{ScoreRecord, read_rows};

use crate::common::{fail, fixture, succeed};

/// The scores of choices: an experiment scores other answers beside them.
fn choices(path: &Path) -> Vec<ScoreRecord> {
    let records = read_rows::<ScoreRecord>(path).unwrap().into_iter();
    records.filter(|record| record.kind.is_choice()).collect()
}

/// The authors' protocol on a few examples and questions; returns the run's folder.
fn authors(dir: &Path) -> PathBuf {
    let (spec, run) = (dir.join("mine.toml"), dir.join("run"));
    let experiment = "title = \"t\"\nmodel = \"embedded:tiny\"\ndata = \"embedded:tiny\"\n\
                      task = \"arc_challenge\"\nexamples = 64\nprotocol = \"authors\"\n\
                      [heads.positive]\nanswers = \"correct\"\n\
                      [heads.incorrect]\nanswers = \"incorrect\"\n\
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
    let (base, negative) = (
        choices(format!("{run}/scores/base.csv.gz").as_ref()),
        choices(format!("{run}/scores/incorrect-n00032.csv.gz").as_ref()),
    );
    assert_eq!(choices(scores.as_ref()), [base, negative].concat());
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
        choices(&out)
    };
    let drawn = score("--shots per-question --bos never");
    let of_run = authors(dir.path()).join("scores/base.csv.gz");
    assert_eq!(drawn, choices(&of_run));
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
    let score = |task: &str, file: &str| {
        let file = fixture("data").join(file);
        let [model, questions] = [&tiny, &file].map(|path| path.to_str().unwrap());
        let mut words = vec!["score", "--model", model, "--task", task, "--out", out];
        words.extend(["--questions", questions, "--shots-from", questions]);
        words.extend("--num-shots 1 --shots per-question --limit 2 --device cpu".split(' '));
        succeed(&words);
        fs::read_to_string(out).unwrap()
    };
    let lines = score("hellaswag", "hellaswag-sample.jsonl");
    assert_eq!(lines.lines().count(), 1 + 2 * 4);
    assert_eq!(score("hellaswag", "hub/hellaswag.parquet"), lines);
    assert!(score("mmlu_philosophy", "philosophy_test.csv").contains("test#1,3,"));
    assert_eq!(
        score("arc", "hub/arc.json"),
        score("arc", "arc-sample.jsonl")
    );
}

/// The table beside the scores: heads, and ratios of two of them.
#[test]
fn scores_end_with_a_table_of_accuracies() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("scores.csv");
    let tiny = fixture("tiny");
    let [tiny, out] = [&tiny, &out].map(|path| path.to_str().unwrap());
    let words = |ratio: &'static str| {
        let mut words = vec!["score", "--model", tiny, "--data", tiny, "--out", out];
        words.extend(["--limit", "20", "--device", "cpu", "--ratio", ratio]);
        words
    };
    let table = succeed(&words("base/base@0.5"));
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].starts_with("head") && lines[0].ends_with("acc_norm"),
        "{table}"
    );
    // Half of what the base thinks chooses as the base does.
    let cells = |line: &str| {
        line.split_whitespace()
            .skip(1)
            .map(String::from)
            .collect::<Vec<_>>()
    };
    assert_eq!(cells(lines[1]), cells(lines[2]), "{table}");
    assert!(
        lines[2].starts_with("base/base@0.5") && table.contains("of 20 questions"),
        "{table}"
    );
    let error = fail(&words("base/other"), 1);
    assert!(error.contains("no head other"), "{error}");
}

/// What a model would be asked, before there is a model.
#[test]
fn prompts_are_printed_as_json_lines() {
    let rows = fixture("tasks/rows/winogrande");
    let printed = |more: &[&str]| {
        let all = [
            &["prompts", "winogrande", "--data", rows.to_str().unwrap()],
            more,
        ]
        .concat();
        succeed(&all)
    };
    let first = printed(&["--limit", "1"]);
    let lines: Vec<serde_json::Value> = first
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (lines.len(), &lines[1]["doc"], &lines[1]["candidate"]),
        (2, &0.into(), &1.into())
    );
    assert_ne!(lines[0]["context"], lines[1]["context"]);
    assert_eq!(lines[0]["continuation"], lines[1]["continuation"]);
    let right = lines.iter().filter(|line| line["gold"] == true).count();
    assert_eq!(right, 1);
    assert!(printed(&["--num-shots", "2", "--limit", "1"]).len() > first.len());
    assert!(printed(&["--split", "train"]).lines().count() >= 16);
    let rows = rows.to_str().unwrap();
    let authors = succeed(&[
        "prompts",
        "winogrande_options",
        "--data",
        rows,
        "--limit",
        "1",
    ]);
    let first = authors.lines().next().unwrap();
    let (context, continuation) = ("Mara lent Lena a coat because", " Mara was cold.");
    assert!(
        first.contains(&format!("\"{context}\"")) && first.contains(&format!("\"{continuation}\"")),
        "{first}"
    );
    let error = fail(&["prompts", "winogrande"], 1);
    assert!(
        error.contains("allenai/winogrande: not in the cache"),
        "{error}"
    );
}
