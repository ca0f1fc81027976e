//! The tables of a run: scores, training logs, and which answers a head learned.

use serde::{Deserialize, Serialize, Serializer};

use crate::AnswerKind;
use crate::csv_file::Row;

/// What one head thinks of one candidate answer.
///
/// Raw sums and counts only. Ratios, weights and normalisation (paper, section 2) are computed from
/// these records, so that a sweep over them never runs a model again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreRecord {
    /// The question's id, unique in its benchmark.
    pub question_id: String,
    /// The candidate's place among those of its question, from 0.
    pub candidate: usize,
    /// What the candidate is to its question.
    pub kind: AnswerKind,
    /// The head's name: `base`, `positive`, `incorrect`, ...
    pub head: String,
    /// How many training examples the head has seen.
    pub examples: usize,
    /// The sum over the answer's tokens of log p(token | question, tokens before), in nats. Its terms are 32-bit floats, so
    /// a file has no more digits than such a float has.
    #[serde(with = "single")]
    pub log_likelihood: f64,
    /// How many tokens the answer has.
    pub tokens: usize,
    /// How many Unicode scalar values the answer has, without the space before it.
    pub chars: usize,
    /// How many bytes of UTF-8 the answer has, likewise.
    pub bytes: usize,
    /// Whether each of the answer's tokens is the likeliest at its place; known only where it was asked for,
    /// and in no file of a run.
    #[serde(skip)]
    pub greedy: Option<bool>,
}

impl Row for ScoreRecord {
    const HEADER: &'static str =
        "question_id,candidate,kind,head,examples,log_likelihood,tokens,chars,bytes";

    fn measured(&self) -> Vec<(&'static str, f64)> {
        // What a file says of it: a larger number than 32 bits can hold is infinite there.
        vec![("log_likelihood", f64::from(self.log_likelihood as f32))]
    }
}

/// One step of the optimiser. A training log holds no wall times, so that the same training leaves
/// the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step's number, from 1.
    pub step: usize,
    /// How many training examples have been seen, this step's included.
    pub examples: usize,
    /// The mean negative log-likelihood of the step's answer tokens before the update, in nats per
    /// token (paper, equation 1, with its sign turned).
    #[serde(serialize_with = "shortest")]
    pub loss: f64,
    /// The Euclidean norm of all gradients together, before clipping.
    #[serde(serialize_with = "shortest")]
    pub grad_norm: f64,
    /// How many answer tokens the loss is the mean of.
    pub answer_tokens: usize,
    /// How many tokens were run, questions included and padding not.
    pub tokens: usize,
}

impl Row for StepRecord {
    const HEADER: &'static str = "step,examples,loss,grad_norm,answer_tokens,tokens";

    fn measured(&self) -> Vec<(&'static str, f64)> {
        vec![("loss", self.loss), ("grad_norm", self.grad_norm)]
    }
}

/// As Rust prints a number. Of two texts that are equally near to it, csv's own printing takes the other one, which
/// would give a run other bytes than an earlier version of this program.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields so")]
fn shortest<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// A number that is a 32-bit float in a file.
mod single {
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields so")]
    pub(super) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&(*value as f32))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        f32::deserialize(from).map(f64::from)
    }
}

/// The answer that a head learns at a training question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRecord {
    /// The question's id.
    pub question_id: String,
    /// What the answer is to the question.
    pub kind: AnswerKind,
    /// The answer's text.
    pub answer: String,
}

impl Row for AnswerRecord {
    const HEADER: &'static str = "question_id,kind,answer";
}

#[cfg(test)]
mod tests;
