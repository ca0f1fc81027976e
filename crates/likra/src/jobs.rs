//! `likra plan` and `likra step`: a run as jobs, for an engine that gives them to machines.

use anyhow::{Result, ensure};
use likra_experiment::{JobState, RunPlan, Study, draw};
use likra_results::RunDir;
use serde_json::json;

use crate::cli::{ReproduceArgs, RunArgs};
use crate::command::{command, words};
use crate::progress::{listener, print, say};

/// Prints the jobs of a run.
pub(crate) fn plan(arguments: &RunArgs, json: bool) -> Result<()> {
    let out = RunDir::new(arguments.out());
    let (title, jobs) = open(arguments, &out)?;
    let path = out.path();
    if json {
        let plan = json!({"title": title, "out": path, "jobs": jobs});
        return print(&format_args!("{plan}\n"));
    }
    print(&format_args!("{title}\n{}", table(&jobs)))?;
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
pub(crate) fn study(arguments: &ReproduceArgs) -> Result<()> {
    let message = "--fresh: it is for a run, and this is a study; remove the folders of its runs that are to be done anew";
    ensure!(!arguments.fresh, message);
    let run = &arguments.run;
    if arguments.dry_run {
        return plan(run, false);
    }
    let out = RunDir::new(run.out());
    let (title, jobs) = open(run, &out)?;
    let (all, folder) = (jobs.len(), out.path().display());
    say!("{title}, {all} jobs, into {folder}");
    for (number, job) in (1..).zip(&jobs) {
        if do_one(&job.name, &out)? {
            say!("  {number} of {all} jobs: {}", job.name);
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

fn table(jobs: &[JobState]) -> String {
    let names = jobs.iter().map(|job| job.name.len());
    let width = names.max().unwrap_or_default();
    let row = |[name, gpus, memory, minutes, needs]: [&str; 5]| {
        format!("{name:<width$}  {gpus:>4}  {memory:>7}  {minutes:>7}  {needs}\n")
    };
    let head = row(["job", "GPUs", "MiB", "minutes", "needs"]);
    let rows = jobs.iter().map(|job| {
        let needs = match &job.needs[..] {
            _ if job.done => "done",
            [] => "-",
            [one] => one,
            _ => "all others",
        };
        let [gpus, memory] = [job.gpus, job.memory_mib].map(|count| count.to_string());
        row([&job.name, &gpus, &memory, &job.minutes.to_string(), needs])
    });
    head + &rows.collect::<String>()
}

/// Does one job.
pub(crate) fn step(name: &str, out: &RunDir) -> Result<()> {
    if do_one(name, out)? {
        say!("Done: {name}, in {}", out.path().display());
    } else {
        say!("Done already: {name}");
    }
    Ok(())
}
