//! What is to be scored: questions and their candidate answers, in tokens.

use likra_results::AnswerKind;
use likra_tokenizer::{EncodedPair, Tokenizer};

/// A question and its candidate answers in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The question's id.
    pub question_id: String,
    /// Its choices, in order, then other answers.
    pub candidates: Vec<Candidate>,
}

/// One candidate answer in tokens, after all that stands before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Shots, question and answer, and where the answer begins.
    pub encoded: EncodedPair,
    /// The answer's length in characters (Unicode scalar values, Python's `len`), without the space
    /// before it: what `acc_norm` divides by.
    pub chars: usize,
    /// Its length in bytes of UTF-8, likewise.
    pub bytes: usize,
    /// What it is to the question.
    pub kind: AnswerKind,
}

impl Request {
    /// Encodes `answers`, each with what it is to the question, after `context`. `delimit` makes of an
    /// answer the text that continues the context.
    ///
    /// # Errors
    ///
    /// If an answer is left without tokens, or the tokenizer cannot encode the texts.
    pub fn new<'a>(
        tokenizer: &Tokenizer,
        question_id: &str,
        context: &str,
        answers: impl IntoIterator<Item = (AnswerKind, &'a str)>,
        delimit: impl Fn(&str) -> String,
    ) -> Result<Self, likra_tokenizer::Error> {
        let context = tokenizer.context(context)?;
        let candidate =
            |(kind, answer): (AnswerKind, &str)| -> Result<Candidate, likra_tokenizer::Error> {
                Ok(Candidate {
                    encoded: context.pair(&delimit(answer))?,
                    chars: answer.chars().count(),
                    bytes: answer.len(),
                    kind,
                })
            };
        Ok(Self {
            question_id: question_id.into(),
            candidates: answers
                .into_iter()
                .map(candidate)
                .collect::<Result<_, _>>()?,
        })
    }
}
