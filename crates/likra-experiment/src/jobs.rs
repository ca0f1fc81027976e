//! The jobs of an experiment, each with the files that it leaves and a key for each of them: what is
//! done is known before anything is done.
//!
//! A key is a hash of inputs and settings, not of what earlier work has left. So scores stay done even
//! if the adapters that they were made with are deleted.

use std::path::PathBuf;

use likra_data::{Answers, Draw};
use likra_lora::LoraConfig;
use likra_model::Placement;
use likra_results::{ANSWER_ONLY, BASE, RunDir, Stamp, sha256};
use likra_train::TrainSettings;
use serde_json::{Value, json};

use crate::error::Result;
use crate::experiment::{Experiment, Head};
use crate::inputs::{Asked, Hashes, Inputs};

/// Raised when the same inputs and settings give other numbers than before, so that older runs are
/// not continued.
const VERSION: u32 = 3;

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
    /// A head is trained, and answers the test questions at each of its checkpoints. The key is that of
    /// its checkpoints.
    Head(Head, String),
    /// The tables and figures are drawn. This is never done: it takes no time and no model.
    Report,
}

/// A file that is made once.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Its stamp.
    pub stamp: PathBuf,
    /// The hash of all that decides its content.
    pub key: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What is asked for it.
    pub asked: Asked,
    /// How many examples the head has seen; 0 for the base.
    pub examples: usize,
}

impl Job {
    /// The files that are not there, or were made of other inputs or settings.
    #[must_use]
    pub fn missing(&self) -> Vec<&Product> {
        let is_done = |product: &Product| {
            let stamp = Stamp::read(&product.stamp);
            product.path.exists() && stamp.is_some_and(|stamp| stamp.key == product.key)
        };
        let scores = self.scores.iter();
        scores.filter(|product| !is_done(product)).collect()
    }
}

/// What keys are made of.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a> {
    pub(crate) experiment: &'a Experiment,
    pub(crate) inputs: &'a Inputs,
    pub(crate) placement: &'a Placement,
    pub(crate) dir: &'a RunDir,
}

impl Keys<'_> {
    /// All jobs in the order of work.
    pub(crate) fn jobs(&self) -> Result<Vec<Job>> {
        let mut jobs = vec![self.base()?];
        for head in &self.experiment.heads {
            jobs.push(self.head(head)?);
        }
        jobs.push(Job {
            name: "report".into(),
            needs: jobs.iter().map(|job| job.name.clone()).collect(),
            work: Work::Report,
            scores: Vec::new(),
        });
        Ok(jobs)
    }

    fn base(&self) -> Result<Job> {
        let Experiment {
            heads, questions, ..
        } = self.experiment;
        let product =
            |name: &str, path, asked| self.product(&format!("score-{name}"), path, asked, BASE, 0);
        let mut scores = vec![
            product(BASE, self.dir.base_scores(), Asked::Test(*questions))?,
            product(
                ANSWER_ONLY,
                self.dir.answer_only_scores(),
                Asked::AnswerOnly,
            )?,
        ];
        if heads.iter().any(|head| head.answers.is_ranked()) {
            scores.push(product(
                "base-train",
                self.dir.training_scores(),
                Asked::Ranking,
            )?);
        }
        Ok(Job {
            name: BASE.into(),
            needs: Vec::new(),
            work: Work::ScoreBase,
            scores,
        })
    }

    fn head(&self, head: &Head) -> Result<Job> {
        let (spec, hashes) = (&self.experiment.spec, &self.inputs.hashes);
        let (settings, lora) = (&spec.training, &spec.lora);
        let key = training_key(hashes, self.placement, settings, lora, &head.draw(spec))?;
        let mut scores = Vec::new();
        for &examples in &head.checkpoints {
            let stamp = format!("score-{}-n{examples:05}", head.name);
            let path = self.dir.scores(&head.name, examples);
            let asked = Asked::Test(head.questions);
            scores.push(self.product(&stamp, path, asked, &key, examples)?);
        }
        let ranked = head.answers.is_ranked();
        Ok(Job {
            name: head.name.clone(),
            needs: ranked.then(|| BASE.into()).into_iter().collect(),
            work: Work::Head(head.clone(), key),
            scores,
        })
    }

    /// A file of scores; `head` is the key of the head's checkpoints, or `base`.
    fn product(
        &self,
        stamp: &str,
        path: PathBuf,
        asked: Asked,
        head: &str,
        examples: usize,
    ) -> Result<Product> {
        let Experiment { spec, heads, .. } = self.experiment;
        let hashes = &self.inputs.hashes;
        let evaluation = &spec.evaluation;
        let what = match asked {
            Asked::Test(questions) => {
                let mut evaluation = evaluation.clone();
                evaluation.questions = Some(questions);
                // TOML leaves out what is absent.
                json!(toml::Value::try_from(evaluation)?)
            }
            Asked::AnswerOnly => json!([self.experiment.questions, evaluation.bos]),
            Asked::Ranking => {
                let ranked = heads.iter().filter(|head| head.answers.is_ranked());
                let seen: Vec<_> = ranked.map(|head| (head.examples, head.seed)).collect();
                json!([seen, spec.training.bos])
            }
        };
        let unrelated = &hashes["unrelated"];
        let decides =
            json!({"head": head, "examples": examples, "asked": what, "unrelated": unrelated});
        Ok(Product {
            key: key(hashes, self.placement, &decides)?,
            stamp: self.dir.step(stamp),
            path,
            asked,
            examples,
        })
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
    let mut decides = json!({
        "training": settings,
        "lora": lora,
        "wrong-answer": draw.wrong,
        "answers": draw.answers,
        "contamination": draw.contamination,
        "seed": draw.seed,
    });
    if draw.answers == Answers::Unrelated {
        decides["unrelated"] = json!(hashes["unrelated"]);
    }
    key(hashes, placement, &decides)
}

/// The hash of all that decides a result: what is special to it, the files, and what they are computed
/// with. It is that of a TOML text whose keys stand in order.
fn key(hashes: &Hashes, placement: &Placement, decides: &Value) -> Result<String> {
    let parts = toml::Value::try_from(json!({
        "version": VERSION,
        "model": hashes["model"],
        "tokenizer": hashes["tokenizer"],
        "data": hashes["data"],
        "device": placement.kind,
        "dtype": placement.dtype,
        "decides": decides,
    }))?;
    Ok(sha256(toml::to_string(&parts)?.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key is made of TOML, which has the names that users see, and not of Rust's names of fields. If
    /// this changes without need, every run in the world is computed again.
    #[test]
    fn a_key_is_the_hash_of_canonical_toml() {
        let hashes = ["model", "tokenizer", "data"].map(|name| (name, name.to_uppercase()));
        let placement = likra_model::DeviceName::Cpu.find().unwrap();
        let decides = json!({"training": TrainSettings::default(), "answers": Answers::Correct});
        let text = "data = \"DATA\"\ndevice = \"cpu\"\ndtype = \"f32\"\nmodel = \"MODEL\"\n\
                    tokenizer = \"TOKENIZER\"\nversion = 3\n\n[decides]\nanswers = \"correct\"\n\n\
                    [decides.training]\nbatch-size = 8\nbos = \"auto\"\nfirst-checkpoint = 32\n\
                    learning-rate = 0.0001\nmax-grad-norm = 1.0\ntoo-long = \"refuse\"\nweight-decay = 0.0\n";
        let found = key(&hashes.into(), &placement, &decides).unwrap();
        assert_eq!(found, sha256(text.as_bytes()));
    }
}
