//! `likra reproduce` from outside: the built-in experiment shows the effect, its control does not, a killed run
//! goes on, and what has changed is done again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::common::{fail, files, likra, small, succeed, without_cost};

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
    // Taking away a head that learned right answers, from the base or from SFT, gives no gain.
    let controls = accuracies(&dir.path().join("report/controls.csv"));
    for method in ["base-sft", "sft-contaminated"] {
        let of_method = |((name, _), _): &(&(String, usize), _)| name == method;
        let found: Vec<_> = controls.iter().filter(of_method).collect();
        assert_eq!(found.len(), 4, "{method}");
        for (key, found) in found {
            let likra = of("sft-likra", key.1);
            assert!(
                found.0 + 0.06 < likra.0 && found.1 <= base.1,
                "{key:?}: {found:?}, base {base:?}, SFT-Likra {likra:?}"
            );
        }
    }

    // Drawn again from the scores alone, the report is the same.
    let before = files(&dir.path().join("report"));
    fs::remove_dir_all(dir.path().join("report")).unwrap();
    fs::remove_dir_all(dir.path().join("heads")).unwrap();
    assert_eq!(succeed(&["report", out]), summary);
    assert_eq!(files(&dir.path().join("report")), before);
    // And what was scored stays scored without the adapters.
    let mut again = vec![
        "reproduce",
        "--examples",
        "256",
        "--device",
        "cpu",
        "--out",
        out,
    ];
    assert_eq!(succeed(&again), summary);
    let head = dir.path().join("heads/positive");
    assert!(head.join("answers.csv").exists() && !head.join("n00256").exists());
    again.push("--dry-run");
    assert!(succeed(&again).contains("Nothing is left"), "{again:?}");
}

#[test]
fn a_run_killed_twenty_times_ends_like_one_that_was_not() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, killed] = ["whole", "killed"].map(|name| dir.path().join(name));
    let run = |out: &Path| {
        let arguments = small(out);
        succeed(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let began = Instant::now();
    let summary = run(&whole);
    let took = began.elapsed();
    let mut random = ChaCha8Rng::seed_from_u64(20);
    let mut midway = 0;
    for kill in 0..20 {
        let arguments = small(&killed);
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut child = likra(&words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Each lives for up to a tenth of what the whole took, so that they die in all kinds of steps and
        // most of them before the end, even if the machine has become faster meanwhile.
        thread::sleep(took.mul_f64(random.random_range(0.01..0.1)));
        midway += usize::from(child.try_wait().unwrap().is_none());
        // SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
        if kill == 10 {
            // A half-written file is no trap.
            fs::create_dir_all(killed.join("scores")).unwrap();
            fs::write(killed.join("scores/.likra-base.csv.gz.x.partial"), "half").unwrap();
        }
    }
    assert!(midway >= 10, "only {midway} of 20 were killed at work");
    assert_eq!(run(&killed), summary);
    let [mut whole_files, mut killed_files] = [&whole, &killed].map(|dir| files(dir));
    let page = Path::new("report/index.html");
    assert!(whole_files.remove(page).is_some() && killed_files.remove(page).is_some());
    assert_eq!(killed_files, whole_files);
    let [whole, killed] = [whole, killed].map(|dir| fs::read_to_string(dir.join(page)).unwrap());
    assert_eq!(without_cost(&killed), without_cost(&whole));
}

#[test]
fn a_job_is_done_by_one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let claim = likra_results::RunDir::new(dir.path()).claim("incorrect");
    let claim = likra_results::Claim::take(claim).unwrap();
    let out = dir.path().to_str().unwrap();
    let words = ["reproduce", "--device", "cpu", "--out", out];
    let message = fail(&words, 75);
    assert!(message.contains("claims/incorrect: process"), "{message}");
    drop(claim);
    assert!(!dir.path().join("claims").exists());
}

#[test]
fn other_settings_redo_what_depends_on_them() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let words = [
        "reproduce",
        "--device",
        "cpu",
        "--examples",
        "32",
        "--limit",
        "8",
    ];
    let with = |out, more: &[&'static str]| [&words[..], &["--out", out], more].concat();
    succeed(&with(out, &[]));
    // Another seed: every head is trained anew, and the base's scores stay.
    let base = fs::metadata(dir.path().join("scores/base.csv.gz")).unwrap();
    let other = succeed(&with(out, &["--seed", "9"]));
    let fresh = tempfile::tempdir().unwrap();
    let alone = succeed(&with(fresh.path().to_str().unwrap(), &["--seed", "9"]));
    assert_eq!(alone, other);
    let after = fs::metadata(dir.path().join("scores/base.csv.gz")).unwrap();
    assert_eq!(after.modified().unwrap(), base.modified().unwrap());

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
        longer.contains("SFT-Likra         64") && longer.contains("of 9 questions"),
        "{longer}"
    );
    // And back: the longer run's scores are not mixed in.
    let shorter = succeed(&with(out, &["--seed", "9"]));
    assert!(
        !shorter.contains("SFT-Likra         64") && shorter.contains("of 8 questions"),
        "{shorter}"
    );
    assert_eq!(succeed(&["report", out]), shorter);
}

/// What is left of another run altogether, or of none, is not removed without a word.
#[test]
fn another_run_s_work_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let words = |more: &[&'static str]| -> Vec<String> {
        let line = "reproduce --device cpu --examples 16 --limit 8 --out";
        let words = line.split(' ').chain([out.to_str().unwrap()]);
        words
            .chain(more.iter().copied())
            .map(String::from)
            .collect()
    };
    let refused = |more: &[&'static str]| {
        let words = words(more);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        fail(&words, 1)
    };
    fs::create_dir_all(out.join("heads")).unwrap();
    fs::write(out.join("heads/own.txt"), "mine").unwrap();
    let message = refused(&["--fresh"]);
    assert!(message.contains("without run.toml"), "{message}");
    let first = words(&[]);
    succeed(&first.iter().map(String::as_str).collect::<Vec<_>>());
    let before = files(&out);
    let message = refused(&["--dtype", "bf16"]);
    assert!(message.contains("--fresh"), "{message}");
    assert!(files(&out) == before);
    let anew = words(&["--dtype", "bf16", "--fresh"]);
    succeed(&anew.iter().map(String::as_str).collect::<Vec<_>>());
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

/// What is damaged is made again, after a word, and nothing else: in the end every byte is as before.
#[test]
fn damaged_products_are_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let few = [
        "reproduce",
        "--examples",
        "16",
        "--limit",
        "8",
        "--device",
        "cpu",
        "--out",
        out,
    ];
    succeed(&few);
    // The page has what the steps cost, in seconds.
    let products = || {
        let mut found = files(dir.path());
        found.remove(Path::new("report/index.html"));
        found.remove(Path::new("report/cost.csv"));
        found
    };
    let whole = products();
    let cut = |name: &str| {
        let path = dir.path().join(name);
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    };
    let spoilt = |name: &str| fs::write(dir.path().join(name), "\0").unwrap();
    let gone = |name: &str| fs::remove_file(dir.path().join(name)).unwrap();
    // Of a head whose checkpoint is needed once more, and of others.
    cut("scores/positive-n00016.csv.gz");
    for (damage, words) in [
        (&cut as &dyn Fn(&str), "scores/base.csv.gz"),
        (&spoilt, "heads/incorrect/log.csv"),
        (&spoilt, "heads/positive/n00016/adapter_config.json"),
        (&cut, "heads/positive/n00016/adapter_model.safetensors"),
        (&gone, "heads/positive/n00016/adapter_config.json"),
        (&cut, "run.toml"),
        (&cut, "embedded/model.safetensors"),
    ] {
        damage(words);
        if words.contains("/n00016/") {
            gone("scores/positive-n00016.csv.gz");
        }
        let output = likra(&few).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{words}: {said}");
        let silent = ["run.toml", "embedded"];
        let spoken = silent.iter().any(|name| words.contains(name)) || said.contains(words);
        assert!(spoken, "{words}: {said}");
        assert!(products() == whole, "{words}: {said}");
    }
}

/// While a head is trained with other settings, no stamp speaks for the checkpoints that stand there; and
/// `--fresh` removes nothing before it is known that the run can be done.
#[test]
fn what_other_settings_have_left_is_not_taken_for_a_run_s_own() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, other) = (dir.path().join("whole"), dir.path().join("other"));
    let arguments = |out: &Path, seed: &str| -> Vec<String> {
        let out = out.to_str().unwrap();
        let line =
            format!("reproduce --examples 16 --limit 8 --device cpu --seed {seed} --out {out}");
        line.split(' ').map(String::from).collect()
    };
    let run = |out: &Path, seed: &str| {
        let arguments = arguments(out, seed);
        succeed(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    };
    run(&whole, "0");
    run(&other, "0");
    // As after a kill between the last checkpoint of another seed and its stamp.
    run(&other, "1");
    for file in ["steps/train-positive", "scores/positive-n00016.csv.gz"] {
        fs::remove_file(other.join(file)).unwrap();
    }
    run(&other, "0");
    let products = |out: &Path| {
        let mut found = files(out);
        for name in ["report/index.html", "report/cost.csv", "run.toml"] {
            found.remove(Path::new(name));
        }
        found
    };
    assert!(products(&other) == products(&whole));

    let before = files(&other);
    let mut fresh = arguments(&other, "0");
    fresh.extend(["--fresh", "--set", "training.batch-size=0"].map(String::from));
    fail(&fresh.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    let mut fresh = arguments(&other, "0");
    fresh.extend(["--fresh", "--model", "nowhere"].map(String::from));
    fail(&fresh.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    assert!(files(&other) == before);
}
