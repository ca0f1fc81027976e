//! A training pair in tokens.

use crate::{Error, Result, Tokenizer, TrainingPair, prompt};

/// A question and an answer in tokens: a head learns the answer's, given all before them.
///
/// The question is asked without shots, and encoded as for scoring ([`Tokenizer::encode_pair`]). The
/// authors' code encodes question and answer apart; such a variant would be another constructor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingExample {
    /// Question, then answer.
    pub tokens: Vec<u32>,
    /// How many of the tokens are the question's: at least one, and less than all.
    pub answer_start: usize,
}

impl TrainingExample {
    /// Encodes `pair`.
    ///
    /// # Errors
    ///
    /// If the answer is left without tokens, or the tokenizer cannot encode the texts.
    pub fn new(tokenizer: &Tokenizer, pair: &TrainingPair) -> Result<Self> {
        let context = prompt::context(pair.question);
        let encoded = tokenizer.encode_pair(&context, &prompt::continuation(pair.answer));
        let in_question = |source| Error::Question {
            id: pair.question.id().into(),
            source: Box::new(source),
        };
        let encoded = encoded.map_err(in_question)?;
        Ok(Self {
            tokens: encoded.tokens,
            answer_start: encoded.start,
        })
    }
}
