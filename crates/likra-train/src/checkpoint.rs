//! Adapters left along the way, and what it takes to go on from the last of them.
//!
//! A checkpoint is a folder with a head's adapter after some number of examples. The newest one also
//! holds the optimiser's state and the key of the run. It is made beside its place and
//! renamed, so a folder of the right name is whole.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use likra_files::write_folder;
use likra_lora::{Adapter, joined, load_metadata, load_tensors, save_tensors};
use likra_model::Model;
use likra_results::{HeadDir, StepRecord, read_rows, remove, write_rows};

use crate::{Error, Result, TrainSettings, Trainer};

const OPTIMIZER: &str = "optimizer.safetensors";
/// The key of its metadata that names the run.
const KEY: &str = "key";
/// torch's names of the two moments.
const MOMENTS: [&str; 2] = ["exp_avg", "exp_avg_sq"];

/// Leaves the head as the checkpoint of its number of examples, after the `log` of its steps. The
/// optimiser's state is dropped from older ones, whose adapters stay.
pub(crate) fn save(head: &HeadDir, trainer: &Trainer, log: &[StepRecord], key: &str) -> Result<()> {
    // Another process that does the same may be ahead.
    let there = read_rows::<StepRecord>(&head.log()).map_or(0, |there| there.len());
    if trainer.examples == 0 || there <= log.len() {
        write_rows(&head.log(), log)?;
    }
    let place = head.checkpoint(trainer.examples);
    let moments = MOMENTS.iter().zip(&trainer.optimiser.moments);
    let moments = moments.flat_map(|(moment, numbers)| {
        let tensors = trainer.adapter.with(numbers).tensors().into_iter();
        tensors.map(move |(name, tensor)| (format!("{name}.{moment}"), tensor))
    });
    write_folder(&place, |beside| -> Result<()> {
        trainer.adapter.save(beside)?;
        Ok(save_tensors(&beside.join(OPTIMIZER), moments, (KEY, key))?)
    })?;
    tracing::info!(place = %place.display(), "checkpoint left");
    drop_older_states(head, trainer.examples, trainer.settings.batch_size)
}

/// Removes the optimiser's state from every checkpoint from which no run can go on: all but `newest`
/// and, if that is in the middle of a batch, the newest before it that is not.
fn drop_older_states(head: &HeadDir, newest: usize, batch_size: usize) -> Result<()> {
    let mut kept = false;
    for (examples, dir) in head.checkpoints()?.into_iter().rev() {
        let whole = examples.is_multiple_of(batch_size);
        match !kept && (whole || examples == newest) {
            true => kept = whole,
            false => remove(&dir.join(OPTIMIZER))?,
        }
    }
    Ok(())
}

/// The head as the newest state in `head` has it from which a run of the same key over `total` examples can
/// go on, if there is any.
///
/// A state in the middle of a batch is the end of a run of that length, and of no use to a longer one,
/// which has other batches from there on.
pub(crate) fn resume<'a>(
    model: &'a Model,
    settings: &'a TrainSettings,
    head: &HeadDir,
    total: usize,
    key: &str,
) -> Result<Option<Trainer<'a>>> {
    for (examples, dir) in head.checkpoints()?.into_iter().rev() {
        let path = dir.join(OPTIMIZER);
        if !path.exists() {
            continue;
        }
        if load_metadata(&path)?.get(KEY).map(String::as_str) != Some(key) {
            return Err(Error::OtherRun(dir));
        }
        if !examples.is_multiple_of(settings.batch_size) && examples != total {
            continue;
        }
        // A kill may have come between a checkpoint and the tidying after it.
        drop_older_states(head, examples, settings.batch_size)?;
        let adapter = Adapter::load(&dir, model.device())?;
        let moments = load_moments(&path, &adapter, model.device())?;
        let mut trainer = Trainer::new(model, adapter, total, settings)?;
        trainer.examples = examples;
        trainer.optimiser.moments = moments;
        tracing::info!(dir = %dir.display(), "training goes on");
        return Ok(Some(trainer));
    }
    Ok(None)
}

/// The optimiser's moments; how often it has stepped, the log says.
fn load_moments(path: &Path, adapter: &Adapter, device: &Device) -> Result<[Tensor<1>; 2]> {
    let mut stored = load_tensors(path, device)?;
    let mut take = |name: String, shape: [usize; 2]| {
        let found = stored.remove(&name);
        let dims = found.as_ref().map(Tensor::dims);
        let found = found.filter(|_| dims == Some(shape));
        found.ok_or_else(|| {
            let found = dims.map_or("none".into(), |dims| format!("{dims:?}"));
            likra_lora::Error::tensor(path, &name, &format!("shape {shape:?}"), &found)
        })
    };
    let mut moment = |moment: &str| -> Result<Tensor<1>> {
        let tensors = adapter.tensors().into_iter();
        let tensors = tensors.map(|(name, tensor)| take(format!("{name}.{moment}"), tensor.dims()));
        Ok(joined(tensors.collect::<likra_lora::Result<Vec<_>>>()?))
    };
    let [mean, square] = MOMENTS;
    Ok([moment(mean)?, moment(square)?])
}
