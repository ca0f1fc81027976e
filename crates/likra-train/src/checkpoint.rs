//! Adapters left along the way, and what it takes to go on from the last of them.
//!
//! A checkpoint is a folder with a head's adapter after some number of examples. The newest one also
//! holds the optimiser's state and the fingerprint of the run. It is made beside its place and
//! renamed, so a folder of the right name is whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use likra_lora::{Adapter, load_metadata, load_tensors, save_tensors};
use likra_results::HeadDir;

use crate::adamw::AdamW;
use crate::{Error, Result};

const OPTIMIZER: &str = "optimizer.safetensors";
/// The key of its metadata that names the run.
const FINGERPRINT: &str = "fingerprint";
/// torch's names of the two moments.
const MEAN: &str = "exp_avg";
const SQUARE: &str = "exp_avg_sq";

/// A head in the middle of its training.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) examples: usize,
    pub(crate) adapter: Adapter,
    pub(crate) optimiser: AdamW,
}

/// Leaves `state` as the checkpoint of its number of examples and drops the optimiser state of
/// every other one, whose adapter stays.
pub(crate) fn save(head: &HeadDir, state: &State, fingerprint: &str) -> Result<()> {
    let place = head.checkpoint(state.examples);
    let beside = place.with_extension("partial");
    remove(&beside)?;
    state.adapter.save(&beside)?;
    save_optimiser(&beside.join(OPTIMIZER), state, fingerprint)?;
    remove(&place)?;
    fs::rename(&beside, &place).map_err(|source| Error::Io {
        path: place.clone(),
        source,
    })?;
    tracing::info!(place = %place.display(), "checkpoint left");
    drop_older_states(head, state.examples)
}

/// Removes the optimiser's state from every checkpoint but that of `newest` examples.
fn drop_older_states(head: &HeadDir, newest: usize) -> Result<()> {
    for (examples, older) in checkpoints(head)? {
        if examples != newest {
            remove_file(&older.join(OPTIMIZER))?;
        }
    }
    Ok(())
}

/// The newest state in `head` from which a run of the same fingerprint can go on, if there is any.
///
/// A state in the middle of a batch, as the end of a run may be, is passed over: a longer run has
/// other batches from there on.
pub(crate) fn resume(
    head: &HeadDir,
    batch_size: usize,
    fingerprint: &str,
    device: &Device,
) -> Result<Option<State>> {
    for (examples, dir) in checkpoints(head)?.into_iter().rev() {
        let path = dir.join(OPTIMIZER);
        if !path.exists() {
            continue;
        }
        if load_metadata(&path)?.get(FINGERPRINT).map(String::as_str) != Some(fingerprint) {
            return Err(Error::OtherRun { path: dir });
        }
        if !examples.is_multiple_of(batch_size) {
            continue;
        }
        // A kill may have come between a checkpoint and the tidying after it.
        drop_older_states(head, examples)?;
        let adapter = Adapter::load(&dir, device)?;
        let optimiser = load_optimiser(&path, &adapter, examples / batch_size, device)?;
        tracing::info!(dir = %dir.display(), "training goes on");
        return Ok(Some(State {
            examples,
            adapter,
            optimiser,
        }));
    }
    Ok(None)
}

/// The checkpoints in `head` by number of examples.
fn checkpoints(head: &HeadDir) -> Result<BTreeMap<usize, PathBuf>> {
    head.checkpoints().map_err(Error::from)
}

fn save_optimiser(path: &Path, state: &State, fingerprint: &str) -> Result<()> {
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
    Ok(save_tensors(path, moments, (FINGERPRINT, fingerprint))?)
}

fn load_optimiser(path: &Path, adapter: &Adapter, step: usize, device: &Device) -> Result<AdamW> {
    let mut stored = load_tensors(path, device)?;
    let mut take = |moment: &str| {
        adapter
            .tensors()
            .into_iter()
            .map(|(name, tensor)| {
                let key = format!("{name}.{moment}");
                let found = stored.remove(&key);
                check_shape(path, &key, found, tensor.dims())
            })
            .collect::<Result<Vec<_>>>()
    };
    Ok(AdamW {
        step,
        mean: take(MEAN)?,
        square: take(SQUARE)?,
    })
}

fn check_shape(
    path: &Path,
    key: &str,
    found: Option<Tensor<2>>,
    shape: [usize; 2],
) -> Result<Tensor<2>> {
    let dims = found.as_ref().map(Tensor::dims);
    found
        .filter(|tensor| tensor.dims() == shape)
        .ok_or_else(|| Error::State {
            path: path.into(),
            found: dims.map_or_else(
                || format!("no tensor `{key}`"),
                |dims| format!("`{key}` of shape {dims:?}"),
            ),
            expected: format!("`{key}` of shape {shape:?}"),
        })
}

fn remove(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(|source| Error::Io {
            path: dir.into(),
            source,
        })?;
    }
    Ok(())
}

fn remove_file(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_file(path).map_err(|source| Error::Io {
            path: path.into(),
            source,
        })?;
    }
    Ok(())
}
