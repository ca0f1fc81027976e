//! A question to a judge, and its answer.

use serde::{Deserialize, Serialize};

use crate::message::Prompt;

/// A prompt with answers of which a judge is to say how good they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What was asked.
    pub prompt: Prompt,
    /// Answers to it, at least one.
    pub answers: Vec<String>,
    /// The place of the right one, from 0, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<usize>,
}

/// What a judge thinks of the answers to a question, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// log p+(a|q) - w log p-(a|q), in nats.
    pub scores: Vec<f64>,
    /// The same divided by the characters of the answer.
    pub scores_per_character: Vec<f64>,
    /// The chance that an answer is a good one.
    pub probabilities: Vec<f64>,
    /// The place of each answer among them, the best at 1.
    pub rank: Vec<usize>,
    /// The index of the best one, from 0.
    pub best: usize,
}
