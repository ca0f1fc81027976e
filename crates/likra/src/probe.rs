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
use likra_experiment::Event;
use likra_lora::save_tensors;
use likra_results::write_atomically;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::ProbeArgs;
use crate::progress::Progress;

/// The file of jobs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Jobs {
    /// The checkpoint folder that model and tokenizer jobs use.
    model: Option<PathBuf>,
    jobs: Vec<Named>,
}

/// A job and what its results are called.
#[derive(Debug, Deserialize)]
struct Named {
    name: String,
    #[serde(flatten)]
    job: Job,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "job", rename_all = "kebab-case")]
enum Job {
    Logits(model::Logits),
    Gradients(model::Gradients),
    Training(model::Training),
    CopyAdapter(model::CopyAdapter),
    Scores(model::Scores),
    Encode(data::Encode),
    Prompts(data::Prompts),
    Pairs(data::Pairs),
    Draws(data::Draws),
}

/// What the jobs have found so far.
#[derive(Default)]
struct Findings {
    /// By name, in f32.
    tensors: Vec<(String, Tensor<2>)>,
    answers: BTreeMap<String, Value>,
}

/// Runs every job and writes what they found.
pub(crate) fn run(arguments: &ProbeArgs) -> Result<()> {
    let path = &arguments.jobs;
    let text = fs::read(path)?;
    let jobs: Jobs = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    let dir = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut bench = model::Bench::new(
        jobs.model.map(|model| dir.join(model)),
        arguments.device.find()?,
        arguments.out.clone(),
        dir,
    );
    fs::create_dir_all(&arguments.out)?;
    let mut found = Findings::default();
    let progress = Progress::default();
    progress.show(Event::Begun {
        title: "probe".into(),
        total: jobs.jobs.len(),
        unit: "jobs",
    });
    let mut names = BTreeSet::new();
    for Named { name, job } in &jobs.jobs {
        ensure!(
            names.insert(name),
            "{}: two jobs are called `{name}`",
            path.display()
        );
        one(&mut bench, name, job, &mut found)
            .with_context(|| format!("{}: job `{name}`", path.display()))?;
        progress.show(Event::Advanced {
            more: 1,
            note: name.clone(),
        });
    }
    progress.show(Event::Ended {
        note: String::new(),
    });
    write(&arguments.out, found)
}

fn one(bench: &mut model::Bench, name: &str, job: &Job, found: &mut Findings) -> Result<()> {
    match job {
        Job::Logits(job) => found.tensors.extend(bench.logits(name, job)?),
        Job::Gradients(job) => found.tensors.extend(bench.gradients(name, job)?),
        Job::Training(job) => found.tensors.extend(bench.training(name, job)?),
        Job::CopyAdapter(job) => bench.copy_adapter(name, job)?,
        Job::Scores(job) => {
            let (sums, answer) = bench.scores(name, job)?;
            found
                .tensors
                .push((format!("{name}/log-likelihoods"), sums));
            found.answers.insert(name.into(), answer);
        }
        Job::Encode(job) => {
            let answer = job.answer(bench.model_dir()?)?;
            found.answers.insert(name.into(), answer);
        }
        Job::Prompts(job) => {
            found.answers.insert(name.into(), job.answer(bench.dir())?);
        }
        Job::Pairs(job) => {
            found.answers.insert(name.into(), job.answer(bench.dir())?);
        }
        Job::Draws(job) => {
            found.answers.insert(name.into(), job.answer()?);
        }
    }
    Ok(())
}

fn write(out: &Path, found: Findings) -> Result<()> {
    let tensors = out.join("tensors.safetensors");
    save_tensors(
        &tensors,
        found.tensors,
        ("likra", env!("CARGO_PKG_VERSION")),
    )?;
    let answers = out.join("answers.json");
    let text = serde_json::to_vec(&found.answers)?;
    write_atomically(&answers, |to| to.write_all(&text))?;
    eprintln!(
        "Tensors: {}, answers: {}",
        tensors.display(),
        answers.display()
    );
    Ok(())
}
