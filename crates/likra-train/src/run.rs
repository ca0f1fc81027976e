//! The training of a head to its end: one pass, adapters left along the way.

use likra_lora::Adapter;
use likra_model::Model;
use likra_results::{HeadDir, StepRecord, read_rows};

use crate::gradients::check;
use crate::{Error, Example, LongExample, Result, TrainSettings, Trainer, checkpoint};

/// Trains a head on `examples`, in their order, and leaves its adapters in `head`.
///
/// `start` is the adapter after 0 examples. If `head` holds checkpoints with the same `key` (a name for
/// everything that decides the result: model, device, settings, examples up to any length that the schedule allows, `start`),
/// training goes on from the newest. On a CPU it ends with the same bytes as a run that was never
/// stopped. `progress` hears of every step; `true` marks the last one of an earlier run, from which
/// this one goes on.
///
/// # Errors
///
/// If a setting or an example is impossible, the checkpoints belong to another run, a loss is not a
/// number, or a file cannot be read or written.
pub fn train_head(
    model: &Model,
    start: Adapter,
    examples: &[Example],
    settings: &TrainSettings,
    head: &HeadDir,
    key: &str,
    progress: &mut dyn FnMut(&StepRecord, bool),
) -> Result<()> {
    settings.validate()?;
    check(examples, settings)?;
    let positions = model.config().max_positions;
    let long = examples.iter().position(|example| !example.fits(positions));
    if let (Some(place), LongExample::Refuse) = (long, settings.too_long) {
        let lengths = examples[place].answers().map(|one| one.tokens.len());
        let tokens = lengths.max().unwrap_or_default();
        let remedy = "too-long = \"skip\" leaves it out";
        let why = format!("{tokens} tokens, but the model has {positions} positions; {remedy}");
        return Err(Error::Example(place, why));
    }
    let batch_size = settings.batch_size;
    let resumed = checkpoint::resume(model, settings, head, examples.len(), key)?;
    let (mut trainer, mut log) = if let Some(trainer) = resumed {
        let seen = examples[..trainer.examples].chunks(batch_size);
        let fits = |batch: &&[Example]| batch.iter().any(|one| one.fits(positions));
        let log = log_until(head, trainer.examples, seen.filter(fits).count())?;
        (trainer, log)
    } else {
        let trainer = Trainer::new(model, start, examples.len(), settings)?;
        checkpoint::save(head, &trainer, &[], key)?;
        (trainer, Vec::new())
    };
    if let Some(last) = log.last() {
        trainer.optimiser.step = last.step;
        progress(last, true);
    }
    let checkpoints = settings.checkpoints(examples.len());
    while trainer.examples < examples.len() {
        let rest = &examples[trainer.examples..];
        let batch = &rest[..batch_size.min(rest.len())];
        let fitting = batch.iter().filter(|example| example.fits(positions));
        let fitting: Vec<Example> = fitting.cloned().collect();
        trainer.examples += batch.len() - fitting.len();
        if !fitting.is_empty() {
            let record = trainer.step(&fitting)?;
            progress(&record, false);
            log.push(record);
        }
        if checkpoints.contains(&trainer.examples) {
            checkpoint::save(head, &trainer, &log, key)?;
        }
    }
    Ok(())
}

/// The steps of an earlier run, which must be so many; a log that is ahead of the newest checkpoint is cut.
fn log_until(head: &HeadDir, examples: usize, steps: usize) -> Result<Vec<StepRecord>> {
    let mut log: Vec<StepRecord> = read_rows(&head.log())?;
    log.retain(|record| record.examples <= examples);
    match log.len() == steps && log.last().is_none_or(|last| last.step == steps) {
        true => Ok(log),
        false => Err(Error::Log(head.log(), log.len(), steps)),
    }
}
