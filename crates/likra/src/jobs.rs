//! `likra plan` and `likra step`: a run as jobs, for an engine that gives them to machines.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use likra_experiment::{JobState, RunPlan, Study, draw};
use likra_results::RunDir;
use serde_json::json;

use crate::cli::{PlanArgs, ReproduceArgs, RunArgs, StepArgs};
use crate::progress::{listener, print, say};
use crate::reproduce::{command, words};

/// Prints the jobs of a run.
pub(crate) fn plan(PlanArgs { run, json }: &PlanArgs) -> Result<()> {
    list(run, *json)
}

fn list(arguments: &RunArgs, json: bool) -> Result<()> {
    let out = RunDir::new(arguments.out());
    let (title, jobs) = open(arguments, &out)?;
    let path = out.path();
    if json {
        let plan = json!({"title": title, "out": path, "jobs": jobs});
        return print(&format_args!("{plan}\n"));
    }
    print(&format_args!("{title}\n{}", table(&jobs)?))?;
    say!("`likra step JOB --out {}` does one.", path.display());
    Ok(())
}

/// The title and the jobs of a run or a study.
fn open(arguments: &RunArgs, out: &RunDir) -> Result<(String, Vec<JobState>)> {
    let show = listener();
    if let Some(path) = arguments.study() {
        let study = Study::open(path, &arguments.assignments()?, out, &show)?;
        return Ok((study.title.clone(), study.jobs(out)?));
    }
    let plan = RunPlan::open(arguments.spec()?, &command(words()), out, &show)?;
    Ok((plan.spec.title.clone(), plan.jobs(out)))
}

/// Does all jobs of a study in their order.
pub(crate) fn study(
    ReproduceArgs {
        run,
        dry_run,
        fresh,
    }: &ReproduceArgs,
) -> Result<()> {
    let message = "--fresh: it is for a run, and this is a study; remove the folders of its runs that are to be done anew";
    ensure!(!fresh, message);
    if *dry_run {
        return list(run, false);
    }
    let out = RunDir::new(run.out());
    let (title, jobs) = open(run, &out)?;
    say!(
        "{title}, {} jobs, into {}",
        jobs.len(),
        out.path().display()
    );
    for (number, job) in (1..).zip(&jobs) {
        if do_one(&job.name, &out)? {
            say!("  {number} of {} jobs: {}", jobs.len(), job.name);
        }
    }
    report(&out)
}

fn do_one(name: &str, out: &RunDir) -> Result<bool> {
    match Study::read(out)? {
        Some(study) => study.step(name, out, &listener()),
        None => RunPlan::read(out)?.step(name, out, &listener()),
    }
}

/// Draws the report of a run, or the comparison of a study.
pub(crate) fn report(out: &RunDir) -> Result<()> {
    let said = match Study::read(out)? {
        Some(study) => study.draw(out)?,
        None => draw(out)?,
    };
    print(&format_args!("{said}\n"))?;
    say!("The report: {}", out.report().join("index.html").display());
    Ok(())
}

fn table(jobs: &[JobState]) -> Result<String> {
    let names = jobs.iter().map(|job| job.name.len());
    let width = names.max().unwrap_or_default();
    let head = ("job", "GPUs", "MiB", "minutes");
    let mut table = format!(
        "{:<width$}  {:>4}  {:>7}  {:>7}  needs\n",
        head.0, head.1, head.2, head.3
    );
    for job in jobs {
        let needs = match (job.done, job.needs.len()) {
            (true, _) => "done".into(),
            (false, 0) => "-".into(),
            (false, 1) => job.needs[0].clone(),
            (false, _) => "all others".to_owned(),
        };
        let JobState {
            name,
            gpus,
            memory_mib,
            minutes,
            ..
        } = job;
        writeln!(
            table,
            "{name:<width$}  {gpus:>4}  {memory_mib:>7}  {minutes:>7}  {needs}"
        )?;
    }
    Ok(table)
}

/// Does one job.
pub(crate) fn step(arguments: &StepArgs) -> Result<()> {
    let (name, out) = (&arguments.job, RunDir::new(&arguments.out));
    if do_one(name, &out)? {
        say!("Done: {name}, in {}", out.path().display());
    } else {
        say!("Done already: {name}");
    }
    Ok(())
}
