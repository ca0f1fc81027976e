//! `likra plan` and `likra step`: a run as jobs, for an engine that gives them to machines.

use std::fmt::Write as _;

use anyhow::Result;
use likra_experiment::{JobState, RunPlan};
use likra_results::RunDir;
use serde_json::json;

use crate::cli::{PlanArgs, StepArgs};
use crate::progress::{listener, print, say};
use crate::reproduce::{command, words};

/// Prints the jobs of a run.
pub(crate) fn plan(arguments: &PlanArgs) -> Result<()> {
    let (spec, out) = (arguments.run.spec()?, RunDir::new(arguments.run.out()));
    let plan = RunPlan::open(spec, &command(words()), &out, &listener())?;
    let (title, path, jobs) = (&plan.spec.title, out.path(), plan.jobs(&out));
    if arguments.json {
        let plan = json!({"title": title, "out": path, "jobs": jobs});
        return print(&format_args!("{plan}\n"));
    }
    print(&format_args!("{title}\n{}", table(&jobs)?))?;
    say!("`likra step JOB --out {}` does one.", path.display());
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
    match RunPlan::read(&out)?.step(name, &out, &listener())? {
        true => say!("Done: {name}, in {}", out.path().display()),
        false => say!("Done already: {name}"),
    }
    Ok(())
}
