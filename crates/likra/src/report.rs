//! `likra report`: the page, tables and figures of a run from its scores, without a model.

use std::path::Path;

use anyhow::{Context as _, Result};
use likra_analysis::html::CostRow;
use likra_analysis::{Facts, Negative, Replicate, ScoreTable, Study, summary, write_report};
use likra_results::{Manifest, RunDir, ScoreRecord, read_rows};

use crate::experiment::{Answers, Benchmark, Experiment, Shots, Trained};
use crate::steps;

/// Redraws the report of the run in `dir` from its scores.
pub(crate) fn run(dir: &Path) -> Result<()> {
    let run = RunDir::new(dir);
    println!("{}", draw(&run)?);
    eprintln!("The report: {}", run.report().join("index.html").display());
    Ok(())
}

/// Writes the report of a run and returns its summary.
///
/// From the scores that its experiment names, as far as they are there: its folder may hold others, of a run
/// with more examples, and the run need not be at its end.
pub(crate) fn draw(run: &RunDir) -> Result<String> {
    let manifest = Manifest::read(&run.manifest())?;
    let experiment = manifest.experiment.clone().try_into();
    let experiment: Experiment =
        experiment.with_context(|| run.manifest().display().to_string())?;
    let scores = Scores::read(run, &experiment)?;
    let facts = facts(run, &manifest, &experiment, &scores)?;
    let study = scores.study(&experiment)?;
    write_report(&run.report(), &study, &facts)?;
    Ok(summary(&study))
}

/// The scores of a run, and how many of them are missing yet.
struct Scores {
    base: Vec<ScoreRecord>,
    /// Of each head, replicates too.
    heads: Vec<(Trained, Vec<ScoreRecord>)>,
    missing: usize,
    all: usize,
}

impl Scores {
    fn read(run: &RunDir, experiment: &Experiment) -> Result<Self> {
        let mut base = read_rows::<ScoreRecord>(&run.base_scores())?;
        let alone = run.answer_only_scores();
        if alone.exists() {
            base.extend(read_rows::<ScoreRecord>(&alone)?);
        }
        let (mut heads, mut missing, mut all) = (Vec::new(), 0, 0);
        for head in experiment.trained() {
            let mut records = Vec::new();
            for examples in experiment.checkpoints(&head) {
                all += 1;
                let path = run.scores(&head.name, examples)?;
                if path.exists() {
                    records.extend(read_rows::<ScoreRecord>(&path)?);
                } else {
                    missing += 1;
                }
            }
            heads.push((head, records));
        }
        Ok(Self {
            base,
            heads,
            missing,
            all,
        })
    }

    fn study(&self, experiment: &Experiment) -> Result<Study> {
        let own = self.heads.iter().filter(|(head, _)| !head.replicate);
        let own = own.flat_map(|(_, records)| records);
        let table = ScoreTable::new(&[&self.base[..], &own.cloned().collect::<Vec<_>>()].concat())?;
        let negatives = self.heads.iter().map(|(head, _)| head);
        let negatives = negatives.filter(|head| !head.replicate && head.name != "positive");
        Ok(Study {
            replicates: self.replicates(experiment, &table)?,
            seed: experiment.seed,
            negatives: negatives.map(negative).collect(),
            weights: experiment.analysis.weights.clone(),
            norm: experiment.analysis.normalisation,
            benchmark: experiment.benchmark.in_paper().map(String::from),
            model: experiment.analysis.paper_model.clone(),
            table,
        })
    }

    /// The seeds of which anything was scored.
    fn replicates(&self, experiment: &Experiment, table: &ScoreTable) -> Result<Vec<Replicate>> {
        let Some(replicates) = &experiment.replicates else {
            return Ok(Vec::new());
        };
        let count = replicates.questions.unwrap_or(table.questions().len());
        let asked = table.questions().iter().take(count);
        let asked: std::collections::HashSet<&str> = asked.map(|asked| asked.id.as_str()).collect();
        let base = self.base.iter();
        let base = base.filter(|record| asked.contains(record.question_id.as_str()));
        let base: Vec<ScoreRecord> = base.cloned().collect();
        let mut found = Vec::new();
        for &seed in &replicates.seeds {
            let heads = self.heads.iter();
            let heads = heads.filter(|(head, _)| head.replicate && head.seed == seed);
            let records: Vec<ScoreRecord> =
                heads.flat_map(|(_, records)| records.clone()).collect();
            if !records.is_empty() {
                let table = ScoreTable::new(&[&base[..], &records].concat())?;
                found.push(Replicate { seed, table });
            }
        }
        Ok(found)
    }
}

fn negative(head: &Trained) -> Negative {
    let kind = match head.answers {
        Answers::Correct => "correct",
        Answers::Incorrect => "incorrect",
        Answers::Irrelevant => "irrelevant",
        Answers::Unrelated => "unrelated",
        Answers::Hardest => "hardest",
        Answers::Easiest => "easiest",
    };
    // A head that learns right answers is a control, whatever it is called.
    let contamination = match head.answers {
        Answers::Correct => 1.0,
        _ => head.contamination,
    };
    let label = match contamination {
        0.0 if kind == head.name => kind.into(),
        0.0 => head.name.clone(),
        _ => format!("SFT − {}", head.name),
    };
    Negative {
        head: head.name.clone(),
        label,
        contamination,
    }
}

/// What the page says of the run itself.
fn facts(
    run: &RunDir,
    manifest: &Manifest,
    experiment: &Experiment,
    scores: &Scores,
) -> Result<Facts> {
    let mut settings = Vec::new();
    flatten("", &manifest.experiment, &mut settings);
    settings.retain(|(name, _)| name != "title");
    settings.push(("computed on".into(), manifest.device.clone()));
    let mut versions = vec![("likra".to_owned(), manifest.likra.clone())];
    versions.extend(manifest.versions.clone());
    let inputs = manifest.inputs.iter();
    let inputs = inputs.map(|input| (input.name.clone(), input.sha256.clone(), input.bytes));
    Ok(Facts {
        title: experiment.title.clone(),
        lead: lead(manifest, experiment, scores),
        settings,
        versions,
        inputs: inputs.collect(),
        cost: cost(run, experiment)?,
        command: manifest.command.clone(),
    })
}

fn lead(manifest: &Manifest, experiment: &Experiment, scores: &Scores) -> String {
    let evaluation = &experiment.evaluation;
    let shots = match (evaluation.num_shots, evaluation.shots) {
        (0, _) => "asked without examples".to_owned(),
        (shots, Shots::Fixed) => format!("each after the same {shots} solved ones"),
        (shots, Shots::PerQuestion) => format!("each after {shots} solved ones of its own"),
    };
    let heads = scores.heads.iter().filter(|(head, _)| !head.replicate);
    let rest = match scores.missing {
        0 => String::new(),
        missing => format!(
            " The run is not at its end: {missing} of its {} checkpoints are not scored yet.",
            scores.all
        ),
    };
    let asked = match (experiment.questions(), manifest.questions.test) {
        (asked, all) if asked < all => format!("the first {asked} of {all} test questions"),
        (_, all) => format!("{all} test questions"),
    };
    let part = part(experiment.benchmark, manifest.questions.training)
        .map_or_else(String::new, |part| format!(" {part}"));
    format!(
        "What {} heads learn from up to {} examples each, on {asked}, {shots}.{part} Computed on {} by likra {}.{rest}",
        heads.count(),
        experiment.examples_at_most(),
        manifest.device,
        manifest.likra
    )
}

/// That the training files are not all that the paper trains on, if so.
pub(crate) fn part(benchmark: Benchmark, training: usize) -> Option<String> {
    let all = benchmark
        .training_in_paper()
        .filter(|all| training < *all)?;
    Some(format!(
        "The training set is a part of the paper's: {training} of {all} questions."
    ))
}

/// Settings as `table.key` and value.
fn flatten(prefix: &str, table: &toml::Table, settings: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let name = format!("{prefix}{key}");
        match value {
            toml::Value::Table(inner) => flatten(&format!("{name}."), inner, settings),
            toml::Value::String(text) => settings.push((name, text.clone())),
            other => settings.push((name, other.to_string())),
        }
    }
}

/// What took how long, by the stamps of the steps that are done.
fn cost(run: &RunDir, experiment: &Experiment) -> Result<Vec<CostRow>> {
    let took = |names: &[String]| -> Result<f64> {
        let mut sum = 0.0;
        for name in names {
            sum += steps::seconds(&run.step(name)?).unwrap_or(0.0);
        }
        Ok(sum)
    };
    let base = ["score-base", "score-answer-only", "score-base-train"].map(String::from);
    let mut rows = vec![CostRow {
        what: "scoring by the base".into(),
        seconds: took(&base)?,
    }];
    for head in experiment.trained() {
        let name = &head.name;
        let checkpoints = experiment.checkpoints(&head);
        let scored: Vec<String> = checkpoints
            .iter()
            .map(|examples| format!("score-{name}-n{examples:05}"))
            .collect();
        rows.push(CostRow {
            what: format!("training {name}, {} examples", head.examples),
            seconds: took(&[format!("train-{name}")])?,
        });
        rows.push(CostRow {
            what: format!("scoring by {name}, {} checkpoints", scored.len()),
            seconds: took(&scored)?,
        });
    }
    rows.retain(|row| row.seconds > 0.0);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_papers_training_set_is_called_one() {
        let partial = part(Benchmark::Hellaswag, 3368).unwrap();
        assert!(partial.contains("3368 of 39905"), "{partial}");
        assert_eq!(part(Benchmark::Hellaswag, 39905), None);
        assert_eq!(part(Benchmark::Arc, 6615), None);
        assert_eq!(part(Benchmark::ArcFormat, 1), None);
    }
}
