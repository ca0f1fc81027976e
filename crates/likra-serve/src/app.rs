//! What the handlers share: the tokenizer, and the way to the thread that computes.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::extract::State;
use likra_judge::Prompt;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::block_in_place;

use crate::backend::Text;
use crate::metrics::Metrics;
use crate::refusal::{Refusable, Refusal};
use crate::settings::Settings;
use crate::worker::{Asked, Job, Reply};

/// The most tokens of a request, of all its prompts together: 256 of 2048 tokens.
const REQUEST_TOKENS: usize = 1 << 19;

/// How handlers get what they share.
pub(crate) type Shared = State<Arc<App>>;

/// What the handlers share.
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) text: Box<dyn Text>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) work: UnboundedSender<Job>,
    pub(crate) places: Semaphore,
    pub(crate) is_stopping: AtomicBool,
}

impl App {
    pub(crate) fn encode(&self, param: &str, text: &str, special: bool) -> Refusable<Vec<u32>> {
        let ids = block_in_place(|| self.text.encode(text, special));
        ids.map_err(|why| Refusal::value(param, why))
    }

    /// The prompt as the judge reads it, and whether it is messages.
    pub(crate) fn context(&self, param: &str, prompt: &Prompt) -> Refusable<(String, bool)> {
        let context = block_in_place(|| self.text.context(prompt));
        context.map_err(|why| Refusal::value(param, why))
    }

    pub(crate) fn check_ids(&self, param: &str, ids: &[u32]) -> Refusable<()> {
        let most = self.settings.vocab_size;
        let Some(id) = ids.iter().find(|id| **id >= most) else {
            return Ok(());
        };
        let why = format!("token id {id}; expected ids below {most}");
        Err(Refusal::value(param, why))
    }

    /// Has answers computed, as many tokens at a time as a batch has. So a large request takes its turn with others, and
    /// ends early if its client is gone. Each entry of `asked` comes with its tokens.
    pub(crate) async fn ask<Q, A>(
        &self,
        kind: impl Fn(Vec<Q>, Reply<A>) -> Asked,
        asked: Vec<(usize, Q)>,
    ) -> Refusable<Vec<A>> {
        let batch_tokens = self.settings.batch_tokens;
        let all = asked.iter().map(|(tokens, _)| tokens).sum();
        let most = self.settings.positions.max(REQUEST_TOKENS);
        if all > most {
            return Err(Refusal::too_long("prompt", all, most));
        }
        let mut asked = asked.into_iter().peekable();
        let mut answers = Vec::new();
        while let Some((mut tokens, first)) = asked.next() {
            let mut part = vec![first];
            while let Some((more, one)) = asked.next_if(|(more, _)| tokens + more <= batch_tokens) {
                tokens += more;
                part.push(one);
            }
            let (reply, answer) = oneshot::channel();
            let asked = kind(part, reply);
            let waiting = self.metrics.waiting();
            // An error of either means that the thread is gone.
            let _ = self.work.send(Job {
                tokens,
                asked,
                waiting,
            });
            let answer = answer.await.map_err(Refusal::failed)?;
            answers.extend(answer.map_err(Refusal::failed)?);
        }
        Ok(answers)
    }
}
