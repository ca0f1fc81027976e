//! Training and scoring, with news of how far they are.

use std::time::Instant;

use likra_lora::{Adapter, LoraConfig};
use likra_model::Model;
use likra_results::{HeadDir, ScoreRecord};
use likra_score::Plan;
use likra_tokenizer::EncodedPair;
use likra_train::{TrainSettings, train_head};

use crate::error::Result;
use crate::event::{Event, Listener};

/// What is to be trained, beside the examples.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// What the work is called.
    pub title: &'a str,
    /// The model, as PEFT is to find it: a path, or a name.
    pub base: &'a str,
    /// The adapter's shape.
    pub lora: &'a LoraConfig,
    /// How it is trained.
    pub settings: &'a TrainSettings,
    /// The seed of the initial adapter.
    pub seed: u32,
    /// A hash of all that decides the head's checkpoints.
    pub key: &'a str,
}

impl Training<'_> {
    /// Trains a head to its end, from its newest checkpoint if there is one of the same key.
    ///
    /// All heads of a seed start from the same adapter and see the questions in the same order: they
    /// differ in the answers alone. Returns how many tokens were run.
    ///
    /// # Errors
    ///
    /// If the adapter's shape is impossible, or for what [`train_head`] refuses.
    pub fn run(
        &self,
        model: &Model,
        examples: &[EncodedPair],
        head: &HeadDir,
        listener: &Listener,
    ) -> Result<usize> {
        let seed = u64::from(self.seed);
        let start = Adapter::init(self.lora.clone(), &model.targets(), seed, model.device())?;
        let start = start.of_base(Some(self.base.to_owned()));
        listener(Event::Begun(self.title.into(), examples.len(), "examples"));
        let (mut seen, mut tokens, mut started) = (0, 0, Instant::now());
        let mut progress = |step: &likra_results::StepRecord, resumed: bool| {
            if resumed {
                listener(Event::Resumed(step.examples));
                started = Instant::now();
            } else {
                tokens += step.tokens;
                let note = format!("loss {:.3}", step.loss);
                listener(Event::Advanced(step.examples - seen, note));
            }
            seen = step.examples;
        };
        let (settings, key) = (self.settings, self.key);
        train_head(model, start, examples, settings, head, key, &mut progress)?;
        let seconds = started.elapsed().as_secs_f64();
        tracing::info!(title = self.title, tokens, seconds, "trained");
        let pace = tokens as f64 / seconds;
        listener(Event::Ended(format!(", {pace:.0} tokens/s")));
        Ok(tokens)
    }
}

/// Scores the questions of `plan` under a head.
///
/// # Errors
///
/// For what [`likra_score::score`] refuses.
pub fn score(
    model: &Model,
    title: &str,
    head: &likra_score::Head,
    plan: &Plan,
    listener: &Listener,
) -> Result<Vec<ScoreRecord>> {
    let title = match head.examples {
        0 => format!("score {title}"),
        examples => format!("score {title} after {examples}"),
    };
    listener(Event::Begun(title, plan.requests().len(), "questions"));
    let mut progress = |more| listener(Event::Advanced(more, String::new()));
    let started = Instant::now();
    let records = likra_score::score(model, head, plan, &mut progress)?;
    let (seconds, tokens) = (started.elapsed().as_secs_f64(), plan.tokens());
    tracing::info!(head = head.name, tokens, seconds, "scored");
    listener(Event::Ended(String::new()));
    Ok(records)
}
