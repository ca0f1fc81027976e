//! The prompts of the tasks that are carried, compared with those of lm-evaluation-harness 0.4.13, which
//! `xtask/peers/prompts.py` has stored.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use likra_data::{Benchmark, Needs, Question, Shots, Source};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

#[derive(Deserialize)]
struct Golden {
    tasks: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    task: String,
    shots: usize,
    docs: usize,
    candidates: usize,
    sha256: String,
    /// Context, continuation, and whether it is right: of all candidates, or of some of the first
    /// question's.
    #[serde(alias = "first")]
    prompts: Vec<(String, String, bool)>,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/tasks")
        .join(name)
}

fn golden(name: &str) -> Vec<Record> {
    let text = std::fs::read_to_string(fixture(name)).unwrap();
    serde_json::from_str::<Golden>(&text).unwrap().tasks
}

/// What a model is asked, as the harness's requests.
fn prompts(task: &str, folder: &Path, shots: usize) -> (usize, Vec<(String, String, bool)>) {
    let needs = Needs {
        test: true,
        shots: shots > 0,
        ..Needs::default()
    };
    let benchmark = Benchmark::open(task, &Source::folder(folder), &needs).unwrap();
    let shots = Shots {
        count: shots,
        ..Shots::default()
    };
    let test = benchmark.test();
    let prefixes = benchmark.prefixes(&shots, test.len()).unwrap();
    let candidates = |(question, prefix): (&Question, String)| {
        let candidate = |place: usize| {
            let context = prefix.clone() + question.context(place);
            let continuation = question.continued(question.answer(place));
            (context, continuation, question.is_right(place))
        };
        (0..question.choices.len())
            .map(candidate)
            .collect::<Vec<_>>()
    };
    (
        test.len(),
        test.iter().zip(prefixes).flat_map(candidates).collect(),
    )
}

fn compare(expected: &Record, folder: &Path) -> Result<(), String> {
    let (docs, found) = prompts(&expected.task, folder, expected.shots);
    let differs = |what: String| {
        Err(format!(
            "{} with {} shots: {what}",
            expected.task, expected.shots
        ))
    };
    if let Some(missing) = expected
        .prompts
        .iter()
        .find(|prompt| !found.contains(prompt))
    {
        let likest = found.iter().find(|found| found.1 == missing.1);
        return differs(format!("{likest:?}\nexpected {missing:?}"));
    }
    if (docs, found.len()) != (expected.docs, expected.candidates) {
        return differs(format!("{docs} questions, {} candidates", found.len()));
    }
    let mut digest = Sha256::new();
    for (context, continuation, right) in found {
        digest.update(format!("{context}\0{continuation}\0{}\n", u8::from(right)));
    }
    let hex = digest
        .finalize()
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    if hex == expected.sha256 {
        Ok(())
    } else {
        differs("the hash".into())
    }
}

/// All that differs.
fn compare_all(golden: &[Record], rows: &Path) {
    let differ = |expected: &Record| compare(expected, &rows.join(&expected.task)).err();
    let differ: Vec<String> = golden.iter().filter_map(differ).collect();
    assert!(
        differ.is_empty(),
        "{} of {} differ:\n{}",
        differ.len(),
        golden.len(),
        differ.join("\n")
    );
}

#[test]
fn small_rows_are_asked_as_the_harness_asks_them() {
    let golden = golden("small.json");
    compare_all(&golden, &fixture("rows"));
    assert!(golden.len() >= 26, "{}", golden.len());
}

/// `LIKRA_ROWS` is the folder that `xtask/peers/prompts.py rows` makes.
#[test]
#[ignore = "needs the benchmarks"]
fn all_rows_are_asked_as_the_harness_asks_them() {
    let rows = PathBuf::from(std::env::var("LIKRA_ROWS").unwrap());
    compare_all(&golden("prompts.json"), &rows);
}
