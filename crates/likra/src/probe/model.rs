//! Jobs that run a checkpoint.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use burn::tensor::{Tensor, TensorData};
use likra_analysis::{Norm, ScoreTable, accuracy};
use likra_data::ShotRule;
use likra_experiment::{Evaluation, LongPrompt, score};
use likra_model::{Dtype, Row};
use likra_results::BASE;
use likra_score::Head;
use likra_tokenizer::{Bos, EncodedPair};
use likra_train::{TrainSettings, Trainer, loss_and_gradients};
use serde::Deserialize;
use serde_json::json;

use super::Probe;

/// Logits of some rows of tokens, run together: `NAME/ROW`, `[tokens, vocab]`.
#[derive(Deserialize)]
pub(super) struct Logits {
    rows: Vec<Vec<u32>>,
    /// Run before, and kept as keys and values that all rows continue.
    #[serde(default)]
    prefix: Vec<u32>,
    /// Only of the last so many tokens of each row.
    last: Option<usize>,
    adapter: Option<PathBuf>,
    #[serde(default)]
    dtype: Dtype,
}

/// The gradient of the loss with respect to every tensor of an adapter: `NAME/TENSOR`, in its shape.
#[derive(Deserialize)]
pub(super) struct Gradients {
    adapter: PathBuf,
    examples: Vec<EncodedPair>,
}

/// The loss and the gradient norm of every step, `NAME/losses` and `NAME/norms`, `[1, steps]`, and the
/// adapter after the last, `OUT/adapters/NAME`.
#[derive(Deserialize)]
pub(super) struct Training {
    adapter: PathBuf,
    examples: Vec<EncodedPair>,
    #[serde(flatten)]
    settings: TrainSettings,
}

/// The first questions of a benchmark's test, each after shots drawn anew: `NAME/log-likelihoods`,
/// `[1, candidates]`, and as answers `acc` and `acc_norm`.
#[derive(Deserialize)]
pub(super) struct Scores {
    task: String,
    data: PathBuf,
    questions: usize,
    shots: usize,
    seed: u64,
    bos: Bos,
}

impl Logits {
    pub(super) fn run(self, probe: &mut Probe, name: &str) -> Result<()> {
        let rows = &self.rows;
        ensure!(
            !rows.is_empty(),
            "`rows` is empty; expected at least one row of tokens"
        );
        if let Some(number) = rows.iter().position(Vec::is_empty) {
            bail!("row {number} is empty; expected at least one token");
        }
        let adapter = self.adapter.map(|dir| probe.adapter(&dir)).transpose()?;
        let (model, adapter) = (probe.base(self.dtype)?.model()?, adapter.as_ref());
        adapter.map_or(Ok(()), |adapter| model.config().check_adapter(adapter))?;
        let prefix = match self.prefix.as_slice() {
            [] => None,
            tokens => Some(model.prefill(tokens, adapter)?),
        };
        let rows: Vec<Row> = rows.iter().map(|tokens| Row::sequence(tokens)).collect();
        let batch = model.batch(&rows);
        let hidden = model.forward(&batch, prefix.as_ref(), adapter)?;
        let logits = |(number, row): (usize, &Row)| {
            let kept = self.last.unwrap_or(row.len()).min(row.len());
            let first = batch.index(number, row.len() - kept);
            model.logits(hidden.clone().narrow(0, first, kept))
        };
        let logits: Vec<Tensor<2>> = rows.iter().enumerate().map(logits).collect();
        for (number, logits) in logits.into_iter().enumerate() {
            probe.tensor(name, &number.to_string(), logits);
        }
        Ok(())
    }
}

impl Gradients {
    pub(super) fn run(self, probe: &mut Probe, name: &str) -> Result<()> {
        let adapter = probe.adapter(&self.adapter)?;
        let model = probe.base(Dtype::F32)?.model()?;
        model.config().check_adapter(&adapter)?;
        let (_, gradients) = loss_and_gradients(model, &adapter, &self.examples)?;
        for ((tensor, _), gradient) in adapter.tensors().iter().zip(gradients) {
            probe.tensor(name, tensor, gradient);
        }
        Ok(())
    }
}

impl Training {
    pub(super) fn run(self, probe: &mut Probe, name: &str) -> Result<()> {
        let (start, copy) = (probe.adapter(&self.adapter)?, probe.copy(name));
        let model = probe.base(Dtype::F32)?.model()?;
        let mut trainer = Trainer::new(model, start, &self.settings)?;
        let (mut losses, mut norms) = (Vec::new(), Vec::new());
        for batch in self.examples.chunks(self.settings.batch_size) {
            let step = trainer.step(batch)?;
            losses.push(step.loss as f32);
            norms.push(step.grad_norm as f32);
        }
        trainer.adapter().save(&copy)?;
        probe.numbers(name, "losses", losses);
        probe.numbers(name, "norms", norms);
        Ok(())
    }
}

impl Scores {
    pub(super) fn run(self, probe: &mut Probe, name: &str) -> Result<()> {
        let benchmark = probe.benchmark(&self.task, &self.data)?;
        let evaluation = Evaluation {
            num_shots: self.shots,
            shots: ShotRule::PerQuestion,
            shot_seed: Some(self.seed),
            questions: Some(self.questions),
            bos: self.bos,
            too_long: LongPrompt::Truncate,
            ..Evaluation::default()
        };
        let base = probe.base(Dtype::F32)?;
        let (plan, _) = base.plan(&benchmark, &evaluation, &[])?;
        let head = Head {
            name: BASE,
            examples: 0,
            adapter: None,
            greedy: false,
        };
        let records = score(base.model()?, BASE, &head, &plan, &drop)?;
        let table = ScoreTable::new(&records)?;
        let rule = table.rule(BASE, 0).context("no scores")?;
        let accuracy = |norm| accuracy(&rule.right(norm)).value;
        let accuracies = json!({"acc": accuracy(Norm::None), "acc_norm": accuracy(Norm::Chars)});
        probe.answer(name, accuracies);
        let sums = records.iter().map(|record| record.log_likelihood as f32);
        probe.numbers(name, "log-likelihoods", sums.collect());
        Ok(())
    }
}

impl Probe<'_> {
    /// A tensor of one row.
    fn numbers(&mut self, job: &str, name: &str, values: Vec<f32>) {
        let shape = [1, values.len()];
        let data = TensorData::new(values, shape);
        let tensor = Tensor::from_data(data, &self.placement.device);
        self.tensor(job, name, tensor);
    }
}
