//! How a question is put to a model in words.
//!
//! These are the texts of lm-evaluation-harness 0.4.13 (task `arc_challenge`: `doc_to_text`
//! `Question: {{question}}\nAnswer:`, target delimiter a space, few-shot delimiter a blank line). The
//! space before an answer belongs to the continuation. A benchmark that asks in other words
//! (`HellaSwag`, MMLU) gets its own functions beside these.

use crate::Question;

/// What stands before an answer: `Question: {stem}`, a new line, and `Answer:`.
#[must_use]
pub fn context(question: &Question) -> String {
    format!("Question: {}\nAnswer:", question.stem())
}

/// An answer as it continues a [`context`]: a space, then its text.
#[must_use]
pub fn continuation(answer: &str) -> String {
    format!(" {answer}")
}

/// Solved questions, each followed by a blank line, to stand before a [`context`].
///
/// ```
/// use likra_data::{Question, prompt};
///
/// let choices = vec!["ice".into(), "steam".into()];
/// let shot = Question::new("q".into(), "What floats?".into(), choices, 0)?;
/// assert_eq!(prompt::few_shot_prefix([&shot]), "Question: What floats?\nAnswer: ice\n\n");
/// # Ok::<(), likra_data::QuestionError>(())
/// ```
#[must_use]
pub fn few_shot_prefix<'a>(shots: impl IntoIterator<Item = &'a Question>) -> String {
    shots.into_iter().fold(String::new(), |prefix, shot| {
        prefix + &context(shot) + &continuation(shot.gold_choice()) + "\n\n"
    })
}
