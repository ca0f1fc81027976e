//! Processes of both sides, one after the other, and what they wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Error, Result, bail, ensure};
use serde_json::{Value, json};

use super::machine::gpu_memory;
use super::report::{Measured, Report};
use super::work::{Group, Side, Step};
use crate::likra;
use crate::peers::Peers;

/// One process.
pub(super) struct Run {
    pub(super) report: Report,
    /// When it was started, in seconds since 1970.
    pub(super) started: f64,
    /// How much more of the GPU's memory was taken at most while it ran, in MiB.
    pub(super) gpu_mib: Option<f64>,
}

/// Those that count, by step, and the steps that were to be run.
#[derive(Default)]
pub(super) struct Runs {
    found: BTreeMap<(&'static str, Side), Vec<Run>>,
    asked: BTreeSet<(&'static str, Side)>,
    missing: Vec<Missing>,
}

/// A step of which a run failed, or was not begun.
#[derive(Debug, PartialEq)]
pub(super) struct Missing {
    pub(super) step: &'static str,
    pub(super) side: Side,
    pub(super) why: String,
}

/// How processes are started.
pub(super) struct Runner {
    /// For jobs, results and what the processes say.
    pub(super) folder: PathBuf,
    pub(super) model: PathBuf,
    pub(super) benchmark: &'static str,
    pub(super) data: PathBuf,
    /// `cpu`, `cuda` or `cuda:N`.
    pub(super) device: String,
    pub(super) peers: Option<Peers>,
    /// When no process is to run any more.
    pub(super) deadline: Option<Instant>,
}

/// How long the rest will take, by how long what is done was guessed to take.
pub(super) struct Estimate {
    done: f64,
    all: f64,
    started: Instant,
}

impl Runner {
    fn program(&self) -> PathBuf {
        self.folder.join("likra")
    }

    /// Builds `likra` and takes a copy: another build, in the hour that this may take, is not to change
    /// what is measured.
    pub(super) fn prepare(&self) -> Result<()> {
        likra::build(self.gpu())?;
        fs::create_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        let built = likra::built();
        fs::copy(&built, self.program()).with_context(|| built.display().to_string())?;
        Ok(())
    }

    /// Runs a step; nothing of what it prints is shown unless it fails.
    pub(super) fn run(&self, step: &Step) -> Result<Run> {
        let name = format!("{}-{}", step.name, step.side).replace(' ', "-");
        ensure!(!self.is_over(), "no time was left for it");
        let file = |end: &str| self.folder.join(format!("{name}.{end}"));
        let (jobs, out, log) = (file("jobs.json"), file("out.json"), file("log"));
        fs::write(&jobs, self.jobs(&step.jobs).to_string())
            .with_context(|| jobs.display().to_string())?;
        let mut command = self.command(step.side)?;
        command.arg(&jobs).arg("--out").arg(&out);
        command.args(["--device", &self.device]);
        if let Some(dtype) = step.side.dtype() {
            command.args(["--dtype", dtype]);
        }
        let said = File::create(&log).with_context(|| log.display().to_string())?;
        command.stdout(said.try_clone()?).stderr(said);
        let before = gpu_memory(&self.device);
        let started = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
        let (status, most) = match (before, self.deadline) {
            (None, None) => (child.wait()?, None),
            _ => self.watch(&mut child)?,
        };
        ensure!(
            status.success() || !self.is_over(),
            "the time was over while it ran"
        );
        if !status.success() {
            let said = fs::read_to_string(&log).unwrap_or_default();
            bail!("{command:?} failed: {status}\n{}", tail(&said));
        }
        Ok(Run {
            report: Report::read(&out)?,
            started,
            gpu_mib: most.zip(before).map(|(most, before)| most - before),
        })
    }

    fn command(&self, side: Side) -> Result<Command> {
        if side.is_peer() {
            let peers = self.peers.as_ref().context("no peer is there")?;
            return Ok(peers.command("bench.py"));
        }
        let mut likra = likra::command(&self.program());
        likra.arg("bench");
        Ok(likra)
    }

    fn jobs(&self, jobs: &[Value]) -> Value {
        json!({"model": self.model, "benchmark": self.benchmark, "data": self.data, "jobs": jobs})
    }

    pub(super) fn gpu(&self) -> bool {
        self.device != "cpu"
    }

    fn is_over(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Waits for the end, and looks meanwhile how much of the GPU's memory is taken at most. A process
    /// that outlasts the time is ended.
    fn watch(&self, child: &mut Child) -> Result<(ExitStatus, Option<f64>)> {
        let mut most = None;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok((status, most));
            }
            if self.is_over() {
                child.kill()?;
            }
            let now = gpu_memory(&self.device);
            most = now.into_iter().chain(most).reduce(f64::max);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Runs all steps of all groups and says how far it is. A step that fails is not run again, and
    /// keeps no other from being run.
    pub(super) fn all(&self, groups: &[Group]) -> Runs {
        let mut estimate = Estimate::new(groups);
        let mut runs = Runs::default();
        for step in groups.iter().flat_map(|group| &group.steps) {
            runs.ask(step);
        }
        for group in groups {
            for round in 0..group.warm_up + group.runs {
                for step in &group.steps {
                    if runs.is_missing(step) {
                        continue;
                    }
                    eprintln!("bench: {}, {}, {}", step.name, step.side, estimate.left());
                    let run = self.run(step);
                    estimate.done += step.guess;
                    match run {
                        Ok(run) if round >= group.warm_up => runs.push(step, run),
                        Ok(_) => {}
                        Err(error) => runs.miss(step, &error),
                    }
                }
            }
        }
        runs
    }
}

impl Runs {
    pub(super) fn ask(&mut self, step: &Step) {
        self.asked.insert((step.name, step.side));
    }

    pub(super) fn push(&mut self, step: &Step, run: Run) {
        let found = self.found.entry((step.name, step.side));
        found.or_default().push(run);
    }

    pub(super) fn miss(&mut self, step: &Step, error: &Error) {
        let why = format!("{error:#}");
        eprintln!("bench: {}, {}: {why}", step.name, step.side);
        self.missing.push(Missing {
            step: step.name,
            side: step.side,
            why,
        });
    }

    fn is_missing(&self, step: &Step) -> bool {
        let mut missing = self.missing.iter();
        missing.any(|missing| (missing.step, missing.side) == (step.name, step.side))
    }

    /// What was asked for in vain, at least once.
    pub(super) fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Whether a side was to do a step.
    pub(super) fn asked(&self, step: &'static str, side: Side) -> bool {
        self.asked.contains(&(step, side))
    }

    pub(super) fn of(&self, step: &'static str, side: Side) -> &[Run] {
        self.found.get(&(step, side)).map_or(&[], Vec::as_slice)
    }

    /// Whether a GPU computed.
    pub(super) fn gpu(&self) -> bool {
        let mut runs = self.found.values().flatten();
        runs.any(|run| run.report.device != "cpu")
    }

    /// All processes of a side.
    pub(super) fn side(&self, side: Side) -> impl Iterator<Item = &Run> {
        let runs = self.found.iter().filter(move |((_, of), _)| *of == side);
        runs.flat_map(|(_, runs)| runs)
    }

    /// What a job of a step found, run by run.
    pub(super) fn measured(
        &self,
        step: &'static str,
        side: Side,
        job: &str,
    ) -> impl Iterator<Item = &Measured> {
        let runs = self.of(step, side).iter();
        runs.filter_map(move |run| run.report.results.get(job))
    }

    /// Every sample of a job, in seconds.
    pub(super) fn seconds(&self, step: &'static str, side: Side, job: &str) -> Vec<f64> {
        let measured = self.measured(step, side, job);
        measured.flat_map(|found| found.seconds.clone()).collect()
    }
}

impl Run {
    /// From the process's start to its first score, in seconds.
    pub(super) fn to_first_score(&self) -> Option<f64> {
        let first = self.report.results.get("first")?;
        Some(first.at - self.started)
    }
}

impl Estimate {
    fn new(groups: &[Group]) -> Self {
        let of = |group: &Group| {
            let once: f64 = group.steps.iter().map(|step| step.guess).sum();
            once * (group.warm_up + group.runs) as f64
        };
        Self {
            done: 0.0,
            all: groups.iter().map(of).sum(),
            started: Instant::now(),
        }
    }

    fn left(&self) -> String {
        if self.done == 0.0 {
            return "no estimate yet".into();
        }
        let seconds = remaining(self.started.elapsed(), self.done, self.all);
        format!("about {:.0} min left", (seconds / 60.0).ceil())
    }
}

fn remaining(elapsed: Duration, done: f64, all: f64) -> f64 {
    elapsed.as_secs_f64() * (all - done).max(0.0) / done
}

/// The last lines of a log.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_goes_by_the_pace_so_far() {
        assert_eq!(remaining(Duration::from_secs(20), 10.0, 40.0), 60.0);
        assert_eq!(remaining(Duration::from_secs(20), 40.0, 40.0), 0.0);
    }

    #[test]
    fn a_log_s_tail_is_its_last_lines() {
        assert_eq!(tail("a\nb"), "a\nb");
        let long: Vec<String> = (0..20).map(|line| line.to_string()).collect();
        assert!(tail(&long.join("\n")).starts_with("5\n6\n"));
    }
}
