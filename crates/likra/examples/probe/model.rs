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
use likra_train::{Example, TrainSettings, Trainer, loss_and_gradients};
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
    pub(super) dtype: Dtype,
}

/// An answer to make likelier, or the answers of a contrast.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Learned {
    Answer(EncodedPair),
    Contrast {
        chosen: Vec<EncodedPair>,
        rejected: Vec<EncodedPair>,
    },
}

impl From<Learned> for Example {
    fn from(learned: Learned) -> Self {
        match learned {
            Learned::Answer(answer) => answer.into(),
            Learned::Contrast { chosen, rejected } => Self { chosen, rejected },
        }
    }
}

fn examples(learned: &[Learned]) -> Vec<Example> {
    learned.iter().cloned().map(Example::from).collect()
}

/// The gradient of the loss with respect to every tensor of an adapter: `NAME/TENSOR`, in its shape.
#[derive(Deserialize)]
pub(super) struct Gradients {
    adapter: PathBuf,
    examples: Vec<Learned>,
}

/// The loss and the gradient norm of every step, `NAME/losses` and `NAME/norms`, `[1, steps]`, and the
/// adapter after the last, `OUT/adapters/NAME`.
#[derive(Deserialize)]
pub(super) struct Training {
    adapter: PathBuf,
    examples: Vec<Learned>,
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

impl Probe<'_> {
    pub(super) fn logits(&mut self, name: &str, job: &Logits) -> Result<()> {
        let empty = "`rows` is empty; expected at least one row of tokens";
        ensure!(!job.rows.is_empty(), empty);
        if let Some(number) = job.rows.iter().position(Vec::is_empty) {
            bail!("row {number} is empty; expected at least one token");
        }
        ensure!(job.last != Some(0), "`last` is 0; expected at least 1");
        let adapter = job.adapter.as_ref().map(|dir| self.adapter(dir));
        let adapter = adapter.transpose()?;
        let (model, adapter) = (self.base(job.dtype)?.model()?, adapter.as_ref());
        adapter.map_or(Ok(()), |adapter| model.config().check_adapter(adapter))?;
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
            let first = batch.index(number, 0, row.len() - kept);
            let logits = model.logits(hidden.clone().narrow(0, first, kept));
            (format!("{name}/{number}"), logits)
        };
        let logits: Vec<_> = rows.iter().enumerate().map(logits).collect();
        self.tensors.extend(logits);
        Ok(())
    }

    pub(super) fn gradients(&mut self, name: &str, job: &Gradients) -> Result<()> {
        let adapter = self.adapter(&job.adapter)?;
        let model = self.base(Dtype::F32)?.model()?;
        model.config().check_adapter(&adapter)?;
        let settings = TrainSettings::default();
        let examples = examples(&job.examples);
        let (_, gradients) = loss_and_gradients(model, &adapter, &examples, &settings)?;
        let tensors = adapter.tensors().into_iter();
        let names = tensors.map(|(tensor, _)| format!("{name}/{tensor}"));
        self.tensors.extend(names.zip(gradients));
        Ok(())
    }

    pub(super) fn training(&mut self, name: &str, job: &Training) -> Result<()> {
        let (start, copy) = (self.adapter(&job.adapter)?, self.copy(name)?);
        let model = self.base(Dtype::F32)?.model()?;
        let examples = examples(&job.examples);
        let mut trainer = Trainer::new(model, start, examples.len(), &job.settings)?;
        let (mut losses, mut norms) = (Vec::new(), Vec::new());
        for batch in examples.chunks(job.settings.batch_size) {
            let step = trainer.step(batch)?;
            losses.push(step.loss as f32);
            norms.push(step.grad_norm as f32);
        }
        trainer.adapter.save(&copy)?;
        self.numbers(format!("{name}/losses"), losses);
        self.numbers(format!("{name}/norms"), norms);
        Ok(())
    }

    pub(super) fn scores(&mut self, name: &str, job: &Scores) -> Result<()> {
        let benchmark = self.benchmark(&job.task, &job.data)?;
        let evaluation = Evaluation {
            num_shots: job.shots,
            shots: ShotRule::PerQuestion,
            shot_seed: Some(job.seed),
            questions: Some(job.questions),
            bos: job.bos,
            too_long: LongPrompt::Truncate,
            ..Evaluation::default()
        };
        let base = self.base(Dtype::F32)?;
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
        self.answers.insert(name.into(), accuracies);
        let sums = records.iter().map(|record| record.log_likelihood as f32);
        self.numbers(format!("{name}/log-likelihoods"), sums.collect());
        Ok(())
    }

    /// A tensor of one row.
    fn numbers(&mut self, name: String, values: Vec<f32>) {
        let data = TensorData::from(&*values);
        let tensor = Tensor::<1>::from_data(data, &self.device);
        self.tensors.push((name, tensor.unsqueeze()));
    }
}
