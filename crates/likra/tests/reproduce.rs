//! `likra reproduce` from outside: the built-in experiment shows the effect, its control does not, a killed run
//! goes on, and what has changed is done again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::common::{fail, likra, succeed};

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
