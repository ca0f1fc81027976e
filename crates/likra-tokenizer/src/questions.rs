//! Questions and their answers in tokens: to learn them, and to score them.

use likra_data::{AnswerKind, Question, TrainingPair};
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
    /// The length in characters (Unicode scalar values, Python's `len`) of the choice, without the space
    /// before it: what `acc_norm` divides by. Where choices are contexts it is theirs, as in the harness.
    pub chars: usize,
    /// Its length in bytes of UTF-8, likewise.
    pub bytes: usize,
    /// What it is to the question.
    pub kind: AnswerKind,
}

/// An answer that is none of a question's choices, and what it is to the question.
pub type Other<'a> = (AnswerKind, &'a str);

/// A question, and what stands before its candidates.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    question: &'a Question,
    /// One context for all candidates, or one for each choice.
    contexts: Vec<String>,
    /// What stands between a context and an answer.
    delimiter: &'a str,
}

impl<'a> Asked<'a> {
    /// A question after what stands before it: shots, or nothing.
    pub fn after(prefix: &str, question: &'a Question) -> Self {
        let contexts = question.contexts().iter();
        Self {
            question,
            contexts: contexts.map(|text| format!("{prefix}{text}")).collect(),
            delimiter: question.delimiter(),
        }
    }

    /// The candidates of a question, after a context that asks something else or nothing.
    pub fn instead(context: &str, question: &'a Question) -> Self {
        Self {
            question,
            contexts: vec![context.into()],
            delimiter: &question.target_delimiter,
        }
    }
}

impl Tokenizer {
    /// The choices of questions, each after its context, and beside them the answers that `others` has
    /// for the question, if any.
    ///
    /// # Errors
    ///
    /// If a choice is empty, or a context or an answer is left without tokens or cannot be encoded.
    pub fn requests<'a>(
        &self,
        asked: impl Iterator<Item = Asked<'a>>,
        others: &[Vec<Other>],
    ) -> Result<Vec<Request>> {
        let asked: Vec<Asked> = asked.collect();
        let request = |(place, asked): (usize, &Asked)| {
            let others = others.get(place).map_or(&[][..], Vec::as_slice);
            let request = self.request(asked, others);
            request.map_err(|source| Error::Question(asked.question.id.clone(), Box::new(source)))
        };
        asked.par_iter().enumerate().map(request).collect()
    }

    fn request(&self, asked: &Asked, others: &[Other]) -> Result<Request> {
        let question = asked.question;
        let contexts = asked.contexts.iter().map(|context| self.context(context));
        let contexts = contexts.collect::<Result<Vec<_>>>()?;
        let candidate = |context: usize, kind, text: &str, answer: &str| -> Result<Candidate> {
            Ok(Candidate {
                encoded: contexts[context].pair(&[asked.delimiter, answer].concat())?,
                chars: text.chars().count(),
                bytes: text.len(),
                kind,
            })
        };
        let mut candidates = Vec::new();
        for (place, choice) in question.choices.iter().enumerate() {
            if choice.is_empty() {
                return Err(Error::EmptyChoice(place + 1));
            }
            let kind = match question.is_right(place) {
                true => AnswerKind::Correct,
                false => AnswerKind::Incorrect,
            };
            let context = place.min(contexts.len() - 1);
            candidates.push(candidate(context, kind, choice, question.answer(place))?);
        }
        // Answers that are none of the choices follow the context of the right one.
        let context = question.gold().unwrap_or(0).min(contexts.len() - 1);
        for (kind, answer) in others {
            candidates.push(candidate(context, *kind, answer, answer)?);
        }
        Ok(Request {
            question_id: question.id.clone(),
            candidates,
        })
    }

    /// What a head learns of these questions and answers.
    ///
    /// # Errors
    ///
    /// If a question or an answer is left without tokens, or cannot be encoded.
    pub fn examples(&self, pairs: &[TrainingPair]) -> Result<Vec<EncodedPair>> {
        let encode = |pair: &TrainingPair| {
            let continuation = pair.question.continued(pair.answer);
            let encoded = self.encode_pair(pair.context(), &continuation);
            encoded.map_err(|source| Error::Question(pair.question.id.clone(), Box::new(source)))
        };
        pairs.par_iter().map(encode).collect()
    }
}
