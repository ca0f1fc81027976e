//! The report of a run from its scores, without a model.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use likra_analysis::{Method, Negative, POSITIVE, Replicate, ScoreTable, Study, findings, summary};
use likra_data::{Answers, InPaper, ShotRule, open_task};
use likra_report::{CostRow, Facts, write_report};
use likra_results::{ANSWER_ONLY, BASE, Manifest, P_TRUE, RunDir, ScoreRecord, Stamp, read_rows};
use likra_train::Objective;

use crate::{Experiment, Head};

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
    let experiment = Experiment::of_run(&manifest);
    let experiment = experiment.with_context(|| run.manifest().display().to_string())?;
    let mut files = Files::default();
    let study = study(run, &experiment, &mut files)?;
    let findings = findings(&study);
    let Experiment { spec, heads, .. } = &experiment;
    let own = heads.iter().filter(|head| !head.replicate);
    let evaluation = &spec.evaluation;
    let part = part_of_paper(&spec.task, manifest.questions.training);
    let work = work(run, heads);
    let cost = work.iter().map(|(what, name, stamps)| CostRow {
        what: what.clone(),
        answer_tokens: stamps.iter().find_map(|stamp| stamp.answer_tokens),
        parameters: name.and_then(|name| manifest.adapter_parameters.get(name).copied()),
        seconds: stamps.iter().map(|stamp| stamp.seconds).sum(),
        memory_mib: stamps.iter().filter_map(|stamp| stamp.memory_mib).max(),
    });
    let remark = [part, mixed(&work)].into_iter().flatten();
    let facts = Facts {
        title: spec.title.clone(),
        heads: (own.count(), spec.examples.unwrap_or_default()),
        questions: experiment.questions,
        shots: (evaluation.num_shots, evaluation.shots == ShotRule::Fixed),
        remark: remark.reduce(|one, other| format!("{one} {other}")),
        missing: (files.missing, files.all),
        cost: cost.filter(|row| row.seconds > 0.0).collect(),
        manifest,
    };
    write_report(&run.report(), &findings, &facts)?;
    let unfinished = facts.unfinished().map(|sentence| sentence + "\n");
    Ok(summary(&findings) + &unfinished.unwrap_or_default())
}

/// The files of scores that a run's experiment names.
#[derive(Default)]
struct Files {
    all: usize,
    missing: usize,
}

impl Files {
    /// What is in the file; nothing if it is missing.
    fn read(&mut self, path: &Path) -> Result<Vec<ScoreRecord>> {
        self.all += 1;
        if path.exists() {
            return Ok(read_rows(path)?);
        }
        self.missing += 1;
        Ok(Vec::new())
    }
}

/// The scores of a run, as far as they are there.
fn study(run: &RunDir, experiment: &Experiment, files: &mut Files) -> Result<Study> {
    let Experiment { spec, heads, .. } = experiment;
    let mut base: Vec<ScoreRecord> = read_rows(&run.base_scores())?;
    for path in [run.answer_only_scores(), run.p_true_scores()] {
        if path.exists() {
            base.extend(read_rows::<ScoreRecord>(&path)?);
        }
    }
    // Those of replicates by seed, those of others under none.
    let mut scores = BTreeMap::<_, Vec<ScoreRecord>>::new();
    for head in heads {
        let seed = head.replicate.then_some(head.seed);
        let records = scores.entry(seed).or_default();
        for &examples in &head.checkpoints {
            records.extend(files.read(&run.scores(&head.name, examples))?);
        }
    }
    let mut replicates = Vec::new();
    for &seed in spec.replicates.iter().flat_map(|again| &again.seeds) {
        let records = scores.remove(&Some(seed)).unwrap_or_default();
        if records.is_empty() {
            continue;
        }
        let asked: HashSet<&str> = records.iter().map(|r| &*r.question_id).collect();
        let base = base.iter();
        let base = base.filter(|record| asked.contains(&*record.question_id));
        let table = ScoreTable::new(base.chain(&records))?;
        replicates.push(Replicate { seed, table });
    }
    let selection = spec.selection.as_ref();
    let aside = selection.map(|_| aside(run, heads, files));
    let own = heads.iter();
    let own = own.filter(|head| !head.replicate && head.variant.is_none());
    let others = own.filter(|head| head.name != POSITIVE);
    let (negatives, rivals): (Vec<&Head>, Vec<&Head>) =
        others.partition(|head| head.training.objective == Objective::Likelihood);
    let variants = heads.iter().filter_map(|head| head.variant.clone());
    Ok(Study {
        table: ScoreTable::new(base.iter().chain(scores.values().flatten()))?,
        aside: aside.transpose()?.flatten(),
        replicates,
        seed: spec.seed,
        negatives: negatives.into_iter().map(negative).collect(),
        rivals: rivals.into_iter().flat_map(rival).collect(),
        variants: variants.collect::<BTreeSet<_>>().into_iter().collect(),
        weights: spec.analysis.weights.clone(),
        norm: spec.analysis.normalisation,
        benchmark: in_paper(&spec.task).map(|paper| paper.name),
        model: spec.analysis.paper_model.clone(),
    })
}

/// The scores of the questions that are set aside, once the base has them.
fn aside(run: &RunDir, heads: &[Head], files: &mut Files) -> Result<Option<ScoreTable>> {
    let own = heads.iter().filter(|head| !head.replicate);
    let last = own.filter_map(|head| Some((&*head.name, *head.checkpoints.last()?)));
    let base = files.read(&run.aside_scores(BASE, 0))?;
    let mut records = base.clone();
    for (head, examples) in last {
        records.extend(files.read(&run.aside_scores(head, examples))?);
    }
    let table = (!base.is_empty()).then(|| ScoreTable::new(&records));
    Ok(table.transpose()?)
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

fn rival(head: &Head) -> Vec<Method> {
    let (objective, beta) = (head.training.objective, head.training.beta);
    match objective.has_reward() {
        true => vec![Method::reward(&head.name)],
        false => Method::rivals(&head.name, objective.has_reference().then_some(beta)).into(),
    }
}

/// Says that the training files are only a part of what the paper trains on, if they are.
pub fn part_of_paper(task: &str, training: usize) -> Option<String> {
    let all = in_paper(task)?.questions;
    (training < all).then(|| {
        format!("The training set is a part of the paper's: {training} of {all} questions.")
    })
}

/// What the paper says of a task; nothing if its file is not there any more.
fn in_paper(task: &str) -> Option<InPaper> {
    let tasks = open_task(task).ok()?;
    tasks.into_iter().next()?.paper
}

/// A part of a run's work in words, the head that is trained in it, and the stamps of what is done of it.
type Work<'a> = (String, Option<&'a str>, Vec<Stamp>);

/// What there was to do, the base's part first.
fn work<'a>(run: &RunDir, heads: &'a [Head]) -> Vec<Work<'a>> {
    let stamps = |names: Vec<String>| -> Vec<Stamp> {
        let stamps = names.iter().map(|name| Stamp::read(&run.step(name)));
        stamps.flatten().collect()
    };
    let base = [BASE, ANSWER_ONLY, P_TRUE, "base-train", "base-n00000-aside"];
    let base = base.map(|name| format!("score-{name}"));
    let mut work = vec![("scoring by the base".into(), None, stamps(base.into()))];
    for head in heads {
        let (name, examples, checkpoints) = (&*head.name, head.examples, &head.checkpoints);
        let what = format!("training {name}, {examples} examples");
        work.push((what, Some(name), stamps(vec![format!("train-{name}")])));
        let scores = checkpoints.iter().map(|n| format!("score-{name}-n{n:05}"));
        let last = checkpoints.last();
        let aside = last.map(|n| format!("score-{name}-n{n:05}-aside"));
        let what = format!("scoring by {name}, {} checkpoints", checkpoints.len());
        work.push((what, None, stamps(scores.chain(aside).collect())));
    }
    work
}

/// Says that parts of the run were computed by hardware that rounds differently, if they were.
fn mixed(work: &[Work]) -> Option<String> {
    let found = work.iter().flat_map(|(.., stamps)| stamps);
    let found = found.map(|stamp| &*stamp.hardware);
    let kinds: BTreeSet<&str> = found.filter(|kind| !kind.is_empty()).collect();
    let kinds = Vec::from_iter(kinds);
    (kinds.len() > 1).then(|| {
        format!(
            "Parts of it were computed by different hardware, which rounds differently: {}.",
            kinds.join("; ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_papers_training_set_is_called_one() {
        let partial = part_of_paper("hellaswag", 3368).unwrap();
        assert!(partial.contains("3368 of 39905"), "{partial}");
        assert_eq!(part_of_paper("hellaswag", 39905), None);
        assert_eq!(part_of_paper("arc", 6615), None);
        assert_eq!(part_of_paper("arc_challenge", 1), None);
    }
}
