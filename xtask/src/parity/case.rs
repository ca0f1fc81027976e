//! One peer's jobs, its results, and likra's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::Value;

use super::checks::{self, Found};
use super::table::Row;
use crate::likra;
use crate::peers::Peers;

/// A folder of the peer, and one of likra.
pub(super) struct Case {
    folder: PathBuf,
    ours: PathBuf,
}

/// What one side computed.
struct Side {
    tensors: BTreeMap<String, Vec<f64>>,
    answers: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
struct Job {
    name: String,
}

impl Case {
    pub(super) fn new(peers: &Peers, name: &str) -> Self {
        Self {
            folder: peers.folder("cases").join(name),
            ours: peers.folder("ours").join(name),
        }
    }

    /// Where the peer leaves its jobs and results.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where likra leaves its results.
    pub(super) fn ours(&self) -> &Path {
        &self.ours
    }

    /// Has likra do the peer's jobs.
    pub(super) fn probe(&self) -> Result<()> {
        let jobs = self.folder.join("jobs.json");
        likra::probe(&jobs, &self.ours)
    }

    /// One row for each job, and for the adapters that the peer has read back.
    pub(super) fn rows(&self, model: &str) -> Result<Vec<Row>> {
        let path = self.folder.join("jobs.json");
        let jobs: Jobs =
            serde_json::from_slice(&read(&path)?).with_context(|| path.display().to_string())?;
        let (peer, ours) = (Side::read(&self.folder)?, Side::read(&self.ours)?);
        let mut rows = Vec::new();
        for Job { name } in jobs.jobs {
            rows.extend(row(&name, model, &peer, &ours)?);
        }
        let verify = self.folder.join("verify.safetensors");
        if verify.exists() {
            let peer = Side {
                tensors: tensors(&verify)?,
                answers: BTreeMap::new(),
            };
            let names: BTreeSet<&str> = peer
                .tensors
                .keys()
                .filter_map(|name| name.split('/').next())
                .collect();
            for name in names {
                rows.extend(row(
                    &format!("ours-{name}"),
                    model,
                    &peer.renamed(name),
                    &ours.renamed(name),
                )?);
            }
        }
        Ok(rows)
    }
}

/// What the job called `name` found on both sides; a job that only writes files has no row.
fn row(name: &str, model: &str, peer: &Side, ours: &Side) -> Result<Option<Row>> {
    let check = checks::of(name)?;
    let found = Found {
        tensors: peer.pairs(name, ours)?,
        answers: peer.answers.get(name).zip(ours.answers.get(name)),
    };
    ensure!(
        found.answers.is_some() || !peer.answers.contains_key(name),
        "{name}: likra gave no answer"
    );
    Ok(check.row(model, name, &found))
}

impl Side {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("answers.json");
        let answers =
            serde_json::from_slice(&read(&path)?).with_context(|| path.display().to_string())?;
        Ok(Self {
            tensors: tensors(&folder.join("tensors.safetensors"))?,
            answers,
        })
    }

    /// The tensors of the job `name`: each of this side's with the other's, and with what both are
    /// approximations of if this side has that.
    fn pairs<'a>(&'a self, name: &str, other: &'a Self) -> Result<Vec<checks::Pair<'a>>> {
        let within = format!("{name}/");
        let mine = self
            .tensors
            .iter()
            .filter(|(tensor, _)| tensor.starts_with(&within) && !tensor.contains('#'));
        mine.map(|(tensor, peer)| {
            let ours = other
                .tensors
                .get(tensor)
                .with_context(|| format!("likra gave no tensor {tensor}"))?;
            ensure!(
                ours.len() == peer.len(),
                "{tensor}: likra gave {} numbers, the peer {}",
                ours.len(),
                peer.len()
            );
            let exact = self
                .tensors
                .get(&format!("{tensor}#f32"))
                .map(Vec::as_slice);
            Ok(checks::Pair { peer, ours, exact })
        })
        .collect()
    }

    /// The same tensors under `ours-NAME`.
    fn renamed(&self, name: &str) -> Self {
        let within = format!("{name}/");
        let tensors = self
            .tensors
            .iter()
            .filter(|(tensor, _)| tensor.starts_with(&within));
        Self {
            tensors: tensors
                .map(|(tensor, values)| (format!("ours-{tensor}"), values.clone()))
                .collect(),
            answers: BTreeMap::new(),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

fn tensors(path: &Path) -> Result<BTreeMap<String, Vec<f64>>> {
    let bytes = read(path)?;
    let file = SafeTensors::deserialize(&bytes).with_context(|| path.display().to_string())?;
    file.iter()
        .map(|(name, view)| {
            ensure!(
                view.dtype() == Dtype::F32,
                "{}: {name} is {:?}, expected F32",
                path.display(),
                view.dtype()
            );
            let (numbers, _) = view.data().as_chunks::<4>();
            let values = numbers
                .iter()
                .map(|bytes| f64::from(f32::from_le_bytes(*bytes)));
            Ok((name.to_owned(), values.collect()))
        })
        .collect()
}
