//! `likra report`: tables and figures from a run's scores, without a model.

use std::path::Path;

use anyhow::{Context as _, Result};
use likra_analysis::{ScoreTable, summary, write_report};
use likra_results::{Manifest, RunDir, read_scores};

use crate::experiment::Experiment;

/// Redraws the report of the run in `dir` from its scores.
pub(crate) fn run(dir: &Path) -> Result<()> {
    let run = RunDir::new(dir);
    println!("{}", draw(&run)?);
    eprintln!("Tables and figures: {}", run.report().display());
    Ok(())
}

/// Writes the report of a run and returns its summary.
///
/// From the scores that its experiment names, as far as they are there: its folder may hold others, of a run
/// with more examples, and the run need not be at its end.
pub(crate) fn draw(run: &RunDir) -> Result<String> {
    let manifest = Manifest::read(&run.manifest())?;
    let experiment: Experiment = manifest
        .experiment
        .try_into()
        .with_context(|| run.manifest().display().to_string())?;
    let mut records = read_scores(&run.base_scores())?;
    for head in experiment.trained().iter().filter(|head| !head.replicate) {
        for examples in experiment.checkpoints(head) {
            let path = run.scores(&head.name, examples)?;
            if path.exists() {
                records.extend(read_scores(&path)?);
            }
        }
    }
    let table = ScoreTable::new(&records)?;
    let norm = experiment.analysis.normalisation;
    write_report(&run.report(), &table, &experiment.analysis.weights, norm)?;
    Ok(summary(&table, norm))
}
