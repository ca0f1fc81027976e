use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::{Error, read_rows, write_rows};

const HEADER: &str = "question_id,candidate,kind,head,examples,log_likelihood,tokens,chars,bytes";

fn read(content: impl AsRef<[u8]>) -> crate::Result<Vec<ScoreRecord>> {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("scores.csv");
    fs::write(&path, content).unwrap();
    read_rows(&path)
}

fn record() -> ScoreRecord {
    ScoreRecord {
        question_id: "Mercury_7175875".into(),
        candidate: 2,
        kind: AnswerKind::Correct,
        head: "positive".into(),
        examples: 64,
        log_likelihood: -12.5,
        tokens: 4,
        chars: 17,
        bytes: 18,
        greedy: None,
    }
}

#[test]
fn the_file_is_what_the_format_says() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("scores/positive-n00064.csv");
    let sum = ScoreRecord {
        log_likelihood: -26.120_406_150_817_87,
        ..record()
    };
    write_rows(&path, &[sum]).unwrap();
    let expected = format!("{HEADER}\nMercury_7175875,2,correct,positive,64,-26.120407,4,17,18\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    write_rows::<ScoreRecord>(&path, &[]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADER}\n"));
    assert_eq!(read_rows::<ScoreRecord>(&path).unwrap(), []);
}

#[test]
fn compressed_rows_are_the_same_rows_in_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let [plain, first, second] =
        ["a.csv", "a.csv.gz", "b.csv.gz"].map(|name| root.path().join(name));
    let records = vec![record(); 100];
    for path in [&plain, &first, &second] {
        write_rows(path, &records).unwrap();
        assert_eq!(read_rows::<ScoreRecord>(path).unwrap(), records);
    }
    let [plain, bytes, again] = [plain, first.clone(), second].map(|path| fs::read(path).unwrap());
    assert!(bytes == again && bytes.len() * 10 < plain.len());

    fs::write(&first, &bytes[..bytes.len() / 2]).unwrap();
    let error = read_rows::<ScoreRecord>(&first).unwrap_err().to_string();
    assert!(error.contains("a.csv.gz"), "{error}");
}

#[test]
fn a_malformed_value_is_named_with_its_place() {
    let good = "q,0,correct,base,0,-1.5,3,9,9";
    let cases = [
        ("q,-1,correct,base,0,-1.5,3,9,9", "candidate", "-1"),
        ("q,0,right,base,0,-1.5,3,9,9", "kind", "right"),
        ("q,0,correct,base,1e3,-1.5,3,9,9", "examples", "1e3"),
        ("q,0,correct,base,0,,3,9,9", "log_likelihood", ""),
        ("q,0,correct,base,0,NaN,3,9,9", "log_likelihood", "NaN"),
        ("q,0,correct,base,0,-inf,3,9,9", "log_likelihood", "-inf"),
        ("q,0,correct,base,0,-1e999,3,9,9", "log_likelihood", "-inf"),
        (
            "q,0,correct,base,0,-1.5,99999999999999999999,9,9",
            "tokens",
            "99999999999999999999",
        ),
        ("q,0,correct,base,0,-1.5,3,9 ,9", "chars", "9 "),
    ];
    for (bad, bad_column, bad_value) in cases {
        let error = read(format!("{HEADER}\n{good}\n{bad}\n")).unwrap_err();
        let Error::Value {
            line,
            column,
            found,
            ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!(
            (*line, column.as_str(), found.as_str()),
            (3, bad_column, bad_value)
        );
        assert!(error.to_string().contains("scores.csv:3: "), "{error}");
    }
}

#[test]
fn other_columns_may_stand_beside_but_none_may_be_missing() {
    let fewer = HEADER.strip_suffix(",bytes").unwrap();
    for header in ["", fewer] {
        let error = read(format!("{header}\n")).unwrap_err();
        assert!(error.is_damage(), "{error}");
        assert!(
            error.to_string().contains(": expected a column `"),
            "{error}"
        );
    }
    // As files before 0.2 have it.
    let older = HEADER.replace("kind,", "kind,gold,");
    let row = "Mercury_7175875,2,correct,true,positive,64,-12.5,4,17,18";
    assert_eq!(read(format!("{older}\n{row}\n")).unwrap(), [record()]);
}

#[test]
fn what_is_no_table_is_named_with_its_line() {
    let error = read(format!("{HEADER}\nq,0,correct\n"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("scores.csv") && error.contains("line"),
        "{error}"
    );
    let mut content = format!("{HEADER}\n").into_bytes();
    content.extend(b"\xff\xfe,0,correct,base,0,-1.5,3,9,9\n");
    let error = read(&content).unwrap_err().to_string();
    assert!(
        error.contains("scores.csv") && error.contains("line"),
        "{error}"
    );
    assert!(read(b"\xff\xfe\x00").is_err());
    assert!(read(b"").is_err());
}

#[test]
fn nothing_is_written_that_could_not_be_read() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("scores.csv");
    for log_likelihood in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e300] {
        let record = ScoreRecord {
            log_likelihood,
            ..record()
        };
        let error = write_rows(&path, &[record]).unwrap_err();
        assert!(matches!(error, Error::Value { line: 2, .. }), "{error}");
        assert!(!path.exists());
    }
}

fn any_kind() -> impl Strategy<Value = AnswerKind> {
    prop::sample::select(AnswerKind::ALL.to_vec())
}

/// Text with what CSV treats specially: commas, quotes, line ends.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[,\"\r\n\u{feff} \u{e9}\u{1f980}a#']{0,8}"]
}

prop_compose! {
    fn any_record()(
        question_id in any_text(),
        head in any_text(),
        kind in any_kind(),
            counts: [usize; 5],
        sum in prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO,
    ) -> ScoreRecord {
        let [candidate, examples, tokens, chars, bytes] = counts;
        let log_likelihood = f64::from(sum);
        ScoreRecord {
            greedy: None,
            question_id, candidate, kind, head, examples, log_likelihood, tokens, chars, bytes,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(records in prop::collection::vec(any_record(), 0..8)) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("scores.csv");
        write_rows(&path, &records).unwrap();
        let found = read_rows::<ScoreRecord>(&path).unwrap();
        let bits = |records: &[ScoreRecord]| -> Vec<u64> {
            records.iter().map(|record| record.log_likelihood.to_bits()).collect()
        };
        prop_assert_eq!(bits(&found), bits(&records));
        prop_assert_eq!(found, records);
    }

    #[test]
    fn no_bytes_make_it_panic(content: Vec<u8>) {
        let _ = read(&content);
        let _ = read([HEADER.as_bytes(), b"\n", &content].concat());
    }
}

fn step(loss: f64) -> StepRecord {
    StepRecord {
        step: 1,
        examples: 32,
        loss,
        grad_norm: 0.125,
        answer_tokens: 90,
        tokens: 700,
    }
}

#[test]
fn a_log_is_what_the_format_says() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("log.csv");
    let steps = [step(2.1), step(0.1 + 0.2)];
    write_rows(&path, &steps).unwrap();
    let expected = "step,examples,loss,grad_norm,answer_tokens,tokens\n\
                    1,32,2.1,0.125,90,700\n1,32,0.30000000000000004,0.125,90,700\n";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(read_rows::<StepRecord>(&path).unwrap(), steps);
}

#[test]
fn a_score_file_is_not_a_log() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("scores.csv");
    write_rows::<ScoreRecord>(&path, &[]).unwrap();
    let error = read_rows::<StepRecord>(&path).unwrap_err();
    let expected = format!("scores.csv: expected a column `step`, found `{HEADER}`");
    assert!(error.to_string().ends_with(&expected), "{error}");
}

#[test]
fn a_diverged_loss_is_not_written() {
    let path = Path::new("never-written.csv");
    let error = write_rows(path, &[step(1.0), step(f64::NAN)]).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Value { line: 3, column, .. } if column == "loss"
        ),
        "{error}"
    );
}

#[test]
fn answers_that_are_written_are_read() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("answers.csv");
    let answers = [
        ("Mercury_1", AnswerKind::Incorrect, "ice, \"dry\""),
        ("q", AnswerKind::Correct, "a\nb"),
    ];
    let answers = answers.map(|(id, kind, answer)| AnswerRecord {
        question_id: id.into(),
        kind,
        answer: answer.into(),
    });
    write_rows(&path, &answers).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with("question_id,kind,answer\nMercury_1,incorrect,\"ice, \"\"dry\"\"\"\n"),
        "{text}"
    );
    assert_eq!(read_rows::<AnswerRecord>(&path).unwrap(), answers);

    std::fs::write(&path, "question_id,kind,answer\nq,wrong,x\n").unwrap();
    let error = read_rows::<AnswerRecord>(&path).unwrap_err().to_string();
    assert!(
        error.contains(
            "answers.csv:2: column `kind`: unknown variant `wrong`, expected one of `correct`"
        ),
        "{error}"
    );
}
