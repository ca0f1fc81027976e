//! What a file of jobs asks for, computed.

mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use burn::tensor::{Device, FloatDType, Tensor};
use fs_err as fs;
use likra_data::{Benchmark, Needs, Source};
use likra_experiment::Base;
use likra_files::write_atomically;
use likra_lora::{Adapter, save_tensors};
use likra_model::{Dtype, Placement};
use likra_tokenizer::{Bos, Tokenizer};
use serde::Deserialize;
use serde_json::{Value, json};

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
    /// Pairs of texts as tokens: for each `[context, continuation]` the tokens of both.
    Encode {
        bos: Bos,
        pairs: Vec<(String, String)>,
    },
}

/// The answer to a job in a type that the device does not compute in.
const UNSUPPORTED: &str = "unsupported";

/// Where jobs are done, and what they have found.
struct Probe<'a> {
    /// The folder of the file of jobs.
    dir: &'a Path,
    model_dir: Option<PathBuf>,
    device: Device,
    placement: Placement,
    out: &'a Path,
    open: Option<Base>,
    /// Tensors by job and name, in f32.
    tensors: Vec<(String, Tensor<2>)>,
    answers: BTreeMap<String, Value>,
}

/// Does every job of the file `path` and writes `tensors.safetensors`, `answers.json` and `adapters/` into `out`.
pub(crate) fn run(path: &Path, out: &Path, placement: Placement) -> Result<()> {
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
        device: placement.open()?,
        placement,
        out,
        open: None,
        tensors: Vec::new(),
        answers: BTreeMap::new(),
    };
    fs::create_dir_all(out)?;
    for Named { name, job } in jobs {
        let done = probe.job(&name, &job);
        done.with_context(|| format!("{file}: job `{name}`"))?;
    }
    let version = ("likra", env!("CARGO_PKG_VERSION"));
    save_tensors(&out.join("tensors.safetensors"), probe.tensors, version)?;
    let text = serde_json::to_vec(&probe.answers)?;
    Ok(write_atomically(&out.join("answers.json"), |to| {
        to.write_all(&text)
    })?)
}

impl Probe<'_> {
    fn job(&mut self, name: &str, job: &Job) -> Result<()> {
        let answer = match job {
            Job::Logits(job) if !self.device.supports_dtype(FloatDType::from(job.dtype)) => {
                json!(UNSUPPORTED)
            }
            Job::Logits(job) => return self.logits(name, job),
            Job::Gradients(job) => return self.gradients(name, job),
            Job::Training(job) => return self.training(name, job),
            Job::Scores(job) => return self.scores(name, job),
            Job::CopyAdapter { adapter } => {
                return Ok(self.adapter(adapter)?.save(&self.copy(name)?)?);
            }
            Job::Encode { bos, pairs } => self.encode(*bos, pairs)?,
        };
        self.answers.insert(name.into(), answer);
        Ok(())
    }

    fn encode(&self, bos: Bos, pairs: &[(String, String)]) -> Result<Value> {
        let tokenizer = Tokenizer::open(self.model_dir()?, bos)?;
        let encode = |(context, continuation): &(String, String)| {
            let pair = tokenizer.encode_pair(context, continuation)?;
            Ok(json!(pair.tokens.split_at(pair.start)))
        };
        pairs.iter().map(encode).collect()
    }

    /// Where the adapter that a job makes goes.
    fn copy(&self, name: &str) -> Result<PathBuf> {
        let plain = Path::new(name).components();
        let plain = plain
            .into_iter()
            .all(|part| matches!(part, Component::Normal(_)));
        ensure!(
            plain,
            "name `{name}`: it leads out of the folder of adapters"
        );
        Ok(self.out.join("adapters").join(name))
    }

    fn benchmark(&self, task: &str, dir: &Path) -> Result<Benchmark> {
        let source = Source::folder(self.dir.join(dir));
        Ok(Benchmark::open(task, &source, &Needs::all())?)
    }

    fn adapter(&self, dir: &Path) -> Result<Adapter> {
        Ok(Adapter::load(&self.dir.join(dir), &self.device)?)
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
