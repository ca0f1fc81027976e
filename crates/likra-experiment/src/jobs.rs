//! The jobs of an experiment, each with the files that it leaves and a key for each of them: what is
//! done is known before anything is done.
//!
//! A key is a hash of inputs and settings, not of what earlier work has left. So scores stay done even
//! if the adapters that they were made with are deleted.

use std::path::PathBuf;

use likra_data::{Answers, Draw};
use likra_lora::LoraConfig;
use likra_results::{ANSWER_ONLY, BASE, RunDir, Stamp, sha256};
use likra_train::TrainSettings;
use serde::Serialize;
use toml::{Table, Value};

use crate::device::Placement;
use crate::error::Result;
use crate::experiment::{Experiment, Head};
use crate::inputs::{Hashes, Inputs};

/// Raised when the same inputs and settings give other numbers than before, so that older runs are
/// not continued.
const VERSION: i64 = 2;

/// A part of an experiment that one process can do.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its name: `base`, a head's name, or `report`.
    pub name: String,
    /// The names of the jobs that must be done before it.
    pub needs: Vec<String>,
    /// What is done.
    pub work: Work,
    /// The files of scores that it leaves.
    pub scores: Vec<Product>,
}

/// What is done in a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// The base answers the test questions, and ranks answers that heads are to learn.
    ScoreBase,
    /// A head is trained, and answers the test questions at each of its checkpoints.
    Head(Head),
    /// The tables and figures are drawn. This is never done: it takes no time and no model.
    Report,
}

/// A file that is made once.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// The name of its stamp.
    pub stamp: String,
    /// The hash of all that decides its content.
    pub key: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What is asked for it.
    pub asked: Asked,
    /// How many examples the head has seen; 0 for the base.
    pub examples: usize,
}

/// What a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asked {
    /// The first test questions.
    Test(usize),
    /// The candidates of the test questions, with no question.
    AnswerOnly,
    /// Training questions, to rank their wrong choices.
    Ranking,
}

impl Product {
    /// Whether the file is there, made of the same inputs and settings.
    pub(crate) fn is_done(&self, run: &RunDir) -> Result<bool> {
        let stamp = Stamp::read(&run.step(&self.stamp)?);
        Ok(self.path.exists() && stamp.is_some_and(|stamp| stamp.key == self.key))
    }
}

impl Job {
    /// The files that are still to be made.
    pub(crate) fn missing(&self, run: &RunDir) -> Result<Vec<&Product>> {
        let mut missing = Vec::new();
        for product in &self.scores {
            if !product.is_done(run)? {
                missing.push(product);
            }
        }
        Ok(missing)
    }
}

/// What keys are made of.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a> {
    pub(crate) experiment: &'a Experiment,
    pub(crate) inputs: &'a Inputs,
    pub(crate) placement: &'a Placement,
}

impl Keys<'_> {
    /// All jobs in the order of work.
    pub(crate) fn jobs(&self, run: &RunDir) -> Result<Vec<Job>> {
        let heads = &self.experiment.heads;
        let mut jobs = vec![self.base(run)?];
        for head in heads {
            jobs.push(self.head(run, head)?);
        }
        let all = jobs.iter().map(|job| job.name.clone()).collect();
        jobs.push(Job {
            name: "report".into(),
            needs: all,
            work: Work::Report,
            scores: Vec::new(),
        });
        Ok(jobs)
    }

    fn base(&self, run: &RunDir) -> Result<Job> {
        let asked = Asked::Test(self.experiment.questions);
        let product = |name: &str, path, asked| -> Result<Product> {
            Ok(Product {
                stamp: format!("score-{name}"),
                key: self.base_key(asked)?,
                path,
                asked,
                examples: 0,
            })
        };
        let mut scores = vec![
            product(BASE, run.base_scores(), asked)?,
            product(ANSWER_ONLY, run.answer_only_scores(), Asked::AnswerOnly)?,
        ];
        if self
            .experiment
            .heads
            .iter()
            .any(|head| head.answers.is_ranked())
        {
            let path = run.training_scores();
            scores.push(product("base-train", path, Asked::Ranking)?);
        }
        Ok(Job {
            name: BASE.into(),
            needs: Vec::new(),
            work: Work::ScoreBase,
            scores,
        })
    }

    fn head(&self, run: &RunDir, head: &Head) -> Result<Job> {
        let training = self.training_key(head)?;
        let asked = Asked::Test(head.questions);
        let product = |&examples: &usize| -> Result<Product> {
            let mut parts = self.asked(asked)?;
            add(&mut parts, "head", &training)?;
            add(&mut parts, "examples", examples)?;
            Ok(Product {
                stamp: format!("score-{}-n{examples:05}", head.name),
                key: key(&parts)?,
                path: run.scores(&head.name, examples)?,
                asked,
                examples,
            })
        };
        let ranked = head.answers.is_ranked();
        Ok(Job {
            name: head.name.clone(),
            needs: ranked.then(|| BASE.into()).into_iter().collect(),
            work: Work::Head(head.clone()),
            scores: head
                .checkpoints
                .iter()
                .map(product)
                .collect::<Result<_>>()?,
        })
    }

    fn base_key(&self, asked: Asked) -> Result<String> {
        let mut parts = self.asked(asked)?;
        add(&mut parts, "head", BASE)?;
        key(&parts)
    }

    /// The key of a head's checkpoints.
    pub(crate) fn training_key(&self, head: &Head) -> Result<String> {
        let spec = &self.experiment.spec;
        let (hashes, placement) = (&self.inputs.hashes, self.placement);
        training_key(
            hashes,
            placement,
            &spec.training,
            &spec.lora,
            &head.draw(spec),
        )
    }

    /// What decides the scores of a file beside the head.
    fn asked(&self, asked: Asked) -> Result<Table> {
        let spec = &self.experiment.spec;
        let hashes = &self.inputs.hashes;
        let mut parts = computed(hashes, self.placement)?;
        add(&mut parts, "unrelated", &hashes["unrelated"])?;
        match asked {
            Asked::Ranking => {
                let ranked = self.experiment.heads.iter();
                let ranked = ranked.filter(|head| head.answers.is_ranked());
                let seen: Vec<String> = ranked
                    .map(|head| format!("{} of seed {}", head.examples, head.seed))
                    .collect();
                add(&mut parts, "ranking", seen)?;
                add(&mut parts, "bos", spec.training.bos)?;
            }
            Asked::Test(questions) => {
                let mut evaluation = spec.evaluation.clone();
                evaluation.questions = Some(questions);
                add(&mut parts, "evaluation", evaluation)?;
            }
            Asked::AnswerOnly => {
                add(&mut parts, "answer-only", self.experiment.questions)?;
                add(&mut parts, "bos", spec.evaluation.bos)?;
            }
        }
        Ok(parts)
    }
}

/// The key of a head's checkpoints, however many there are and whatever other heads there are.
///
/// # Errors
///
/// If a setting cannot be written as TOML.
pub fn training_key(
    hashes: &Hashes,
    placement: &Placement,
    settings: &TrainSettings,
    lora: &LoraConfig,
    draw: &Draw,
) -> Result<String> {
    let mut parts = computed(hashes, placement)?;
    if draw.answers == Answers::Unrelated {
        add(&mut parts, "unrelated", &hashes["unrelated"])?;
    }
    add(&mut parts, "training", settings)?;
    add(&mut parts, "lora", lora)?;
    add(&mut parts, "wrong-answer", draw.wrong)?;
    add(&mut parts, "answers", draw.answers)?;
    add(&mut parts, "contamination", draw.contamination)?;
    add(&mut parts, "seed", draw.seed)?;
    key(&parts)
}

/// What every number depends on: the files and how they are computed with.
fn computed(hashes: &Hashes, placement: &Placement) -> Result<Table> {
    let mut parts = Table::new();
    add(&mut parts, "version", VERSION)?;
    for group in ["model", "tokenizer", "data"] {
        add(&mut parts, group, &hashes[group])?;
    }
    add(&mut parts, "device", placement.kind)?;
    add(&mut parts, "dtype", placement.dtype)?;
    Ok(parts)
}

fn add(parts: &mut Table, name: &str, value: impl Serialize) -> Result<()> {
    parts.insert(name.into(), Value::try_from(value)?);
    Ok(())
}

/// The hash of the parts' TOML, whose keys stand in order.
fn key(parts: &Table) -> Result<String> {
    Ok(sha256(toml::to_string(parts)?.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key is made of TOML, which has the names that users see, and not of Rust's names of fields. If
    /// this changes without need, every run in the world is computed again.
    #[test]
    fn a_key_is_the_hash_of_canonical_toml() {
        let mut parts = Table::new();
        add(&mut parts, "training", TrainSettings::default()).unwrap();
        add(&mut parts, "answers", Answers::Correct).unwrap();
        let text = "answers = \"correct\"\n\n[training]\nbatch-size = 8\nbos = \"auto\"\n\
                    first-checkpoint = 32\nlearning-rate = 0.0001\nmax-grad-norm = 1.0\n\
                    weight-decay = 0.0\n";
        assert_eq!(toml::to_string(&parts).unwrap(), text);
        assert_eq!(key(&parts).unwrap(), sha256(text.as_bytes()));
        let mut reversed = Table::new();
        for (name, value) in parts.iter().rev() {
            reversed.insert(name.clone(), value.clone());
        }
        assert_eq!(key(&reversed).unwrap(), key(&parts).unwrap());
    }
}
