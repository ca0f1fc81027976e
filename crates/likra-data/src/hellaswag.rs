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
//! last `.`, `!` or `?` (where every row of the training set that we have is divided), and nothing else is
//! changed. What such a copy has lost for good cannot be made again, such as the space where a tag
//! stood before an ending: prefer the original files.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::python_text::{capitalize, is_python_space};
use crate::{LineError, PromptStyle, Question, Result, lines};

#[derive(Deserialize)]
struct Row {
    activity_label: String,
    endings: Vec<String>,
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

/// Reads all questions of a file of `HellaSwag`, in order, original or stripped.
///
/// Their [`style`](Question::style) is [`PromptStyle::Completion`]. Their ids are
/// `{source_id}#{ind}`, or `row#{row}` in a stripped file. A byte order mark, blank lines and carriage
/// returns at line ends are passed over.
///
/// # Errors
///
/// If the file cannot be read, or for what [`parse_hellaswag`] refuses.
pub fn read_hellaswag(path: &Path) -> Result<Vec<Question>> {
    parse_hellaswag(&lines::read(path)?, path)
}

/// Reads the questions of a file that is in memory; `path` is what errors call it.
///
/// # Errors
///
/// If there is no question, or, named by its line: a line is not a question's JSON, a field is missing,
/// the label is no index into the endings (the test set, whose labels are secret, has none), an id is
/// there twice, or the question is one that [`Question::new`] refuses.
pub fn parse_hellaswag(bytes: &[u8], path: &Path) -> Result<Vec<Question>> {
    lines::parse(bytes, path, parse_line)
}

fn parse_line(text: &[u8]) -> Result<Question, LineError> {
    let row: Row = serde_json::from_slice(text).map_err(|error| lines::json_error(&error))?;
    let gold = gold(&row.label, row.endings.len())?;
    let (id, query, endings) = if row.is_original() {
        row.prepare()?
    } else {
        row.capitalize()?
    };
    Ok(Question::new(id, query, endings, gold)?.with_style(PromptStyle::Completion))
}

impl Row {
    fn is_original(&self) -> bool {
        self.source_id.is_some()
            || self.ind.is_some()
            || self.ctx_a.is_some()
            || self.ctx_b.is_some()
    }

    /// The id, the query and the endings of a row as the authors published it.
    fn prepare(self) -> Result<(String, String, Vec<String>), LineError> {
        let source = given(self.source_id, "source_id")?;
        let ind = given(self.ind, "ind")?;
        let ctx_a = given(self.ctx_a, "ctx_a")?;
        let ctx_b = capitalize(&given(self.ctx_b, "ctx_b")?);
        let query = preprocess(&format!("{}: {ctx_a} {ctx_b}", self.activity_label));
        let endings = self.endings.iter().map(|ending| preprocess(ending));
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
        let query = [
            &self.activity_label,
            ": ",
            ctx_a,
            spaces,
            &capitalize(ctx_b),
        ]
        .concat();
        Ok((format!("row#{row}"), query, self.endings))
    }
}

fn given<T>(value: Option<T>, field: &'static str) -> Result<T, LineError> {
    value.ok_or(LineError::MissingField { field })
}

/// The label's number, given as such or as a string that has no other characters in it.
fn gold(label: &Value, endings: usize) -> Result<usize, LineError> {
    let found = match label {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let number: Option<usize> = found.parse().ok();
    match number.filter(|gold| *gold < endings && gold.to_string() == found) {
        Some(gold) => Ok(gold),
        None => Err(LineError::Label { found, endings }),
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
