//! What a user's machine does to outputs and folders: links, pipes, closed outputs, two runs in one place.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::common::{fail, fixture, likra, succeed, text};

#[cfg(target_os = "linux")]
#[test]
fn outputs_are_written_where_they_point() {
    let dir = tempfile::tempdir().unwrap();
    let (tiny, questions) = (
        text(&fixture("tiny")),
        text(&fixture("cases/questions.jsonl")),
    );
    let score = |out: &str| {
        [
            "score",
            "--model",
            &tiny,
            "--questions",
            &questions,
            "--out",
            out,
        ]
        .map(String::from)
    };
    let run = |out: &str| {
        let arguments = score(out);
        succeed(&arguments.each_ref().map(String::as_str))
    };
    let table = dir.path().join("plain.csv");
    run(&text(&table));
    let table = fs::read_to_string(table).unwrap();

    let (link, kept) = (dir.path().join("scores.csv"), dir.path().join("kept.csv"));
    fs::write(&kept, "what stood here before\n").unwrap();
    std::os::unix::fs::symlink("kept.csv", &link).unwrap();
    run(&text(&link));
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(&kept).unwrap(), table);

    let pipe = dir.path().join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    run(&text(&pipe));
    assert_eq!(reader.join().unwrap(), table);
    assert!(!pipe.is_file());
    for out in ["/dev/stdout", "-"] {
        assert_eq!(run(out), table, "{out}");
    }
    let message = fail(
        &score(&text(&dir.path().join("plain.csv/below.csv")))
            .each_ref()
            .map(String::as_str),
        1,
    );
    assert!(message.contains("plain.csv/below.csv"), "{message}");
}

/// Nobody reads what is printed: the results are written all the same, and the exit code tells.
#[cfg(target_os = "linux")]
#[test]
fn a_closed_or_full_output_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (tiny, questions) = (
        text(&fixture("tiny")),
        text(&fixture("cases/questions.jsonl")),
    );
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let full = || Stdio::from(fs::File::options().write(true).open("/dev/full").unwrap());
    for (name, stderr) in [("closed", closed()), ("full", full())] {
        let out = dir.path().join(name);
        let asked = [
            "score",
            "--model",
            &tiny,
            "--questions",
            &questions,
            "--out",
            &text(&out),
        ];
        let status = likra(&asked)
            .stdout(closed())
            .stderr(stderr)
            .status()
            .unwrap();
        assert!(status.success() && out.exists(), "{name}: {status}");
    }
    for stdout in [closed(), full()] {
        let run = dir.path().join("run");
        let few = [
            "reproduce",
            "--examples",
            "8",
            "--limit",
            "8",
            "--device",
            "cpu",
            "--out",
            &text(&run),
        ];
        let output = likra(&few).stdout(stdout).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(
            message.contains("standard output") && !message.contains("panicked"),
            "{message}"
        );
        assert!(run.join("report/index.html").exists());
    }
}

fn train(out: &str, more: &[&str]) -> Output {
    train_on("correct", out, more)
}

fn train_on(kind: &str, out: &str, more: &[&str]) -> Output {
    let (tiny, questions) = (text(&fixture("tiny")), text(&fixture("tiny/train.jsonl")));
    let usual = [
        "train",
        "--model",
        &tiny,
        "--questions",
        &questions,
        "--kind",
        kind,
        "--device",
        "cpu",
    ];
    likra(&[&usual[..], &["--out", out], more].concat())
        .output()
        .unwrap()
}

/// The message of what ended with exit code 1.
fn refused(output: Output) -> String {
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    message
}

#[test]
fn fewer_examples_than_there_are_is_an_error_that_names_them() {
    let dir = tempfile::tempdir().unwrap();
    let out = text(&dir.path().join("head"));
    assert!(train(&out, &["--examples", "32"]).status.success());
    let adapter = Path::new(&out).join("n00032/adapter_model.safetensors");
    let before = fs::read(&adapter).unwrap();
    let message = refused(train(&out, &["--examples", "8"]));
    assert!(
        message.contains(&out) && message.contains("n00032"),
        "{message}"
    );
    assert_eq!(fs::read(&adapter).unwrap(), before);
    // What is written, PEFT's AutoPeftModel can open: it finds the base.
    let config = fs::read(Path::new(&out).join("n00032/adapter_config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    let base = PathBuf::from(config["base_model_name_or_path"].as_str().unwrap());
    assert!(
        base.is_absolute() && base.join("config.json").exists(),
        "{base:?}"
    );
}

#[test]
fn a_batch_of_any_size_leaves_checkpoints_at_its_ends() {
    let dir = tempfile::tempdir().unwrap();
    let out = text(&dir.path().join("head"));
    let output = train(&out, &["--batch-size", "12", "--examples", "100"]);
    assert!(output.status.success());
    let names = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with('n')).collect();
    names.sort();
    assert_eq!(names, ["n00000", "n00036", "n00072", "n00100"]);
}

/// The head learns each wrong answer beside the right one.
#[test]
fn a_head_is_trained_for_another_objective() {
    let dir = tempfile::tempdir().unwrap();
    let out = text(&dir.path().join("head"));
    let more = ["--objective", "dpo", "--beta", "0.5", "--examples", "16"];
    let output = train_on("incorrect", &out, &more);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && message.contains("train dpo"),
        "{message}"
    );
    let log = fs::read_to_string(Path::new(&out).join("log.csv")).unwrap();
    // The first step starts from a head that changes nothing: log 2.
    assert!(log.lines().nth(1).unwrap().contains(",0.6931"), "{log}");
    let output = train(&text(&dir.path().join("other")), &more);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("objective dpo sets wrong answers"),
        "{message}"
    );
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("head");
    fs::create_dir(&out).unwrap();
    let lock = fs::File::create(out.join(".lock")).unwrap();
    lock.lock().unwrap();
    let output = train(&text(&out), &["--examples", "8"]);
    // "Try again", as of a job that another process does.
    assert_eq!(output.status.code(), Some(75));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("another process is at work"), "{message}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}
