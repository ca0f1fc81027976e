//! The base before its weights are read: what it is asked and what its heads learn, in tokens that it can run.

use std::cell::OnceCell;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use burn::tensor::{Device, Tensor};
use likra_data::{Benchmark, TrainingPair};
use likra_lora::{Adapter, LoraConfig};
use likra_model::{Config, Model, Placement};
use likra_score::Plan;
use likra_tokenizer::{Asked, EncodedPair, Other, Request, Tokenizer};
use likra_train::{LongExample, Objective, TrainSettings};

use crate::{Evaluation, LongPrompt};

/// A checkpoint folder, its configuration, and the model once it is needed.
#[derive(Debug)]
pub struct Base {
    /// The folder.
    pub folder: PathBuf,
    /// What adapters call it: an absolute path, or the name by which it was found.
    pub name: String,
    /// Its `config.json`.
    pub config: Config,
    /// Where it is computed.
    pub placement: Placement,
    device: OnceCell<Device>,
    model: OnceCell<Model>,
}

/// What a model is asked, laid out in passes, and how many texts of it were cut at their beginning.
pub type Planned = (Plan, usize);

impl Base {
    /// Reads the configuration of the checkpoint in `folder`.
    ///
    /// # Errors
    ///
    /// If it is missing or refused.
    pub fn open(folder: PathBuf, placement: Placement) -> Result<Self> {
        Ok(Self {
            name: std::path::absolute(&folder)?.display().to_string(),
            config: Config::read(&folder.join("config.json"))?,
            folder,
            placement,
            device: OnceCell::new(),
            model: OnceCell::new(),
        })
    }

    /// The device, opened when first asked for: a plan needs none.
    ///
    /// # Errors
    ///
    /// For what [`Placement::open`] refuses.
    pub fn device(&self) -> Result<&Device> {
        if let Some(device) = self.device.get() {
            return Ok(device);
        }
        let device = self.placement.open()?;
        Ok(self.device.get_or_init(|| device))
    }

    /// The model, opened when first asked for: a run whose jobs are all done needs none.
    ///
    /// # Errors
    ///
    /// For what [`Model::open`] refuses.
    pub fn model(&self) -> Result<&Model> {
        if let Some(model) = self.model.get() {
            return Ok(model);
        }
        let dtype = self.placement.dtype.into();
        let model = Model::open(&self.folder, dtype, self.device()?)?;
        Ok(self.model.get_or_init(|| model))
    }

    /// Whether it is open.
    pub(crate) fn is_open(&self) -> bool {
        self.model.get().is_some()
    }

    /// A head that has learned nothing yet: as PEFT begins one, with a reward of 0 for every text if its objective
    /// goes by rewards.
    ///
    /// # Errors
    ///
    /// If the model is refused, or the adapter's shape is impossible.
    pub(crate) fn start(&self, lora: LoraConfig, seed: u64, goal: Objective) -> Result<Adapter> {
        let model = self.model()?;
        let mut start = Adapter::init(lora, &model.targets(), seed, model.device())?;
        start.base = Some(self.name.clone());
        let shape = [1, self.config.hidden_size];
        let zeros = || Tensor::zeros(shape, model.device());
        start.reward = goal.has_reward().then(zeros);
        Ok(start)
    }

    /// The first test questions of `benchmark`, as many as `evaluation` says, each after its shots, and
    /// beside its choices the answers that `others` has for it, if any.
    ///
    /// # Errors
    ///
    /// If there are not enough shots, a text cannot be encoded, or one is too long and that is not allowed.
    pub fn plan(
        &self,
        benchmark: &Benchmark,
        evaluation: &Evaluation,
        others: &[Vec<Other>],
    ) -> Result<Planned> {
        let test = benchmark.test();
        let count = evaluation.questions.unwrap_or(test.len()).min(test.len());
        let prefixes = benchmark.prefixes(&evaluation.shots(), count)?;
        let asked = test.iter().zip(&prefixes);
        let asked = asked.map(|(question, prefix)| Asked::after(prefix, question));
        self.plan_of(asked, others, evaluation)
    }

    /// What is asked, after or without BOS and cut or not as `evaluation` says.
    pub(crate) fn plan_of<'a>(
        &self,
        asked: impl Iterator<Item = Asked<'a>>,
        others: &[Vec<Other>],
        evaluation: &Evaluation,
    ) -> Result<Planned> {
        let tokenizer = Tokenizer::open(&self.folder, evaluation.bos)?;
        let mut requests = tokenizer.requests(asked, others)?;
        let positions = self.config.max_positions;
        let truncated = fit(&mut requests, positions, evaluation.too_long)?;
        Ok((Plan::new(requests, self.placement.batch_tokens)?, truncated))
    }

    /// Answers to learn in tokens; none may be too long, unless that is allowed.
    pub(crate) fn encoded(
        &self,
        pairs: &[TrainingPair],
        settings: &TrainSettings,
    ) -> Result<Vec<EncodedPair>> {
        let encoded = Tokenizer::open(&self.folder, settings.bos)?.examples(pairs)?;
        let remedy =
            "training.too-long = \"skip\" leaves such examples out (train: --too-long skip)";
        for (pair, text) in pairs.iter().zip(&encoded) {
            if settings.too_long == LongExample::Refuse {
                let what = format!("training question `{}`", pair.question.id);
                check_fits(&what, text, self.config.max_positions, remedy)?;
            }
        }
        Ok(encoded)
    }
}

/// Refuses what a model of so many positions cannot run, or cuts it; returns how many candidates' texts
/// were cut.
fn fit(requests: &mut [Request], positions: usize, rule: LongPrompt) -> Result<usize> {
    let remedy = "--too-long truncate (evaluation.too-long) keeps the end of the text, as \
                  lm-evaluation-harness does";
    let mut cut = 0;
    for request in requests {
        let what = format!("question `{}`", request.question_id);
        for candidate in &mut request.candidates {
            if rule == LongPrompt::Refuse {
                check_fits(&what, &candidate.encoded, positions, remedy)?;
            }
            let truncated = candidate.encoded.truncate(positions);
            cut += usize::from(truncated.with_context(|| what.clone())?);
        }
    }
    Ok(cut)
}

fn check_fits(what: &str, text: &EncodedPair, positions: usize, remedy: &str) -> Result<()> {
    let tokens = text.tokens.len();
    ensure!(
        text.fits(positions),
        "{what}: {tokens} tokens with its answer, but the model has {positions} positions (max_position_embeddings); \
         {remedy}"
    );
    Ok(())
}
