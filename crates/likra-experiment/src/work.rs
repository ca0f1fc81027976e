//! Training and scoring, with news of how far they are.

use std::time::Instant;

use anyhow::Result;
use likra_lora::Adapter;
use likra_model::Model;
use likra_results::{HeadDir, ScoreRecord, StepRecord};
use likra_score::Plan;
use likra_train::{Example, train_head};

use crate::{Base, Event, Head, Listener};

/// Trains a head to its end, from its newest checkpoint if there is one of the same `key`: a hash of all that
/// decides its checkpoints.
///
/// All heads of a seed start from the same adapter and see the questions in the same order: they differ in
/// the answers alone. Returns how many tokens were run.
///
/// # Errors
///
/// If the adapter's shape is impossible, or for what [`train_head`] refuses.
pub fn train(
    base: &Base,
    head: &Head,
    key: &str,
    examples: &[Example],
    dir: &HeadDir,
    listener: &Listener,
) -> Result<usize> {
    let (model, objective) = (base.model()?, head.training.objective);
    // Another model of hardware rounds otherwise: it begins anew.
    let key = &format!("{key} on {}", base.placement.hardware());
    let start = base.start(head.lora.clone(), head.seed.into(), objective)?;
    let (title, settings) = (format!("train {}", head.name), &head.training);
    listener(Event::Begun(title.clone(), examples.len(), "examples"));
    let (mut seen, mut tokens, mut started) = (0, 0, Instant::now());
    let mut progress = |step: &StepRecord, resumed: bool| {
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
    train_head(model, start, examples, settings, dir, key, &mut progress)?;
    let seconds = started.elapsed().as_secs_f64();
    tracing::info!(title, tokens, seconds, "trained");
    let pace = tokens as f64 / seconds;
    listener(Event::Ended(format!(", {pace:.0} tokens/s")));
    Ok(tokens)
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

/// Scores the questions of `plan` under the base, or a head on it, that is in no run.
///
/// # Errors
///
/// As [`score`].
pub(crate) fn score_alone(
    base: &Base,
    name: &str,
    adapter: Option<&Adapter>,
    plan: &Plan,
    listener: &Listener,
) -> Result<Vec<ScoreRecord>> {
    let head = likra_score::Head {
        name,
        examples: 0,
        adapter,
        greedy: false,
    };
    score(base.model()?, name, &head, plan, listener)
}
