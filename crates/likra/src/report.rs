//! `likra report`: tables and figures from a run's scores, without a model.

use std::path::Path;

use anyhow::{Context as _, Result};
use likra_analysis::{ScoreTable, summary, write_report};
use likra_results::{Manifest, RunDir, read_scores};

use crate::experiment::Experiment;

/// Redraws the report of the run in `dir` from its scores.
pub(crate) fn run(dir: &Path) -> Result<()> {
    let run = RunDir::new(dir);
    let manifest = Manifest::read(&run.manifest())?;
    let experiment: Experiment = manifest
        .experiment
        .try_into()
        .with_context(|| run.manifest().display().to_string())?;
    println!("{}", draw(&run, &experiment)?);
    eprintln!("Tables and figures: {}", run.report().display());
    Ok(())
}

/// Writes the report of a resolved experiment and returns its summary.
///
/// From the scores that the experiment names: its folder may hold others, of a run with more
/// examples.
pub(crate) fn draw(run: &RunDir, experiment: &Experiment) -> Result<String> {
    let mut records = read_scores(&run.base_scores())?;
    for head in &experiment.heads {
        for examples in experiment.checkpoints() {
            records.extend(read_scores(&run.scores(head.name(), examples)?)?);
        }
    }
    let table = ScoreTable::new(&records)?;
    let norm = experiment.analysis.normalisation;
    write_report(&run.report(), &table, &experiment.analysis.weights, norm)?;
    Ok(summary(&table, norm))
}
