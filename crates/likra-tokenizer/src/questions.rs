//! Questions and their answers in tokens: to learn them, and to score them.

use std::iter;

use likra_data::{AnswerKind, Question, TrainingPair, prompt};
use rayon::prelude::*;

use crate::{EncodedPair, Error, Result, Tokenizer};

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

/// An answer that is none of a question's choices, and what it is to the question.
pub type Other<'a> = (AnswerKind, &'a str);

impl Tokenizer {
    /// The choices of questions, each after its context, and beside them the answers that `others` has
    /// for the question, if any.
    ///
    /// # Errors
    ///
    /// If a context or an answer is left without tokens, or cannot be encoded.
    pub fn requests<'a>(
        &self,
        asked: impl Iterator<Item = (&'a Question, String)>,
        others: &[Vec<Other>],
    ) -> Result<Vec<Request>> {
        let others = others.iter().map(Vec::as_slice);
        let asked = asked.zip(others.chain(iter::repeat(&[][..])));
        let asked: Vec<((&Question, String), &[Other])> = asked.collect();
        let asked = asked.par_iter();
        asked
            .map(|((question, context), others)| self.request(question, context, others))
            .collect()
    }

    fn request(&self, question: &Question, context: &str, others: &[Other]) -> Result<Request> {
        let choice = |(place, choice)| match place == question.gold() {
            true => (AnswerKind::Correct, choice),
            false => (AnswerKind::Incorrect, choice),
        };
        let choices = question.choices().iter().map(String::as_str).enumerate();
        let answers = choices.map(choice).chain(others.iter().copied());
        let named = |source| Error::question(question, source);
        let context = self.context(context).map_err(named)?;
        let candidate = |(kind, answer): Other| {
            Ok(Candidate {
                encoded: context.pair(&prompt::continuation(answer)).map_err(named)?,
                chars: answer.chars().count(),
                bytes: answer.len(),
                kind,
            })
        };
        Ok(Request {
            question_id: question.id().into(),
            candidates: answers.map(candidate).collect::<Result<_>>()?,
        })
    }

    /// What a head learns of these questions and answers.
    ///
    /// # Errors
    ///
    /// If a question or an answer is left without tokens, or cannot be encoded.
    pub fn examples(&self, pairs: &[TrainingPair]) -> Result<Vec<EncodedPair>> {
        let encode = |TrainingPair {
                          question, answer, ..
                      }: &TrainingPair| {
            let context = prompt::context(question);
            let encoded = self.encode_pair(&context, &prompt::continuation(answer));
            encoded.map_err(|source| Error::question(question, source))
        };
        pairs.par_iter().map(encode).collect()
    }
}
