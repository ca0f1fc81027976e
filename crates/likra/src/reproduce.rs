//! `likra reproduce`: an experiment from its files to its report.

use std::time::Instant;

use anyhow::{Context as _, Result};
use likra_experiment::{Run, draw, part_of_paper, peak_memory};
use likra_report::humantime;
use tempfile::TempDir;

use crate::cli::ReproduceArgs;
use crate::command::{command, words};
use crate::jobs;
use crate::progress::{listener, print, say};

/// Runs an experiment and prints what it found; or says what that would be.
pub(crate) fn run(arguments: &ReproduceArgs) -> Result<()> {
    if arguments.run.study().is_some() {
        return jobs::study(arguments);
    }
    let started = Instant::now();
    let (spec, out) = (arguments.run.spec()?, arguments.run.out());
    let show = listener();
    // What the program carries is unpacked elsewhere if a dry run is to leave nothing.
    let scratch = arguments.dry_run.then(tempfile::tempdir).transpose();
    let scratch = scratch.context("a temporary folder")?;
    let run = Run::open(spec, &out, scratch.as_ref().map(TempDir::path), &show)?;
    if arguments.dry_run {
        return print(&run.describe()?);
    }
    let _claims = run.begin(&command(words()), arguments.fresh)?;
    let (spec, device) = (&run.inputs.experiment.spec, &run.inputs.base.placement.name);
    say!("{}, on {device}, into {}", spec.title, out.display());
    if let Some(part) = part_of_paper(&spec.task, run.inputs.benchmark.train().len()) {
        say!("  {part}");
    }
    run.run_all()?;
    print(&format_args!("{}\n", draw(&run.dir)?))?;
    let memory = peak_memory().map(|peak| format!(", at most {peak} MiB of memory"));
    let (took, memory) = (humantime(started.elapsed()), memory.unwrap_or_default());
    let page = run.dir.report().join("index.html");
    say!("Done in {took}{memory}. The report: {}", page.display());
    Ok(())
}
