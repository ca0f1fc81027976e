//! Score records: what a head thinks of every candidate answer.
//!
//! Raw sums and counts only. Ratios, weights and normalisation (paper, section 2) are computed from
//! these files, so that a sweep over them never runs a model again.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::Result;
use crate::csv_file::{Fields, Row, float, read_rows, write_rows};

/// What a candidate is to its question (paper, section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The question's right answer.
    Correct,
    /// A wrong choice of the same question.
    Incorrect,
    /// A wrong answer to another question of the same benchmark.
    Irrelevant,
    /// An answer from another benchmark.
    Unrelated,
}

impl Kind {
    /// The kind's name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Correct => "correct",
            Self::Incorrect => "incorrect",
            Self::Irrelevant => "irrelevant",
            Self::Unrelated => "unrelated",
        }
    }

    /// Whether the candidate is one of its question's own choices, from which a model chooses.
    #[must_use]
    pub fn is_choice(self) -> bool {
        matches!(self, Self::Correct | Self::Incorrect)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> std::result::Result<Self, Self::Err> {
        [
            Self::Correct,
            Self::Incorrect,
            Self::Irrelevant,
            Self::Unrelated,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or(UnknownKind)
    }
}

/// The names of all kinds.
pub(crate) const KINDS: &str = "correct, incorrect, irrelevant or unrelated";

/// No kind of candidate has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {KINDS}")]
pub struct UnknownKind;

/// What one head thinks of one candidate answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRecord {
    /// The question's id, unique in its benchmark.
    pub question_id: String,
    /// The candidate's place among those of its question, from 0.
    pub candidate: usize,
    /// What the candidate is to its question.
    pub kind: Kind,
    /// Whether the candidate is the right answer.
    pub gold: bool,
    /// The head's name: `base`, `positive`, `incorrect`, ...
    pub head: String,
    /// How many training examples the head has seen.
    pub examples: usize,
    /// The sum over the answer's tokens of log p(token | question, tokens before), in nats.
    pub log_likelihood: f64,
    /// How many tokens the answer has.
    pub tokens: usize,
    /// How many Unicode scalar values the answer has, without the space before it.
    pub chars: usize,
    /// How many bytes of UTF-8 the answer has, likewise.
    pub bytes: usize,
}

impl Row for ScoreRecord {
    const COLUMNS: &'static [&'static str] = &[
        "question_id",
        "candidate",
        "kind",
        "gold",
        "head",
        "examples",
        "log_likelihood",
        "tokens",
        "chars",
        "bytes",
    ];

    fn to_fields(&self) -> Vec<String> {
        vec![
            self.question_id.clone(),
            self.candidate.to_string(),
            self.kind.to_string(),
            self.gold.to_string(),
            self.head.clone(),
            self.examples.to_string(),
            float(self.log_likelihood),
            self.tokens.to_string(),
            self.chars.to_string(),
            self.bytes.to_string(),
        ]
    }

    fn from_fields(fields: &Fields) -> Result<Self> {
        Ok(Self {
            question_id: fields.text("question_id").into(),
            candidate: fields.count("candidate")?,
            kind: fields.parse("kind", KINDS)?,
            gold: fields.parse("gold", "true or false")?,
            head: fields.text("head").into(),
            examples: fields.count("examples")?,
            log_likelihood: fields.finite("log_likelihood")?,
            tokens: fields.count("tokens")?,
            chars: fields.count("chars")?,
            bytes: fields.count("bytes")?,
        })
    }
}

/// Writes score records as CSV, one candidate a line; compressed if the file's name ends in `.gz`.
///
/// # Errors
///
/// If a log-likelihood is not finite, or the file cannot be written.
pub fn write_scores(path: &Path, records: &[ScoreRecord]) -> Result<()> {
    write_rows(path, records)
}

/// Reads the score records of a file.
///
/// # Errors
///
/// If the file cannot be read, has other columns, or has a value that is malformed or not finite;
/// the error names file, line and column.
pub fn read_scores(path: &Path) -> Result<Vec<ScoreRecord>> {
    read_rows(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::Error;

    const HEADER: &str =
        "question_id,candidate,kind,gold,head,examples,log_likelihood,tokens,chars,bytes";

    fn read(content: impl AsRef<[u8]>) -> Result<Vec<ScoreRecord>> {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("scores.csv");
        fs::write(&path, content).unwrap();
        read_scores(&path)
    }

    fn record() -> ScoreRecord {
        ScoreRecord {
            question_id: "Mercury_7175875".into(),
            candidate: 2,
            kind: Kind::Correct,
            gold: true,
            head: "positive".into(),
            examples: 64,
            log_likelihood: -12.5,
            tokens: 4,
            chars: 17,
            bytes: 18,
        }
    }

    #[test]
    fn the_file_is_what_the_format_says() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("scores/positive-n00064.csv");
        write_scores(&path, &[record()]).unwrap();
        let expected =
            format!("{HEADER}\nMercury_7175875,2,correct,true,positive,64,-12.5,4,17,18\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        write_scores(&path, &[]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADER}\n"));
        assert_eq!(read_scores(&path).unwrap(), []);
    }

    #[test]
    fn compressed_rows_are_the_same_rows_in_the_same_bytes() {
        let root = tempfile::tempdir().unwrap();
        let [plain, first, second] =
            ["a.csv", "a.csv.gz", "b.csv.gz"].map(|name| root.path().join(name));
        let records = vec![record(); 100];
        for path in [&plain, &first, &second] {
            write_scores(path, &records).unwrap();
            assert_eq!(read_scores(path).unwrap(), records);
        }
        let [plain, bytes, again] =
            [plain, first.clone(), second].map(|path| fs::read(path).unwrap());
        assert!(bytes == again && bytes.len() * 10 < plain.len());

        fs::write(&first, &bytes[..bytes.len() / 2]).unwrap();
        let error = read_scores(&first).unwrap_err().to_string();
        assert!(error.contains("a.csv.gz"), "{error}");
    }

    #[test]
    fn a_malformed_value_is_named_with_its_place() {
        let good = "q,0,correct,true,base,0,-1.5,3,9,9";
        let cases = [
            ("q,-1,correct,true,base,0,-1.5,3,9,9", "candidate", "-1"),
            ("q,0,right,true,base,0,-1.5,3,9,9", "kind", "right"),
            ("q,0,correct,1,base,0,-1.5,3,9,9", "gold", "1"),
            ("q,0,correct,true,base,1e3,-1.5,3,9,9", "examples", "1e3"),
            ("q,0,correct,true,base,0,,3,9,9", "log_likelihood", ""),
            ("q,0,correct,true,base,0,NaN,3,9,9", "log_likelihood", "NaN"),
            (
                "q,0,correct,true,base,0,-inf,3,9,9",
                "log_likelihood",
                "-inf",
            ),
            (
                "q,0,correct,true,base,0,-1e999,3,9,9",
                "log_likelihood",
                "-1e999",
            ),
            (
                "q,0,correct,true,base,0,-1.5,99999999999999999999,9,9",
                "tokens",
                "99999999999999999999",
            ),
            ("q,0,correct,true,base,0,-1.5,3,9 ,9", "chars", "9 "),
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
            assert_eq!((*line, *column, found.as_str()), (3, bad_column, bad_value));
            assert!(error.to_string().contains("scores.csv:3: "), "{error}");
        }
    }

    #[test]
    fn other_columns_are_refused() {
        let fewer = HEADER.strip_suffix(",bytes").unwrap();
        let swapped = HEADER.replace("tokens,chars", "chars,tokens");
        for header in ["", fewer, &swapped, &format!("{HEADER},seconds")] {
            let error = read(format!("{header}\n")).unwrap_err();
            assert!(matches!(error, Error::Header { .. }), "{error}");
        }
    }

    #[test]
    fn a_truncated_line_is_refused() {
        let error = read(format!("{HEADER}\nq,0,correct,true\n")).unwrap_err();
        let Error::Width {
            line,
            expected,
            found,
            ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((line, expected, found), (2, 10, 4));
    }

    #[test]
    fn bytes_that_are_not_text_are_refused() {
        let mut content = format!("{HEADER}\n").into_bytes();
        content.extend(b"\xff\xfe,0,correct,true,base,0,-1.5,3,9,9\n");
        assert!(matches!(
            read(&content).unwrap_err(),
            Error::Utf8 { line: 2, .. }
        ));
        assert!(read(b"\xff\xfe\x00").is_err());
        assert!(read(b"").is_err());
    }

    #[test]
    fn nothing_is_written_that_could_not_be_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("scores.csv");
        for log_likelihood in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let record = ScoreRecord {
                log_likelihood,
                ..record()
            };
            let error = write_scores(&path, &[record]).unwrap_err();
            assert!(matches!(error, Error::Value { line: 2, .. }), "{error}");
            assert!(!path.exists());
        }
    }

    fn any_kind() -> impl Strategy<Value = Kind> {
        prop_oneof![
            Just(Kind::Correct),
            Just(Kind::Incorrect),
            Just(Kind::Irrelevant),
            Just(Kind::Unrelated),
        ]
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
            gold: bool,
            counts: [usize; 5],
            log_likelihood in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
        ) -> ScoreRecord {
            let [candidate, examples, tokens, chars, bytes] = counts;
            ScoreRecord {
                question_id, candidate, kind, gold, head, examples, log_likelihood, tokens, chars, bytes,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(records in prop::collection::vec(any_record(), 0..8)) {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join("scores.csv");
            write_scores(&path, &records).unwrap();
            let found = read_scores(&path).unwrap();
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
}
