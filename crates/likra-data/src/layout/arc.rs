//! Files in the format of AI2's Reasoning Challenge (ARC, Clark et al. 2018): one JSON object a line.
//!
//! ```json
//! {"id": "…", "question": {"stem": "…", "choices": [{"text": "…", "label": "A"}, …]}, "answerKey": "A"}
//! ```
//!
//! or, as in the Hugging Face data set `allenai/ai2_arc`,
//!
//! ```json
//! {"id": "…", "question": "…", "choices": {"text": ["…", …], "label": ["A", …]}, "answerKey": "A"}
//! ```
//!
//! Labels are letters for most of ARC's questions and digits for 269 of them, so the right answer is
//! found through the labels and never by counting letters.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::files::{Files, first};
use crate::rows::{Choices, json_error};
use crate::{LineError, Question, Result};

#[derive(Deserialize)]
struct Row {
    id: String,
    question: Value,
    /// Where they do not stand in the question.
    choices: Option<Choices>,
    #[serde(rename = "answerKey")]
    answer_key: String,
}

/// AI2's question.
#[derive(Deserialize)]
struct Stem {
    stem: String,
    choices: Choices,
}

/// A row of AI2's, or of the hub's.
pub(super) fn parse(text: &[u8]) -> Result<Question, LineError> {
    let row: Row = serde_json::from_slice(text).map_err(|error| json_error(&error))?;
    let (stem, choices) = match (row.question, row.choices) {
        (Value::String(stem), Some(choices)) => (stem, choices),
        (Value::String(_), None) => return Err(LineError::MissingField { field: "choices" }),
        (question, _) => {
            let stem = Stem::deserialize(&question).map_err(|error| LineError::Value {
                field: "question",
                found: question.to_string(),
                expected: format!("a text, or an object with stem and choices: {error}"),
            })?;
            (stem.stem, stem.choices)
        }
    };
    let labels = choices.labels(&row.answer_key);
    let texts = choices.texts;
    if texts.len() != labels.len() {
        return Err(LineError::Count {
            what: "labels",
            found: labels.len(),
            expected: format!("one for each of {} choices", texts.len()),
        });
    }
    labelled(row.id, stem, texts, labels, row.answer_key)
}

/// All files but Challenge-Test are for training, as the paper divides them (section 3.1). Shots come from
/// Challenge-Train.
pub(super) fn files(dir: &Path) -> Result<Files> {
    let easy = ["Train", "Dev", "Test"].map(|split| file(dir, "ARC-Easy", split));
    let challenge = ["Train", "Dev"].map(|split| file(dir, "ARC-Challenge", split));
    Ok(Files {
        train: easy.into_iter().chain(challenge).collect::<Result<_>>()?,
        test: vec![file(dir, "ARC-Challenge", "Test")?],
        shots: 3,
    })
}

/// A file of ARC under AI2's name (`ARC-Easy-Train.jsonl`; `.csv`, `.json` or `.parquet` instead) in
/// `dir`, or as in AI2's archive in `dir/ARC-Easy`; or under the hub's
/// (`dir/ARC-Easy/train-00000-of-00001.parquet`).
fn file(dir: &Path, set: &str, split: &str) -> Result<PathBuf> {
    let mut looked = Vec::new();
    for ending in ["jsonl", "csv", "json", "parquet"] {
        let file = format!("{set}-{split}.{ending}");
        looked.extend([dir.join(&file), dir.join(set).join(file)]);
    }
    let hub = match split {
        "Train" => "train",
        "Dev" => "validation",
        _ => "test",
    };
    looked.push(dir.join(set).join(format!("{hub}-00000-of-00001.parquet")));
    first(&format!("{set}-{split}.jsonl"), looked)
}

/// A question whose right answer is found through the labels.
pub(super) fn labelled(
    id: String,
    stem: String,
    texts: Vec<String>,
    labels: Vec<String>,
    answer_key: String,
) -> Result<Question, LineError> {
    if let Some(place) = (0..labels.len()).find(|&place| labels[..place].contains(&labels[place])) {
        return Err(LineError::Twice {
            what: "label",
            name: labels[place].clone(),
        });
    }
    let Some(gold) = labels.iter().position(|label| *label == answer_key) else {
        return Err(LineError::Value {
            field: "answerKey",
            found: answer_key,
            expected: format!("among the labels {labels:?}"),
        });
    };
    Question::new(id, stem, texts, gold)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Layout, layout, read_questions};

    const SAMPLE: &str = include_str!("../../../../fixtures/data/arc-sample.jsonl");

    fn read(bytes: &[u8]) -> Result<Vec<Question>> {
        layout::parse(Layout::Arc, bytes.to_vec(), Path::new("arc.jsonl"))
    }

    fn parse(text: &str) -> Result<Vec<Question>> {
        read(text.as_bytes())
    }

    fn line(stem: &str, choices: &[(&str, &str)], key: &str) -> String {
        let choices: Vec<_> = choices
            .iter()
            .map(|(label, text)| serde_json::json!({"text": text, "label": label}))
            .collect();
        let question = serde_json::json!({"stem": stem, "choices": choices});
        serde_json::json!({"id": "q1", "question": question, "answerKey": key}).to_string()
    }

    #[test]
    fn answers_are_found_through_letters_and_digits() {
        let questions = parse(SAMPLE).unwrap();
        let answers: Vec<_> = questions
            .iter()
            .map(|question| {
                (
                    question.id(),
                    question.choices().len(),
                    question.gold_choice(),
                )
            })
            .collect();
        assert_eq!(answers.len(), 12);
        assert_eq!(answers[0], ("Mercury_SC_415702", 4, "dry palms"));
        assert_eq!(answers[4], ("NYSEDREGENTS_2009_8_4", 4, "blizzard"));
        assert_eq!(
            answers[7],
            ("NYSEDREGENTS_2006_8_37", 3, "beneficial or harmful")
        );
        assert_eq!(answers[8], ("TIMSS_2003_8_pg24", 5, "nerves"));
    }

    #[test]
    fn what_editors_leave_in_a_file_changes_nothing() {
        let expected = parse(SAMPLE).unwrap();
        let windows = format!("\u{feff}{}\r\n \r\n", SAMPLE.replace('\n', "\r\n"));
        assert_eq!(parse(&windows).unwrap(), expected);
        assert_eq!(parse(SAMPLE.trim_end()).unwrap(), expected);
    }

    #[test]
    fn mistakes_are_named_with_file_and_line() {
        let two = [("A", "heat"), ("B", "light")];
        let good = line("Which?", &two, "B");
        for (text, message) in [
            (
                format!("{good}\n\n{good}"),
                "arc.jsonl:3: id `q1` was given on line 1 already",
            ),
            (
                line("Which?", &two, "C"),
                "arc.jsonl:1: answerKey `C` is not among the labels [\"A\", \"B\"]",
            ),
            (
                line("Which?", &[("A", "heat"), ("A", "light")], "A"),
                "arc.jsonl:1: label `A` stands there twice",
            ),
            (
                line(" ", &two, "A"),
                "arc.jsonl:1: the question's stem is empty",
            ),
            (
                line("Which?", &[("A", "heat"), ("B", "")], "A"),
                "arc.jsonl:1: choice 2 is empty",
            ),
            (
                line("Which?", &two[..1], "A"),
                "arc.jsonl:1: 1 choices found, expected at least 2",
            ),
            (
                format!("{good}\n{{\"id\": 7}}"),
                "arc.jsonl:2: column 8: invalid type: integer `7`, expected a string",
            ),
            (
                good[..40].into(),
                "arc.jsonl:1: column 40: EOF while parsing a string",
            ),
            (
                "{\"id\": \"q\"}".into(),
                "arc.jsonl:1: column 11: missing field `question`",
            ),
            (
                " \n".into(),
                "arc.jsonl: no questions found, expected at least one",
            ),
        ] {
            assert_eq!(parse(&text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_questions(Layout::Arc, Path::new("nowhere/arc.jsonl")).unwrap_err();
        assert!(error.to_string().contains("nowhere/arc.jsonl"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            _ = read(&bytes);
        }

        /// One byte of a good file changed, removed or doubled.
        #[test]
        fn any_damage_is_read_or_refused(place in 0..SAMPLE.len(), byte: u8, change in 0..3) {
            let mut bytes = SAMPLE.as_bytes().to_vec();
            match change {
                0 => bytes[place] = byte,
                1 => _ = bytes.remove(place),
                _ => bytes.insert(place, byte),
            }
            if let Ok(questions) = read(&bytes) {
                prop_assert!(questions.iter().all(|question| question.gold() < question.choices().len()));
            }
        }

        #[test]
        fn what_is_written_is_read(
            stem in "\\PC{0,20}[a-z]",
            choices in prop::collection::vec("[a-z]\\PC{0,10}", 2..7),
            gold: prop::sample::Index,
        ) {
            let gold = gold.index(choices.len());
            let labels: Vec<String> = (1..=choices.len()).map(|label| label.to_string()).collect();
            let labelled: Vec<_> =
                labels.iter().map(String::as_str).zip(choices.iter().map(String::as_str)).collect();
            let questions = parse(&line(&stem, &labelled, &labels[gold])).unwrap();
            prop_assert_eq!(questions[0].stem(), &stem);
            prop_assert_eq!(questions[0].choices(), &choices);
            prop_assert_eq!(questions[0].gold(), gold);
        }
    }
}
