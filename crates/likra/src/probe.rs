//! `likra probe`: what the program computes, laid open to be compared with what another one computes.
//!
//! A file of jobs says what to compute from which tokens, texts and adapters. `cargo xtask parity`
//! has its peers write such files and their own results in the same form; a peer of one's own can do
//! the same.

mod data;
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use burn::tensor::Tensor;
use fs_err as fs;
use likra_data::{Benchmark, Needs, Source};
use likra_experiment::{Base, Event};
use likra_files::write_atomically;
use likra_lora::{Adapter, save_tensors};
use likra_model::{Dtype, Placement};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::ProbeArgs;
use crate::progress::{listener, say};

/// The file of jobs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Jobs {
    /// The checkpoint folder that model and tokenizer jobs use.
    model: Option<PathBuf>,
    jobs: Vec<Named>,
}

/// A job and what its results are called.
#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(flatten)]
    job: Job,
}

#[derive(Deserialize)]
#[serde(tag = "job", rename_all = "kebab-case")]
enum Job {
    Logits(model::Logits),
    Gradients(model::Gradients),
    Training(model::Training),
    /// Reads an adapter and writes it to `OUT/adapters/NAME`.
    CopyAdapter {
        adapter: PathBuf,
    },
    Scores(model::Scores),
    Encode(data::Encode),
    Pairs(data::Pairs),
    Draws(data::Draws),
}

/// Where jobs are done, and what they have found.
struct Probe<'a> {
    /// The folder of the file of jobs.
    dir: &'a Path,
    model_dir: Option<PathBuf>,
    placement: Placement,
    out: &'a Path,
    open: Option<Base>,
    /// Tensors by job and name, in f32.
    tensors: Vec<(String, Tensor<2>)>,
    answers: BTreeMap<String, Value>,
}

/// Runs every job and writes what they found.
pub(crate) fn run(arguments: &ProbeArgs) -> Result<()> {
    let (path, out) = (&arguments.jobs, &arguments.out);
    let (text, file) = (fs::read(path)?, path.display());
    let Jobs { model, jobs } = serde_json::from_slice(&text).with_context(|| file.to_string())?;
    let mut names = BTreeSet::new();
    for Named { name, .. } in &jobs {
        ensure!(names.insert(name), "{file}: two jobs are called `{name}`");
    }
    let dir = path.parent().unwrap_or(Path::new(""));
    let mut probe = Probe {
        dir,
        model_dir: model.map(|model| dir.join(model)),
        placement: arguments.device.find()?,
        out,
        open: None,
        tensors: Vec::new(),
        answers: BTreeMap::new(),
    };
    fs::create_dir_all(out)?;
    let show = listener();
    show(Event::Begun("probe".into(), jobs.len(), "jobs"));
    for Named { name, job } in jobs {
        let done = probe.job(&name, &job);
        done.with_context(|| format!("{file}: job `{name}`"))?;
        show(Event::Advanced(1, name));
    }
    show(Event::Ended(String::new()));
    let (tensors, answers) = (out.join("tensors.safetensors"), out.join("answers.json"));
    let version = ("likra", env!("CARGO_PKG_VERSION"));
    save_tensors(&tensors, probe.tensors, version)?;
    let text = serde_json::to_vec(&probe.answers)?;
    write_atomically(&answers, |to| to.write_all(&text))?;
    let (tensors, answers) = (tensors.display(), answers.display());
    say!("Tensors: {tensors}, answers: {answers}");
    Ok(())
}

impl Probe<'_> {
    fn job(&mut self, name: &str, job: &Job) -> Result<()> {
        let answer = match job {
            Job::Logits(job) => return self.logits(name, job),
            Job::Gradients(job) => return self.gradients(name, job),
            Job::Training(job) => return self.training(name, job),
            Job::Scores(job) => return self.scores(name, job),
            Job::CopyAdapter { adapter } => {
                return Ok(self.adapter(adapter)?.save(&self.copy(name))?);
            }
            Job::Encode(job) => self.encode(job)?,
            Job::Pairs(job) => self.pairs(job)?,
            Job::Draws(job) => job.run()?,
        };
        self.answers.insert(name.into(), answer);
        Ok(())
    }

    /// Where the adapter that a job makes goes.
    fn copy(&self, name: &str) -> PathBuf {
        self.out.join("adapters").join(name)
    }

    fn benchmark(&self, task: &str, dir: &Path) -> Result<Benchmark> {
        let source = Source::folder(self.dir.join(dir));
        Ok(Benchmark::open(task, &source, &Needs::all())?)
    }

    fn adapter(&self, dir: &Path) -> Result<Adapter> {
        Ok(Adapter::load(&self.dir.join(dir), &self.placement.device)?)
    }

    fn model_dir(&self) -> Result<&Path> {
        let named = self.model_dir.as_deref();
        named.context("needs a `model`, and the file of jobs names none")
    }

    /// The model with its weights in `dtype`. One at a time: two of them may not fit.
    fn base(&mut self, dtype: Dtype) -> Result<&Base> {
        let mut placement = self.placement.clone();
        placement.dtype = dtype;
        let open = self
            .open
            .take()
            .filter(|open| open.placement.dtype == dtype);
        let anew = || Base::open(self.model_dir()?.into(), placement);
        let base = open.map_or_else(anew, Ok)?;
        Ok(self.open.insert(base))
    }
}
