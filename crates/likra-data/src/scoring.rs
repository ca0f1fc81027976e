//! What a model is asked to score for a question.

use rayon::prelude::*;

use crate::encoded_pair::EncodedContext;
use crate::{AnswerKind, Error, Question, Result, Tokenizer, prompt};

/// A question as it is put to a model.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The text of its shots ([`prompt::few_shot_prefix`]).
    pub prefix: &'a str,
    /// The question.
    pub question: &'a Question,
    /// Answers that are scored beside its choices, and what they are to it.
    pub others: Vec<(AnswerKind, &'a str)>,
}

/// A question and its candidate answers in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoringRequest {
    /// The question's id.
    pub question_id: String,
    /// Its choices, in order, then other answers.
    pub candidates: Vec<CandidateTokens>,
}

/// One candidate answer in tokens, after all that stands before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateTokens {
    /// Shots, question and answer.
    pub tokens: Vec<u32>,
    /// Where the answer's tokens begin.
    pub start: usize,
    /// The answer's length in characters (Unicode scalar values, Python's `len`), without the space
    /// before it: what `acc_norm` divides by.
    pub chars: usize,
    /// Its length in bytes of UTF-8, likewise.
    pub bytes: usize,
    /// What it is to the question.
    pub kind: AnswerKind,
}

impl ScoringRequest {
    /// Encodes `question` and its choices after `prefix`, the text of its shots
    /// ([`prompt::few_shot_prefix`]).
    ///
    /// # Errors
    ///
    /// If a choice is left without tokens, or the tokenizer cannot encode the texts.
    pub fn new(tokenizer: &Tokenizer, prefix: &str, question: &Question) -> Result<Self> {
        let others = Vec::new();
        Self::of(
            tokenizer,
            &Asked {
                prefix,
                question,
                others,
            },
        )
    }

    /// Encodes a question with all its candidates.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn of(tokenizer: &Tokenizer, asked: &Asked) -> Result<Self> {
        let context = [asked.prefix, &prompt::context(asked.question)].concat();
        Self::after(tokenizer, &context, asked)
    }

    /// Encodes the candidates after [`prompt::ANSWER_ONLY`], without shots and question: what a model
    /// thinks of an answer whatever is asked, by which domain-conditional PMI divides (Holtzman et al. 2021,
    /// "Surface form competition").
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn answer_only(tokenizer: &Tokenizer, asked: &Asked) -> Result<Self> {
        Self::after(tokenizer, prompt::ANSWER_ONLY, asked)
    }

    fn after(tokenizer: &Tokenizer, context: &str, asked: &Asked) -> Result<Self> {
        let question_id = asked.question.id().to_owned();
        match candidates(tokenizer, context, asked) {
            Ok(candidates) => Ok(Self {
                question_id,
                candidates,
            }),
            Err(source) => Err(Error::Question {
                id: question_id,
                source: Box::new(source),
            }),
        }
    }
}

fn candidates(tokenizer: &Tokenizer, context: &str, asked: &Asked) -> Result<Vec<CandidateTokens>> {
    let context = EncodedContext::new(tokenizer, context)?;
    let choices = asked.question.choices().iter().enumerate();
    let choices = choices.map(|(place, choice)| {
        let kind = if place == asked.question.gold() {
            AnswerKind::Correct
        } else {
            AnswerKind::Incorrect
        };
        (kind, choice.as_str())
    });
    let candidate = |(kind, answer): (AnswerKind, &str)| {
        let pair = context.pair(&prompt::continuation(answer))?;
        Ok(CandidateTokens {
            tokens: pair.tokens,
            start: pair.start,
            chars: answer.chars().count(),
            bytes: answer.len(),
            kind,
        })
    };
    choices
        .chain(asked.others.iter().copied())
        .map(candidate)
        .collect()
}

/// [`ScoringRequest::of`] for many questions, on all processors.
///
/// # Errors
///
/// If a question cannot be encoded.
pub fn scoring_requests(tokenizer: &Tokenizer, asked: &[Asked]) -> Result<Vec<ScoringRequest>> {
    asked
        .par_iter()
        .map(|asked| ScoringRequest::of(tokenizer, asked))
        .collect()
}
