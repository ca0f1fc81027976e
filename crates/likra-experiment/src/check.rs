//! What is wrong with a key of an experiment, and combinations of keys that cannot stand together.

use std::collections::BTreeSet;
use std::fmt::Display;

use likra_analysis::paper::TABLE1;
use likra_data::{Answers, ShotRule};
use likra_results::check_head_name;

use crate::spec::{AnalysisSettings, Evaluation, HeadSpec, Replicates, Spec};

/// A key is unknown, has a wrong type or cannot stand beside the others.
#[derive(Debug, thiserror::Error)]
#[error("{}{key}: {message}", line.map_or_else(String::new, |line| format!("line {line}: ")))]
pub(crate) struct Mistake {
    /// The line of the experiment's file that the key stands on, from 1.
    pub(crate) line: Option<usize>,
    /// The key with its tables, such as `evaluation.num-shots`, or a flag.
    pub(crate) key: String,
    pub(crate) message: String,
}

impl Mistake {
    pub(crate) fn new(key: impl Into<String>, message: impl Display) -> Self {
        Self {
            line: None,
            key: key.into(),
            message: message.to_string(),
        }
    }
}

type Checked = Result<(), Mistake>;

fn ensure(holds: bool, key: impl Into<String>, message: impl Display) -> Checked {
    holds
        .then_some(())
        .ok_or_else(|| Mistake::new(key, message))
}

fn at_least_one(key: impl Into<String>, count: Option<usize>) -> Checked {
    ensure(count != Some(0), key, "expected at least 1, found 0")
}

impl Spec {
    /// Refuses what no run could do.
    pub(crate) fn check(&self) -> Checked {
        self.training.validate().map_err(|error| match &error {
            likra_train::Error::Setting { setting, .. } => {
                Mistake::new(format!("training.{setting}"), &error)
            }
            _ => Mistake::new("training", &error),
        })?;
        let lora = self.lora.validate();
        lora.map_err(|error| Mistake::new("lora", error))?;
        let message = "expected at least one table [heads.NAME]";
        ensure(!self.heads.is_empty(), "heads", message)?;
        for (name, head) in &self.heads {
            check_head(name, head)?;
            let message = "\"unrelated\" answers are another benchmark's; expected a table [unrelated] \
                           that says which";
            let has_texts = head.answers != Answers::Unrelated || self.unrelated.is_some();
            ensure(has_texts, format!("heads.{name}.answers"), message)?;
        }
        at_least_one("examples", self.examples)?;
        at_least_one("batch-tokens", self.batch_tokens)?;
        if let Some(replicates) = &self.replicates {
            self.check_replicates(replicates)?;
        }
        check_evaluation(&self.evaluation)?;
        check_analysis(&self.analysis)
    }

    fn check_replicates(&self, replicates: &Replicates) -> Checked {
        at_least_one("replicates.examples", replicates.examples)?;
        at_least_one("replicates.questions", replicates.questions)?;
        let (own, mut taken) = (self.seed, BTreeSet::from([self.seed]));
        for seed in &replicates.seeds {
            let message = format!("{seed} is there already; expected other seeds than {own}");
            ensure(taken.insert(*seed), "replicates.seeds", message)?;
        }
        let names: Vec<&String> = self.heads.keys().collect();
        let mut free: BTreeSet<&String> = self.heads.keys().collect();
        for name in &replicates.heads {
            let message =
                format!("expected names of [heads], each once: {names:?}; found `{name}`");
            ensure(free.remove(name), "replicates.heads", message)?;
            for seed in &replicates.seeds {
                let taken = format!("{name}-seed{seed}");
                let free = !self.heads.contains_key(&taken);
                let message = "a replicate has this name; expected another";
                ensure(free, format!("heads.{taken}"), message)?;
            }
        }
        Ok(())
    }
}

fn check_head(name: &str, head: &HeadSpec) -> Checked {
    check_head_name(name).map_err(|error| Mistake::new(format!("heads.{name}"), error))?;
    at_least_one(format!("heads.{name}.examples"), head.examples)?;
    let share = head.contamination;
    let message = format!("expected a share from 0 to 1, found {share}");
    let key = format!("heads.{name}.contamination");
    ensure((0.0..=1.0).contains(&share), key, message)?;
    let expected = match name {
        "positive" => Answers::Correct,
        "incorrect" => Answers::Incorrect,
        _ => return Ok(()),
    };
    let message = format!(
        "tables and figures call this head by what it learns; expected {} answers and no \
         contamination, or another name",
        expected.name()
    );
    let plain = head.answers == expected && share == 0.0;
    ensure(plain, format!("heads.{name}.answers"), message)
}

fn check_evaluation(evaluation: &Evaluation) -> Checked {
    at_least_one("evaluation.questions", evaluation.questions)?;
    let in_chat = evaluation.chat_template || evaluation.fewshot_as_multiturn.is_none();
    let message = "there are messages only in a chat; expected chat-template = true beside it";
    ensure(in_chat, "evaluation.fewshot-as-multiturn", message)?;
    let Some(ids) = &evaluation.shot_ids else {
        return Ok(());
    };
    let message =
        "shot-ids names the same questions for all; expected shots = \"fixed\" beside shot-ids";
    let fixed = evaluation.shots != ShotRule::PerQuestion;
    ensure(fixed, "evaluation.shot-ids", message)?;
    if let Some(seed) = evaluation.shot_seed {
        let message = format!(
            "shot-ids names the shots, and shot-seed = {seed} would draw them; expected one of the two keys"
        );
        return Err(Mistake::new("evaluation.shot-seed", message));
    }
    let (shots, named) = (evaluation.num_shots, ids.len());
    let message = format!("num-shots = {shots}, but shot-ids names {named} questions");
    ensure(named >= shots, "evaluation.num-shots", message)
}

fn check_analysis(analysis: &AnalysisSettings) -> Checked {
    for weight in &analysis.weights {
        let message = format!("expected finite numbers, found {weight}");
        ensure(weight.is_finite(), "analysis.weights", message)?;
    }
    let models: BTreeSet<&str> = TABLE1.iter().map(|row| row.model).collect();
    let model = analysis.paper_model.as_deref().unwrap_or_default();
    let message = format!("expected one of the paper's, {models:?}; found `{model}`");
    let known = analysis.paper_model.is_none() || models.contains(model);
    ensure(known, "analysis.paper-model", message)
}
