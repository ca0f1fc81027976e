//! The jobs of an experiment, each with the files that it leaves and a key for each of them: what is
//! done is known before anything is done.
//!
//! A key is a hash of inputs and settings, not of what earlier work has left. So scores stay done even
//! if the adapters that they were made with are deleted.

use std::path::PathBuf;

use anyhow::Result;
use likra_data::Answers;
use likra_model::Placement;
use likra_results::{BASE, RunDir, Stamp, sha256};
use likra_train::Schedule;
use serde_json::{Value, json};

use crate::{Asked, Experiment, Hashes, Head, Inputs, Spec};

/// Raised when the same inputs and settings give other numbers than before, so that older runs are
/// not continued.
const VERSION: u32 = 3;

/// A part of an experiment that one process can do: the base, or a head that is trained, answers test
/// questions.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its name: `base`, or the head's.
    pub name: String,
    /// The jobs that must be done before it.
    pub needs: Vec<String>,
    /// The head, and the key of its checkpoints.
    pub head: Option<(Head, String)>,
    /// The files of scores that it leaves: the base one for each way to ask, a head one for each of its
    /// checkpoints.
    pub scores: Vec<Product>,
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
    pub(crate) fn missing(&self) -> Vec<&Product> {
        let is_missing = |product: &&Product| {
            let stamp = Stamp::read(&product.stamp);
            !product.path.exists() || stamp.is_none_or(|stamp| stamp.key != product.key)
        };
        self.scores.iter().filter(is_missing).collect()
    }
}

/// All jobs in the order of work.
pub(crate) fn jobs(inputs: &Inputs, hashes: &Hashes, dir: &RunDir) -> Result<Vec<Job>> {
    let (experiment, placement) = (&inputs.experiment, &inputs.base.placement);
    // `head` is the key of a head's checkpoints, or `base`.
    let product = |path: PathBuf, asked, head: &str, examples| -> Result<Product> {
        let decides = json!({
            "head": head,
            "examples": examples,
            "asked": decides(experiment, asked)?,
            "unrelated": hashes["unrelated"],
        });
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let stamp = format!("score-{}", file.trim_end_matches(".csv.gz"));
        Ok(Product {
            key: key(hashes, placement, &decides)?,
            stamp: dir.step(&stamp),
            path,
            asked,
            examples,
        })
    };
    let selects = experiment.spec.selection.is_some();
    let mut base = vec![
        (dir.base_scores(), Asked::Test(experiment.questions)),
        (dir.answer_only_scores(), Asked::AnswerOnly),
        (dir.p_true_scores(), Asked::PTrue),
    ];
    if experiment.ranked().next().is_some() {
        base.push((dir.training_scores(), Asked::Ranking));
    }
    if selects {
        base.push((dir.aside_scores(BASE, 0), Asked::Aside));
    }
    let base = base.into_iter();
    let base = base.map(|(path, asked)| product(path, asked, BASE, 0));
    let mut jobs = vec![Job {
        name: BASE.into(),
        needs: Vec::new(),
        head: None,
        scores: base.collect::<Result<_>>()?,
    }];
    for head in &experiment.heads {
        let (name, asked) = (&head.name, Asked::Test(head.questions));
        let key = training_key(hashes, placement, &experiment.spec, head)?;
        let scores = head.checkpoints.iter();
        let scores = scores.map(|&n| product(dir.scores(name, n), asked, &key, n));
        let mut scores: Vec<Product> = scores.collect::<Result<_>>()?;
        let last = head.checkpoints.last().copied();
        if let Some(n) = last.filter(|_| selects && !head.replicate) {
            scores.push(product(dir.aside_scores(name, n), Asked::Aside, &key, n)?);
        }
        let first = head.answers.is_ranked().then(|| BASE.into());
        jobs.push(Job {
            name: name.clone(),
            // The base ranks wrong answers.
            needs: first.into_iter().collect(),
            scores,
            head: Some((head.clone(), key)),
        });
    }
    Ok(jobs)
}

/// Which questions are set aside; what is chosen by them decides nothing else.
fn share(spec: &Spec) -> Option<Value> {
    let selection = spec.selection.as_ref();
    selection.map(|selection| match selection.at_most {
        None => json!({"share": selection.share}),
        at_most => json!({"share": selection.share, "at-most": at_most}),
    })
}

/// What decides what is asked, beside the files.
fn decides(experiment: &Experiment, asked: Asked) -> Result<Value> {
    let spec = &experiment.spec;
    let evaluation = |questions| {
        let mut evaluation = spec.evaluation.clone();
        evaluation.questions = questions;
        // TOML leaves out what is absent.
        toml::Value::try_from(evaluation)
    };
    Ok(match asked {
        // Irrelevant answers are drawn from all test questions.
        Asked::Test(questions) if questions != experiment.questions => {
            json!([evaluation(Some(questions))?, experiment.questions])
        }
        Asked::Test(questions) => json!(evaluation(Some(questions))?),
        Asked::Aside => json!([evaluation(None)?, share(spec)]),
        Asked::AnswerOnly => json!([experiment.questions, spec.evaluation.bos]),
        Asked::PTrue => json!([experiment.questions, spec.evaluation.bos, "p-true"]),
        Asked::Ranking => {
            let ranked = experiment.ranked();
            let seen: Vec<_> = ranked.map(|head| (head.examples, head.seed)).collect();
            let mut decides = vec![json!(seen), json!(spec.training.bos)];
            decides.extend(share(spec));
            let epochs = Some(spec.training.epochs).filter(|epochs| *epochs > 1);
            decides.extend(epochs.map(|epochs| json!({"epochs": epochs})));
            decides.into()
        }
    })
}

/// The key of a head's checkpoints, however many there are, unless they hang on that, and whatever other heads there are.
///
/// # Errors
///
/// If a setting cannot be written as TOML.
pub fn training_key(
    hashes: &Hashes,
    placement: &Placement,
    spec: &Spec,
    head: &Head,
) -> Result<String> {
    let mut decides = json!({
        "training": head.training,
        "lora": head.lora,
        "wrong-answer": spec.wrong_answer,
        "answers": head.answers,
        "contamination": head.contamination,
        "seed": head.seed,
    });
    if let Some(share) = share(spec) {
        decides["selection"] = share;
    }
    if head.training.schedule != Schedule::Constant || head.training.epochs > 1 {
        decides["examples"] = json!(head.examples);
    }
    if head.answers == Answers::Unrelated {
        decides["unrelated"] = json!(hashes["unrelated"]);
    }
    key(hashes, placement, &decides)
}

/// The hash of all that decides a result: what is special to it, the files, and what they are computed
/// with. It is that of a TOML text whose keys stand in order.
pub(crate) fn key(hashes: &Hashes, placement: &Placement, decides: &Value) -> Result<String> {
    let parts = toml::Value::try_from(json!({
        "version": VERSION,
        "model": hashes["model"],
        "tokenizer": hashes["tokenizer"],
        "data": hashes["data"],
        "device": placement.kind(),
        "dtype": placement.dtype,
        "decides": decides,
    }))?;
    Ok(sha256(toml::to_string(&parts)?.as_bytes()))
}

#[cfg(test)]
mod tests {
    use likra_train::TrainSettings;

    use super::*;

    /// A longer run continues a shorter one unless the number of examples changes what comes before.
    #[test]
    fn a_key_hangs_on_the_number_of_examples_only_where_training_does() {
        let hashes = ["model", "tokenizer", "data"].map(|name| (name, name.to_owned()));
        let (hashes, placement) = (
            hashes.into(),
            likra_model::DeviceName::Cpu.place(None, None),
        );
        let same = |change: fn(&mut TrainSettings)| {
            let mut spec = Spec::of_command(Answers::Correct, &[]).unwrap();
            change(&mut spec.training);
            let key = |examples| {
                let head = Head::new("head", &spec, examples);
                training_key(&hashes, &placement, &spec, &head).unwrap()
            };
            key(8) == key(16)
        };
        assert!(same(|_| ()));
        assert!(!same(|training| training.schedule = Schedule::Cosine));
        assert!(!same(|training| training.epochs = 2));
    }

    /// A key is made of TOML, which has the names that users see, and not of Rust's names of fields. If
    /// this changes without need, every run in the world is computed again.
    #[test]
    fn a_key_is_the_hash_of_canonical_toml() {
        let hashes = ["model", "tokenizer", "data"].map(|name| (name, name.to_uppercase()));
        let placement = likra_model::DeviceName::Cpu.place(None, None);
        let decides = json!({"training": TrainSettings::default(), "answers": Answers::Correct});
        let text = "data = \"DATA\"\ndevice = \"cpu\"\ndtype = \"f32\"\nmodel = \"MODEL\"\n\
                    tokenizer = \"TOKENIZER\"\nversion = 3\n\n[decides]\nanswers = \"correct\"\n\n\
                    [decides.training]\nbatch-size = 8\nbos = \"auto\"\nfirst-checkpoint = 32\n\
                    learning-rate = 0.0001\nmax-grad-norm = 1.0\ntoo-long = \"refuse\"\nweight-decay = 0.0\n";
        let found = key(&hashes.into(), &placement, &decides).unwrap();
        assert_eq!(found, sha256(text.as_bytes()));
    }
}
