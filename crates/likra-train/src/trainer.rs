//! The training loop: answer-only cross-entropy, one pass, adapters left along the way.

use burn::tensor::Tensor;
use likra_data::TrainingExample;
use likra_lora::Adapter;
use likra_model::{Model, Row};
use likra_results::{HeadDir, StepRecord};

use crate::adamw::{AdamW, clip};
use crate::checkpoint::{self, State};
use crate::{Error, Result, Settings};

/// Trains a head on `examples`, in their order, and leaves its adapters in `head`.
///
/// Minimises the mean over a batch's answer tokens of their negative log-likelihood (paper, equation
/// 1; the question's tokens are context only). `start` is the adapter after 0 examples.
///
/// If `head` holds checkpoints of a run with the same `fingerprint` (a name for everything that
/// decides the result: model, settings, examples up to any length, `start`), training goes on from
/// the newest. On a CPU it ends with the same bytes as a run that was never stopped. `progress` hears of
/// every step; `true` marks the last one of an earlier run, from which this one goes on.
///
/// # Errors
///
/// If a setting or an example is impossible, the checkpoints belong to another run, a loss is not a
/// number, or a file cannot be read or written.
pub fn train_head(
    model: &Model,
    start: Adapter,
    examples: &[TrainingExample],
    settings: &Settings,
    head: &HeadDir,
    fingerprint: &str,
    progress: &mut dyn FnMut(&StepRecord, bool),
) -> Result<()> {
    settings.validate()?;
    check_examples(examples)?;
    model.check_adapter(&start)?;
    let (mut state, mut log) = begin(model, start, settings, head, fingerprint)?;
    if let Some(last) = log.last() {
        progress(last, true);
    }
    let checkpoints = settings.checkpoints(examples.len());
    while state.examples < examples.len() {
        let end = examples.len().min(state.examples + settings.batch_size);
        let batch = &examples[state.examples..end];
        let record = step(model, &mut state, batch, settings)?;
        progress(&record, false);
        log.push(record);
        if checkpoints.contains(&state.examples) {
            save(head, &state, &log, fingerprint)?;
        }
    }
    Ok(())
}

/// Where training goes on, with the log of the steps before: at the newest checkpoint of the same run,
/// or at a first one of `start`, which this leaves.
fn begin(
    model: &Model,
    start: Adapter,
    settings: &Settings,
    head: &HeadDir,
    fingerprint: &str,
) -> Result<(State, Vec<StepRecord>)> {
    let resumed = checkpoint::resume(head, settings.batch_size, fingerprint, model.device())?;
    if let Some(state) = resumed {
        let log = log_until(head, state.optimiser.step)?;
        return Ok((state, log));
    }
    let optimiser = AdamW::new(&start);
    let state = State {
        examples: 0,
        adapter: start,
        optimiser,
    };
    save(head, &state, &[], fingerprint)?;
    Ok((state, Vec::new()))
}

/// The log first: a log that is ahead of the newest checkpoint is cut when training goes on.
fn save(head: &HeadDir, state: &State, log: &[StepRecord], fingerprint: &str) -> Result<()> {
    likra_results::write_rows(&head.log(), log)?;
    checkpoint::save(head, state, fingerprint)
}

fn log_until(head: &HeadDir, step: usize) -> Result<Vec<StepRecord>> {
    let mut log = likra_results::read_rows::<StepRecord>(&head.log())?;
    log.truncate(step);
    Ok(log)
}

/// One optimiser step over `batch`.
fn step(
    model: &Model,
    state: &mut State,
    batch: &[TrainingExample],
    settings: &Settings,
) -> Result<StepRecord> {
    let not_finite = |quantity, value: f64, state: &State| Error::NotFinite {
        quantity,
        value,
        step: state.optimiser.step + 1,
        examples: state.examples,
    };
    let (value, mut gradients) = loss_and_gradients(model, &state.adapter, batch)?;
    if !value.is_finite() {
        return Err(not_finite("loss", value, state));
    }
    let grad_norm = clip(&mut gradients, settings.max_grad_norm);
    if !grad_norm.is_finite() {
        return Err(not_finite("gradient norm", grad_norm, state));
    }
    state.adapter = state.optimiser.update(&state.adapter, gradients, settings);
    state.examples += batch.len();
    Ok(StepRecord {
        step: state.optimiser.step,
        examples: state.examples,
        loss: value,
        grad_norm,
        answer_tokens: batch
            .iter()
            .map(|example| example.tokens.len() - example.answer_start)
            .sum(),
        tokens: batch.iter().map(|example| example.tokens.len()).sum(),
    })
}

/// The mean negative log-likelihood of the answer tokens of `examples`, in nats, and its gradient with
/// respect to every tensor of `adapter`, in the order of [`Adapter::tensors`] and unclipped.
///
/// # Errors
///
/// If a token is outside of the model's vocabulary.
pub fn loss_and_gradients(
    model: &Model,
    adapter: &Adapter,
    examples: &[TrainingExample],
) -> Result<(f64, Vec<Tensor<2>>)> {
    let tracked = adapter.tracked();
    let loss = loss(model, &tracked, examples)?;
    let value = f64::from(loss.clone().into_scalar::<f32>());
    Ok((value, gradients(&loss, &tracked)))
}

/// The mean negative log-likelihood of the batch's answer tokens, in nats: `[1]`.
fn loss(model: &Model, adapter: &Adapter, examples: &[TrainingExample]) -> Result<Tensor<1>> {
    let rows: Vec<Row> = examples
        .iter()
        .map(|example| Row::sequence(&example.tokens))
        .collect();
    let batch = model.batch(&rows);
    let hidden = model.forward(&batch, None, Some(adapter))?;
    let mut targets = Vec::new();
    for (row, example) in examples.iter().enumerate() {
        for place in example.answer_start..example.tokens.len() {
            targets.push((batch.index(row, place - 1), example.tokens[place]));
        }
    }
    Ok(model.log_likelihoods(&hidden, &targets)?.mean().neg())
}

/// The gradient of every tensor of `adapter`, in the order of [`Adapter::tensors`].
fn gradients(loss: &Tensor<1>, adapter: &Adapter) -> Vec<Tensor<2>> {
    let mut gradients = loss.backward();
    adapter
        .tensors()
        .into_iter()
        .map(|(_, tensor)| {
            let gradient = tensor.grad_remove(&mut gradients);
            // The loss does not depend on a tensor that backward has not met.
            gradient.unwrap_or_else(|| tensor.inner().zeros_like())
        })
        .collect()
}

fn check_examples(examples: &[TrainingExample]) -> Result<()> {
    if examples.is_empty() {
        return Err(Error::Setting {
            setting: "examples",
            found: "0".into(),
            expected: "at least 1".into(),
        });
    }
    for (number, example) in examples.iter().enumerate() {
        let tokens = example.tokens.len();
        if example.answer_start == 0 || example.answer_start >= tokens {
            return Err(Error::Example {
                example: number,
                answer_start: example.answer_start,
                tokens,
            });
        }
    }
    Ok(())
}
