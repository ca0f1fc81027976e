//! The report of a run from its scores, without a model.

use std::collections::HashSet;

use likra_analysis::{Negative, Replicate, ScoreTable, Study, findings, summary};
use likra_data::{Answers, Layout, ShotRule};
use likra_report::{CostRow, Facts, write_report};
use likra_results::{Manifest, RunDir, ScoreRecord, Stamp, read_rows};

use crate::error::{At as _, Result};
use crate::experiment::{Experiment, Head};

/// Writes the report of a run and returns its summary.
///
/// It is drawn from the scores that the run's experiment names, as far as they are there: the folder may
/// hold others, of a run with more examples, and the run need not be finished.
///
/// # Errors
///
/// If the folder is no run's, scores do not fit each other, or a file cannot be written.
pub fn draw(run: &RunDir) -> Result<String> {
    let manifest = Manifest::read(&run.manifest())?;
    let experiment = Experiment::of_run(&manifest).at(|| run.manifest().display().to_string())?;
    let scores = Scores::read(run, &experiment)?;
    let findings = findings(&scores.study(&experiment)?)?;
    write_report(
        &run.report(),
        &findings,
        &facts(run, &manifest, &experiment, &scores)?,
    )?;
    Ok(summary(&findings))
}

/// The scores of a run, and how many of them are missing yet.
struct Scores {
    base: Vec<ScoreRecord>,
    /// Of each head, replicates too.
    heads: Vec<(Head, Vec<ScoreRecord>)>,
    missing: usize,
    all: usize,
}

impl Scores {
    fn read(run: &RunDir, experiment: &Experiment) -> Result<Self> {
        let mut base: Vec<ScoreRecord> = read_rows(&run.base_scores())?;
        let alone = run.answer_only_scores();
        if alone.exists() {
            base.extend(read_rows::<ScoreRecord>(&alone)?);
        }
        let (mut heads, mut missing, mut all) = (Vec::new(), 0, 0);
        for head in &experiment.heads {
            let mut records = Vec::new();
            for &examples in &head.checkpoints {
                all += 1;
                let path = run.scores(&head.name, examples)?;
                if path.exists() {
                    records.extend(read_rows::<ScoreRecord>(&path)?);
                } else {
                    missing += 1;
                }
            }
            heads.push((head.clone(), records));
        }
        Ok(Self {
            base,
            heads,
            missing,
            all,
        })
    }

    fn study(&self, experiment: &Experiment) -> Result<Study> {
        let spec = &experiment.spec;
        let own = || self.heads.iter().filter(|(head, _)| !head.replicate);
        let mut records = self.base.clone();
        records.extend(own().flat_map(|(_, records)| records.clone()));
        let table = ScoreTable::new(&records)?;
        let negatives = own().filter(|(head, _)| head.name != "positive");
        Ok(Study {
            replicates: self.replicates(experiment, &table)?,
            seed: spec.seed,
            negatives: negatives.map(|(head, _)| negative(head)).collect(),
            weights: spec.analysis.weights.clone(),
            norm: spec.analysis.normalisation,
            benchmark: spec.benchmark.in_paper().map(String::from),
            model: spec.analysis.paper_model.clone(),
            table,
        })
    }

    /// The seeds of which anything was scored.
    fn replicates(&self, experiment: &Experiment, table: &ScoreTable) -> Result<Vec<Replicate>> {
        let Some(replicates) = &experiment.spec.replicates else {
            return Ok(Vec::new());
        };
        let count = replicates.questions.unwrap_or(table.questions().len());
        let asked = table.questions().iter().take(count);
        let asked: HashSet<&str> = asked.map(|question| question.id.as_str()).collect();
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

fn negative(head: &Head) -> Negative {
    // A head that learns right answers is a control, whatever it is called.
    let contamination = match head.answers {
        Answers::Correct => 1.0,
        _ => head.contamination,
    };
    let label = match contamination {
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
        title: experiment.spec.title.clone(),
        lead: lead(manifest, experiment, scores),
        settings,
        versions,
        inputs: inputs.collect(),
        cost: cost(run, experiment)?,
        command: manifest.command.clone(),
    })
}

fn lead(manifest: &Manifest, experiment: &Experiment, scores: &Scores) -> String {
    let evaluation = &experiment.spec.evaluation;
    let shots = match (evaluation.num_shots, evaluation.shots) {
        (0, _) => "with no solved examples before them".to_owned(),
        (shots, ShotRule::Fixed) => format!("each after the same {shots} solved examples"),
        (shots, ShotRule::PerQuestion) => format!("each after {shots} solved examples of its own"),
    };
    let heads = scores.heads.iter().filter(|(head, _)| !head.replicate);
    let rest = match scores.missing {
        0 => String::new(),
        missing => format!(
            " The run is not finished: {missing} of its {} checkpoints are not scored yet.",
            scores.all
        ),
    };
    let asked = match (experiment.questions, manifest.questions.test) {
        (asked, all) if asked < all => format!("the first {asked} of {all} test questions"),
        (_, all) => format!("{all} test questions"),
    };
    let part = part_of_paper(experiment.spec.benchmark, manifest.questions.training)
        .map_or_else(String::new, |part| format!(" {part}"));
    format!(
        "What {} heads learn from up to {} examples each, measured on {asked}, {shots}.{part} \
         Computed on {} by likra {}.{rest}",
        heads.count(),
        experiment.spec.examples.unwrap_or_default(),
        manifest.device,
        manifest.likra
    )
}

/// Says that the training files are only a part of what the paper trains on, if they are.
#[must_use]
pub fn part_of_paper(benchmark: Layout, training: usize) -> Option<String> {
    let all = benchmark.training_in_paper()?;
    (training < all).then(|| {
        format!("The training set is a part of the paper's: {training} of {all} questions.")
    })
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

/// What took how long, by the stamps of what is done.
fn cost(run: &RunDir, experiment: &Experiment) -> Result<Vec<CostRow>> {
    let mut rows = Vec::new();
    let mut row = |what: String, stamps: &[String]| -> Result<()> {
        let mut seconds = 0.0;
        for name in stamps {
            seconds += Stamp::read(&run.step(name)?).map_or(0.0, |stamp| stamp.seconds);
        }
        if seconds > 0.0 {
            rows.push(CostRow { what, seconds });
        }
        Ok(())
    };
    let base = ["score-base", "score-answer-only", "score-base-train"].map(String::from);
    row("scoring by the base".into(), &base)?;
    for head in &experiment.heads {
        let (name, examples) = (&head.name, head.examples);
        let trained = [format!("train-{name}")];
        row(format!("training {name}, {examples} examples"), &trained)?;
        let stamp = |examples: &usize| format!("score-{name}-n{examples:05}");
        let scored: Vec<String> = head.checkpoints.iter().map(stamp).collect();
        let what = format!("scoring by {name}, {} checkpoints", scored.len());
        row(what, &scored)?;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_papers_training_set_is_called_one() {
        let partial = part_of_paper(Layout::Hellaswag, 3368).unwrap();
        assert!(partial.contains("3368 of 39905"), "{partial}");
        assert_eq!(part_of_paper(Layout::Hellaswag, 39905), None);
        assert_eq!(part_of_paper(Layout::Arc, 6615), None);
        assert_eq!(part_of_paper(Layout::ArcFormat, 1), None);
    }
}
