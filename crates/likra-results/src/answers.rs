//! Which answer each training question got, in the order of training.

use std::path::Path;

use crate::Result;
use crate::csv_file::{Fields, Row, read_rows, write_rows};
use crate::scores::{KINDS, Kind};

/// The answer that a head learns at a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerRecord {
    /// The question's id.
    pub question_id: String,
    /// What the answer is to the question.
    pub kind: Kind,
    /// The answer's text.
    pub answer: String,
}

impl Row for AnswerRecord {
    const COLUMNS: &'static [&'static str] = &["question_id", "kind", "answer"];

    fn to_fields(&self) -> Vec<String> {
        vec![
            self.question_id.clone(),
            self.kind.to_string(),
            self.answer.clone(),
        ]
    }

    fn from_fields(fields: &Fields) -> Result<Self> {
        Ok(Self {
            question_id: fields.text("question_id").into(),
            kind: fields.parse("kind", KINDS)?,
            answer: fields.text("answer").into(),
        })
    }
}

/// Writes answers as CSV, one question a line.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_answers(path: &Path, answers: &[AnswerRecord]) -> Result<()> {
    write_rows(path, answers)
}

/// Reads the answers of a file.
///
/// # Errors
///
/// If the file cannot be read, has other columns, or has a kind that is none.
pub fn read_answers(path: &Path) -> Result<Vec<AnswerRecord>> {
    read_rows(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("answers.csv");
        let answers = [
            ("Mercury_1", Kind::Incorrect, "ice, \"dry\""),
            ("q", Kind::Correct, "a\nb"),
        ];
        let answers = answers.map(|(id, kind, answer)| AnswerRecord {
            question_id: id.into(),
            kind,
            answer: answer.into(),
        });
        write_answers(&path, &answers).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("question_id,kind,answer\nMercury_1,incorrect,\"ice, \"\"dry\"\"\"\n"),
            "{text}"
        );
        assert_eq!(read_answers(&path).unwrap(), answers);

        std::fs::write(&path, "question_id,kind,answer\nq,wrong,x\n").unwrap();
        let error = read_answers(&path).unwrap_err().to_string();
        assert!(
            error.contains("answers.csv:2: column `kind`: expected correct,"),
            "{error}"
        );
    }
}
