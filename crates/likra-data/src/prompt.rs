//! How a question is put to a model in words.
//!
//! These are the texts of lm-evaluation-harness 0.4.13: target delimiter a space, few-shot delimiter a
//! blank line, and what a task's `doc_to_text` says, which is the question's [`PromptStyle`]. The space
//! before an answer belongs to the continuation. A benchmark that asks in other words (MMLU) gets its
//! own style.

use crate::Question;

/// The words around a question's stem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PromptStyle {
    /// `Question: {stem}`, a new line, and `Answer:` (task `arc_challenge`).
    #[default]
    QuestionAnswer,
    /// The stem alone, which the answer continues (task `hellaswag`).
    Completion,
}

/// What stands before an answer, in the question's style.
///
/// ```
/// use likra_data::{PromptStyle, Question, prompt};
///
/// let choices = vec!["melts.".into(), "burns.".into()];
/// let question = Question::new("q".into(), "Winter: The snow".into(), choices, 0)?;
/// assert_eq!(prompt::context(&question), "Question: Winter: The snow\nAnswer:");
/// let question = question.with_style(PromptStyle::Completion);
/// assert_eq!(prompt::context(&question), "Winter: The snow");
/// # Ok::<(), likra_data::QuestionError>(())
/// ```
#[must_use]
pub fn context(question: &Question) -> String {
    match question.style() {
        PromptStyle::QuestionAnswer => format!("Question: {}\nAnswer:", question.stem()),
        PromptStyle::Completion => question.stem().to_owned(),
    }
}

/// A context that asks nothing.
pub const ANSWER_ONLY: &str = "Answer:";

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
