//! Feedback as people have it, told apart by its columns:
//!
//! - `chosen` and `rejected`, with `prompt` or beginning with it (TRL's preferences, Argilla's), texts or lists of messages;
//! - `prompt`, `completion`, `label` (TRL's unpaired preferences), texts or lists of messages;
//! - `question`, `choices`, and `answer` or `answerKey` (a multiple-choice benchmark's).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// What a row lacks or has that cannot be.
type Refusal = (String, &'static str);
/// What is read of a row.
type Read<T> = std::result::Result<T, Refusal>;

/// Who says what in a chat.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a text, or a list of messages with role and content"
)]
pub enum Prompt {
    /// A text that the answer continues.
    Text(String),
    /// Messages that a checkpoint's chat template puts into a text.
    Chat(Vec<Message>),
}

/// Answers to a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// What was asked.
    pub prompt: Prompt,
    /// Answers that were taken as good.
    pub chosen: Vec<String>,
    /// Answers that were taken as bad.
    pub rejected: Vec<String>,
}

/// What was left out of a file, by line or row, from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Rows with an answer of nothing but white space.
    pub empty: Vec<usize>,
    /// Rows whose answers all stand before, to the same prompt.
    pub duplicates: Vec<usize>,
    /// Rows with an answer that is both chosen and rejected, which is left out as both.
    pub contradictions: Vec<usize>,
}

/// The feedback in the rows of a file, each with its line; rows with one prompt are brought together.
///
/// # Errors
///
/// If a row has none of the forms, or there is nothing chosen or nothing rejected in all; the message names the line.
pub fn feedback(rows: &[(usize, Value)]) -> Result<(Vec<Feedback>, LeftOut)> {
    let mut left_out = LeftOut::default();
    // Of each prompt its place, and of each answer to it whether it was chosen, rejected or both, and the last line.
    let mut places: BTreeMap<Prompt, usize> = BTreeMap::new();
    let mut all: Vec<(Prompt, Answers)> = Vec::new();
    for (line, row) in rows {
        let refused = |(found, expected): Refusal| Error::Row(*line, found, expected);
        let (prompt, answers) = read(row).map_err(refused)?;
        let place = *places.entry(prompt.clone()).or_insert(all.len());
        if place == all.len() {
            all.push((prompt, Answers::new()));
        }
        let (there, mut is_new) = (&mut all[place].1, false);
        for (answer, is_chosen) in answers {
            if answer.trim().is_empty() {
                left_out.empty.push(*line);
                is_new = true;
                continue;
            }
            let at = there.iter().position(|(known, _)| *known == answer);
            let at = at.unwrap_or_else(|| {
                there.push((answer, [None; 2]));
                there.len() - 1
            });
            let known = &mut there[at].1;
            if known[usize::from(!is_chosen)].is_some() {
                left_out.contradictions.push(*line);
            }
            is_new |= known[usize::from(is_chosen)].replace(*line).is_none();
        }
        if !is_new {
            left_out.duplicates.push(*line);
        }
    }
    let gathered = |(prompt, answers): (Prompt, Answers)| {
        let only = |chosen: usize| {
            let some = answers.iter();
            let some = some.filter(|(_, at)| at[chosen].is_some() && at[1 - chosen].is_none());
            some.map(|(answer, _)| answer.clone()).collect::<Vec<_>>()
        };
        Feedback {
            prompt,
            chosen: only(1),
            rejected: only(0),
        }
    };
    let mut all: Vec<Feedback> = all.into_iter().map(gathered).collect();
    all.retain(|one| !one.chosen.is_empty() || !one.rejected.is_empty());
    if all.iter().all(|one| one.chosen.is_empty()) {
        return Err(Error::Nothing("chosen"));
    }
    if all.iter().all(|one| one.rejected.is_empty()) {
        return Err(Error::Nothing("rejected"));
    }
    Ok((all, left_out))
}

/// The answers to a prompt, each with the line where it was rejected, and the one where it was chosen.
type Answers = Vec<(String, [Option<usize>; 2])>;

/// The prompt of a row and its answers, each with whether it was chosen.
fn read(row: &Value) -> Read<(Prompt, Vec<(String, bool)>)> {
    let forms = "columns chosen and rejected; prompt, completion and label; or question, choices and answer";
    let columns = row.as_object();
    let columns = columns.ok_or_else(|| (kind(row), "an object with columns"))?;
    // An empty cell of a table is null. It counts as an empty answer if no other form fits.
    for empty in [false, true] {
        let is_there = |value: &Value| empty || !value.is_null();
        let has = |name: &str| columns.get(name).is_some_and(is_there);
        if has("chosen") && has("rejected") {
            return pair(columns);
        }
        if has("completion") && has("label") {
            return labelled(columns);
        }
        if has("question") && has("choices") {
            return choices(columns);
        }
    }
    let names: Vec<&str> = columns.keys().map(String::as_str).collect();
    Err((format!("columns {}", names.join(", ")), forms))
}

fn kind(value: &Value) -> String {
    let text = value.to_string();
    text.chars().take(60).collect()
}

/// One answer with its label.
fn labelled(columns: &Map<String, Value>) -> Read<(Prompt, Vec<(String, bool)>)> {
    let label = match &columns["label"] {
        Value::Bool(label) => *label,
        Value::Number(number) if number.as_f64() == Some(1.0) => true,
        Value::Number(number) if number.as_f64() == Some(0.0) => false,
        Value::String(text) if text.eq_ignore_ascii_case("true") || text == "1" => true,
        Value::String(text) if text.eq_ignore_ascii_case("false") || text == "0" => false,
        other => return Err((format!("label {other}"), "true or false")),
    };
    let (prompt, answer) = said(columns, "completion")?;
    let prompt = prompt.ok_or_else(|| ("no prompt".into(), "a column prompt"))?;
    Ok((prompt, vec![(answer, label)]))
}

/// A chosen answer and a rejected one. Without a prompt of its own, what both begin with is the prompt.
fn pair(columns: &Map<String, Value>) -> Read<(Prompt, Vec<(String, bool)>)> {
    let (own, chosen) = said(columns, "chosen")?;
    let (other, rejected) = said(columns, "rejected")?;
    let answers = |chosen: &str, rejected: &str| {
        vec![(chosen.to_owned(), true), (rejected.to_owned(), false)]
    };
    match (own, other) {
        (Some(prompt), Some(other)) if prompt == other => Ok((prompt, answers(&chosen, &rejected))),
        (None, None) => {
            // What answers happen to begin with is no prompt where there is one under another name.
            let names = ["question", "instruction", "input", "query"];
            let text = |name: &str| columns.get(name).and_then(Value::as_str);
            let has = |name: &&str| text(name).is_some_and(|text| !text.trim().is_empty());
            if let Some(name) = names.into_iter().find(has) {
                return Err((format!("a column {name}"), "the name prompt for it"));
            }
            // As TRL finds it (`extract_prompt`): a space before the answers belongs to them.
            let alike = chosen.char_indices().zip(rejected.chars());
            let alike = alike.take_while(|((_, a), b)| a == b).last();
            let mut end = alike.map_or(0, |((at, last), _)| at + last.len_utf8());
            if chosen[..end].ends_with(' ') {
                end -= 1;
            }
            let prompt = chosen[..end].to_owned();
            if prompt.trim().is_empty() {
                let expected = "a column prompt, or answers that begin with it";
                return Err(("no prompt".into(), expected));
            }
            let answers = answers(&chosen[end..], &rejected[end..]);
            Ok((Prompt::Text(prompt), answers))
        }
        _ => {
            let expected = "chosen and rejected answers to one prompt";
            Err(("two prompts".into(), expected))
        }
    }
}

/// The answer in the column `name`, and its prompt: that of the column `prompt`, or the messages before the last.
fn said(columns: &Map<String, Value>, name: &str) -> Read<(Option<Prompt>, String)> {
    let read = |name: &str| {
        let value = columns.get(name).unwrap_or(&Value::Null);
        let found = Option::<Prompt>::deserialize(value);
        let expected = "a text, or a list of messages with role and content";
        found.map_err(|_| (kind(value), expected))
    };
    let (prompt, value) = (read("prompt")?, &columns[name]);
    let mut said = match read(name)? {
        None => return Ok((prompt, String::new())),
        Some(Prompt::Text(answer)) => return Ok((prompt, answer)),
        Some(Prompt::Chat(said)) => said,
    };
    let last = said.pop().filter(|last| last.role == "assistant");
    let last = last.ok_or_else(|| (kind(value), "messages of which the assistant has the last"))?;
    let prompt = match (prompt, said.is_empty()) {
        (Some(Prompt::Text(content)), true) => {
            let role = "user".into();
            Some(Prompt::Chat(vec![Message { role, content }]))
        }
        (prompt, true) => prompt,
        // The messages have the prompt once more.
        (_, false) => Some(Prompt::Chat(said)),
    };
    let prompt = prompt.ok_or_else(|| (kind(value), "a message before the assistant's"))?;
    Ok((Some(prompt), last.content))
}

/// A question with its choices, as benchmarks have them; the prompt is that of ARC's task.
fn choices(columns: &Map<String, Value>) -> Read<(Prompt, Vec<(String, bool)>)> {
    let question = columns["question"].as_str();
    let question = question.ok_or_else(|| (kind(&columns["question"]), "a question as a text"))?;
    let given = &columns["choices"];
    let texts = |value: &Value| Vec::<String>::deserialize(value).ok();
    let all = texts(given).or_else(|| texts(given.get("text")?));
    let expected = "choices as a list of texts, or {text: [...], label: [...]}";
    let all = all.ok_or_else(|| (kind(given), expected))?;
    let labels = given.get("label").and_then(texts);
    let answer = columns.get("answer").or_else(|| columns.get("answerKey"));
    let answer = answer.ok_or_else(|| ("no answer".into(), "a column answer or answerKey"))?;
    let place = match answer {
        Value::Number(place) => place.as_u64().map(|place| place as usize),
        Value::String(text) => {
            let labelled = labels.and_then(|labels| labels.iter().position(|label| label == text));
            let letter = match text.as_bytes() {
                [letter @ b'A'..=b'Z'] => Some(usize::from(letter - b'A')),
                _ => text.parse().ok(),
            };
            let is_text = || all.iter().position(|choice| choice == text);
            labelled.or_else(is_text).or(letter)
        }
        _ => None,
    };
    let expected = "the place of a choice from 0, its label, a letter, or its text";
    let place = place.filter(|place| *place < all.len());
    let place = place.ok_or_else(|| (format!("answer {answer}"), expected))?;
    let prompt = Prompt::Text(format!("Question: {question}\nAnswer:"));
    let answers = all.into_iter().zip(0..);
    let answers = answers.map(|(choice, at)| (choice, at == place));
    Ok((prompt, answers.collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(rows: &[Value]) -> Result<(Vec<Feedback>, LeftOut)> {
        let rows: Vec<(usize, Value)> = (1..).zip(rows.iter().cloned()).collect();
        feedback(&rows)
    }

    fn one(row: Value) -> Feedback {
        let (found, left_out) = of(&[row]).unwrap();
        assert_eq!(left_out, LeftOut::default());
        found.into_iter().next().unwrap()
    }

    fn text(prompt: &str, chosen: &[&str], rejected: &[&str]) -> Feedback {
        let owned = |answers: &[&str]| answers.iter().map(ToString::to_string).collect();
        Feedback {
            prompt: Prompt::Text(prompt.into()),
            chosen: owned(chosen),
            rejected: owned(rejected),
        }
    }

    #[test]
    fn every_form_is_read() {
        let expected = text("Why?", &["Because."], &["No."]);
        assert_eq!(
            one(json!({"prompt": "Why?", "chosen": "Because.", "rejected": "No.", "score": 3})),
            expected
        );
        // Without a prompt, as TRL finds it.
        let implicit = json!({"chosen": "Human: Why?\nAssistant: Because.", "rejected": "Human: Why?\nAssistant: No."});
        assert_eq!(
            one(implicit),
            text("Human: Why?\nAssistant:", &[" Because."], &[" No."])
        );
        let arc = json!({"question": "Which?", "choices": {"text": ["a", "b", "c"], "label": ["1", "2", "3"]}, "answerKey": "2"});
        assert_eq!(
            one(arc),
            text("Question: Which?\nAnswer:", &["b"], &["a", "c"])
        );
        for answer in [json!(1), json!("B"), json!("b"), json!("1")] {
            let found =
                one(json!({"question": "Which?", "choices": ["a", "b", "c"], "answer": answer}));
            assert_eq!(found.chosen, ["b"]);
        }
        let say = |role: &str, content: &str| json!({"role": role, "content": content});
        let message = |role: &str, content: &str| Message {
            role: role.into(),
            content: content.into(),
        };
        let expected = Feedback {
            prompt: Prompt::Chat(vec![message("user", "Why?")]),
            ..expected
        };
        for (prompt, before) in [
            (json!("Why?"), vec![]),
            (json!([say("user", "Why?")]), vec![]),
            (json!("Why?"), vec![say("user", "Why?")]),
            (Value::Null, vec![say("user", "Why?")]),
        ] {
            let said = |answer: &str| [before.clone(), vec![say("assistant", answer)]].concat();
            let row =
                json!({"prompt": prompt, "chosen": said("Because."), "rejected": said("No.")});
            assert_eq!(one(row), expected);
        }
    }

    #[test]
    fn rows_with_one_prompt_are_brought_together() {
        let row = |completion: &str, label: Value| json!({"prompt": "Why?", "completion": completion, "label": label});
        let rows = [
            row("Because.", json!(true)),
            row("No.", json!(0)),
            row("Because.", json!("true")),
            row(" ", json!(false)),
            row("Perhaps.", json!(true)),
            row("Perhaps.", json!(false)),
            json!({"prompt": "Why?", "chosen": null, "rejected": "No."}),
        ];
        let (found, left_out) = of(&rows).unwrap();
        assert_eq!(found, [text("Why?", &["Because."], &["No."])]);
        let expected = LeftOut {
            empty: vec![4, 7],
            duplicates: vec![3],
            contradictions: vec![6],
        };
        assert_eq!(left_out, expected);
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_line() {
        let good = json!({"prompt": "Why?", "chosen": "Because.", "rejected": "No."});
        for (row, named) in [
            (json!({"text": "x"}), "columns text"),
            (json!([1]), "[1]"),
            (json!({"chosen": "a", "rejected": "b"}), "no prompt"),
            (
                json!({"question": "x", "chosen": "in a", "rejected": "in b"}),
                "found a column question; expected the name prompt for it",
            ),
            (
                json!({"prompt": "x", "completion": "y", "label": "maybe"}),
                "label \"maybe\"",
            ),
            (
                json!({"prompt": "x", "chosen": [{"role": "user"}], "rejected": "y"}),
                "role and content",
            ),
            (
                json!({"chosen": [{"role": "user", "content": "x"}], "rejected": []}),
                "assistant has the last",
            ),
            (
                json!({"question": "x", "choices": ["a", "b"], "answer": 2}),
                "answer 2",
            ),
            (
                json!({"question": "x", "choices": "a", "answer": 0}),
                "choices as a list",
            ),
        ] {
            let error = of(&[good.clone(), row]).unwrap_err().to_string();
            assert!(
                error.starts_with("line 2: ") && error.contains(named),
                "{error}"
            );
        }
        let only = json!({"prompt": "x", "completion": "y", "label": true});
        assert!(
            of(&[only])
                .unwrap_err()
                .to_string()
                .contains("not one rejected")
        );
        assert!(of(&[]).is_err());
    }
}
