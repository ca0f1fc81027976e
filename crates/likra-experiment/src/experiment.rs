//! An experiment, resolved: nothing is optional any more.

use anyhow::{Context as _, Result};
use likra_analysis::{NEGATIVE, POSITIVE};
use likra_data::{Answers, HARNESS_SEED, ShotRule};
use likra_lora::LoraConfig;
use likra_results::Manifest;
use likra_train::{Objective, TrainSettings};

use crate::{HeadSpec, Spec};

/// An experiment with its numbers of examples and questions as the benchmark has them.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// All keys, with every number filled in: what `run.toml` has.
    pub spec: Spec,
    /// The heads in the order of work, replicates last.
    pub heads: Vec<Head>,
    /// How many test questions are asked.
    pub questions: usize,
}

/// A head that is to be trained: one of an experiment, from one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The name of its folder and files.
    pub name: String,
    /// The experiment's name for it, which replicates share.
    pub role: String,
    /// Whether it is one of the replicates.
    pub replicate: bool,
    /// What its name ends with, if it is there to choose settings by.
    pub variant: Option<String>,
    /// Which answers it learns.
    pub answers: Answers,
    /// The share of its answers that are replaced by right ones.
    pub contamination: f64,
    /// How it is trained.
    pub training: TrainSettings,
    /// The shape of its adapter.
    pub lora: LoraConfig,
    /// Decides the order of its examples, its draws and its initial adapter.
    pub seed: u32,
    /// How many examples it sees.
    pub examples: usize,
    /// How many test questions it is asked.
    pub questions: usize,
    /// The numbers of examples after which it is scored; after 0 it is the base.
    pub checkpoints: Vec<usize>,
}

impl Experiment {
    /// Resolves `spec` for a benchmark with so many training and test questions.
    pub(crate) fn new(mut spec: Spec, training: usize, test: usize) -> Self {
        let at_most = |asked: Option<usize>, all: usize| asked.map_or(all, |asked| asked.min(all));
        let examples = at_most(spec.examples, training.saturating_mul(spec.training.epochs));
        let questions = at_most(spec.evaluation.questions, test);
        spec.examples = Some(examples);
        let evaluation = &mut spec.evaluation;
        evaluation.questions = Some(questions);
        if evaluation.shots == ShotRule::PerQuestion {
            evaluation.shot_seed = evaluation.shot_seed.or(Some(HARNESS_SEED));
        }
        if let Some(ids) = &mut evaluation.shot_ids {
            ids.truncate(evaluation.num_shots);
        }
        for head in spec.heads.values_mut() {
            head.examples = Some(at_most(head.examples, examples));
        }
        if let Some(replicates) = &mut spec.replicates {
            replicates.examples = Some(at_most(replicates.examples, examples));
            replicates.questions = Some(at_most(replicates.questions, questions));
        }
        Self {
            heads: heads(&spec, questions),
            spec,
            questions,
        }
    }

    /// The heads of answers that the base ranks.
    pub(crate) fn ranked(&self) -> impl Iterator<Item = &Head> {
        self.heads.iter().filter(|head| head.answers.is_ranked())
    }

    /// The experiment of a run, from its manifest.
    ///
    /// # Errors
    ///
    /// If the manifest's experiment is not one.
    pub fn of_run(manifest: &Manifest) -> Result<Self> {
        let spec: Spec = manifest.experiment.clone().try_into()?;
        let counts = spec.examples.zip(spec.evaluation.questions);
        let unresolved = "experiment: expected examples and evaluation.questions";
        let (examples, questions) = counts.context(unresolved)?;
        spec.check()?;
        Ok(Self::new(spec, examples, questions))
    }
}

impl Head {
    /// A head as `spec` has all of them. It is said to learn right answers, and is asked no questions.
    pub(crate) fn new(name: &str, spec: &Spec, examples: usize) -> Self {
        Self {
            name: name.into(),
            role: name.into(),
            replicate: false,
            variant: None,
            answers: Answers::Correct,
            contamination: 0.0,
            training: spec.training.clone(),
            lora: spec.lora.clone(),
            seed: spec.seed,
            examples,
            questions: 0,
            checkpoints: checkpoints(spec, examples),
        }
    }
}

/// The positive head, its negative, all others, those to choose settings by, and then the replicates.
fn heads(spec: &Spec, questions: usize) -> Vec<Head> {
    let head = |(name, own): (&String, &HeadSpec)| Head {
        answers: own.answers,
        contamination: own.contamination,
        training: own.training(&spec.training),
        lora: own.lora(&spec.lora),
        seed: own.seed.unwrap_or(spec.seed),
        questions,
        ..Head::new(name, spec, own.examples.unwrap_or_default())
    };
    let mut heads: Vec<Head> = spec.heads.iter().map(head).collect();
    heads.sort_by(|a, b| {
        let order = a.contamination.total_cmp(&b.contamination);
        order.then(a.answers.cmp(&b.answers))
    });
    let mut more = Vec::new();
    if let Some(selection) = &spec.selection {
        let is_chosen = |head: &&Head| {
            let objective = head.training.objective;
            [POSITIVE, NEGATIVE].contains(&&*head.role) || objective != Objective::Likelihood
        };
        for head in heads.iter().filter(is_chosen) {
            for (named, training) in selection.variants(&head.training) {
                let name = format!("{}{named}", head.name);
                more.push(Head {
                    role: name.clone(),
                    name,
                    variant: Some(named),
                    training,
                    checkpoints: head.checkpoints.last().copied().into_iter().collect(),
                    ..head.clone()
                });
            }
        }
    }
    if let Some(again) = &spec.replicates {
        for &seed in &again.seeds {
            let of_role = |role: &String| heads.iter().find(|head| head.role == *role);
            for head in again.heads.iter().filter_map(of_role) {
                let examples = again.examples.unwrap_or_default().min(head.examples);
                more.push(Head {
                    name: format!("{}-seed{seed}", head.role),
                    replicate: true,
                    seed,
                    examples,
                    questions: again.questions.unwrap_or_default(),
                    checkpoints: checkpoints(spec, examples),
                    ..head.clone()
                });
            }
        }
    }
    heads.extend(more);
    heads
}

fn checkpoints(spec: &Spec, examples: usize) -> Vec<usize> {
    let mut checkpoints = spec.training.checkpoints(examples);
    checkpoints.retain(|&examples| examples > 0);
    checkpoints
}
