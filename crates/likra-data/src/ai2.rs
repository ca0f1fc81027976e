//! ARC as AI2's archive has it beside the JSON lines: a table whose column `question` holds the choices, too.
//!
//! ```text
//! questionID,originalQuestionID,totalPossiblePoint,AnswerKey,...,question,subject,category
//! Mercury_7220990,7220990,1,C,...,"Which factor ...? (A) surface area (B) ... (C) ... (D) ...",,Train
//! ```

use csv::StringRecord;
use minijinja::Value;

use crate::LineError;

const COLUMNS: [&str; 3] = ["questionID", "AnswerKey", "question"];

/// Where a column stands.
fn place(names: &[String], column: &str) -> Option<usize> {
    names.iter().position(|name| name.trim() == column)
}

/// Whether a table with these columns is AI2's.
pub(crate) fn is_table(names: &[String]) -> bool {
    COLUMNS.iter().all(|column| place(names, column).is_some())
}

/// A row of such a table, in the columns of the Hugging Face data set `allenai/ai2_arc`.
pub(crate) fn row(names: &[String], record: &StringRecord) -> Result<Value, LineError> {
    let field = |column: &str| {
        let field = place(names, column).and_then(|place| record.get(place));
        field.unwrap_or_default()
    };
    let [id, key, text] = COLUMNS.map(field);
    let expected =
        format!("`... (A) ... (B) ...` or `... (1) ... (2) ...` with ({key}) among them");
    let parts = split(text, key);
    let (stem, choices) = parts.ok_or_else(|| LineError::value("question", text, &expected))?;
    let (labels, texts): (Vec<String>, Vec<String>) = choices.into_iter().unzip();
    let choices = Value::from_pairs([("text", Value::from(texts)), ("label", Value::from(labels))]);
    Ok(Value::from_pairs([
        ("id", Value::from(id)),
        ("question", Value::from(stem)),
        ("choices", choices),
        ("answerKey", Value::from(key)),
    ]))
}

/// The stem, and the choices with their labels.
///
/// A stem may speak of `(A)` itself, so of the places where a sequence `(A) (B) ...` or `(1) (2) ...` can
/// begin the last is taken from which it goes on at least to the right answer's label.
fn split<'a>(text: &'a str, key: &str) -> Option<(&'a str, Vec<(String, String)>)> {
    let labels = match key.chars().next()? {
        '1'..='9' => '1'..='9',
        _ => 'A'..='I',
    };
    let labels: Vec<String> = labels.map(String::from).collect();
    let first = format!("({}) ", labels[0]);
    let mut starts = text.rmatch_indices(&first);
    starts.find_map(|(start, _)| {
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
        let end = rest.find(&format!(" ({next}) "));
        let choice = &rest[..end.unwrap_or(rest.len())];
        found.push((label.clone(), choice.trim().to_owned()));
        let Some(end) = end else { break };
        rest = &rest[end + 1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(question: &str, key: &str) -> Result<String, LineError> {
        let names = COLUMNS.map(String::from);
        let row = row(&names, &StringRecord::from(vec!["q1", key, question]))?;
        Ok(format!(
            "{} {}",
            row.get_attr("question").unwrap(),
            row.get_attr("choices").unwrap()
        ))
    }

    #[test]
    fn choices_stand_behind_the_question() {
        let found = read(
            "Which, \"if any\"?\nTell. (A) ice (B) steam, (C) sand (D) (A) and (B)",
            "D",
        );
        let expected = "Which, \"if any\"?\nTell. {'text': ['ice', 'steam,', 'sand', '(A) and (B)'], 'label': ['A', 'B', 'C', 'D']}";
        assert_eq!(found.unwrap(), expected);
        let found = read(
            "Of (1) and (2), which? (1) the first (2) the second (3) none",
            "2",
        );
        let expected = "Of (1) and (2), which? {'text': ['the first', 'the second', 'none'], 'label': ['1', '2', '3']}";
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn a_question_without_its_choices_is_refused() {
        for (question, key) in [("Which?", "A"), ("Which? (A) ice (B) steam", "C")] {
            let error = read(question, key).unwrap_err().to_string();
            let expected = format!(
                "question `{question}` is not `... (A) ... (B) ...` or `... (1) ... (2) ...` with ({key}) among them"
            );
            assert_eq!(error, expected);
        }
    }
}
