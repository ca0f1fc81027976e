//! How a question is put to a model in words.
//!
//! These are the texts of lm-evaluation-harness 0.4.13: target delimiter a space, few-shot delimiter a
//! blank line, and what a task's `doc_to_text` says, which is the question's [`PromptStyle`]. The space
//! before an answer belongs to the continuation.

use std::fmt::Write as _;

use crate::python_text::is_python_space;
use crate::{PromptStyle, Question};

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
/// # Ok::<(), likra_data::LineError>(())
/// ```
#[must_use]
pub fn context(question: &Question) -> String {
    match question.style() {
        PromptStyle::QuestionAnswer => format!("Question: {}\nAnswer:", question.stem()),
        PromptStyle::Completion => question.stem().to_owned(),
        PromptStyle::Letters { options, .. } => {
            let mut text = format!("{}\n", question.stem().trim_matches(is_python_space));
            for (letter, option) in question.choices().iter().zip(options) {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{letter}. {option}");
            }
            text + "Answer:"
        }
    }
}

/// What stands before the shots and the question: a task's description, which only MMLU has.
#[must_use]
pub fn description(question: &Question) -> String {
    match question.style() {
        PromptStyle::Letters { subject, .. } => format!(
            "The following are multiple choice questions (with answers) about {subject}.\n\n"
        ),
        _ => String::new(),
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
/// # Ok::<(), likra_data::LineError>(())
/// ```
#[must_use]
pub fn few_shot_prefix<'a>(shots: impl IntoIterator<Item = &'a Question>) -> String {
    shots.into_iter().fold(String::new(), |prefix, shot| {
        prefix + &context(shot) + &continuation(shot.gold_choice()) + "\n\n"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rendered by jinja2 from `doc_to_text` and `description` of lm-evaluation-harness 0.4.13's task
    /// `mmlu_world_religions`.
    #[test]
    fn mmlu_is_asked_as_the_harness_asks() {
        let options: Vec<String> = ["Hades", "Zeus ", "Ares", "Pan"].map(String::from).into();
        let letters = ["A", "B", "C", "D"].map(String::from).to_vec();
        let question = Question::new(
            "world_religions#1".into(),
            " Who rules? ".into(),
            letters,
            1,
        )
        .unwrap()
        .with_style(PromptStyle::Letters {
            subject: "world religions".into(),
            options: options.clone(),
        });
        assert_eq!(
            context(&question),
            "Who rules?\nA. Hades\nB. Zeus \nC. Ares\nD. Pan\nAnswer:"
        );
        assert_eq!(continuation(question.gold_choice()), " B");
        assert_eq!(
            description(&question),
            "The following are multiple choice questions (with answers) about world religions.\n\n"
        );
        assert_eq!(question.texts(), options);
    }
}
