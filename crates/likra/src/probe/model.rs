//! Jobs that run a checkpoint.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use burn::tensor::{Tensor, TensorData};
use likra_analysis::{Norm, ScoreTable};
use likra_data::{Bos, Tokenizer, TrainingExample};
use likra_lora::Adapter;
use likra_model::{Model, Row};
use likra_results::{BASE, HeadDir, StepRecord, read_rows};
use likra_score::{Head, Plan};
use likra_train::{Settings, loss_and_gradients, train_head};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::device::{Chosen, Dtype};
use crate::experiment::{self, Evaluation, Shots};
use crate::questions::{read_benchmark, requests};
use crate::reproduce::score_with_progress;

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
    benchmark: experiment::Benchmark,
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
    chosen: Chosen,
    out: PathBuf,
    dir: PathBuf,
    open: Option<(Dtype, Model)>,
}

impl Bench {
    pub(super) fn new(
        model_dir: Option<PathBuf>,
        chosen: Chosen,
        out: PathBuf,
        dir: PathBuf,
    ) -> Self {
        Self {
            model_dir,
            chosen,
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
        let (_, gradients) = loss_and_gradients(model, &adapter, &examples(&job.examples))?;
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
        let steps = tempfile_in(&self.out, name)?;
        let head = HeadDir::new(&steps);
        let settings = Settings {
            learning_rate: job.learning_rate,
            batch_size: job.batch_size,
            max_grad_norm: job.max_grad_norm,
            weight_decay: job.weight_decay,
            first_checkpoint: job.batch_size.max(1) << 20,
        };
        let examples = examples(&job.examples);
        let model = self.model(Dtype::F32)?;
        train_head(
            model,
            start,
            &examples,
            &settings,
            &head,
            name,
            &mut |_, _| {},
        )?;
        let log = read_rows::<StepRecord>(&head.log())?;
        let device = model.device().clone();
        Adapter::load(&head.checkpoint(examples.len()), &device)?.save(&copy)?;
        std::fs::remove_dir_all(&steps).with_context(|| steps.display().to_string())?;
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
        let (benchmark, _) = read_benchmark(job.benchmark, &self.dir.join(&job.data))?;
        let tokenizer = Tokenizer::open(self.model_dir()?, job.bos)?;
        let evaluation = Evaluation {
            num_shots: job.shots,
            shots: Shots::PerQuestion,
            shot_seed: Some(job.seed),
            questions: Some(job.questions),
            ..Evaluation::default()
        };
        let requests = requests(&tokenizer, &benchmark, &evaluation)?;
        let plan = Plan::new(&requests, self.chosen.batch_tokens)?;
        let base = Head {
            name: BASE,
            examples: 0,
            adapter: None,
        };
        let model = self.model(Dtype::F32)?;
        let records = score_with_progress(model, base.name, &base, &plan)?;
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
        Ok(Adapter::load(&self.dir.join(dir), &self.chosen.device)?)
    }

    /// The model with its weights in `dtype`. One at a time: two of them may not fit.
    fn model(&mut self, dtype: Dtype) -> Result<&Model> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != dtype) {
            self.open = None;
            let model = Model::open(self.model_dir()?, dtype.into(), &self.chosen.device)?;
            self.open = Some((dtype, model));
        }
        self.open
            .as_ref()
            .map(|(_, model)| model)
            .context("no model is open")
    }
}

/// A folder for the checkpoints of a training that starts anew each time.
fn tempfile_in(out: &Path, name: &str) -> Result<PathBuf> {
    let dir = out.join("steps").join(name);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).with_context(|| dir.display().to_string())?;
    }
    Ok(dir)
}

fn examples(examples: &[Example]) -> Vec<TrainingExample> {
    examples
        .iter()
        .map(|example| TrainingExample {
            tokens: example.tokens.clone(),
            answer_start: example.answer_start,
        })
        .collect()
}
