//! The same questions from every form of file: the hub's samples in `fixtures/data/hub` (made by
//! `make_hub.py`), and whole benchmarks where a copy lies beside the repository.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use likra_data::{
    MMLU_SCIENCE, Question, Source, read_arc, read_hellaswag, read_mmlu, read_mmlu_dir,
    read_questions,
};
use proptest::prelude::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/data")
        .join(name)
}

/// A folder of data beside the repository, if it is there.
fn shared(name: &str) -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    dir.is_dir().then_some(dir)
}

#[test]
fn every_form_gives_the_same_questions() {
    let arc = read_arc(&fixture("arc-sample.jsonl")).unwrap();
    for form in ["arc.jsonl", "arc.json", "arc-viewer.json", "arc.parquet"] {
        let found = read_questions(Source::Arc, &fixture("hub").join(form)).unwrap();
        assert_eq!(found, arc, "{form}");
    }
    let hellaswag = read_hellaswag(&fixture("hellaswag-sample.jsonl")).unwrap();
    for form in ["hellaswag.jsonl", "hellaswag.parquet"] {
        let found = read_questions(Source::Hellaswag, &fixture("hub").join(form)).unwrap();
        assert_eq!(found, hellaswag, "{form}");
    }
    let mmlu = read_mmlu(&fixture("philosophy_test.csv")).unwrap();
    for form in ["mmlu.jsonl", "mmlu.parquet"] {
        let found = read_questions(Source::Mmlu, &fixture("hub").join(form)).unwrap();
        assert_eq!(found, mmlu, "{form}");
    }
    let table = read_questions(Source::Mmlu, &fixture("philosophy_test.csv")).unwrap();
    assert_eq!(table, mmlu);
}

#[test]
fn mistakes_are_named_with_file_and_row() {
    let dir = tempfile::tempdir().unwrap();
    let error = |source, name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let error = read_questions(source, &path).unwrap_err().to_string();
        error
            .strip_prefix(&path.display().to_string())
            .unwrap()
            .to_owned()
    };
    for (source, name, text, message) in [
        (
            Source::Arc,
            "a.txt",
            "",
            ": expected a name that ends in .jsonl, .json, .parquet or .csv",
        ),
        (
            Source::Hellaswag,
            "a.csv",
            "",
            ": expected a name that ends in .jsonl, .json or .parquet",
        ),
        (
            Source::Arc,
            "a.json",
            "[",
            ": not an array of rows in JSON: EOF while parsing a list at line 1 column 1",
        ),
        (
            Source::Arc,
            "a.json",
            "7",
            ": not an array of rows in JSON: found 7",
        ),
        (
            Source::Arc,
            "a.json",
            "{\"rows\": 1}",
            ": not an array of rows in JSON: an object without an array `rows`",
        ),
        (
            Source::Arc,
            "a.json",
            "[]",
            ": no questions found, expected at least one",
        ),
        (Source::Arc, "a.parquet", "PAR1", ": not a parquet file: "),
        (
            Source::Arc,
            "a.jsonl",
            "{\"id\": \"q\", \"question\": \"?\", \"choices\": {\"text\": [\"a\", \"b\"], \"label\": [\"A\"]}, \"answerKey\": \"A\"}",
            ":1: 2 choices found, but 1 labels",
        ),
        (
            Source::Arc,
            "a.jsonl",
            "{\"id\": \"q\", \"question\": \"?\", \"choices\": {\"text\": [\"a\", 2]}}",
            ":1: column 56: invalid type: integer `2`, expected a string",
        ),
        (
            Source::Mmlu,
            "a.json",
            "[{\"question\": \"?\", \"choices\": [\"a\", \"b\", \"c\", \"d\"], \"answer\": 4}]",
            ":1: answer `4` is neither a letter from A to D nor a number from 0 to 3",
        ),
    ] {
        let found = error(source, name, text);
        assert!(found.starts_with(message), "{name}: {found}");
    }
}

/// ARC's question as AI2's table has it.
fn table(questions: &[Question]) -> String {
    let mut table = String::from("questionID,AnswerKey,question\n");
    for question in questions {
        let mut text = question.stem().to_owned();
        for (label, choice) in ('A'..).zip(question.choices()) {
            write!(text, " ({label}) {choice}").unwrap();
        }
        let gold = char::from(b'A' + question.gold() as u8);
        let text = text.replace('"', "\"\"");
        writeln!(table, "{},{gold},\"{text}\"", question.id()).unwrap();
    }
    table
}

/// Blanks at an end of a stem or a choice do not survive in a table.
fn trimmed(question: &Question) -> (String, String, Vec<String>, usize) {
    let choices = question
        .choices()
        .iter()
        .map(|choice| choice.trim().to_owned());
    (
        question.id().into(),
        question.stem().trim().into(),
        choices.collect(),
        question.gold(),
    )
}

#[test]
fn a_table_gives_arc_back() {
    let mut files = vec![fixture("arc-sample.jsonl")];
    if let Some(dir) = shared("arc") {
        for set in ["Easy", "Challenge"] {
            files.extend(
                ["Train", "Dev", "Test"].map(|split| dir.join(format!("ARC-{set}-{split}.jsonl"))),
            );
        }
    }
    let mut count = 0;
    for file in &files {
        let questions = read_arc(file).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table.csv");
        std::fs::write(&path, table(&questions)).unwrap();
        let found = read_questions(Source::Arc, &path).unwrap();
        for (found, question) in found.iter().zip(&questions) {
            assert_eq!(trimmed(found), trimmed(question));
        }
        assert_eq!(found.len(), questions.len());
        count += found.len();
    }
    assert_eq!(count, if files.len() > 1 { 12 + 7787 } else { 12 });
}

#[test]
fn all_of_mmlu_is_read() {
    let Some(dir) = shared("mmlu") else { return };
    for (split, all, science) in [("dev", 285, 90), ("val", 1531, 0), ("test", 14042, 0)] {
        let questions = read_mmlu_dir(&dir.join(split), |_| true).unwrap();
        assert_eq!(questions.len(), all, "{split}");
        let only =
            read_mmlu_dir(&dir.join(split), |subject| MMLU_SCIENCE.contains(&subject)).unwrap();
        assert!(
            science == 0 || only.len() == science,
            "{split}: {}",
            only.len()
        );
        assert!(only.len() < all / 3);
    }
}

proptest! {
    /// One byte of a parquet file changed, or its end cut off.
    #[test]
    fn damaged_parquet_is_read_or_refused(place: prop::sample::Index, byte: u8, cut: bool) {
        let mut bytes = std::fs::read(fixture("hub/arc.parquet")).unwrap();
        let place = place.index(bytes.len());
        if cut {
            bytes.truncate(place);
        } else {
            bytes[place] = byte;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("damaged.parquet");
        std::fs::write(&path, bytes).unwrap();
        if let Err(error) = read_questions(Source::Arc, &path) {
            prop_assert!(error.to_string().contains("damaged.parquet"));
        }
    }
}
