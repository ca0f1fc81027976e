//! The same questions from every form of file: the hub's samples in `fixtures/data/hub` (made by
//! `make_hub.py`), and whole benchmarks, which are not part of the project:
//!
//! ```sh
//! LIKRA_MMLU=DIR cargo test -p likra-data --test forms -- --ignored
//! ```

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use likra_data::{Benchmark, Needs, Question, Result, Source};
use proptest::prelude::*;

/// The questions of a file.
fn read_questions(task: &str, path: &Path) -> Result<Vec<Question>> {
    let source = Source {
        test: vec![path.into()],
        ..Source::default()
    };
    let needs = Needs {
        test: true,
        ..Needs::default()
    };
    Ok(Benchmark::open(task, &source, &needs)?.test().to_vec())
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/data")
        .join(name)
}

/// A folder of data that is not part of the project.
fn given(variable: &str) -> PathBuf {
    std::env::var_os(variable)
        .unwrap_or_else(|| panic!("{variable} names no folder"))
        .into()
}

#[test]
fn every_form_gives_the_same_questions() {
    let arc = read_questions("arc_challenge", &fixture("arc-sample.jsonl")).unwrap();
    for form in [
        "arc.jsonl",
        "arc.json",
        "arc-viewer.json",
        "arc.parquet",
        "arc-none.parquet",
        "arc-gzip.parquet",
        "arc-brotli.parquet",
        "arc-lz4.parquet",
        "arc-zstd.parquet",
        "arc-structs.parquet",
    ] {
        let found = read_questions("arc_challenge", &fixture("hub").join(form)).unwrap();
        assert_eq!(found, arc, "{form}");
    }
    let hellaswag = read_questions("hellaswag", &fixture("hellaswag-sample.jsonl")).unwrap();
    for form in ["hellaswag.jsonl", "hellaswag.parquet"] {
        let found = read_questions("hellaswag", &fixture("hub").join(form)).unwrap();
        assert_eq!(found, hellaswag, "{form}");
    }
    let mmlu = read_questions("mmlu_philosophy", &fixture("philosophy_test.csv")).unwrap();
    for form in ["mmlu.jsonl", "mmlu.parquet"] {
        let found = read_questions("mmlu_philosophy", &fixture("hub").join(form)).unwrap();
        assert_eq!(found, mmlu, "{form}");
    }
}

/// Whatever the name says, in any case, and however it is compressed.
#[test]
fn the_content_decides_how_a_file_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let read_as = |task: &str, name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        read_questions(task, &path).unwrap()
    };
    let read = |name: &str, bytes: &[u8]| read_as("arc_challenge", name, bytes);
    let bytes = |name| std::fs::read(fixture(name)).unwrap();
    let lines = bytes("arc-sample.jsonl");
    let arc = read("arc.jsonl", &lines);
    assert_eq!(read("lines.json", &lines), arc);
    assert_eq!(read("UPPER.JSONL", &lines), arc);
    assert_eq!(read("array.jsonl", &bytes("hub/arc.json")), arc);
    assert_eq!(read("viewer.JSONL", &bytes("hub/arc-viewer.json")), arc);
    assert_eq!(read("no-ending", &bytes("hub/arc.parquet")), arc);
    let one = std::str::from_utf8(&lines).unwrap().lines().next().unwrap();
    assert_eq!(read("one.json", one.as_bytes()), arc[..1]);

    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&lines).unwrap();
    assert_eq!(read("arc.jsonl.gz", &gz.finish().unwrap()), arc);
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(&lines).unwrap();
    assert_eq!(read("arc.jsonl.xz", &xz.finish().unwrap()), arc);
    let zst = zstd::encode_all(lines.as_slice(), 1).unwrap();
    assert_eq!(read("arc.jsonl.zst", &zst), arc);
    let table = zstd::encode_all(bytes("philosophy_test.csv").as_slice(), 1).unwrap();
    assert_eq!(
        read_as("mmlu_philosophy", "table.CSV.zst", &table),
        read_questions("mmlu_philosophy", &fixture("philosophy_test.csv")).unwrap()
    );
    let cut = dir.path().join("cut.gz");
    std::fs::write(&cut, &zst[..zst.len() - 9]).unwrap();
    let error = read_questions("arc_challenge", &cut)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cut.gz: not a compressed file that is whole"),
        "{error}"
    );
}

#[test]
fn choices_may_be_lists_and_structs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let read = |row: &str| {
        std::fs::write(&path, row).unwrap();
        let question = read_questions("arc_challenge", &path).unwrap().remove(0);
        (question.choices.clone(), question.gold())
    };
    let expected = (vec!["ice".to_owned(), "fire".to_owned()], Some(1));
    for (choices, key) in [
        (r#"["ice", "fire"]"#, "B"),
        (r#"["ice", "fire"]"#, "2"),
        (r#"{"text": ["ice", "fire"], "label": ["x", "y"]}"#, "y"),
        (
            r#"[{"text": "ice", "label": "x"}, {"label": "y", "text": "fire"}]"#,
            "y",
        ),
    ] {
        let flat = format!(
            r#"{{"id": "q", "question": "?", "choices": {choices}, "answerKey": "{key}"}}"#
        );
        assert_eq!(read(&flat), expected, "{flat}");
        let nested = format!(
            r#"{{"id": "q", "question": {{"stem": "?", "choices": {choices}}}, "answerKey": "{key}"}}"#
        );
        assert_eq!(read(&nested), expected, "{nested}");
    }
}

/// What is wrong with a file: its layout, name and text, and how the message goes on after its path.
const MISTAKES: &[(&str, &str, &[u8], &str)] = &[
    ("arc_challenge", "a.jsonl", b"", ": the file is empty"),
    ("arc_challenge", "a.txt", b"hello", ": neither JSON nor parquet"),
    (
        "arc_challenge",
        "a.json",
        b"[",
        ": not an array of rows in JSON: EOF while parsing a list at line 1 column 1",
    ),
    (
        "arc_challenge",
        "a.json",
        b"{\"rows\": 1}",
        ": not an array of rows in JSON: an object whose `rows` is no array",
    ),
    (
        "arc_challenge",
        "a.json",
        b"[]",
        ": no questions found, expected at least one",
    ),
    ("arc_challenge", "a.parquet", b"PAR1", ": not a parquet file: "),
    (
        "arc_challenge",
        "a.csv",
        b"question,a\nq,x\nr,\"not closed\ns,y\n",
        ":3: a quote is not closed before the file's end",
    ),
    (
        "arc_challenge",
        "a.csv",
        b"question,a,a\nq,x,y\n",
        ":1: two columns `a`",
    ),
    ("arc_challenge", "a.jsonl", b"PK\x03\x04rest", ": a zip archive, which is not read"),
    ("arc_challenge", "a.jsonl", b"BZh91AY", ": bzip2, which is not read"),
    (
        "arc_challenge",
        "a.csv",
        b"questionID,year,AnswerKey,question\nq1,2018,B,\"Which melts? (A) sand (B) ice\"\n",
        ": ARC as a table, which is not read; expected the .jsonl file beside it",
    ),
    (
        "arc_challenge",
        "a.jsonl",
        b"{\"id\": \"caf\xe9\"}",
        ": line 1: byte 0xe9 is not UTF-8; a file in Latin-1 is converted with",
    ),
    (
        "arc_challenge",
        "a.jsonl",
        b"\xff\xfe{\0}\0",
        ": UTF-16 text, expected UTF-8",
    ),
    (
        "arc_challenge",
        "a.jsonl",
        b"{\"id\": \"q\", \"question\": \"?\", \"choices\": {\"text\": [\"a\", \"b\"], \"label\": [\"A\", \"B\"]}, \"answerKey\": \"C\"}",
        ":1: doc_to_target: invalid operation: 'C' is not in list",
    ),
    (
        "arc_challenge",
        "a.jsonl",
        b"{\"id\": \"q\", \"question\": \"?\", \"choices\": {\"text\": [\"a\"], \"label\": [\"A\"]}, \"answerKey\": \"A\"}",
        ":1: 1 choices found, expected at least 2",
    ),
    (
        "arc_challenge",
        "a.jsonl",
        b"{\"id\": \"q\", \"question\": \"?\", \"choices\": {\"text\": [\"2020-01-01\", \"2020-01-02\"], \
          \"label\": [\"A\", \"B\"]}, \"answerKey\": \"A\"}",
        ":1: doc_to_choice: datetime.datetime(2020, 1, 1, 0, 0) is one of the list; expected texts",
    ),
    (
        "arc_challenge",
        "a.jsonl",
        b"{\"id\": \"q\", \"question\": \"?\", \"choices\": {\"text\": [1, 2], \"label\": [\"A\", \"B\"]}, \"answerKey\": \"A\"}",
        ":1: doc_to_choice: 1 is one of the list; expected texts",
    ),
    (
        "arc_challenge",
        "a.jsonl",
        b"{\"id\": \"q\", \"choices\": {\"text\": [\"a\"]}}",
        ":1: likra.columns.question: undefined value: `question` is undefined",
    ),
];

#[test]
fn mistakes_are_named_with_file_and_row() {
    let dir = tempfile::tempdir().unwrap();
    let error = |task, name: &str, text: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let error = read_questions(task, &path).unwrap_err().to_string();
        error
            .strip_prefix(&path.display().to_string())
            .unwrap()
            .to_owned()
    };
    for (task, name, text, message) in MISTAKES {
        let found = error(task, name, text);
        assert!(found.starts_with(message), "{name}: {found}");
    }
}

/// Printed by the harness's library for data sets, of the same file.
#[test]
fn parquet_s_times_and_numbers_print_as_in_python() {
    let golden = std::fs::read_to_string(fixture("hub/kinds.json")).unwrap();
    let golden: BTreeMap<String, String> = serde_json::from_str(&golden).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let task = dir.path().join("kinds.yaml");
    assert_eq!(golden.len(), 6);
    for (column, expected) in golden {
        let text = format!(
            "task: kinds\noutput_type: multiple_choice\ntest_split: test\n\
             doc_to_text: '{{{{{column}}}}}'\ndoc_to_choice: [x, y]\ndoc_to_target: 0\n"
        );
        std::fs::write(&task, text).unwrap();
        let found = read_questions(task.to_str().unwrap(), &fixture("hub/kinds.parquet"));
        match column.as_str() {
            "zone" | "nanos" => {
                let error = found.unwrap_err().to_string();
                assert!(error.contains("a time with a zone"), "{error}");
            }
            _ => assert_eq!(found.unwrap()[0].context(0), expected, "{column}"),
        }
    }
}

/// Of 14042 test and 1531 validation questions those of other subjects than science.
#[test]
#[ignore = "needs MMLU: LIKRA_MMLU=DIR cargo test -p likra-data --test forms -- --ignored"]
fn all_of_mmlu_is_read() {
    let source = Source::folder(given("LIKRA_MMLU"));
    let found = Benchmark::open_unrelated("mmlu_not_science", &source).unwrap();
    assert_eq!(found.files.len(), 2 * (57 - 18));
    assert!(found.train().len() > 10000 && found.train().len() < 14042);
    assert!(found.test().len() > 1000 && found.test().len() < 1531);
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
        if let Err(error) = read_questions("arc_challenge", &path) {
            prop_assert!(error.to_string().contains("damaged.parquet"));
        }
    }
}
