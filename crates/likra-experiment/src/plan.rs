//! A plan: the jobs of a run, for an engine that gives them to machines. It is kept in the run's folder, so that it is
//! read in no time as long as no file that it was made of has changed.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use likra_files::{parse_json, read, sweep, write_atomically};
use likra_results::{Claim, Error as Claimed, REPORT, RunDir, Stamp};
use serde::{Deserialize, Serialize};

use crate::estimate::tokens;
use crate::pace::{Cost, Pace};
use crate::{Listener, Run, Spec, draw};

/// The jobs of a run, and what they were found from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    version: String,
    /// The experiment, with absolute paths.
    pub spec: Spec,
    command: String,
    /// Files, and by what their change would be noticed.
    files: Vec<(PathBuf, String)>,
    /// The model's parameters.
    parameters: usize,
    jobs: Vec<PlannedJob>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PlannedJob {
    name: String,
    needs: Vec<String>,
    gpus: usize,
    memory_mib: usize,
    products: Vec<PlannedProduct>,
}

/// A file that a job leaves, below the run's folder, and what it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PlannedProduct {
    stamp: PathBuf,
    path: PathBuf,
    key: String,
    cost: Cost,
}

/// A job as an engine sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobState {
    /// What `likra step` calls it.
    pub name: String,
    /// The jobs that must be done before it.
    pub needs: Vec<String>,
    /// How many GPUs it takes.
    pub gpus: usize,
    /// How much of the machine's memory it takes at most.
    pub memory_mib: usize,
    /// A limit of its time: twice what is expected.
    pub minutes: u64,
    /// Whether it is done.
    pub done: bool,
}

/// Why a job is not done now, though nothing is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is none of this name.
    #[error("no job `{0}`; expected one of {1}")]
    NoJob(String, String),
    /// Others come first.
    #[error("job `{0}` needs `{1}`, which is not done yet")]
    NeedsFirst(String, String),
}

impl RunPlan {
    /// The plan of `spec` in the folder `dir`: the one that is kept there, or a new one. `command` is the command that
    /// makes the run in one process.
    ///
    /// # Errors
    ///
    /// If a file is missing or refused, or the plan cannot be written.
    pub fn open(spec: Spec, command: &str, dir: &RunDir, listener: &Listener) -> Result<Self> {
        let spec = absolute(spec)?;
        if let Ok(kept) = Self::read(dir)
            && kept.version == env!("CARGO_PKG_VERSION")
            && kept.spec == spec
            && kept.command == command
            && kept.files.iter().all(|(path, known)| state(path) == *known)
        {
            return Ok(kept);
        }
        let run = Run::open(spec.clone(), dir.path(), None, listener)?;
        // Nothing of other settings may lie there, nor come to lie there.
        let names = run.jobs.iter().map(|job| &*job.name).chain([REPORT]);
        let claims = names.map(|name| Claim::take(dir.claim(name)));
        let _claims = claims.collect::<likra_results::Result<Vec<_>>>()?;
        run.check_keys(true)?;
        let config = &run.inputs.base.config;
        let files = run.inputs.paths()?;
        // A folder changes when a file comes.
        let folders = files.iter().filter_map(|path| path.parent());
        let folders: BTreeSet<PathBuf> = folders.map(Path::to_owned).collect();
        let files = files.into_iter().chain(folders);
        let plan = Self {
            version: env!("CARGO_PKG_VERSION").into(),
            spec,
            command: command.into(),
            files: files.map(|path| (path.clone(), state(&path))).collect(),
            parameters: config.weight_bytes(likra_model::Dtype::F32) / size_of::<f32>(),
            jobs: run.planned()?,
        };
        let (too_long, _) = run.survey(true)?;
        run.manifest(command, too_long)?.write(&dir.manifest())?;
        let text = serde_json::to_string_pretty(&plan)?;
        write_atomically(&dir.plan(), |to| to.write_all(text.as_bytes()))?;
        Ok(plan)
    }

    /// The plan that is kept in a run's folder.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn read(dir: &RunDir) -> Result<Self> {
        let path = dir.plan();
        let (plan, out) = (path.display(), dir.path().display());
        let none = || format!("{plan}: no plan; `likra plan EXPERIMENT --out {out}` makes one");
        ensure!(path.exists(), none());
        parse_json(&read(&path)?).with_context(none)
    }

    /// The jobs as they stand, the report's last.
    pub fn jobs(&self, dir: &RunDir) -> Vec<JobState> {
        let stamp = |product: &PlannedProduct| {
            Stamp::read(&dir.path().join(&product.stamp)).filter(|stamp| stamp.key == product.key)
        };
        let products = || self.jobs.iter().flat_map(|job| &job.products);
        let mut pace = Pace::default();
        for product in products() {
            if let Some(stamp) = stamp(product) {
                let took = Duration::from_secs_f64(stamp.seconds.max(0.0));
                pace.add(product.cost, took);
            }
        }
        let is_missing = |product: &&PlannedProduct| {
            !dir.path().join(&product.path).exists() || stamp(product).is_none()
        };
        let state = |job: &PlannedJob| {
            let products = job.products.iter();
            let left = products.clone().filter(is_missing);
            let left: Vec<Cost> = left.map(|product| product.cost).collect();
            // What is asked of a head counts, and not that its adapters are still there.
            let done = left.iter().all(|cost| cost[0] > 0);
            let all = products.map(|product| product.cost).collect();
            let costs: Vec<Cost> = if done { all } else { left };
            let time = pace.time(costs.iter().copied());
            let time = time.unwrap_or_else(|| self.guess(&costs, job.gpus));
            JobState {
                name: job.name.clone(),
                needs: job.needs.clone(),
                gpus: job.gpus,
                memory_mib: job.memory_mib,
                minutes: START + (2 * time.as_secs()).div_ceil(60),
                done,
            }
        };
        let mut jobs: Vec<JobState> = self.jobs.iter().map(state).collect();
        // Drawn after all that it is drawn from.
        let stamps = products().map(|product| dir.path().join(&product.stamp));
        let last = stamps.chain([dir.manifest()]);
        let last = last.filter_map(|path| changed(&path)).max();
        jobs.push(JobState::report(&jobs, drawn(dir) >= last));
        jobs
    }

    /// Before anything was measured: forward two operations a parameter and token, and back twice as many.
    fn guess(&self, costs: &[Cost], gpus: usize) -> Duration {
        let tokens: usize = costs.iter().map(|[train, score]| 3 * train + score).sum();
        let speed = if gpus > 0 { 1e14 } else { 5e10 };
        Duration::from_secs_f64(2.0 * self.parameters as f64 * tokens as f64 / speed)
    }

    /// Does one job, unless it is done; returns whether there was something to do.
    ///
    /// # Errors
    ///
    /// [`Refused`] or [`likra_results::Error::Claimed`] if it cannot be done now; else if it fails.
    pub fn step(&self, name: &str, dir: &RunDir, listener: &Listener) -> Result<bool> {
        if !JobState::is_left(&self.jobs(dir), name)? {
            return Ok(false);
        }
        let _claim = Claim::take(dir.claim(name))?;
        if name == REPORT {
            sweep(&dir.report())?;
            draw(dir)?;
            return Ok(true);
        }
        let run = Run::open(self.spec.clone(), dir.path(), None, listener)?;
        let planned = self.jobs.iter().filter(|job| job.name == name);
        let products = planned.flat_map(|job| &job.products);
        let keys = products.filter(|product| product.cost[0] == 0);
        let keys = keys.map(|product| &product.key);
        let job = run.jobs.iter().find(|job| job.name == name);
        let job = job.context("the plan is of another run")?;
        let same = keys.eq(job.scores.iter().map(|product| &product.key));
        ensure!(
            same,
            "{}: made for other files or another device than `{}`; make the plan again, and name the device there",
            dir.plan().display(),
            run.inputs.base.placement.name
        );
        run.step(job)?;
        Ok(true)
    }
}

impl JobState {
    /// The job that comes after all `others`; it is done if they are and it is `drawn` after them.
    pub(crate) fn report(others: &[Self], drawn: bool) -> Self {
        Self {
            name: REPORT.into(),
            needs: others.iter().map(|job| job.name.clone()).collect(),
            gpus: 0,
            memory_mib: 512,
            minutes: START,
            done: drawn && others.iter().all(|job| job.done),
        }
    }

    /// Whether the job `name` is to be done, and can be.
    pub(crate) fn is_left(jobs: &[Self], name: &str) -> Result<bool> {
        let named = |name: &str| jobs.iter().find(|job| job.name == name);
        let Some(job) = named(name) else {
            let names = jobs.iter().map(|job| &*job.name).collect::<Vec<_>>();
            bail!(Refused::NoJob(name.into(), names.join(", ")));
        };
        let is_open = |needed: &&String| named(needed).is_some_and(|needed| !needed.done);
        match job.needs.iter().find(is_open) {
            Some(first) if !job.done => bail!(Refused::NeedsFirst(name.into(), first.clone())),
            _ => Ok(!job.done),
        }
    }
}

/// What a process takes before and after its work, in minutes.
const START: u64 = 2;

/// Paths that lead to the same files from everywhere.
fn absolute(mut spec: Spec) -> Result<Spec> {
    let [folders, tasks] = spec.paths();
    let folders = folders.into_iter().filter(|path| Path::new(path).exists());
    // A folder may be called as a task is.
    let files = tasks.into_iter().filter(|path| Path::new(path).is_file());
    for path in folders.chain(files) {
        *path = std::path::absolute(&*path)?.display().to_string();
    }
    Ok(spec)
}

/// When a file was changed, if it is there.
fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

/// When the report in a folder was drawn, if it was.
pub(crate) fn drawn(dir: &RunDir) -> Option<SystemTime> {
    changed(&dir.report().join("index.html"))
}

/// What changes when a file does.
fn state(path: &Path) -> String {
    let found = std::fs::metadata(path);
    found.map_or_else(
        |_| "absent".into(),
        |found| format!("{} {}.{}", found.len(), found.mtime(), found.mtime_nsec()),
    )
}

impl Run<'_> {
    /// Refuses a folder with finished work of other settings: any with `strict`, for a report would mix it with that of
    /// these; else if all of it is, for then it is another run's.
    pub(crate) fn check_keys(&self, strict: bool) -> Result<()> {
        let trained = self.heads().filter_map(|(job, head)| {
            let (_, key) = job.head.as_ref()?;
            Some((self.dir.trained(&head.name), key))
        });
        let scores = self.jobs.iter().flat_map(|job| &job.scores);
        let scored = scores.map(|product| (product.stamp.clone(), &product.key));
        let there = trained.chain(scored).filter_map(|(path, key)| {
            let stamp = Stamp::read(&path)?;
            Some((path, stamp.key == *key))
        });
        let (same, other): (Vec<_>, Vec<_>) = there.partition(|(_, is_same)| *is_same);
        match other.first() {
            Some((path, _)) if strict || same.is_empty() => bail!(
                "{}: made with other settings, files or on another device; name another folder with --out, or begin anew \
                 with `likra reproduce --fresh`",
                path.display()
            ),
            _ => Ok(()),
        }
    }

    fn planned(&self) -> Result<Vec<PlannedJob>> {
        let base = &self.inputs.base;
        let dir = self.dir.path();
        let below = |path: &Path| path.strip_prefix(dir).unwrap_or(path).to_owned();
        let gpus = usize::from(base.placement.kind() != "cpu");
        let mut jobs = Vec::new();
        for job in &self.jobs {
            let mut bytes = self.scoring_bytes(job);
            let mut products = Vec::new();
            if let Some((head, key)) = &job.head {
                let examples = self.examples(head)?;
                bytes = bytes.max(base.training_bytes(head, &examples)?);
                products.push(PlannedProduct {
                    stamp: below(&self.dir.trained(&head.name)),
                    path: below(self.dir.head(&head.name).path()),
                    key: key.clone(),
                    cost: [tokens(head, &examples), 0],
                });
            }
            products.extend(job.scores.iter().map(|product| PlannedProduct {
                stamp: below(&product.stamp),
                path: below(&product.path),
                key: product.key.clone(),
                cost: [0, self.plan(product.asked).tokens()],
            }));
            // Beside a GPU's memory, the machine's holds the weights while they are read.
            if gpus > 0 {
                bytes = base.config.weight_bytes(base.placement.dtype) + (2 << 30);
            }
            jobs.push(PlannedJob {
                name: job.name.clone(),
                needs: job.needs.clone(),
                gpus,
                memory_mib: base.beside_held(bytes).div_ceil(1 << 20),
                products,
            });
        }
        Ok(jobs)
    }
}

/// Whether an error means that the job may well be done later.
pub fn is_for_later(error: &anyhow::Error) -> bool {
    let claim = error.downcast_ref();
    let claimed = matches!(claim, Some(Claimed::Claimed { .. } | Claimed::Busy { .. }));
    claimed || matches!(error.downcast_ref(), Some(Refused::NeedsFirst(..)))
}
