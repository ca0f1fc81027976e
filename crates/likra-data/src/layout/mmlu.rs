//! MMLU (Hendrycks et al. 2021): a table for each subject, or the rows of the Hugging Face data set `cais/mmlu`.
//!
//! ```text
//! What is ...?,first,second,third,fourth,B
//! ```
//!
//! ```json
//! {"question": "…", "subject": "anatomy", "choices": ["…", …], "answer": 1}
//! ```

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::files::Files;
use crate::rows::{Choices, collect, json_error, table, unquoted};
use crate::{Error, LineError, PromptStyle, Question, Result};

/// The subjects that the authors of MMLU count to science and technology
/// (`categories.py` of their code: physics, chemistry, biology, computer science, mathematics, engineering), one a line.
///
/// The paper takes unrelated answers from the others.
pub const MMLU_SCIENCE: &str = include_str!("mmlu_science.txt");

/// Question, four choices, answer.
const FIELDS: usize = 6;

/// The tables of all subjects but those of [`MMLU_SCIENCE`].
pub(super) fn files(dir: &Path) -> Result<Files> {
    let wanted = |subject: &str| !MMLU_SCIENCE.lines().any(|name| name == subject);
    Ok(Files {
        train: subject_files(&dir.join("test"), wanted)?,
        test: subject_files(&dir.join("val"), wanted)?,
        shots: 0,
    })
}

/// The tables of all subjects in `dir` that `wanted` accepts, in the order of their names.
fn subject_files(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let path = entry?.path();
        if path.extension() == Some("csv".as_ref()) && wanted(&subject(&path)) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::Nothing {
            path: dir.into(),
            what: "table of MMLU (SUBJECT_test.csv and the like)",
        });
    }
    files.sort();
    Ok(files)
}

/// A table's subject by its file's name: `anatomy_test.csv` and `anatomy_dev.csv` are of `anatomy`.
fn subject(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut splits = ["_test", "_val", "_dev"].into_iter();
    let name = splits.find_map(|split| stem.strip_suffix(split));
    name.unwrap_or(&stem).to_owned()
}

/// The questions of one subject's table. Ids are `{subject}#{row}`, rows from 1: some questions stand there
/// twice.
pub(super) fn parse_table(text: &str, path: &Path) -> Result<Vec<Question>> {
    let subject = subject(path);
    let questions = (1..).zip(table(text)).map(|(number, (line, row))| {
        let question = row.and_then(|row| {
            let fields: Vec<&str> = row.iter().collect();
            let &[stem, a, b, c, d, answer] = fields.as_slice() else {
                return Err(LineError::Count {
                    what: "fields",
                    found: fields.len(),
                    expected: FIELDS.to_string(),
                });
            };
            let choices = [a, b, c, d].map(String::from).to_vec();
            question(&subject, number, stem.to_owned(), choices, answer)
        });
        (line, question)
    });
    collect(path, questions)
}

#[derive(Deserialize)]
struct HubRow {
    question: String,
    #[serde(default)]
    subject: String,
    choices: Choices,
    answer: Value,
}

/// Row `number`, from 1, of the hub's data set.
pub(super) fn parse(text: &[u8], number: usize) -> Result<Question, LineError> {
    let row: HubRow = serde_json::from_slice(text).map_err(|error| json_error(&error))?;
    let answer = unquoted(&row.answer);
    question(
        &row.subject,
        number,
        row.question,
        row.choices.texts,
        &answer,
    )
}

fn question(
    subject: &str,
    number: usize,
    stem: String,
    options: Vec<String>,
    answer: &str,
) -> Result<Question, LineError> {
    let gold = match answer.trim() {
        "A" | "0" => 0,
        "B" | "1" => 1,
        "C" | "2" => 2,
        "D" | "3" => 3,
        found => {
            return Err(LineError::Value {
                field: "answer",
                found: found.into(),
                expected: "a letter from A to D or a number from 0 to 3".into(),
            });
        }
    };
    if let Some(place) = options.iter().position(|text| text.trim().is_empty()) {
        return Err(LineError::EmptyChoice { choice: place + 1 });
    }
    let letters = ('A'..).take(options.len()).map(String::from).collect();
    let id = match subject {
        "" => format!("mmlu#{number}"),
        _ => format!("{subject}#{number}"),
    };
    let question = Question::new(id, stem, letters, gold)?;
    Ok(question.with_style(PromptStyle::Letters {
        subject: subject.replace('_', " "),
        options,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\"Which, then?\nSay.\",one,\"two, three\",\"\"\"four\"\"\",five,C\nWhich?,1,2,3,4,A\nWhich?,1,2,3,4,A\n";

    fn read(text: &str) -> Result<Vec<Question>> {
        parse_table(text, Path::new("mmlu/anatomy_dev.csv"))
    }

    #[test]
    fn rows_are_questions_with_four_choices() {
        let questions = read(TABLE).unwrap();
        let ids: Vec<_> = questions.iter().map(Question::id).collect();
        assert_eq!(ids, ["anatomy#1", "anatomy#2", "anatomy#3"]);
        assert_eq!(questions[0].stem(), "Which, then?\nSay.");
        assert_eq!(
            questions[0].texts(),
            ["one", "two, three", "\"four\"", "five"]
        );
        assert_eq!(questions[0].choices(), ["A", "B", "C", "D"]);
        assert_eq!(questions[0].gold_choice(), "C");
    }

    #[test]
    fn mistakes_are_named_with_file_and_line() {
        for (text, message) in [
            (
                "Which?,1,2,3,A\n".to_owned(),
                "mmlu/anatomy_dev.csv:1: 5 fields found, expected 6",
            ),
            (
                format!("{TABLE}Which?,1,2,3,4,E\n"),
                "mmlu/anatomy_dev.csv:5: answer `E` is not a letter from A to D or a number from 0 to 3",
            ),
            (
                format!("{TABLE},1,2,3,4,A\n"),
                "mmlu/anatomy_dev.csv:5: the question's stem is empty",
            ),
            (
                String::new(),
                "mmlu/anatomy_dev.csv: no questions found, expected at least one",
            ),
        ] {
            assert_eq!(read(&text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_folder_is_read_by_subject() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "virology_test.csv",
            "anatomy_test.csv",
            "astronomy_test.csv",
            "notes.txt",
        ] {
            std::fs::write(dir.path().join(name), "Which?,1,2,3,4,B\n").unwrap();
        }
        let other = |subject: &str| !MMLU_SCIENCE.lines().any(|name| name == subject);
        let files = subject_files(dir.path(), other).unwrap();
        let names = ["anatomy_test.csv", "virology_test.csv"];
        assert_eq!(files, names.map(|name| dir.path().join(name)));
        let error = subject_files(dir.path(), |_| false).unwrap_err();
        let message =
            "no table of MMLU (SUBJECT_test.csv and the like) found, expected at least one";
        assert!(error.to_string().ends_with(message), "{error}");
    }

    /// As Windows editors leave it, with a blank line: line 4 is at fault.
    #[test]
    fn a_byte_order_mark_is_passed_over_and_blank_lines_are_counted() {
        let row = r#"{"question": "Which?", "choices": ["1", "2", "3", "4"], "answer": 0}"#;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anatomy.jsonl");
        std::fs::write(&path, format!("\u{feff}{row}\r\n\r\n{row}\r\n")).unwrap();
        let questions = crate::read_questions(crate::Layout::Mmlu, &path).unwrap();
        let ids: Vec<_> = questions.iter().map(Question::id).collect();
        assert_eq!(ids, ["mmlu#1", "mmlu#2"]);
        std::fs::write(&path, format!("{row}\n\n{row}\n{{}}\n")).unwrap();
        let error = crate::read_questions(crate::Layout::Mmlu, &path).unwrap_err();
        assert!(error.to_string().contains("anatomy.jsonl:4: "), "{error}");
    }
}
