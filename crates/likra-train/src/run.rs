//! The training of a head to its end: one pass, adapters left along the way.

use likra_lora::Adapter;
use likra_model::Model;
use likra_results::{HeadDir, StepRecord, read_rows, write_rows};
use likra_tokenizer::EncodedPair;

use crate::gradients::check;
use crate::trainer::State;
use crate::{Error, LongExample, Result, TrainSettings, Trainer, checkpoint};

/// Trains a head on `examples`, in their order, and leaves its adapters in `head`.
///
/// `start` is the adapter after 0 examples. If `head` holds checkpoints with the same `key` (a name for
/// everything that decides the result: model, device, settings, examples up to any length, `start`),
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
    examples: &[EncodedPair],
    settings: &TrainSettings,
    head: &HeadDir,
    key: &str,
    progress: &mut dyn FnMut(&StepRecord, bool),
) -> Result<()> {
    settings.validate()?;
    check(examples)?;
    let positions = model.config().max_positions;
    refuse_long(examples, positions, settings.too_long)?;
    let batch_size = settings.batch_size;
    let resumed = checkpoint::resume(head, batch_size, examples.len(), key, model.device())?;
    let mut log = match &resumed {
        Some(state) => {
            let seen = examples[..state.examples].chunks(batch_size);
            let fits = |batch: &&[EncodedPair]| batch.iter().any(|one| one.fits(positions));
            log_until(head, state.examples, seen.filter(fits).count())?
        }
        None => Vec::new(),
    };
    let is_new = resumed.is_none();
    let mut state = resumed.unwrap_or_else(|| State::new(start));
    if let Some(last) = log.last() {
        state.optimiser.step = last.step;
        progress(last, true);
    }
    let mut trainer = Trainer::resume(model, state, settings)?;
    let save = |trainer: &Trainer, log: &[StepRecord]| -> Result<()> {
        write_rows(&head.log(), log)?;
        checkpoint::save(head, &trainer.state, batch_size, key)
    };
    if is_new {
        save(&trainer, &[])?;
    }
    let checkpoints = settings.checkpoints(examples.len());
    while trainer.state.examples < examples.len() {
        let rest = &examples[trainer.state.examples..];
        let batch = &rest[..batch_size.min(rest.len())];
        let fitting: Vec<EncodedPair> = batch
            .iter()
            .filter(|example| example.fits(positions))
            .cloned()
            .collect();
        trainer.state.examples += batch.len() - fitting.len();
        if !fitting.is_empty() {
            let record = trainer.step(&fitting)?;
            progress(&record, false);
            log.push(record);
        }
        if checkpoints.contains(&trainer.state.examples) {
            save(&trainer, &log)?;
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
        false => Err(Error::Log {
            path: head.log(),
            found: log.len(),
            expected: steps,
        }),
    }
}

fn refuse_long(examples: &[EncodedPair], positions: usize, rule: LongExample) -> Result<()> {
    let long = examples.iter().position(|example| !example.fits(positions));
    match long.filter(|_| rule == LongExample::Refuse) {
        None => Ok(()),
        Some(example) => Err(Error::TooLong {
            example,
            tokens: examples[example].tokens.len(),
            positions,
        }),
    }
}
