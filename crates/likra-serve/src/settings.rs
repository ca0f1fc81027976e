//! What a server offers, and its limits.

use std::time::Duration;

/// What a server offers, and its limits.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The names of the models. A model's place among them is what a backend is given.
    pub models: Vec<String>,
    /// Token ids are below this.
    pub vocab_size: u32,
    /// The most tokens that a prompt may have.
    pub positions: usize,
    /// What a client has to send as its bearer token.
    pub token: Option<String>,
    /// How many requests may be in hand at once. A request with a large body counts as several: one of `max_body` bytes
    /// as an eighth of all.
    pub queue: usize,
    /// The most bytes of a request's body.
    pub max_body: usize,
    /// The tokens that a backend is given at once, of one request or several.
    pub batch_tokens: usize,
    /// How long a request may take.
    pub deadline: Duration,
    /// How long a client may stay silent: in a request's head or body, between requests, or while it is to read.
    pub patience: Duration,
    /// How long requests that have begun may take once the server is to stop.
    pub stop_after: Duration,
}

impl Settings {
    /// Limits that suit one machine and a handful of clients.
    pub fn new(models: Vec<String>, vocab_size: u32, positions: usize) -> Self {
        Self {
            models,
            vocab_size,
            positions,
            token: None,
            queue: 256,
            max_body: 4 << 20,
            batch_tokens: 8192,
            // lm-eval waits for 300 seconds.
            deadline: Duration::from_secs(330),
            patience: Duration::from_secs(30),
            stop_after: Duration::from_secs(30),
        }
    }
}
