//! What a model is asked to score for a question.

use rayon::prelude::*;

use crate::encoded_pair::EncodedContext;
use crate::{Error, Question, Result, Tokenizer, prompt};

/// A question and its choices in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoringRequest {
    /// The question's id.
    pub question_id: String,
    /// Its choices, in order.
    pub candidates: Vec<CandidateTokens>,
}

/// One choice in tokens, after all that stands before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateTokens {
    /// Shots, question and choice.
    pub tokens: Vec<u32>,
    /// Where the choice's tokens begin.
    pub start: usize,
    /// The choice's length in characters (Unicode scalar values, Python's `len`), without the space
    /// before it: what `acc_norm` divides by.
    pub chars: usize,
    /// Its length in bytes of UTF-8, likewise.
    pub bytes: usize,
    /// Whether it is the right answer.
    pub gold: bool,
}

impl ScoringRequest {
    /// Encodes `question` after `prefix`, the text of its shots ([`prompt::few_shot_prefix`]).
    ///
    /// # Errors
    ///
    /// If a choice is left without tokens, or the tokenizer cannot encode the texts.
    pub fn new(tokenizer: &Tokenizer, prefix: &str, question: &Question) -> Result<Self> {
        let question_id = question.id().to_owned();
        match candidates(tokenizer, prefix, question) {
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

fn candidates(
    tokenizer: &Tokenizer,
    prefix: &str,
    question: &Question,
) -> Result<Vec<CandidateTokens>> {
    let context = [prefix, &prompt::context(question)].concat();
    let context = EncodedContext::new(tokenizer, &context)?;
    let candidate = |(place, choice): (usize, &String)| {
        let pair = context.pair(&prompt::continuation(choice))?;
        Ok(CandidateTokens {
            tokens: pair.tokens,
            start: pair.start,
            chars: choice.chars().count(),
            bytes: choice.len(),
            gold: place == question.gold(),
        })
    };
    question
        .choices()
        .iter()
        .enumerate()
        .map(candidate)
        .collect()
}

/// [`ScoringRequest::new`] for many questions, each with the prefix beside it, on all processors.
///
/// # Errors
///
/// If a question cannot be encoded.
pub fn scoring_requests<P>(
    tokenizer: &Tokenizer,
    asked: &[(P, &Question)],
) -> Result<Vec<ScoringRequest>>
where
    P: AsRef<str> + Sync,
{
    asked
        .par_iter()
        .map(|(prefix, question)| ScoringRequest::new(tokenizer, prefix.as_ref(), question))
        .collect()
}
