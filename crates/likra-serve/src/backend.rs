//! What a server needs from whoever has the models and the tokenizer.

use likra_judge::{Judgement, Prompt, Question};
use serde::Serialize;

/// What a token of a prompt came to, given those before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Its log-likelihood, in nats.
    pub log_likelihood: f32,
    /// The likeliest token at its place, and that token's log-likelihood. Where both are the same token, so are the
    /// values.
    pub best: (u32, f32),
}

/// What computes answers. It is called by one thread, the one that called [`serve`](crate::serve).
///
/// A panic is an error to those who have asked, and the server goes on.
pub trait Backend {
    /// Scores prompts, of one client or several: for each one entry per token, from the second on.
    ///
    /// `model` is a place in [`Settings::models`](crate::Settings). Each prompt has at least one token, and at most as
    /// many as the settings say.
    ///
    /// # Errors
    ///
    /// If the model fails.
    fn score(&mut self, model: usize, prompts: &[Vec<u32>]) -> Result<Vec<Vec<Scored>>, String>;

    /// Judges questions, of one client or several. An error of one is about the question, such as one that is too long.
    ///
    /// # Errors
    ///
    /// If the model fails.
    fn judge(&mut self, questions: &[Question]) -> Result<Vec<Result<Judgement, String>>, String>;
}

/// A tokenizer. Many threads use it.
pub trait Text: Send + Sync {
    /// The token ids of a text, with or without the special tokens that the tokenizer adds.
    ///
    /// # Errors
    ///
    /// If the text has no tokens; the message is for whoever sent it.
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, String>;

    /// The text of token ids, special tokens included.
    fn decode(&self, ids: &[u32]) -> String;

    /// The text of token ids as they stand within a text, such as `" ice"`.
    fn within(&self, ids: &[u32]) -> String;

    /// What the judge reads of a prompt, and whether that is messages in a chat template. If it is not, a space goes
    /// between the text and an answer where there is none.
    ///
    /// # Errors
    ///
    /// If there is no text for these messages; the message is for whoever sent them.
    fn context(&self, prompt: &Prompt) -> Result<(String, bool), String>;

    /// The special tokens.
    fn special(&self) -> SpecialTokens;
}

/// The texts of special tokens, and the chat template. lm-eval takes a tokenizer from a server if it has `eos_token`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SpecialTokens {
    /// Ends a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eos_token: Option<String>,
    /// Begins a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bos_token: Option<String>,
    /// Fills a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_token: Option<String>,
    /// Jinja.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
}
