//! An experiment as it is written: the keys of its TOML file, with their defaults.

use std::collections::BTreeMap;
use std::iter::once;

use likra_analysis::Norm;
use likra_data::{Answers, Needs, ShotRule, Shots, WrongAnswer};
use likra_lora::LoraConfig;
use likra_model::{DeviceName, Dtype};
use likra_tokenizer::Bos;
use likra_train::{Objective, TrainSettings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An experiment as it is written, with the keys of its protocol, of what it extends and of the
/// command line merged in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Spec {
    /// A one-line title.
    pub title: String,
    /// An experiment whose keys apply where this one has none: a name or a path to a TOML file.
    #[serde(default, skip_serializing)]
    pub extends: Option<String>,
    /// The checkpoint folder, or `embedded:tiny`.
    pub model: Option<String>,
    /// The folder with the task's rows, or `embedded:tiny`.
    pub data: Option<String>,
    /// The task: a name that the program carries, such as `arc_challenge`, or a path to a YAML file of
    /// lm-evaluation-harness.
    #[serde(alias = "benchmark")]
    pub task: String,
    /// How many examples each head sees; all of them if absent.
    pub examples: Option<usize>,
    /// A protocol whose keys apply where neither this experiment nor what it extends has any.
    pub protocol: Option<String>,
    /// Which wrong choice a negative head learns.
    #[serde(default)]
    pub wrong_answer: WrongAnswer,
    /// Decides the order of the examples, the wrong answers drawn and the initial adapters.
    #[serde(default)]
    pub seed: u32,
    /// Where to compute: `auto`, `cpu`, `cuda`, `cuda:N` or `wgpu`.
    #[serde(default)]
    pub device: DeviceName,
    /// What the model's weights are held in: `f32` or `bf16`; by default f32 on a CPU, bf16 on a GPU.
    pub dtype: Option<Dtype>,
    /// How many tokens to score in one pass: fewer take less memory; by default 768 on a CPU, 16384 on a GPU.
    pub batch_tokens: Option<usize>,
    /// Where unrelated answers come from; without it there are none.
    pub unrelated: Option<UnrelatedSpec>,
    /// The heads to train, by name.
    #[serde(default)]
    pub heads: BTreeMap<String, HeadSpec>,
    /// Heads to train again from other seeds.
    pub replicates: Option<Replicates>,
    /// How a head is trained.
    #[serde(default)]
    pub training: TrainSettings,
    /// The shape of an adapter.
    #[serde(default)]
    pub lora: LoraConfig,
    /// What is chosen on training questions that are set aside, not on the test.
    pub selection: Option<Selection>,
    /// How questions are asked.
    #[serde(default)]
    pub evaluation: Evaluation,
    /// What is made of the scores.
    #[serde(default)]
    pub analysis: AnalysisSettings,
}

impl Spec {
    /// The questions that are asked, and those that shots are taken from.
    pub fn needs(&self) -> Needs {
        Needs {
            test: true,
            limit: self.evaluation.questions,
            shots: self.evaluation.num_shots > 0,
            ..Needs::default()
        }
    }

    /// What may be paths, of folders and of task files, for a change in place.
    pub(crate) fn paths(&mut self) -> [Vec<&mut String>; 2] {
        let mut folders: Vec<&mut String> = self.model.iter_mut().chain(&mut self.data).collect();
        let mut tasks = vec![&mut self.task];
        if let Some(from) = &mut self.unrelated {
            tasks.push(&mut from.task);
            folders.extend(&mut from.data);
        }
        [folders, tasks]
    }
}

/// `[unrelated]`: the task whose answers are unrelated ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UnrelatedSpec {
    /// The task: a name or a path to a YAML file.
    #[serde(alias = "benchmark")]
    pub task: String,
    /// Its folder, or `embedded:tiny`.
    pub data: Option<String>,
}

/// `[heads.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HeadSpec {
    /// Which answers it learns.
    pub answers: Answers,
    /// How many examples it sees, at most as many as the experiment says; as many if absent.
    pub examples: Option<usize>,
    /// The share of its answers that are replaced by right ones.
    #[serde(default)]
    pub contamination: f64,
    /// Its objective, if not that of `[training]`: `likelihood`, `unlikelihood`, `dpo`, `ipo`, `kto`,
    /// `kto-negatives`, `choice` or `bradley-terry`. All but the first contrast its answers with right ones.
    pub objective: Option<Objective>,
    /// Another `beta` than that of `[training]`.
    pub beta: Option<f64>,
    /// Another learning rate than that of `[training]`.
    pub learning_rate: Option<f64>,
    /// Another rank than that of `[lora]`, with the same scale.
    pub rank: Option<usize>,
    /// Another seed than the experiment's: another order, other draws, another initial adapter.
    pub seed: Option<u32>,
}

impl HeadSpec {
    /// How it is trained, where `training` says how heads are.
    pub(crate) fn training(&self, training: &TrainSettings) -> TrainSettings {
        TrainSettings {
            objective: self.objective.unwrap_or(training.objective),
            beta: self.beta.unwrap_or(training.beta),
            learning_rate: self.learning_rate.unwrap_or(training.learning_rate),
            ..training.clone()
        }
    }

    /// The shape of its adapter, where `lora` says what heads have.
    pub(crate) fn lora(&self, lora: &LoraConfig) -> LoraConfig {
        let rank = self.rank.unwrap_or(lora.rank);
        let times = rank as f64 / lora.rank.max(1) as f64;
        // The scale is alpha / rank, or alpha / sqrt(rank).
        let times = if lora.rslora { times.sqrt() } else { times };
        LoraConfig {
            rank,
            alpha: lora.alpha * times,
            ..lora.clone()
        }
    }
}

/// `[replicates]`: the same heads from other seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Replicates {
    /// The seeds.
    pub seeds: Vec<u32>,
    /// Which heads, by name.
    pub heads: Vec<String>,
    /// How many examples each sees; as many as the experiment says if absent.
    pub examples: Option<usize>,
    /// How many test questions are asked, from the first; as many as of all heads if absent.
    pub questions: Option<usize>,
}

/// `[selection]`: the weight of the negative head, `beta` and the learning rate are chosen by questions that no head
/// has learned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Selection {
    /// The share of the training questions to set aside.
    pub share: f64,
    /// At most this many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<usize>,
    /// Values of `beta` to choose from, beside that of each head whose objective has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub betas: Vec<f64>,
    /// Learning rates to choose from, beside that of each head.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learning_rates: Vec<f64>,
}

impl Selection {
    /// How many of so many training questions are set aside.
    pub(crate) fn count(&self, all: usize) -> usize {
        let count = (self.share * all as f64) as usize;
        self.at_most.map_or(count, |most| count.min(most))
    }

    /// The settings to choose from beside `training`, each with what it adds to a head's name.
    pub(crate) fn variants(&self, training: &TrainSettings) -> Vec<(String, TrainSettings)> {
        let mut all = vec![(String::new(), training.clone())];
        let betas = self.betas.iter();
        for beta in betas.filter(|_| training.objective.has_reference()) {
            let mut settings = training.clone();
            settings.beta = *beta;
            all.push((format!("-beta{beta}"), settings));
        }
        let with_rates = |(name, settings): (String, TrainSettings)| {
            let rates = self.learning_rates.iter().map(|rate| {
                let mut settings = settings.clone();
                settings.learning_rate = *rate;
                (format!("{name}-rate{rate}"), settings)
            });
            let rates: Vec<_> = rates.collect();
            once((name, settings)).chain(rates)
        };
        all.into_iter().flat_map(with_rates).skip(1).collect()
    }
}

/// `[evaluation]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Evaluation {
    /// How many solved questions stand before each question.
    pub num_shots: usize,
    /// Whether shots are the same for all questions: `task` (as its file says), `fixed`, `per-question`.
    pub shots: ShotRule,
    /// The ids of fixed shots, in order: the first `num-shots` of these are used.
    pub shot_ids: Option<Vec<String>>,
    /// The seed for drawing shots, as Python's `random` does. Without one, fixed shots are the first of
    /// the benchmark's pool, and per-question shots use the harness's seed, 1234.
    pub shot_seed: Option<u64>,
    /// How many test questions of each task are asked, from the first; all of them if absent.
    pub questions: Option<usize>,
    /// Whether a prompt begins with the BOS token: `auto` (as the tokenizer does), `always`, `never`.
    pub bos: Bos,
    /// Whether questions are put into the checkpoint's own chat template, in training too.
    pub chat_template: bool,
    /// Whether shots are messages of their own in a chat: by default they are.
    pub fewshot_as_multiturn: Option<bool>,
    /// The day that a chat template is told if it asks for it, such as `2026-11-27`: by default the day on which a run begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub today: Option<String>,
    /// What to do with a question with more tokens than the model has positions: `refuse`, or `truncate`
    /// its beginning, as lm-evaluation-harness does.
    pub too_long: LongPrompt,
}

/// What becomes of a question that the model cannot run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LongPrompt {
    /// It is an error.
    #[default]
    Refuse,
    /// Tokens are taken off its beginning until it fits.
    Truncate,
}

impl Evaluation {
    /// Which solved questions stand before each question.
    pub fn shots(&self) -> Shots {
        Shots {
            count: self.num_shots,
            rule: self.shots,
            ids: self.shot_ids.clone(),
            seed: self.shot_seed,
        }
    }
}

/// `[analysis]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AnalysisSettings {
    /// The weights of the negative head in figure 4.
    pub weights: Vec<f64>,
    /// What scores are divided by in columns `acc_norm`, figures and the gain.
    pub normalisation: Norm,
    /// What a candidate is scored by.
    pub candidate_score: CandidateScore,
    /// The model of the paper's table 1 whose numbers are set beside the run's; its first if absent.
    pub paper_model: Option<String>,
}

impl Default for AnalysisSettings {
    /// Weights from 0 to 1.5 in steps of 0.05.
    fn default() -> Self {
        Self {
            weights: (0..=30).map(|step| f64::from(step) / 20.0).collect(),
            normalisation: Norm::default(),
            candidate_score: CandidateScore::default(),
            paper_model: None,
        }
    }
}

/// What a candidate answer is scored by, before heads are weighed against each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CandidateScore {
    /// The sum over the answer's tokens of log p(token | question, tokens before), in nats. It is the
    /// only one: the key is there so that a run says it.
    #[default]
    LogLikelihood,
}
