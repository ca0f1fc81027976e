//! The loss of a batch and its gradient.

use burn::tensor::Tensor;
use likra_lora::Adapter;
use likra_model::{Model, Row};
use likra_tokenizer::EncodedPair;

use crate::{Error, Result};

/// The mean negative log-likelihood of the answer tokens of `examples`, `[1]`, in nats, and its gradient with
/// respect to every tensor of `adapter`, in the order of [`Adapter::tensors`] and unclipped. Nothing waits for
/// the device here.
///
/// # Errors
///
/// If there is no example, one has no answer or no question, a token is outside of the model's vocabulary, or the
/// loss does not depend on a tensor.
pub fn loss_and_gradients(
    model: &Model,
    adapter: &Adapter,
    examples: &[EncodedPair],
) -> Result<(Tensor<1>, Vec<Tensor<2>>)> {
    check(examples)?;
    let tracked = adapter.tracked();
    let rows = examples.iter().map(|one| Row::sequence(&one.tokens));
    let batch = model.batch(&rows.collect::<Vec<_>>());
    let hidden = model.forward(&batch, None, Some(&tracked))?;
    let mut targets = Vec::new();
    for (row, example) in examples.iter().enumerate() {
        for place in example.start..example.tokens.len() {
            targets.push((batch.index(row, place - 1), example.tokens[place]));
        }
    }
    let loss = model.log_likelihoods(&hidden, &targets)?.mean().neg();
    let mut gradients = loss.backward();
    let gradient = |(tensor, value): (String, Tensor<2>)| {
        let gradient = value.grad_remove(&mut gradients);
        gradient.ok_or(Error::Gradient(tensor))
    };
    let gradients = tracked.tensors().into_iter().map(gradient);
    Ok((loss.inner(), gradients.collect::<Result<_>>()?))
}

/// Refuses examples without an answer to learn, or without a question before it.
pub(crate) fn check(examples: &[EncodedPair]) -> Result<()> {
    if examples.is_empty() {
        return Err(Error::Setting {
            setting: "examples",
            found: "0".into(),
            expected: "at least 1",
        });
    }
    let is_wrong = |one: &EncodedPair| one.start == 0 || one.start >= one.tokens.len();
    match examples.iter().position(is_wrong) {
        None => Ok(()),
        Some(example) => Err(Error::Example {
            example,
            start: examples[example].start,
            tokens: examples[example].tokens.len(),
        }),
    }
}
