//! Experiments are data: a TOML file says what is trained on what and how it is scored.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use likra_data::{AnswerKind, Bos};
use likra_lora::LoraConfig;
use likra_train::Settings;
use serde::{Deserialize, Serialize};

/// The experiments that the program carries, by name.
const BUILT_IN: [(&str, &str); 2] = [
    ("tiny", include_str!("../experiments/tiny.toml")),
    (
        "smollm2-arc",
        include_str!("../experiments/smollm2-arc.toml"),
    ),
];

/// An experiment as it stands in its file, with what the command line has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Experiment {
    /// One line for people.
    pub(crate) title: String,
    /// A checkpoint folder, or `embedded:tiny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// A folder with the benchmark's files, or `embedded:tiny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<String>,
    /// Which layout `data` has.
    pub(crate) benchmark: Benchmark,
    /// The heads to train.
    pub(crate) heads: Vec<Head>,
    /// How many examples each head sees; all of them if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) examples: Option<usize>,
    /// Decides the order of the examples, the wrong answers drawn and the initial adapters.
    #[serde(default)]
    pub(crate) seed: u32,
    /// How a head is trained.
    #[serde(default)]
    pub(crate) training: Training,
    /// The shape of an adapter.
    #[serde(default)]
    pub(crate) lora: Lora,
    /// How questions are asked.
    #[serde(default)]
    pub(crate) evaluation: Evaluation,
    /// What is made of the scores.
    #[serde(default)]
    pub(crate) analysis: Analysis,
}

/// A benchmark's layout of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Benchmark {
    /// AI2's ARC: six JSONL files.
    Arc,
    /// `train.jsonl` and `test.jsonl` in ARC's format.
    ArcFormat,
}

/// A head by the answers that it learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Head {
    /// Right answers.
    Positive,
    /// Wrong options of the same question.
    Incorrect,
    /// Wrong options of another question.
    Irrelevant,
}

impl Head {
    /// The name in files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Incorrect => "incorrect",
            Self::Irrelevant => "irrelevant",
        }
    }

    /// Which answer it learns.
    pub(crate) fn answers(self) -> AnswerKind {
        match self {
            Self::Positive => AnswerKind::Correct,
            Self::Incorrect => AnswerKind::Incorrect,
            Self::Irrelevant => AnswerKind::Irrelevant,
        }
    }
}

/// `[training]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Training {
    pub(crate) learning_rate: f64,
    pub(crate) batch_size: usize,
    pub(crate) max_grad_norm: f64,
    pub(crate) weight_decay: f64,
    pub(crate) first_checkpoint: usize,
    pub(crate) bos: Bos,
}

impl Default for Training {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            learning_rate: settings.learning_rate,
            batch_size: settings.batch_size,
            max_grad_norm: settings.max_grad_norm,
            weight_decay: settings.weight_decay,
            first_checkpoint: settings.first_checkpoint,
            bos: Bos::Auto,
        }
    }
}

impl Training {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            learning_rate: self.learning_rate,
            batch_size: self.batch_size,
            max_grad_norm: self.max_grad_norm,
            weight_decay: self.weight_decay,
            first_checkpoint: self.first_checkpoint,
        }
    }
}

/// `[lora]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Lora {
    pub(crate) rank: usize,
    pub(crate) alpha: f64,
    pub(crate) target_modules: Vec<String>,
    pub(crate) rslora: bool,
}

impl Default for Lora {
    fn default() -> Self {
        let LoraConfig {
            rank,
            alpha,
            target_modules,
            rslora,
        } = LoraConfig::default();
        Self {
            rank,
            alpha,
            target_modules,
            rslora,
        }
    }
}

impl Lora {
    pub(crate) fn config(&self) -> LoraConfig {
        let Self {
            rank,
            alpha,
            target_modules,
            rslora,
        } = self.clone();
        LoraConfig {
            rank,
            alpha,
            target_modules,
            rslora,
        }
    }
}

/// `[evaluation]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Evaluation {
    /// How many solved questions stand before each question.
    pub(crate) shots: usize,
    /// Which, by id and in order; the first `shots` of the benchmark's pool if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shot_ids: Option<Vec<String>>,
    /// How many test questions, from the first; all of them if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) questions: Option<usize>,
    pub(crate) bos: Bos,
}

/// `[analysis]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Analysis {
    /// The weights of the negative head in figure 4.
    pub(crate) weights: Vec<f64>,
}

impl Default for Analysis {
    /// 0 to 1.5 in steps of 0.05.
    fn default() -> Self {
        Self {
            weights: (0..=30).map(|step| f64::from(step) / 20.0).collect(),
        }
    }
}

/// What the command line changes in an experiment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    pub(crate) model: Option<PathBuf>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) questions: Option<usize>,
    pub(crate) examples: Option<usize>,
    pub(crate) shots: Option<usize>,
    pub(crate) seed: Option<u32>,
}

impl Experiment {
    /// The experiment called `spec`: a built-in name, or a path to a TOML file. Returns its name too.
    pub(crate) fn open(spec: &str) -> Result<(String, Self)> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == spec) {
            return Ok(((*name).into(), Self::parse(text, name)?));
        }
        let path = Path::new(spec);
        if path.extension().is_none_or(|extension| extension != "toml") {
            let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            bail!("no experiment `{spec}`: expected one of {names:?}, or a path to a .toml file");
        }
        let text = std::fs::read_to_string(path).with_context(|| spec.to_owned())?;
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok((name, Self::parse(&text, spec)?))
    }

    fn parse(text: &str, origin: &str) -> Result<Self> {
        let experiment: Self = toml::from_str(text).with_context(|| origin.to_owned())?;
        experiment.check().with_context(|| origin.to_owned())?;
        Ok(experiment)
    }

    /// The experiment as the command line changes it.
    pub(crate) fn with(mut self, overrides: &Overrides) -> Result<Self> {
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        if let Some(model) = &overrides.model {
            self.model = Some(text(model));
        }
        if let Some(data) = &overrides.data {
            self.data = Some(text(data));
        }
        if let Some(shots) = overrides.shots {
            self.evaluation.shots = shots;
            if let Some(ids) = &mut self.evaluation.shot_ids {
                ids.truncate(shots);
            }
        }
        self.evaluation.questions = overrides.questions.or(self.evaluation.questions);
        self.examples = overrides.examples.or(self.examples);
        self.seed = overrides.seed.unwrap_or(self.seed);
        self.check()?;
        Ok(self)
    }

    /// The experiment with its numbers of examples and questions as `benchmark` has them.
    pub(crate) fn resolved(mut self, benchmark: &likra_data::Benchmark) -> Self {
        let at_most = |asked: Option<usize>, all: usize| Some(asked.map_or(all, |n| n.min(all)));
        self.examples = at_most(self.examples, benchmark.train().len());
        self.evaluation.questions = at_most(self.evaluation.questions, benchmark.test().len());
        self
    }

    /// How many examples each head sees, in a resolved experiment.
    pub(crate) fn examples_seen(&self) -> usize {
        self.examples.unwrap_or(0)
    }

    /// The numbers of examples after which each head is looked at; at 0 it is the base.
    pub(crate) fn checkpoints(&self) -> Vec<usize> {
        let mut checkpoints = self.training.settings().checkpoints(self.examples_seen());
        checkpoints.retain(|&examples| examples > 0);
        checkpoints
    }

    fn check(&self) -> Result<()> {
        self.training.settings().validate().context("[training]")?;
        self.lora.config().validate().context("[lora]")?;
        ensure!(
            !self.heads.is_empty(),
            "heads = []: expected at least one head"
        );
        for (place, head) in self.heads.iter().enumerate() {
            ensure!(
                !self.heads[..place].contains(head),
                "heads: `{}` stands there twice",
                head.name()
            );
        }
        ensure!(
            self.examples != Some(0),
            "examples = 0: expected at least 1"
        );
        ensure!(
            self.evaluation.questions != Some(0),
            "questions = 0: expected at least 1"
        );
        if let Some(ids) = &self.evaluation.shot_ids {
            let (ids, shots) = (ids.len(), self.evaluation.shots);
            ensure!(
                ids == shots,
                "[evaluation] shots = {shots}, but shot-ids names {ids} questions"
            );
        }
        let finite = self
            .analysis
            .weights
            .iter()
            .all(|weight| weight.is_finite());
        ensure!(finite, "[analysis] weights: expected finite numbers");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_experiment_is_well_formed() {
        for (name, _) in BUILT_IN {
            Experiment::open(name).unwrap();
        }
    }

    #[test]
    fn a_resolved_experiment_reads_back_as_itself() {
        for (name, _) in BUILT_IN {
            let (_, experiment) = Experiment::open(name).unwrap();
            let text = toml::to_string(&experiment).unwrap();
            assert_eq!(Experiment::parse(&text, name).unwrap(), experiment);
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let tiny = BUILT_IN[0].1;
        for (text, message) in [
            (tiny.replace("seed", "sede"), "unknown field `sede`"),
            (
                tiny.replace("batch-size = 8", "batch-size = \"8\""),
                "batch-size",
            ),
            (
                tiny.replace("batch-size = 8", "batch-size = 5"),
                "multiple of the batch size",
            ),
            (
                tiny.replace("\"incorrect\"", "\"wrong\""),
                "unknown variant `wrong`",
            ),
            (tiny.replace("\"incorrect\"", "\"positive\""), "twice"),
        ] {
            assert_ne!(text, tiny);
            let error = format!("{:#}", Experiment::parse(&text, "tiny").unwrap_err());
            assert!(error.contains(message), "{error}");
        }
        let error = format!("{:#}", Experiment::open("huge").unwrap_err());
        assert!(error.contains("tiny"), "{error}");
    }
}
