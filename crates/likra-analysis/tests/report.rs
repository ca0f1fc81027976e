//! A whole report from made-up scores in which the negative head learns late and much.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use likra_analysis::{Error, Norm, ScoreTable, gain, summary, write_report};
use likra_results::{Kind, ScoreRecord};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const QUESTIONS: usize = 400;
const WEIGHTS: [f64; 9] = [0.0, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5];

/// For each checkpoint how much, in nats, the positive head raises and the negative head lowers
/// right answers.
const LEARNT: [(usize, f64, f64); 7] = [
    (32, 0.1, 0.1),
    (64, 0.2, 0.2),
    (128, 0.3, 0.8),
    (256, 0.4, 1.4),
    (512, 0.5, 1.6),
    (1024, 0.7, 1.7),
    (1119, 0.7, 1.7),
];

/// About normal, without functions that differ between systems.
fn noise(random: &mut ChaCha8Rng) -> f64 {
    (0..6).map(|_| random.random_range(-0.7..0.7)).sum()
}

fn made_up() -> Vec<ScoreRecord> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut records = Vec::new();
    for question in 0..QUESTIONS {
        for candidate in 0..4 {
            let gold = candidate == question % 4;
            let chars = random.random_range(5..20);
            let base = 4.0 * noise(&mut random) - chars as f64;
            let mut add = |head: &str, examples, log_likelihood| {
                records.push(ScoreRecord {
                    question_id: format!("question {question}"),
                    candidate,
                    kind: if gold { Kind::Correct } else { Kind::Incorrect },
                    gold,
                    head: head.into(),
                    examples,
                    log_likelihood,
                    tokens: chars / 4 + 1,
                    chars,
                    bytes: chars,
                });
            };
            add("base", 0, base);
            let drift = noise(&mut random);
            let sign = f64::from(u8::from(gold));
            for (examples, raised, lowered) in LEARNT {
                add("positive", examples, base + raised * sign + 0.3 * drift);
                let other = noise(&mut random);
                add(
                    "incorrect",
                    examples,
                    base - lowered * sign + 0.4 * drift + 1.2 * other,
                );
            }
        }
    }
    records
}

fn names(dir: &Path, paths: &[PathBuf]) -> Vec<String> {
    let name = |path: &PathBuf| path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
    paths.iter().map(name).collect()
}

/// Only what the harness calls `acc_norm` is called so, outside of the columns of a table.
#[test]
fn figures_and_sentences_name_the_normalisation() {
    let table = ScoreTable::new(&made_up()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let named = |norm: Norm| {
        write_report(dir.path(), &table, &WEIGHTS, norm).unwrap();
        let figures = ["figure1.svg", "figure3.svg", "figure4.svg"];
        let read = |name| fs::read_to_string(dir.path().join(name)).unwrap();
        (figures.map(read), summary(&table, norm))
    };
    for (norm, name) in [
        (Norm::Chars, "acc_norm"),
        (Norm::Bytes, "accuracy by score per byte"),
        (Norm::Tokens, "accuracy by score per token"),
        (Norm::None, "acc"),
    ] {
        let (figures, summary) = named(norm);
        let axis = format!("\n{name} (%)\n");
        assert!(
            figures.iter().all(|figure| figure.contains(&axis)),
            "{axis}"
        );
        let last = summary.lines().last().unwrap();
        assert!(
            last.contains(&format!(" points of {name} over SFT")),
            "{last}"
        );
        let told = summary.contains("the harness's is per character");
        assert_eq!(told, norm != Norm::Chars, "{summary}");
    }
}

fn report(dir: &Path) -> Vec<String> {
    let table = ScoreTable::new(&made_up()).unwrap();
    let written = write_report(dir, &table, &WEIGHTS, Norm::Chars).unwrap();
    names(dir, &written)
}

#[test]
fn a_report_is_the_same_bytes_twice() {
    let (once, twice) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = report(once.path());
    assert_eq!(
        files,
        [
            "table1.csv",
            "control.csv",
            "figure1.csv",
            "figure1.svg",
            "figure3.csv",
            "figure3.svg",
            "figure4.csv",
            "figure4.svg",
        ]
    );
    assert_eq!(report(twice.path()), files);
    for file in files {
        let read = |dir: &Path| fs::read(dir.join(&file)).unwrap();
        assert_eq!(read(once.path()), read(twice.path()), "{file}");
    }
}

#[test]
fn without_heads_there_are_tables_but_no_figures() {
    let base: Vec<ScoreRecord> = made_up().into_iter().filter(|r| r.head == "base").collect();
    let table = ScoreTable::new(&base).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let written = write_report(dir.path(), &table, &WEIGHTS, Norm::Chars).unwrap();
    assert_eq!(names(dir.path(), &written), ["table1.csv", "control.csv"]);
    let table1 = fs::read_to_string(&written[0]).unwrap();
    assert_eq!(table1.lines().count(), 2);
    assert!(
        table1.lines().nth(1).unwrap().starts_with("base,0,0.27"),
        "{table1}"
    );
    assert!(gain(&table, Norm::Chars).is_none());
}

#[test]
fn odd_weights_are_drawn_or_refused() {
    let table = ScoreTable::new(&made_up()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for weights in [
        &[][..],
        &[1.0],
        &[-0.0, 0.0],
        &[1e300, 1e300],
        &[-1e308, 0.0, 1e308],
    ] {
        write_report(dir.path(), &table, weights, Norm::Chars).unwrap();
    }
    let nowhere = dir.path().join("nowhere");
    let error = write_report(&nowhere, &table, &[1.0, f64::NAN], Norm::Chars).unwrap_err();
    assert!(matches!(error, Error::Weight { .. }), "{error}");
    assert!(!nowhere.exists());
}

#[test]
fn the_summary_is_a_table_and_a_sentence() {
    let table = ScoreTable::new(&made_up()).unwrap();
    let text = summary(&table, Norm::Chars);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "method      examples                acc           acc_norm"
    );
    assert_eq!(
        lines[1],
        "Base               0  27.0 [22.8, 31.5]  27.3 [23.0, 31.8]"
    );
    // The base, seven checkpoints of three methods.
    assert_eq!(
        lines.iter().position(|line| line.is_empty()),
        Some(1 + 1 + 7 * 3)
    );
    let below = lines[lines.len() - 2];
    assert!(
        below.ends_with("chance is 25.0. acc_norm is by score per character."),
        "{below}"
    );
    let sentence = "SFT-Likra gains +44.8 points of acc_norm over SFT after 1119 examples per head \
                    (95% interval +39.0 to +50.5, paired bootstrap over 400 questions).";
    assert_eq!(lines.last(), Some(&sentence));
    let gain = gain(&table, Norm::Chars).unwrap();
    assert_eq!((gain.examples, gain.questions), (1119, 400));
    assert!(gain.acc_norm.low > 0.0);
}
