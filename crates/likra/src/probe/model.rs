//! Jobs that run a checkpoint.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use burn::tensor::{Tensor, TensorData};
use likra_analysis::{Norm, ScoreTable};
use likra_data::{Benchmark, Layout, ShotRule};
use likra_experiment::{Dtype, Evaluation, Placement, requests, score};
use likra_lora::Adapter;
use likra_model::{Model, Row};
use likra_results::BASE;
use likra_score::{Head, Plan};
use likra_tokenizer::{Bos, EncodedPair};
use likra_train::{TrainSettings, Trainer, loss_and_gradients};
use serde::Deserialize;
use serde_json::{Value, json};

/// Logits of some rows of tokens, run together: `NAME/ROW`, `[tokens, vocab]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Gradients {
    adapter: PathBuf,
    examples: Vec<Example>,
}

/// The loss and the gradient norm of every step, `NAME/losses` and `NAME/norms`, `[1, steps]`, and the
/// adapter after the last, `OUT/adapters/NAME`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Training {
    adapter: PathBuf,
    examples: Vec<Example>,
    learning_rate: f64,
    batch_size: usize,
    max_grad_norm: f64,
    weight_decay: f64,
}

/// Reads an adapter and writes it to `OUT/adapters/NAME`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct CopyAdapter {
    adapter: PathBuf,
}

/// The first questions of a benchmark's test, each after shots drawn anew: `NAME/log-likelihoods`,
/// `[1, candidates]`, and as answers `acc` and `acc_norm`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Scores {
    benchmark: Layout,
    data: PathBuf,
    questions: usize,
    shots: usize,
    seed: u64,
    bos: Bos,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Example {
    tokens: Vec<u32>,
    answer_start: usize,
}

/// Where jobs are done: the model, opened when one needs it, and the folders.
pub(super) struct Bench {
    model_dir: Option<PathBuf>,
    placement: Placement,
    out: PathBuf,
    dir: PathBuf,
    open: Option<(Dtype, Model)>,
}

impl Bench {
    pub(super) fn new(
        model_dir: Option<PathBuf>,
        placement: Placement,
        out: PathBuf,
        dir: PathBuf,
    ) -> Self {
        Self {
            model_dir,
            placement,
            out,
            dir,
            open: None,
        }
    }

    /// The folder of the file of jobs.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn model_dir(&self) -> Result<&Path> {
        self.model_dir
            .as_deref()
            .context("needs a `model`, and the file of jobs names none")
    }

    pub(super) fn logits(&mut self, name: &str, job: &Logits) -> Result<Vec<(String, Tensor<2>)>> {
        let adapter = job
            .adapter
            .as_ref()
            .map(|dir| self.adapter(dir))
            .transpose()?;
        let adapter = adapter.as_ref();
        let model = self.model(job.dtype)?;
        if let Some(adapter) = adapter {
            model.check_adapter(adapter)?;
        }
        ensure!(
            !job.rows.is_empty(),
            "`rows` is empty; expected at least one row of tokens"
        );
        for (number, row) in job.rows.iter().enumerate() {
            ensure!(
                !row.is_empty(),
                "row {number} is empty; expected at least one token"
            );
        }
        let prefix = match job.prefix.as_slice() {
            [] => None,
            tokens => Some(model.prefill(tokens, adapter)?),
        };
        let rows: Vec<Row> = job
            .rows
            .iter()
            .map(|tokens| Row::sequence(tokens))
            .collect();
        let batch = model.batch(&rows);
        let hidden = model.forward(&batch, prefix.as_ref(), adapter)?;
        let logits = |(number, row): (usize, &Row)| {
            let kept = job.last.unwrap_or(row.len()).min(row.len());
            let first = batch.index(number, row.len() - kept);
            let logits = model.logits(hidden.clone().narrow(0, first, kept));
            (format!("{name}/{number}"), logits)
        };
        Ok(rows.iter().enumerate().map(logits).collect())
    }

    pub(super) fn gradients(
        &mut self,
        name: &str,
        job: &Gradients,
    ) -> Result<Vec<(String, Tensor<2>)>> {
        let adapter = self.adapter(&job.adapter)?;
        let model = self.model(Dtype::F32)?;
        model.check_adapter(&adapter)?;
        let (_, gradients) = loss_and_gradients(model, &adapter, &examples(&job.examples)?)?;
        let names = adapter.tensors().into_iter().map(|(tensor, _)| tensor);
        Ok(names
            .map(|tensor| format!("{name}/{tensor}"))
            .zip(gradients)
            .collect())
    }

    pub(super) fn training(
        &mut self,
        name: &str,
        job: &Training,
    ) -> Result<Vec<(String, Tensor<2>)>> {
        let start = self.adapter(&job.adapter)?;
        let copy = self.out.join("adapters").join(name);
        let settings = TrainSettings {
            learning_rate: job.learning_rate,
            batch_size: job.batch_size,
            max_grad_norm: job.max_grad_norm,
            weight_decay: job.weight_decay,
            first_checkpoint: job.batch_size,
            ..TrainSettings::default()
        };
        let examples = examples(&job.examples)?;
        let model = self.model(Dtype::F32)?;
        let device = model.device().clone();
        let mut trainer = Trainer::new(model, start, &settings)?;
        let mut log = Vec::new();
        for batch in examples.chunks(job.batch_size) {
            log.push(trainer.step(batch)?);
        }
        trainer.adapter().save(&copy)?;
        let row = |values: Vec<f32>| {
            let shape = [1, values.len()];
            Tensor::from_data(TensorData::new(values, shape), &device)
        };
        let losses = row(log.iter().map(|step| step.loss as f32).collect());
        let norms = row(log.iter().map(|step| step.grad_norm as f32).collect());
        Ok(vec![
            (format!("{name}/losses"), losses),
            (format!("{name}/norms"), norms),
        ])
    }

    pub(super) fn copy_adapter(&self, name: &str, job: &CopyAdapter) -> Result<()> {
        let adapter = self.adapter(&job.adapter)?;
        Ok(adapter.save(&self.out.join("adapters").join(name))?)
    }

    pub(super) fn scores(&mut self, name: &str, job: &Scores) -> Result<(Tensor<2>, Value)> {
        let benchmark = Benchmark::open(job.benchmark, &self.dir.join(&job.data))?;
        let evaluation = Evaluation {
            num_shots: job.shots,
            shots: ShotRule::PerQuestion,
            shot_seed: Some(job.seed),
            questions: Some(job.questions),
            bos: job.bos,
            ..Evaluation::default()
        };
        let requests = requests(self.model_dir()?, &benchmark, &evaluation, &[])?;
        let plan = Plan::new(requests, self.placement.batch_tokens)?;
        let base = Head {
            name: BASE,
            examples: 0,
            adapter: None,
        };
        let model = self.model(Dtype::F32)?;
        let records = score(model, BASE, &base, &plan, &drop)?;
        let sums: Vec<f32> = records.iter().map(|r| r.log_likelihood as f32).collect();
        let dims = [1, sums.len()];
        let sums = Tensor::from_data(TensorData::new(sums, dims), model.device());
        let table = ScoreTable::new(&records)?;
        let rule = table
            .rule(BASE, 0)
            .with_context(|| format!("{name}: no scores"))?;
        let accuracy = |norm| {
            let right = rule.right(norm);
            right.iter().filter(|right| **right).count() as f64 / right.len() as f64
        };
        let answer = json!({"acc": accuracy(Norm::None), "acc_norm": accuracy(Norm::Chars)});
        Ok((sums, answer))
    }

    fn adapter(&self, dir: &Path) -> Result<Adapter> {
        Ok(Adapter::load(&self.dir.join(dir), &self.placement.device)?)
    }

    /// The model with its weights in `dtype`. One at a time: two of them may not fit.
    fn model(&mut self, dtype: Dtype) -> Result<&Model> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != dtype) {
            self.open = None;
            let model = Model::open(self.model_dir()?, dtype.into(), &self.placement.device)?;
            self.open = Some((dtype, model));
        }
        self.open
            .as_ref()
            .map(|(_, model)| model)
            .context("no model is open")
    }
}

/// The examples in the form that training takes; each needs a question and an answer.
fn examples(examples: &[Example]) -> Result<Vec<EncodedPair>> {
    let encoded = |(place, example): (usize, &Example)| {
        let (start, tokens) = (example.answer_start, example.tokens.len());
        ensure!(
            start > 0 && start < tokens,
            "example {place}: answer-start = {start} of {tokens} tokens; expected at least one token \
             before the answer and one in it"
        );
        Ok(EncodedPair {
            tokens: example.tokens.clone(),
            start,
        })
    };
    ensure!(
        !examples.is_empty(),
        "`examples` is empty; expected at least one"
    );
    examples.iter().enumerate().map(encoded).collect()
}
