//! What the command line changes in an experiment.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use likra_analysis::Norm;
use likra_data::WrongAnswer;
use toml::{Table, Value};

use super::{Experiment, Shots};

/// What the command line changes in an experiment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    /// `key=value`, as `--set` gives them; before all others.
    pub(crate) set: Vec<String>,
    pub(crate) model: Option<PathBuf>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) unrelated: Option<PathBuf>,
    pub(crate) questions: Option<usize>,
    pub(crate) examples: Option<usize>,
    pub(crate) num_shots: Option<usize>,
    pub(crate) shots: Option<Shots>,
    pub(crate) shot_seed: Option<u32>,
    pub(crate) wrong_answer: Option<WrongAnswer>,
    pub(crate) normalisation: Option<Norm>,
    pub(crate) seed: Option<u32>,
}

impl Overrides {
    /// The experiment as they change it.
    pub(super) fn apply(&self, mut experiment: Experiment) -> Result<Experiment> {
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        if let Some(model) = &self.model {
            experiment.model = Some(text(model));
        }
        if let Some(data) = &self.data {
            experiment.data = Some(text(data));
        }
        if let Some(data) = &self.unrelated {
            let unrelated = experiment.unrelated.as_mut();
            let unrelated = unrelated.with_context(|| {
                "--unrelated: the experiment does not say which benchmark that is; expected [unrelated] in it, \
                 or --set unrelated.benchmark=NAME"
            })?;
            unrelated.data = Some(text(data));
        }
        self.change_shots(&mut experiment);
        experiment.wrong_answer = self.wrong_answer.unwrap_or(experiment.wrong_answer);
        let analysis = &mut experiment.analysis;
        analysis.normalisation = self.normalisation.unwrap_or(analysis.normalisation);
        experiment.evaluation.questions = self.questions.or(experiment.evaluation.questions);
        experiment.examples = self.examples.or(experiment.examples);
        experiment.seed = self.seed.unwrap_or(experiment.seed);
        Ok(experiment)
    }

    /// Fewer shots are the first of those that the file names; shots that are drawn stand in for them.
    fn change_shots(&self, experiment: &mut Experiment) {
        let evaluation = &mut experiment.evaluation;
        evaluation.num_shots = self.num_shots.unwrap_or(evaluation.num_shots);
        evaluation.shots = self.shots.unwrap_or(evaluation.shots);
        let drawn = self.shot_seed.is_some() || self.shots == Some(Shots::PerQuestion);
        evaluation.shot_seed = self.shot_seed.map(u64::from).or(evaluation.shot_seed);
        if drawn {
            evaluation.shot_ids = None;
        }
        if let Some(ids) = &mut evaluation.shot_ids
            && self.num_shots.is_some()
        {
            ids.truncate(evaluation.num_shots);
        }
    }
}

/// Sets a key of an experiment's file: `training.batch-size=4`, `evaluation.shots=per-question`. What is no
/// TOML value is text.
pub(super) fn set(experiment: &mut Table, assignment: &str) -> Result<()> {
    let (key, text) = assignment
        .split_once('=')
        .context("expected key=value, such as training.batch-size=4")?;
    let value = format!("value = {text}").parse::<Table>();
    let value = value.ok().and_then(|mut table| table.remove("value"));
    let value = value.unwrap_or_else(|| Value::String(text.into()));
    let mut names: Vec<&str> = key.trim().split('.').collect();
    ensure!(
        names.iter().all(|name| !name.is_empty()),
        "expected a key before `=`, found {key:?}"
    );
    let last = names.pop().unwrap_or_default();
    let mut table = experiment;
    for name in names {
        let inner = table.entry(name).or_insert_with(|| Table::new().into());
        table = inner
            .as_table_mut()
            .with_context(|| format!("`{name}` holds a value and no keys"))?;
    }
    table.insert(last.into(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_toml_or_text() {
        let mut table: Table = "a = 1\n[t]\nb = 2\n".parse().unwrap();
        for assignment in [
            "a=3",
            "t.b=[1, 2]",
            "t.u.c=per-question",
            "d=\"4\"",
            "e=true",
        ] {
            set(&mut table, assignment).unwrap();
        }
        let expected = "a = 3\nd = \"4\"\ne = true\n[t]\nb = [1, 2]\n[t.u]\nc = \"per-question\"\n";
        assert_eq!(table, expected.parse().unwrap());
        for (assignment, message) in [
            ("a", "expected key=value"),
            ("=1", "expected a key"),
            ("t..b=1", "expected a key"),
            ("a.b=1", "`a` holds a value"),
        ] {
            let error = set(&mut table, assignment).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
