//! What a head learns from.

use likra_model::Row;
use likra_tokenizer::EncodedPair;

use crate::Objective;

/// The answers to one question that a head learns from at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What is to become likelier, or to be chosen.
    pub chosen: Vec<EncodedPair>,
    /// What is to become less likely, or not to be chosen.
    pub rejected: Vec<EncodedPair>,
}

impl From<EncodedPair> for Example {
    /// An answer that is to become likelier.
    fn from(answer: EncodedPair) -> Self {
        Self {
            chosen: vec![answer],
            rejected: Vec::new(),
        }
    }
}

impl Example {
    /// All answers, each after the question.
    pub fn answers(&self) -> impl Iterator<Item = &EncodedPair> {
        self.chosen.iter().chain(&self.rejected)
    }

    /// How many tokens are run for it, those in which its answers and their questions agree once; and for an objective
    /// that looks at [answers to other questions](Objective::has_mismatched), about as many answers more.
    pub fn tokens(&self, objective: Objective) -> usize {
        let texts: Vec<&[u32]> = self.answers().map(|text| objective.run_of(text)).collect();
        let others = usize::from(objective.has_mismatched()) * self.answer_tokens();
        Row::new(&texts).len() + others
    }

    /// How many tokens its answers have.
    pub fn answer_tokens(&self) -> usize {
        self.answers().map(EncodedPair::answer_tokens).sum()
    }

    /// Whether a model of so many positions can run it.
    pub fn fits(&self, positions: usize) -> bool {
        self.answers().all(|answer| answer.fits(positions))
    }
}
