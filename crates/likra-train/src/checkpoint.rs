//! Adapters left along the way, and what it takes to go on from the last of them.
//!
//! A checkpoint is a folder with a head's adapter after some number of examples. The newest one also
//! holds the optimiser's state and the key of the run. It is made beside its place and
//! renamed, so a folder of the right name is whole.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use fs_err as fs;
use likra_lora::{Adapter, load_metadata, load_tensors, save_tensors};
use likra_results::{HeadDir, remove};

use crate::adamw::AdamW;
use crate::trainer::State;
use crate::{Error, Result};

const OPTIMIZER: &str = "optimizer.safetensors";
/// The key of its metadata that names the run.
const KEY: &str = "key";
/// torch's names of the two moments.
const MEAN: &str = "exp_avg";
const SQUARE: &str = "exp_avg_sq";

/// Leaves `state` as the checkpoint of its number of examples. The optimiser's state is dropped from
/// older ones, whose adapters stay.
pub(crate) fn save(head: &HeadDir, state: &State, batch_size: usize, key: &str) -> Result<()> {
    let place = head.checkpoint(state.examples);
    let beside = place.with_extension("partial");
    remove(&beside)?;
    state.adapter.save(&beside)?;
    save_optimiser(&beside.join(OPTIMIZER), state, key)?;
    remove(&place)?;
    fs::rename(&beside, &place)?;
    tracing::info!(place = %place.display(), "checkpoint left");
    drop_older_states(head, state.examples, batch_size)
}

/// Removes the optimiser's state from every checkpoint from which no run can go on: all but `newest`
/// and, if that is in the middle of a batch, the newest before it that is not.
fn drop_older_states(head: &HeadDir, newest: usize, batch_size: usize) -> Result<()> {
    let mut kept = false;
    for (examples, dir) in head.checkpoints()?.into_iter().rev() {
        let whole = examples.is_multiple_of(batch_size);
        if !kept && (whole || examples == newest) {
            kept = whole;
            continue;
        }
        remove(&dir.join(OPTIMIZER))?;
    }
    Ok(())
}

/// The newest state in `head` from which a run of the same key over `total` examples can go on, if
/// there is any.
///
/// A state in the middle of a batch is the end of a run of that length, and of no use to a longer one,
/// which has other batches from there on.
pub(crate) fn resume(
    head: &HeadDir,
    batch_size: usize,
    total: usize,
    key: &str,
    device: &Device,
) -> Result<Option<State>> {
    for (examples, dir) in head.checkpoints()?.into_iter().rev() {
        let path = dir.join(OPTIMIZER);
        if !path.exists() {
            continue;
        }
        if load_metadata(&path)?.get(KEY).map(String::as_str) != Some(key) {
            return Err(Error::OtherRun { path: dir });
        }
        if !examples.is_multiple_of(batch_size) && examples != total {
            continue;
        }
        // A kill may have come between a checkpoint and the tidying after it.
        drop_older_states(head, examples, batch_size)?;
        let adapter = Adapter::load(&dir, device)?;
        let optimiser = load_optimiser(&path, &adapter, device)?;
        tracing::info!(dir = %dir.display(), "training goes on");
        return Ok(Some(State {
            examples,
            adapter,
            optimiser,
        }));
    }
    Ok(None)
}

fn save_optimiser(path: &Path, state: &State, key: &str) -> Result<()> {
    let AdamW { mean, square, .. } = &state.optimiser;
    let names = state.adapter.tensors().into_iter().map(|(name, _)| name);
    let moments = names
        .zip(mean.iter().zip(square))
        .flat_map(|(name, (mean, square))| {
            [
                (format!("{name}.{MEAN}"), mean.clone()),
                (format!("{name}.{SQUARE}"), square.clone()),
            ]
        });
    Ok(save_tensors(path, moments, (KEY, key))?)
}

/// The optimiser's moments; how often it has stepped, the log says.
fn load_optimiser(path: &Path, adapter: &Adapter, device: &Device) -> Result<AdamW> {
    let mut stored = load_tensors(path, device)?;
    let mut take = |moment: &str| -> Result<Vec<Tensor<2>>> {
        let of = |(name, tensor): (String, Tensor<2>)| {
            let (name, shape) = (format!("{name}.{moment}"), tensor.dims());
            let found = stored.remove(&name);
            let dims = found.as_ref().map(Tensor::dims);
            found
                .filter(|_| dims == Some(shape))
                .ok_or_else(|| Error::State {
                    path: path.into(),
                    tensor: name,
                    shape,
                    found: dims.map_or("none".into(), |dims| format!("{dims:?}")),
                })
        };
        adapter.tensors().into_iter().map(of).collect()
    };
    Ok(AdamW {
        step: 0,
        mean: take(MEAN)?,
        square: take(SQUARE)?,
    })
}
