//! The sections of an experiment's file, with their defaults.

use std::collections::BTreeSet;

use anyhow::Result;
use likra_analysis::Norm;
use likra_analysis::paper::TABLE1;
use likra_data::Bos;
use likra_data::shots::HARNESS_SEED;
use likra_lora::LoraConfig;
use likra_train::Settings;
use serde::{Deserialize, Serialize};

use super::check::{About as _, impossible};

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

    pub(super) fn check(&self) -> Result<()> {
        let settings = self.settings();
        let key = match settings.validate() {
            Err(likra_train::Error::Setting { setting, .. }) => match setting {
                "learning rate" => "training.learning-rate",
                "gradient norm" => "training.max-grad-norm",
                "weight decay" => "training.weight-decay",
                "batch size" => "training.batch-size",
                "first checkpoint" => "training.first-checkpoint",
                _ => "training",
            },
            _ => "training",
        };
        settings.validate().about(key)
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
    pub(crate) num_shots: usize,
    /// Whether they are the same for all questions.
    pub(crate) shots: Shots,
    /// Which, by id and in order, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shot_ids: Option<Vec<String>>,
    /// The seed they are drawn by, as Python's `random` does. Without one, fixed shots are the first of
    /// the benchmark's pool, and shots per question are drawn by the harness's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shot_seed: Option<u64>,
    /// How many test questions, from the first; all of them if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) questions: Option<usize>,
    pub(crate) bos: Bos,
}

/// Whether all questions stand after the same shots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shots {
    /// They do: what they begin with is computed once a head.
    #[default]
    Fixed,
    /// Each has its own, drawn by one generator that runs through the questions in order, as
    /// lm-evaluation-harness does.
    PerQuestion,
}

impl Evaluation {
    /// The seed that the shots are drawn by; none if they are not drawn.
    pub(crate) fn drawn_by(&self) -> Option<u64> {
        match self.shots {
            Shots::Fixed => self.shot_seed,
            Shots::PerQuestion => Some(self.shot_seed.unwrap_or(HARNESS_SEED)),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.questions == Some(0) {
            return Err(impossible(
                "evaluation.questions",
                "expected at least 1, found 0",
            ));
        }
        let Some(ids) = &self.shot_ids else {
            return Ok(());
        };
        if self.shots != Shots::Fixed {
            let message = "shot-ids names the same questions for all, but shots = \"per-question\" draws \
                           others for each; expected shots = \"fixed\" beside shot-ids";
            return Err(impossible("evaluation.shot-ids", message));
        }
        if let Some(seed) = self.shot_seed {
            let message = format!(
                "shot-ids names what shot-seed = {seed} would draw; expected one of the two keys"
            );
            return Err(impossible("evaluation.shot-seed", message));
        }
        if ids.len() != self.num_shots {
            let (ids, shots) = (ids.len(), self.num_shots);
            let message = format!("num-shots = {shots}, but shot-ids names {ids} questions");
            return Err(impossible("evaluation.num-shots", message));
        }
        Ok(())
    }
}

/// What a candidate answer is scored by, before heads are weighed against each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CandidateScore {
    /// The sum over the answer's tokens of log p(token | question, tokens before), in nats. All there
    /// is: the key is there so that a run says it.
    #[default]
    LogLikelihood,
}

/// `[analysis]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Analysis {
    /// The weights of the negative head in figure 4.
    pub(crate) weights: Vec<f64>,
    /// What scores are divided by in columns `acc_norm`, figures and the gain.
    pub(crate) normalisation: Norm,
    /// What a candidate is scored by.
    pub(crate) candidate_score: CandidateScore,
    /// The model of the paper's table 1 whose numbers are set beside the run's; its first if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paper_model: Option<String>,
}

impl Default for Analysis {
    /// 0 to 1.5 in steps of 0.05.
    fn default() -> Self {
        Self {
            weights: (0..=30).map(|step| f64::from(step) / 20.0).collect(),
            normalisation: Norm::default(),
            candidate_score: CandidateScore::default(),
            paper_model: None,
        }
    }
}

impl Analysis {
    pub(super) fn check(&self) -> Result<()> {
        if let Some(weight) = self.weights.iter().find(|weight| !weight.is_finite()) {
            let message = format!("expected finite numbers, found {weight}");
            return Err(impossible("analysis.weights", message));
        }
        let Some(model) = &self.paper_model else {
            return Ok(());
        };
        let models: BTreeSet<&str> = TABLE1.iter().map(|row| row.model).collect();
        if models.contains(model.as_str()) {
            return Ok(());
        }
        let message = format!("expected one of the paper's, {models:?}; found `{model}`");
        Err(impossible("analysis.paper-model", message))
    }
}
