//! Files of `HellaSwag` (Zellers et al. 2019): one JSON object a line.
//!
//! ```json
//! {"ind": 4, "activity_label": "…", "ctx_a": "…", "ctx_b": "…", "endings": ["…", …], "label": 3, "source_id": "…"}
//! ```
//!
//! The label is a number, or a string of one as in the Hugging Face data set `Rowan/hellaswag`.
//!
//! Texts become those of lm-evaluation-harness 0.4.13 (`process_docs` of `lm_eval/tasks/hellaswag/utils.py`),
//! byte for byte. What is asked is `{activity_label}: {ctx_a} {ctx_b}`, with `ctx_b` capitalized as Python
//! does it (all letters after the first become small), and in this and in each ending, in this order:
//!
//! - White space is taken off both ends.
//! - ` [title]`, which divides parts of a text from wikiHow, becomes a full stop and a space.
//! - All else in square brackets on one line is dropped. So an ending that began with such a tag now
//!   begins with a space.
//! - Two spaces become one, once: of four there remain two.
//!
//! # Stripped files
//!
//! Some copies have been through such a preparation already:
//!
//! ```json
//! {"row": 0, "activity_label": "…", "ctx": "…", "endings": ["…", …], "label": 3}
//! ```
//!
//! There, `ctx` is `ctx_a` and `ctx_b` together, still without the capital. So it is divided after its
//! last `.`, `!` or `?`, where every row of the training set that we have is divided. Only wikiHow's tags
//! are gone: a text that still has brackets (in 13 of the 10042 rows of the copy that we have) is
//! prepared as above, and nothing else is changed. The harness's texts do not come out of such a copy
//! everywhere, so prefer the original files:
//!
//! - Of an ending that began with a tag, the space is lost.
//! - A few rows may have been divided elsewhere: in 7 of those, what follows the last full stop
//!   begins with a digit or a quotation mark.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::files::{Files, first};
use crate::python_text::{capitalize, is_python_space};
use crate::rows::{Choices, json_error, unquoted};
use crate::{Error, LineError, PromptStyle, Question, Result};

#[derive(Deserialize)]
struct Line {
    activity_label: String,
    endings: Choices,
    label: Value,
    // The original's own fields.
    source_id: Option<String>,
    ind: Option<u64>,
    ctx_a: Option<String>,
    ctx_b: Option<String>,
    // Those of a stripped file.
    row: Option<u64>,
    ctx: Option<String>,
}

/// The question of a line, original or stripped.
///
/// Its [`style`](Question::style) is [`PromptStyle::Completion`]. Its id is `{source_id}#{ind}`, or
/// `row#{row}` in a stripped file.
pub(super) fn parse(text: &[u8]) -> Result<Question, LineError> {
    let line: Line = serde_json::from_slice(text).map_err(|error| json_error(&error))?;
    let gold = gold(&line.label, line.endings.texts.len())?;
    let (id, query, endings) = match (&line.source_id, line.ind, &line.ctx_a) {
        (None, None, None) => line.capitalize()?,
        _ => line.prepare()?,
    };
    Ok(Question::new(id, query, endings, gold)?.with_style(PromptStyle::Completion))
}

impl Line {
    /// The id, the query and the endings of a row as the authors published it.
    fn prepare(self) -> Result<(String, String, Vec<String>), LineError> {
        let source = given(self.source_id, "source_id")?;
        let ind = given(self.ind, "ind")?;
        let ctx_a = given(self.ctx_a, "ctx_a")?;
        let ctx_b = capitalize(&given(self.ctx_b, "ctx_b")?);
        let query = preprocess(&format!("{}: {ctx_a} {ctx_b}", self.activity_label));
        let endings = self.endings.texts.iter().map(|ending| preprocess(ending));
        Ok((format!("{source}#{ind}"), query, endings.collect()))
    }

    /// The same of a row that has been through a preparation already.
    fn capitalize(self) -> Result<(String, String, Vec<String>), LineError> {
        let row = given(self.row, "row")?;
        let ctx = given(self.ctx, "ctx")?;
        let border = ctx.rfind(['.', '!', '?']).map_or(0, |place| place + 1);
        let (ctx_a, rest) = ctx.split_at(border);
        let ctx_b = rest.trim_start_matches(is_python_space);
        let spaces = &rest[..rest.len() - ctx_b.len()];
        let ctx_b = spaces.to_owned() + &capitalize(ctx_b);
        let query = format!("{}: {ctx_a}{ctx_b}", self.activity_label);
        let endings = self.endings.texts.iter().map(|ending| without_tags(ending));
        Ok((
            format!("row#{row}"),
            without_tags(&query),
            endings.collect(),
        ))
    }
}

/// A text that has been prepared already, but may have kept what the harness drops.
fn without_tags(text: &str) -> String {
    if text.contains('[') {
        preprocess(text)
    } else {
        text.to_owned()
    }
}

fn given<T>(value: Option<T>, field: &'static str) -> Result<T, LineError> {
    value.ok_or(LineError::MissingField { field })
}

/// The label's number, given as such or as a string that has no other characters in it.
fn gold(label: &Value, endings: usize) -> Result<usize, LineError> {
    let found = unquoted(label);
    let number: Option<usize> = found.parse().ok();
    match number.filter(|gold| *gold < endings && gold.to_string() == found) {
        Some(gold) => Ok(gold),
        None => Err(LineError::Value {
            field: "label",
            found,
            expected: format!("the index, from 0, of one of {endings} endings"),
        }),
    }
}

/// The harness's function of this name.
fn preprocess(text: &str) -> String {
    let text = text.trim_matches(is_python_space).replace(" [title]", ". ");
    without_brackets(&text).replace("  ", " ")
}

/// Drops what Python's `re.sub` drops for `\[.*?\]`: from a `[` up to the next `]` on the same line.
fn without_brackets(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let end = rest[open..].find([']', '\n']).map(|place| open + place);
        match end {
            Some(close) if rest.as_bytes()[close] == b']' => {
                kept += &rest[..open];
                rest = &rest[close + 1..];
            }
            // No bracket that opens before the line's end is closed on it.
            Some(end) => {
                kept += &rest[..end];
                rest = &rest[end..];
            }
            None => break,
        }
    }
    kept + rest
}

/// The validation file is the test: the labels of the real one are secret. Shots come from the training file.
pub(super) fn files(dir: &Path) -> Result<Files> {
    let test = &["hellaswag_val", "hellaswag_validation"];
    Ok(Files {
        train: vec![file(dir, &["hellaswag_train"], "train")?],
        test: vec![file(dir, test, "validation")?],
        shots: 0,
    })
}

/// A file of `HellaSwag`: `STEM.jsonl` in `dir`, or the hub's
/// `data/train-00000-of-00001.parquet`, or one file whose name has more before `.jsonl`, such as
/// `hellaswag_train.partial3368.jsonl`.
fn file(dir: &Path, stems: &[&str], hub: &str) -> Result<PathBuf> {
    let file = format!("{}.jsonl", stems[0]);
    let named = stems.iter().map(|stem| dir.join(format!("{stem}.jsonl")));
    let mut looked: Vec<PathBuf> = named.collect();
    looked.push(dir.join(format!("data/{hub}-00000-of-00001.parquet")));
    let starts = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        let is_file = path.extension() == Some("jsonl".as_ref()) && path.is_file();
        is_file && name.is_some_and(|name| name.starts_with(stems[0]))
    };
    let mut more = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        more.push(entry?.path());
    }
    more.retain(|path| starts(path));
    more.sort();
    match (first(&file, looked.clone()), more.len()) {
        (Ok(path), _) => Ok(path),
        (_, 1) => Ok(more.remove(0)),
        (_, 0) => {
            looked.push(dir.join(format!("{}*.jsonl", stems[0])));
            Err(Error::MissingFile { file, looked })
        }
        _ => Err(Error::SeveralFiles { file, found: more }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{Layout, layout, read_questions};

    const SAMPLE: &str = include_str!("../../../../fixtures/data/hellaswag-sample.jsonl");
    const STRIPPED: &str = include_str!("../../../../fixtures/data/hellaswag-stripped.jsonl");

    fn read(bytes: &[u8]) -> Result<Vec<Question>> {
        layout::parse(Layout::Hellaswag, bytes.to_vec(), Path::new("h.jsonl"))
    }

    fn parse(text: &str) -> Result<Vec<Question>> {
        read(text.as_bytes())
    }

    fn original() -> Value {
        json!({"ind": 3, "activity_label": "Snow", "ctx_a": "It snows.", "ctx_b": "the child", "ctx": "",
            "endings": ["laughs.", "cries."], "source_id": "made-up", "label": 1})
    }

    fn stripped() -> Value {
        json!({"row": 3, "activity_label": "Snow", "ctx": "It snows. the child",
            "endings": ["laughs.", "cries."], "label": 1})
    }

    fn changed(mut line: Value, field: &str, value: Value) -> String {
        line[field] = value;
        line.to_string()
    }

    fn without(mut line: Value, field: &str) -> String {
        line.as_object_mut().unwrap().remove(field);
        line.to_string()
    }

    #[test]
    fn both_forms_give_the_same_question_to_be_completed() {
        for (line, id) in [(original(), "made-up#3"), (stripped(), "row#3")] {
            let question = parse(&line.to_string()).unwrap().remove(0);
            assert_eq!(question.id(), id);
            assert_eq!(question.stem(), "Snow: It snows. The child");
            assert_eq!(question.gold_choice(), "cries.");
            assert_eq!(question.style(), &PromptStyle::Completion);
        }
    }

    #[test]
    fn labels_are_numbers_or_strings_of_them() {
        for label in [json!(0), json!("0")] {
            let questions = parse(&changed(original(), "label", label)).unwrap();
            assert_eq!(questions[0].gold(), 0);
        }
        for (label, found) in [
            (json!(2), "2"),
            (json!(-1), "-1"),
            (json!(1.0), "1.0"),
            (json!(""), ""),
            (json!("+1"), "+1"),
            (json!("01"), "01"),
            (json!(null), "null"),
        ] {
            let error = parse(&changed(stripped(), "label", label)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("h.jsonl:1: label `{found}` is not the index, from 0, of one of 2 endings")
            );
        }
    }

    #[test]
    fn the_last_sentence_of_a_stripped_row_is_capitalized() {
        for (ctx, stem) in [
            ("a b. c! d? e F", "Snow: a b. c! d? E f"),
            ("no End", "Snow: No end"),
            ("Done. ", "Snow: Done. "),
            ("Done.", "Snow: Done."),
            ("Ü.ö", "Snow: Ü.Ö"),
            ("One  two.  three", "Snow: One  two.  Three"),
            ("One  [two].  three", "Snow: One . Three"),
        ] {
            let questions = parse(&changed(stripped(), "ctx", json!(ctx))).unwrap();
            assert_eq!(questions[0].stem(), stem);
        }
    }

    #[test]
    fn mistakes_are_named_with_file_and_line() {
        for (text, message) in [
            (
                format!("{0}\n\n{0}", original()),
                "h.jsonl:3: id `made-up#3` was given on line 1 already",
            ),
            (
                without(original(), "ctx_b"),
                "h.jsonl:1: field `ctx_b` is missing",
            ),
            (
                changed(original(), "source_id", json!(null)),
                "h.jsonl:1: field `source_id` is missing",
            ),
            (
                without(stripped(), "row"),
                "h.jsonl:1: field `row` is missing",
            ),
            (
                without(stripped(), "ctx"),
                "h.jsonl:1: field `ctx` is missing",
            ),
            (
                changed(original(), "endings", json!([])),
                "h.jsonl:1: label `1` is not the index, from 0, of one of 0 endings",
            ),
            (
                changed(original(), "endings", json!(["[step]", "x"])),
                "h.jsonl:1: choice 1 is empty",
            ),
            (
                "{\"activity_label\": 7}".into(),
                "h.jsonl:1: column 20: invalid type: integer `7`, expected a string",
            ),
            (
                "\n{}".into(),
                "h.jsonl:2: column 2: missing field `activity_label`",
            ),
            (
                String::new(),
                "h.jsonl: no questions found, expected at least one",
            ),
        ] {
            assert_eq!(parse(&text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_questions(Layout::Hellaswag, Path::new("nowhere/h.jsonl")).unwrap_err();
        assert!(error.to_string().contains("nowhere/h.jsonl"), "{error}");
    }

    #[test]
    fn brackets_are_dropped_up_to_the_first_that_closes_on_the_line() {
        for (text, kept) in [
            ("a [b] c", "a  c"),
            ("[a [b] c]", " c]"),
            ("[]a[", "a["),
            ("[a\nb] [c] [d\n[e]", "[a\nb]  [d\n"),
            ("é[é]é", "éé"),
        ] {
            assert_eq!(without_brackets(text), kept);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            _ = read(&bytes);
        }

        /// One byte of a good file changed, removed or doubled.
        #[test]
        fn any_damage_is_read_or_refused(
            original: bool,
            place: prop::sample::Index,
            byte: u8,
            change in 0..3,
        ) {
            let mut bytes = if original { SAMPLE } else { STRIPPED }.as_bytes().to_vec();
            let place = place.index(bytes.len());
            match change {
                0 => bytes[place] = byte,
                1 => _ = bytes.remove(place),
                _ => bytes.insert(place, byte),
            }
            if let Ok(questions) = read(&bytes) {
                prop_assert!(questions.iter().all(|question| question.gold() < question.choices().len()));
            }
        }

        /// Any texts at all, in either form.
        #[test]
        fn any_texts_are_prepared(texts in prop::array::uniform3("\\PC{0,8}[\\[\\] .\nΣ]{0,8}")) {
            let [a, b, ending] = texts;
            let mut line = original();
            line["ctx_a"] = json!(a);
            line["ctx_b"] = json!(b);
            line["endings"][0] = json!(ending);
            _ = parse(&line.to_string());
            let questions = parse(&changed(stripped(), "ctx", json!(a + &b))).unwrap();
            prop_assert!(questions[0].stem().starts_with("Snow: "));
        }
    }
}
