//! ARC as AI2's archive has it beside the JSON lines: a table whose column `question` holds the choices, too.
//!
//! ```text
//! questionID,originalQuestionID,totalPossiblePoint,AnswerKey,...,question,subject,category
//! Mercury_7220990,7220990,1,C,...,"Which factor ...? (A) surface area (B) ... (C) ... (D) ...",,Train
//! ```

use std::path::Path;

use csv::StringRecord;

use crate::rows::{collect, table};
use crate::{Error, LineError, Question, Result};

use super::arc::labelled;

const COLUMNS: [&str; 3] = ["questionID", "AnswerKey", "question"];

/// Reads the questions of a table that is in memory; `path` is what errors call it.
pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<Question>> {
    let mut rows = table(text);
    let places = match rows.next() {
        Some((_, header)) => header.and_then(|header| places(&header)),
        None => Err(LineError::MissingField { field: COLUMNS[0] }),
    };
    let places = places.map_err(|source| Error::Line {
        path: path.into(),
        line: 1,
        source,
    })?;
    collect(
        path,
        rows.map(|(line, row)| (line, row.and_then(|row| question(&row, places)))),
    )
}

/// Where the columns that matter are.
fn places(header: &StringRecord) -> Result<[usize; 3], LineError> {
    let mut places = [0; 3];
    for (place, field) in places.iter_mut().zip(COLUMNS) {
        let found = header.iter().position(|name| name.trim() == field);
        *place = found.ok_or(LineError::MissingField { field })?;
    }
    Ok(places)
}

fn question(row: &StringRecord, places: [usize; 3]) -> Result<Question, LineError> {
    let field = |place: usize| {
        row.get(place).ok_or_else(|| LineError::Count {
            what: "fields",
            found: row.len(),
            expected: (place + 1).to_string(),
        })
    };
    let [id, key, text] = [field(places[0])?, field(places[1])?, field(places[2])?];
    let (stem, choices) = split(text, key).ok_or_else(|| LineError::Value {
        field: "question",
        found: text.into(),
        expected: format!("`... (A) ... (B) ...` or `... (1) ... (2) ...` with ({key}) among them"),
    })?;
    let (labels, texts) = choices.into_iter().unzip();
    labelled(id.into(), stem.into(), texts, labels, key.into())
}

/// The stem, and the choices with their labels.
///
/// A stem may speak of `(A)` itself, so of the places where a sequence `(A) (B) ...` or `(1) (2) ...` can
/// begin the last is taken from which it goes on at least to the right answer's label.
fn split<'a>(text: &'a str, key: &str) -> Option<(&'a str, Vec<(String, String)>)> {
    let labels: Vec<String> = match key.chars().next()? {
        '1'..='9' => (1..=9).map(|label| label.to_string()).collect(),
        _ => ('A'..='I').map(String::from).collect(),
    };
    let first = format!("({}) ", labels[0]);
    let starts = text.rmatch_indices(&first).map(|(start, _)| start);
    starts.into_iter().find_map(|start| {
        let choices = choices(&text[start..], &labels);
        let complete = choices.len() > 1 && choices.iter().any(|(label, _)| label == key);
        complete.then(|| (text[..start].trim_end(), choices))
    })
}

/// The choices of `text`, which begins with the first label in brackets.
fn choices(text: &str, labels: &[String]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    for (label, next) in labels.iter().zip(labels.iter().skip(1)) {
        rest = &rest[label.len() + "() ".len()..];
        let Some(end) = rest.find(&format!(" ({next}) ")) else {
            found.push((label.clone(), rest.trim().to_owned()));
            break;
        };
        found.push((label.clone(), rest[..end].trim().to_owned()));
        rest = &rest[end + 1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "questionID,originalQuestionID,totalPossiblePoint,AnswerKey,isMultipleChoiceQuestion,includesDiagram,examName,schoolGrade,year,question,subject,category";

    fn read(question: &str, key: &str) -> Result<Vec<Question>> {
        let question = question.replace('"', "\"\"");
        let table = format!("{HEADER}\nq1,1,1,{key},1,0,Exam,5,2015,\"{question}\",,Train\n");
        parse(&table, Path::new("arc.csv"))
    }

    #[test]
    fn choices_stand_behind_the_question() {
        let questions = read(
            "Which, \"if any\"?\nTell. (A) ice (B) steam, (C) sand (D) (A) and (B)",
            "D",
        )
        .unwrap();
        assert_eq!(questions[0].stem(), "Which, \"if any\"?\nTell.");
        assert_eq!(
            questions[0].choices(),
            ["ice", "steam,", "sand", "(A) and (B)"]
        );
        assert_eq!(questions[0].gold(), 3);
        let questions = read(
            "Of (1) and (2), which? (1) the first (2) the second (3) none",
            "2",
        )
        .unwrap();
        assert_eq!(questions[0].stem(), "Of (1) and (2), which?");
        assert_eq!(questions[0].gold_choice(), "the second");
    }

    #[test]
    fn mistakes_are_named_with_file_and_line() {
        for (question, key, message) in [
            (
                "Which?",
                "A",
                "arc.csv:2: question `Which?` is not `... (A) ... (B) ...` or `... (1) ... (2) ...` with (A) among them",
            ),
            (
                "Which? (A) ice (B) steam",
                "C",
                "arc.csv:2: question `Which? (A) ice (B) steam` is not `... (A) ... (B) ...` or `... (1) ... (2) ...` with (C) among them",
            ),
            ("Which? (A)  (B) steam", "B", "arc.csv:2: choice 1 is empty"),
            (
                " (A) ice (B) steam",
                "B",
                "arc.csv:2: the question's stem is empty",
            ),
        ] {
            assert_eq!(read(question, key).unwrap_err().to_string(), message);
        }
        let error = parse("id,question\n", Path::new("arc.csv")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "arc.csv:1: field `questionID` is missing"
        );
        let error = parse("", Path::new("arc.csv")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "arc.csv:1: field `questionID` is missing"
        );
        let short = format!("{HEADER}\nq1,1,1,A\n");
        let error = parse(&short, Path::new("arc.csv")).unwrap_err();
        assert_eq!(error.to_string(), "arc.csv:2: 4 fields found, expected 10");
    }
}
