//! Combinations of keys that cannot stand together. A message begins with the key.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, bail, ensure};
use likra_analysis::paper::TABLE1;
use likra_data::{Answers, ShotRule};
use likra_results::check_head_name;
use likra_train::{Objective, TrainSettings};

use crate::{AnalysisSettings, Evaluation, HeadSpec, Replicates, Selection, Spec};

fn at_least_one(key: &str, count: Option<usize>) -> Result<()> {
    ensure!(count != Some(0), "{key}: expected at least 1, found 0");
    Ok(())
}

/// Refuses settings of the table `key` that describe no training.
fn validate(key: &str, training: &TrainSettings) -> Result<()> {
    training.validate().map_err(|error| match &error {
        likra_train::Error::Setting { setting, .. } => anyhow!("{key}.{setting}: {error}"),
        _ => anyhow!("{key}: {error}"),
    })
}

impl Spec {
    /// Refuses what no run could do.
    pub(crate) fn check(&self) -> Result<()> {
        validate("training", &self.training)?;
        let lora = self.lora.validate();
        lora.map_err(|error| anyhow!("lora: {error}"))?;
        let none = self.heads.is_empty();
        ensure!(!none, "heads: expected at least one table [heads.NAME]");
        for (name, head) in &self.heads {
            self.check_head(name, head)?;
            ensure!(
                head.answers != Answers::Unrelated || self.unrelated.is_some(),
                "heads.{name}.answers: \"unrelated\" answers are another benchmark's; expected a table [unrelated] \
                 that says which"
            );
        }
        at_least_one("examples", self.examples)?;
        at_least_one("batch-tokens", self.batch_tokens)?;
        if let Some(replicates) = &self.replicates {
            self.check_replicates(replicates)?;
        }
        if let Some(selection) = &self.selection {
            self.check_selection(selection)?;
        }
        check_evaluation(&self.evaluation)?;
        check_analysis(&self.analysis)
    }

    fn check_head(&self, name: &str, head: &HeadSpec) -> Result<()> {
        check_head_name(name).map_err(|error| anyhow!("heads.{name}: {error}"))?;
        at_least_one(&format!("heads.{name}.examples"), head.examples)?;
        at_least_one(&format!("heads.{name}.rank"), head.rank)?;
        let share = head.contamination;
        ensure!(
            (0.0..=1.0).contains(&share),
            "heads.{name}.contamination: expected a share from 0 to 1, found {share}"
        );
        let training = head.training(&self.training);
        validate(&format!("heads.{name}"), &training)?;
        let objective = training.objective;
        ensure!(
            objective == Objective::Likelihood
                || (head.answers != Answers::Correct && share == 0.0),
            "heads.{name}.answers: objective {objective} sets wrong answers against right ones; expected answers other \
             than \"correct\" and no contamination"
        );
        let expected = match name {
            "positive" => Answers::Correct,
            "incorrect" => Answers::Incorrect,
            _ => return Ok(()),
        };
        ensure!(
            head.answers == expected && share == 0.0 && objective == Objective::Likelihood,
            "heads.{name}.answers: tables and figures call this head by what it learns; expected {} answers, no \
             contamination and objective = \"likelihood\", or another name",
            expected.name()
        );
        Ok(())
    }

    fn check_selection(&self, selection: &Selection) -> Result<()> {
        let share = selection.share;
        ensure!(
            share > 0.0 && share < 1.0,
            "selection.share: expected a share between 0 and 1, found {share}"
        );
        at_least_one("selection.at-most", selection.at_most)?;
        let rates = &selection.learning_rates;
        for (key, values) in [("betas", &selection.betas), ("learning-rates", rates)] {
            let is_wrong = |value: &&f64| !value.is_finite() || **value <= 0.0;
            if let Some(found) = values.iter().find(is_wrong) {
                bail!("selection.{key}: expected positive numbers, found {found}");
            }
            let distinct: BTreeSet<u64> = values.iter().map(|value| value.to_bits()).collect();
            ensure!(
                distinct.len() == values.len(),
                "selection.{key}: expected each number once"
            );
        }
        for (name, head) in &self.heads {
            let variants = selection.variants(&head.training(&self.training));
            let names = variants.iter().map(|(named, _)| format!("{name}{named}"));
            self.check_free(names, "a head to choose settings by")?;
        }
        Ok(())
    }

    /// Refuses heads with one of these names, which something else has.
    fn check_free(&self, mut names: impl Iterator<Item = String>, what: &str) -> Result<()> {
        match names.find(|name| self.heads.contains_key(name)) {
            Some(taken) => bail!("heads.{taken}: {what} has this name; expected another"),
            None => Ok(()),
        }
    }

    fn check_replicates(&self, replicates: &Replicates) -> Result<()> {
        at_least_one("replicates.examples", replicates.examples)?;
        at_least_one("replicates.questions", replicates.questions)?;
        let (own, mut taken) = (self.seed, BTreeSet::from([self.seed]));
        for seed in &replicates.seeds {
            ensure!(
                taken.insert(*seed),
                "replicates.seeds: {seed} is there already; expected other seeds than {own}"
            );
        }
        let names: Vec<&String> = self.heads.keys().collect();
        let mut free: BTreeSet<&String> = self.heads.keys().collect();
        for name in &replicates.heads {
            ensure!(
                free.remove(name),
                "replicates.heads: expected names of [heads], each once: {names:?}; found `{name}`"
            );
            let seeds = replicates.seeds.iter();
            let names = seeds.map(|seed| format!("{name}-seed{seed}"));
            self.check_free(names, "a replicate")?;
        }
        Ok(())
    }
}

fn check_evaluation(evaluation: &Evaluation) -> Result<()> {
    at_least_one("evaluation.questions", evaluation.questions)?;
    ensure!(
        evaluation.chat_template || evaluation.fewshot_as_multiturn.is_none(),
        "evaluation.fewshot-as-multiturn: there are messages only in a chat; expected chat-template = true beside it"
    );
    let Some(ids) = &evaluation.shot_ids else {
        return Ok(());
    };
    ensure!(
        evaluation.shots != ShotRule::PerQuestion,
        "evaluation.shot-ids: shot-ids names the same questions for all; expected shots = \"fixed\" beside shot-ids"
    );
    if let Some(seed) = evaluation.shot_seed {
        bail!(
            "evaluation.shot-seed: shot-ids names the shots, and shot-seed = {seed} would draw them; expected one of \
             the two keys"
        );
    }
    let (shots, named) = (evaluation.num_shots, ids.len());
    ensure!(
        named >= shots,
        "evaluation.num-shots: num-shots = {shots}, but shot-ids names {named} questions"
    );
    Ok(())
}

fn check_analysis(analysis: &AnalysisSettings) -> Result<()> {
    if let Some(weight) = analysis.weights.iter().find(|weight| !weight.is_finite()) {
        bail!("analysis.weights: expected finite numbers, found {weight}");
    }
    let models: BTreeSet<&str> = TABLE1.iter().map(|row| row.model).collect();
    let mut model = analysis.paper_model.iter();
    if let Some(model) = model.find(|model| !models.contains(model.as_str())) {
        bail!("analysis.paper-model: expected one of the paper's, {models:?}; found `{model}`");
    }
    Ok(())
}
