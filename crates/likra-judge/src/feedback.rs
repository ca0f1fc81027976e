//! Feedback as people have it, told apart by its columns:
//!
//! - `chosen` and `rejected`, with `prompt` or beginning with it (TRL's preferences, Argilla's), texts or lists of messages;
//! - `prompt`, `completion`, `label` (TRL's unpaired preferences), texts or lists of messages;
//! - `question`, `choices`, and `answer` or `answerKey` (a multiple-choice benchmark's).

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::message::{Message, Prompt, is_empty};

/// What a row lacks or has that cannot be.
type Refusal = (String, &'static str);
/// What is read of a row.
type Read<T> = std::result::Result<T, Refusal>;

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

/// What was left out, by the places of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Rows with an answer of nothing but white space.
    pub empty: Vec<String>,
    /// Rows whose answers all stand before, to the same prompt.
    pub duplicates: Vec<String>,
    /// Rows with an answer that is both chosen and rejected, which is left out as both.
    pub contradictions: Vec<String>,
}

/// The feedback in rows, each with its place in a file; rows with one prompt are brought together. Where one prompt is
/// messages, a text is a user's message.
///
/// # Errors
///
/// If a row has none of the forms, or all answers repeat their prompts; the message names the place.
pub fn feedback(rows: &[(String, Value)]) -> Result<(Vec<Feedback>, LeftOut)> {
    let has_prompts = rows.iter().any(|(_, row)| !is_empty(&row["prompt"]));
    let read = |(place, row): &(String, Value)| match read(row, has_prompts) {
        Ok(read) => Ok((place.clone(), read)),
        Err((found, expected)) => Err(Error::Row(place.clone(), found, expected)),
    };
    let mut rows: Vec<_> = rows.iter().map(read).collect::<Result<_>>()?;
    refuse_repeats(&rows)?;
    if rows
        .iter()
        .any(|(_, (prompt, _))| matches!(prompt, Prompt::Chat(_)))
    {
        for (_, (prompt, _)) in &mut rows {
            *prompt = Prompt::Chat(prompt.messages());
        }
    }
    let mut left_out = LeftOut::default();
    // Of each prompt its place, and of each answer to it whether it was chosen, rejected or both.
    let mut places: BTreeMap<Prompt, usize> = BTreeMap::new();
    let mut all: Vec<(Prompt, Answers)> = Vec::new();
    for (line, (prompt, answers)) in rows {
        let place = *places.entry(prompt.clone()).or_insert(all.len());
        if place == all.len() {
            all.push((prompt, Answers::new()));
        }
        let (there, mut is_new) = (&mut all[place].1, false);
        for (answer, is_chosen) in answers {
            if answer.trim().is_empty() {
                left_out.empty.push(line.clone());
                is_new = true;
                continue;
            }
            let at = there.iter().position(|(known, _)| *known == answer);
            let at = at.unwrap_or_else(|| {
                there.push((answer, [false; 2]));
                there.len() - 1
            });
            let known = &mut there[at].1;
            if known[usize::from(!is_chosen)] {
                left_out.contradictions.push(line.clone());
            }
            is_new |= !std::mem::replace(&mut known[usize::from(is_chosen)], true);
        }
        if !is_new {
            left_out.duplicates.push(line);
        }
    }
    let mut all: Vec<Feedback> = all.into_iter().map(gathered).collect();
    all.retain(|one| !one.chosen.is_empty() || !one.rejected.is_empty());
    // A row may have several such answers.
    left_out.empty.dedup();
    left_out.contradictions.dedup();
    Ok((all, left_out))
}

/// Refuses rows of which all have their prompt once more in their answers. A few may be right.
fn refuse_repeats(rows: &[Row]) -> Result<()> {
    let repeats = |(_, (prompt, answers)): &Row| match prompt {
        Prompt::Text(prompt) if !prompt.trim().is_empty() => {
            answers.iter().all(|(answer, _)| answer.starts_with(prompt))
        }
        _ => false,
    };
    match rows {
        [(place, _), _, ..] if rows.iter().all(repeats) => {
            let found = "answers that begin with the prompt, here and in all rows".into();
            Err(Error::Row(place.clone(), found, "answers alone"))
        }
        _ => Ok(()),
    }
}

/// What is only chosen, and what is only rejected.
fn gathered((prompt, answers): (Prompt, Answers)) -> Feedback {
    let only = |chosen: usize| {
        let some = answers.iter();
        let some = some.filter(|(_, is)| is[chosen] && !is[1 - chosen]);
        some.map(|(answer, _)| answer.clone()).collect::<Vec<_>>()
    };
    Feedback {
        prompt,
        chosen: only(1),
        rejected: only(0),
    }
}

/// The answers to a prompt, each with whether it was rejected, and whether it was chosen.
type Answers = Vec<(String, [bool; 2])>;

/// A row's place, its prompt, and its answers, each with whether it was chosen.
type Row = (String, (Prompt, Vec<(String, bool)>));

/// The prompt of a row and its answers, each with whether it was chosen.
fn read(row: &Value, has_prompts: bool) -> Read<(Prompt, Vec<(String, bool)>)> {
    let columns = row.as_object();
    let columns = columns.ok_or_else(|| (kind(row), "an object with columns"))?;
    for name in [
        "tools",
        "documents",
        "chat_template_kwargs",
        "image",
        "images",
    ] {
        if columns.get(name).is_some_and(|value| !is_empty(value)) {
            let expected = "no such column: the model would not get it";
            return Err((format!("a column {name}"), expected));
        }
    }
    let (prompt, answers) = formed(columns, has_prompts)?;
    let said = prompt.messages();
    for name in ["system", "system_prompt", "input"] {
        let text = columns
            .get(name)
            .and_then(Value::as_str)
            .map_or("", str::trim);
        if !said.iter().any(|message| message.content.contains(text)) {
            let expected = "its text in the prompt, where the model gets it";
            return Err((format!("a column {name}"), expected));
        }
    }
    Ok((prompt, answers))
}

/// What a row's columns say, by the form that they are in.
fn formed(columns: &Map<String, Value>, has_prompts: bool) -> Read<(Prompt, Vec<(String, bool)>)> {
    let forms = "columns chosen and rejected; prompt, completion and label; or question, choices and answer";
    // An empty cell of a table is null. It counts as an empty answer if no other form fits.
    for empty in [false, true] {
        let is_there = |value: &Value| empty || !value.is_null();
        let has = |name: &str| columns.get(name).is_some_and(is_there);
        if has("chosen") && has("rejected") {
            return pair(columns, has_prompts);
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
        Value::String(text) if is_one_of(text, ["true", "1", "1.0"]) => true,
        Value::String(text) if is_one_of(text, ["false", "0", "0.0"]) => false,
        other => return Err((format!("label {other}"), "true or false")),
    };
    let (prompt, answer) = said(columns, "completion")?;
    let prompt = prompt.ok_or_else(|| ("no prompt".into(), "a column prompt"))?;
    Ok((prompt, vec![(answer, label)]))
}

fn is_one_of<const N: usize>(text: &str, names: [&str; N]) -> bool {
    names
        .iter()
        .any(|name| name.eq_ignore_ascii_case(text.trim()))
}

/// Columns that may hold a prompt under another name.
const PROMPTS: [&str; 17] = [
    "prompt",
    "prompts",
    "question",
    "questions",
    "instruction",
    "instructions",
    "input",
    "query",
    "problem",
    "context",
    "request",
    "user",
    "messages",
    "conversation",
    "conversations",
    "dialogue",
    "history",
];

/// A chosen answer and a rejected one. Where no row has a prompt of its own, what both begin with is the prompt.
fn pair(columns: &Map<String, Value>, has_prompts: bool) -> Read<(Prompt, Vec<(String, bool)>)> {
    let (own, chosen) = said(columns, "chosen")?;
    let (other, rejected) = said(columns, "rejected")?;
    let answers = |chosen: &str, rejected: &str| {
        vec![(chosen.to_owned(), true), (rejected.to_owned(), false)]
    };
    match (own, other) {
        (Some(prompt), Some(other)) if prompt == other => Ok((prompt, answers(&chosen, &rejected))),
        (None, None) => {
            // What answers happen to begin with is no prompt where there is one under another name.
            let other = columns
                .iter()
                .find(|(name, value)| is_one_of(name, PROMPTS) && !is_empty(value));
            if let Some((name, _)) = other {
                return Err((format!("a column {name}"), "the name prompt for it"));
            }
            if has_prompts {
                return Err(("no prompt".into(), "one, as other rows have it"));
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
        let refused = |expected| (kind(value), expected);
        // A table has its messages as texts.
        let text = value.as_str().map_or("", str::trim);
        let inner = text.strip_prefix('[').map_or("", str::trim_start);
        let is_messages =
            inner.starts_with('{') && text.contains("role") && text.contains("content");
        if serde_json::from_str::<Message>(text).is_ok() {
            return Err(refused("a list of messages, not one alone"));
        }
        if is_messages && text.ends_with(']') {
            let messages: Option<Vec<Message>> = serde_json::from_str(text).ok();
            let messages =
                messages.ok_or_else(|| refused("messages as JSON, not as Python prints them"))?;
            return Ok(Some(Prompt::Chat(messages)));
        }
        if value.as_array().is_some_and(Vec::is_empty) && name == "prompt" {
            return Ok(None);
        }
        let found = Option::<Prompt>::deserialize(value);
        let expected = "a text, or a list of messages with role and content and no other keys";
        found.map_err(|_| refused(expected))
    };
    let (prompt, value) = (read("prompt")?, &columns[name]);
    let mut said = match read(name)? {
        None => return Ok((prompt, String::new())),
        Some(Prompt::Text(answer)) => return Ok((prompt, answer)),
        Some(Prompt::Chat(said)) => said,
    };
    let last = said.pop().filter(|last| last.role == "assistant");
    let last = last.ok_or_else(|| (kind(value), "messages of which the assistant has the last"))?;
    let prompt = match prompt {
        Some(prompt) => Some(Prompt::Chat(joined(prompt, said)?)),
        None => (!said.is_empty()).then_some(Prompt::Chat(said)),
    };
    let prompt = prompt.ok_or_else(|| (kind(value), "a message before the assistant's"))?;
    Ok((Some(prompt), last.content))
}

/// A prompt and the messages before the answer, which may have the prompt, or the end of it, once more.
fn joined(prompt: Prompt, said: Vec<Message>) -> Read<Vec<Message>> {
    let mut all = prompt.messages();
    if let Prompt::Text(text) = prompt
        && !said.is_empty()
    {
        let has =
            |message: &Message| message.role == "user" && message.content.trim() == text.trim();
        let expected = "messages that have the prompt, or a prompt of messages";
        let is_there = said.iter().any(has);
        return is_there
            .then_some(said)
            .ok_or_else(|| (kind(&text.into()), expected));
    }
    if all.is_empty() || said.windows(all.len()).any(|some| some == all) {
        return Ok(said);
    }
    let again = |count: &usize| all.ends_with(&said[..*count]);
    let count = (0..=said.len().min(all.len())).rev().find(again);
    let count = count.unwrap_or_default();
    if count == 0 && said.first().is_some_and(|first| first.role == "system") {
        let expected = "messages that have the prompt, or begin after it";
        return Err(("a system message after the prompt".into(), expected));
    }
    all.extend(said.into_iter().skip(count));
    Ok(all)
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
    // Labels may be numbers. A choice is the one whose label is that of the answer, before it is one by its place.
    let name = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), String::from)
    };
    let labels = given.get("label").and_then(Value::as_array);
    let labels: Vec<String> = labels.into_iter().flatten().map(name).collect();
    let answer = columns.get("answer").or_else(|| columns.get("answerKey"));
    let answer = answer.ok_or_else(|| ("no answer".into(), "a column answer or answerKey"))?;
    let labelled = labels.iter().position(|label| *label == name(answer));
    let are_numbers = labels.iter().any(|label| label.parse::<f64>().is_ok());
    let place = match answer {
        _ if labelled.is_some() => labelled,
        // Which of the two a number would be cannot be told.
        Value::Number(_) if are_numbers => None,
        Value::Number(place) => place.as_u64().map(|place| place as usize),
        Value::String(text) => {
            let letter = match text.as_bytes() {
                [letter @ b'A'..=b'Z'] => Some(usize::from(letter - b'A')),
                _ => text.parse().ok().filter(|_| !are_numbers),
            };
            let is_text = all.iter().position(|choice| choice == text);
            is_text.or(letter)
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
        let rows = (1..)
            .zip(rows)
            .map(|(line, row)| (format!("line {line}"), row.clone()));
        let rows: Vec<(String, Value)> = rows.collect();
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
        for (label, answer) in [
            (json!([1, 2, 3]), json!(2)),
            (json!([1, 2, 3]), json!("2")),
            (json!(["1", "2", "3"]), json!(2)),
            (json!(["A", "B", "C"]), json!(1)),
            (json!(["A", "B", "C"]), json!("B")),
        ] {
            let choices = json!({"text": ["a", "b", "c"], "label": label});
            let found = one(json!({"question": "Which?", "choices": choices, "answerKey": answer}));
            assert_eq!(found.chosen, ["b"], "{label} {answer}");
        }
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
        let as_text =
            |answer: &str| json!([say("user", "Why?"), say("assistant", answer)]).to_string();
        let row = json!({"chosen": as_text("Because."), "rejected": as_text("No.")});
        assert_eq!(one(row), expected);
    }

    #[test]
    fn no_message_of_a_conversation_is_lost_or_said_twice() {
        let say = |role: &str, content: &str| json!({"role": role, "content": content});
        let (system, user) = (say("system", "Be brief."), say("user", "Why?"));
        let turns = [say("assistant", "Which?"), say("user", "That one.")];
        let of = |prompt: Value, before: &[Value]| {
            let said = |answer: &str| [before, &[say("assistant", answer)]].concat();
            let row =
                json!({"prompt": prompt, "chosen": said("Because."), "rejected": said("No.")});
            match one(row).prompt {
                Prompt::Chat(messages) => messages
                    .into_iter()
                    .map(|it| it.content)
                    .collect::<Vec<_>>(),
                Prompt::Text(text) => panic!("{text}"),
            }
        };
        let prompt = json!([system, user]);
        let short = ["Be brief.", "Why?"];
        assert_eq!(of(prompt.clone(), &[]), short);
        assert_eq!(of(prompt.clone(), std::slice::from_ref(&user)), short);
        assert_eq!(of(prompt.clone(), &[system.clone(), user.clone()]), short);
        assert_eq!(of(json!("Why?"), &[system.clone(), user.clone()]), short);
        assert_eq!(of(json!([user]), &[system, user]), short);
        assert_eq!(
            of(prompt, &turns),
            ["Be brief.", "Why?", "Which?", "That one."]
        );
    }

    #[test]
    fn a_text_and_the_same_as_a_message_are_one_prompt() {
        let rows = [
            json!({"prompt": "Why?", "completion": "Because.", "label": "1.0"}),
            json!({"prompt": [{"role": "user", "content": "Why?"}], "completion": "No.", "label": "False"}),
        ];
        let (found, _) = of(&rows).unwrap();
        assert_eq!(
            (found.len(), found[0].chosen.len(), found[0].rejected.len()),
            (1, 1, 1)
        );
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
        let lines = |lines: &[usize]| lines.iter().map(|line| format!("line {line}")).collect();
        let (found, left_out) = of(&rows).unwrap();
        assert_eq!(found, [text("Why?", &["Because."], &["No."])]);
        let expected = LeftOut {
            empty: lines(&[4, 7]),
            duplicates: lines(&[3]),
            contradictions: lines(&[6]),
        };
        assert_eq!(left_out, expected);
    }

    #[test]
    fn answers_that_all_repeat_their_prompts_are_refused() {
        let row =
            |chosen: &str| json!({"prompt": "Why?", "chosen": chosen, "rejected": "Why? No."});
        let error = of(&[row("Why? Because."), row("Why? So.")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 1: found answers that begin with the prompt"),
            "{error}"
        );
        assert!(of(&[row("Why? Because."), row("So.")]).is_ok());
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_line() {
        let good = json!({"prompt": "Why?", "chosen": "Because.", "rejected": "No."});
        for (row, named) in [
            (json!({"text": "x"}), "columns text"),
            (json!([1]), "[1]"),
            (
                json!({"chosen": "in a", "rejected": "in b"}),
                "as other rows have it",
            ),
            (
                json!({"prompt": [], "chosen": "in a", "rejected": "in b"}),
                "no prompt",
            ),
            (
                json!({"prompt": "x", "images": ["y"], "chosen": "a", "rejected": "b"}),
                "a column images",
            ),
            (
                json!({"prompt": "x", "system": "y", "chosen": "a", "rejected": "b"}),
                "a column system",
            ),
            (
                json!({"prompt": "x", "chosen": "{\"role\": \"assistant\", \"content\": \"y\"}", "rejected": "z"}),
                "not one alone",
            ),
            (
                json!({"prompt": "x", "chosen": "[ {'role': 'user', 'content': 'y'} ]", "rejected": "z"}),
                "not as Python prints them",
            ),
            (
                json!({"prompt": [{"role": "user", "content": "x"}], "chosen": [{"role": "system", "content": "y"}, {"role": "assistant", "content": "a"}], "rejected": "z"}),
                "a system message after the prompt",
            ),
            (
                json!({"question": "x", "chosen": "in a", "rejected": "in b"}),
                "found a column question; expected the name prompt for it",
            ),
            (
                json!({"Messages": [1], "chosen": "in a", "rejected": "in b"}),
                "found a column Messages",
            ),
            (
                json!({"prompt": "x", "chosen": "[{'role': 'user', 'content': 'y'}]", "rejected": "z"}),
                "not as Python prints them",
            ),
            (
                json!({"prompt": "x", "chosen": [{"role": "user", "content": "y"}, {"role": "assistant", "content": "a"}], "rejected": "z"}),
                "expected messages that have the prompt",
            ),
            (
                json!({"question": "x", "choices": {"text": ["a", "b"], "label": [1, 2]}, "answerKey": 0}),
                "found answer 0",
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
    }
}
