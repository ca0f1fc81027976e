//! `likra bench`: how long the program takes for what a file of jobs asks for, and how much it computes.
//!
//! `cargo xtask bench` has `xtask/peers/bench.py` do the same jobs with transformers, PEFT and
//! lm-evaluation-harness, each side in processes of its own, and compares the two files.

mod flops;
mod peak;
mod score;
mod train;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use likra_data::Benchmark;
use likra_lora::{Adapter, LoraConfig};
use likra_model::Model;
use likra_results::write_atomically;
use serde::{Deserialize, Serialize};

use crate::cli::BenchArgs;
use crate::device::{Chosen, Dtype};
use crate::experiment;
use crate::progress::{Progress, peak_memory};
use crate::questions::read_benchmark;
use crate::reproduce::versions;

/// The file of jobs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct JobFile {
    model: PathBuf,
    /// What questions are read from, by jobs that need any.
    benchmark: experiment::Benchmark,
    data: PathBuf,
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
    Adapters(Adapters),
    Train(train::Train),
    Score(score::Score),
    FirstScore(score::FirstScore),
    Peak(peak::Peak),
}

/// Leaves in `folder` an adapter that changes nothing yet, `initial`, and `head-1`, `head-2`, ... that do.
#[derive(Debug, Deserialize)]
struct Adapters {
    folder: PathBuf,
    heads: usize,
}

/// What a job took and what it found.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Measured {
    /// Every sample.
    seconds: Vec<f64>,
    /// Their median.
    median: f64,
    /// How many tokens ran in a sample, padding left out.
    tokens: usize,
    /// How many questions were learnt or scored in a sample.
    questions: usize,
    /// Floating-point operations that a sample needs, padding left out.
    operations: f64,
    /// How many tokens the shared shots are.
    shared: usize,
    /// For each head the median of its seconds.
    heads: Vec<f64>,
    /// The losses of the steps, or the log-likelihoods of the candidates, head after head.
    values: Vec<f64>,
    /// Operations a second of products of square matrices, by their size.
    rates: BTreeMap<usize, f64>,
    /// When the first score was there, in seconds since 1970.
    at: f64,
}

/// The file that is written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    program: String,
    device: String,
    dtype: Dtype,
    threads: usize,
    versions: BTreeMap<String, String>,
    /// The most memory that this process has held, where the system says so.
    peak_memory_mib: Option<u64>,
    results: BTreeMap<String, Measured>,
}

/// What jobs work with: opened when one needs it, as no job is to pay for what it does not use.
struct Bench {
    dir: PathBuf,
    file: JobFile,
    chosen: Chosen,
    /// A folder that goes away again.
    scratch: PathBuf,
    model: Option<Model>,
    benchmark: Option<Benchmark>,
}

/// Does every job and writes what they took.
pub(crate) fn run(arguments: &BenchArgs) -> Result<()> {
    let path = &arguments.jobs;
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    let mut file: JobFile =
        serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    let named = std::mem::take(&mut file.jobs);
    let mut bench = Bench::new(path, file, arguments)?;
    let mut results = BTreeMap::new();
    let mut progress = Progress::new("bench", named.len(), "jobs");
    for Named { name, job } in named {
        let found = bench
            .one(&job)
            .with_context(|| format!("{}: job `{name}`", path.display()))?;
        progress.advance(1, &name);
        ensure!(
            results.insert(name.clone(), found).is_none(),
            "{}: two jobs are called `{name}`",
            path.display()
        );
    }
    progress.finish("");
    bench.report(results).write(&arguments.out)
}

impl Bench {
    fn new(path: &Path, file: JobFile, arguments: &BenchArgs) -> Result<Self> {
        let mut chosen = arguments.device.resolve()?;
        if let Some(dtype) = arguments.dtype {
            chosen.dtype = dtype.into();
        }
        Ok(Self {
            dir: path.parent().unwrap_or(Path::new("")).to_owned(),
            file,
            chosen,
            scratch: arguments.out.with_extension("scratch"),
            model: None,
            benchmark: None,
        })
    }

    fn one(&mut self, job: &Job) -> Result<Measured> {
        match job {
            Job::Adapters(job) => self.adapters(job),
            Job::Train(job) => job.measure(self),
            Job::Score(job) => job.measure(self),
            Job::FirstScore(job) => job.measure(self),
            Job::Peak(job) => job.measure(&self.chosen),
        }
    }

    /// The model and the questions.
    fn open(&mut self) -> Result<(&Model, &Benchmark)> {
        if self.benchmark.is_none() {
            let data = self.dir.join(&self.file.data);
            self.benchmark = Some(read_benchmark(self.file.benchmark, &data)?.0);
        }
        self.model()?;
        let opened = self.model.as_ref().zip(self.benchmark.as_ref());
        opened.context("no model is open")
    }

    fn model(&mut self) -> Result<&Model> {
        if self.model.is_none() {
            let Chosen { dtype, device, .. } = &self.chosen;
            self.model = Some(Model::open(&self.model_dir(), *dtype, device)?);
        }
        self.model.as_ref().context("no model is open")
    }

    fn model_dir(&self) -> PathBuf {
        self.dir.join(&self.file.model)
    }

    fn adapter(&self, dir: &Path) -> Result<Adapter> {
        Ok(Adapter::load(&self.dir.join(dir), &self.chosen.device)?)
    }

    /// Not a thing to time: what other jobs, and the other program, start from.
    fn adapters(&mut self, job: &Adapters) -> Result<Measured> {
        let (folder, device) = (self.dir.join(&job.folder), self.chosen.device.clone());
        let targets = self.model()?.targets();
        for head in 0..=job.heads {
            let seed = head as u64;
            let fresh = Adapter::init(LoraConfig::default(), &targets, seed, &device)?;
            match head {
                0 => fresh.save(&folder.join("initial"))?,
                _ => score::stirred(&fresh, head).save(&folder.join(format!("head-{head}")))?,
            }
        }
        Ok(Measured::default())
    }

    fn report(&self, results: BTreeMap<String, Measured>) -> Report {
        Report {
            program: concat!("likra ", env!("CARGO_PKG_VERSION")).into(),
            device: self.chosen.name.clone(),
            dtype: Dtype::of(self.chosen.dtype),
            threads: threads(),
            versions: versions(),
            peak_memory_mib: peak_memory(),
            results,
        }
    }
}

impl Report {
    fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec(self)?;
        write_atomically(path, |to| to.write_all(&text))?;
        eprintln!("Times: {}", path.display());
        Ok(())
    }
}

impl Measured {
    /// Calls `sample` so many times and keeps what it says each took.
    fn sampled(samples: usize, mut sample: impl FnMut() -> Result<f64>) -> Result<Self> {
        if samples == 0 {
            bail!("samples = 0: expected at least 1");
        }
        let seconds: Vec<f64> = (0..samples).map(|_| sample()).collect::<Result<_>>()?;
        Ok(Self {
            median: median(&seconds),
            seconds,
            ..Self::default()
        })
    }
}

/// The middle of `values`, or the mean of the two in the middle; not a number if there are none.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// What `work` returns and how many seconds it took.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let started = Instant::now();
    let found = work()?;
    Ok((found, started.elapsed().as_secs_f64()))
}

/// How many threads the CPU's products may use: rayon's pool, by its own rule.
fn threads() -> usize {
    let asked = std::env::var("RAYON_NUM_THREADS").ok();
    let asked = asked.and_then(|text| text.parse().ok());
    asked
        .filter(|&threads| threads > 0)
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |time| time.as_secs_f64())
}

const fn one() -> usize {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn samples_are_all_kept() {
        let mut took = [0.5, 0.1, 0.3].into_iter();
        let measured = Measured::sampled(3, || Ok(took.next().unwrap())).unwrap();
        assert_eq!(measured.seconds, [0.5, 0.1, 0.3]);
        assert_eq!(measured.median, 0.3);
        assert!(Measured::sampled(0, || Ok(0.0)).is_err());
    }
}
