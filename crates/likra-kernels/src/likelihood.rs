//! Log-likelihoods of given tokens from logits over the vocabulary.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::flex::{floats, is_fused, tensor};
use crate::graph::record;
use crate::math::{self, exp};
use crate::vectors::vectorised;

/// The log-softmax of each row of `logits` at the token that is given for it.
///
/// # Shapes
///
/// - `logits`: `[rows, vocab]`
/// - output: `[rows]`
///
/// # Panics
///
/// If there is not one token for each row, or a token is outside of the vocabulary.
#[must_use]
pub fn log_likelihoods(logits: Tensor<2>, tokens: &[u32]) -> Tensor<1> {
    let [rows, vocab] = logits.dims();
    assert_eq!(tokens.len(), rows, "one token for each row");
    assert!(tokens.iter().all(|&token| (token as usize) < vocab));
    if is_fused(&logits) {
        let logits = logits.into_dispatch();
        Tensor::from_dispatch(<Dispatch as Likelihood>::likelihoods(logits, tokens.into()))
    } else {
        plain(logits, tokens)
    }
}

/// The same in Burn's operations.
fn plain(logits: Tensor<2>, tokens: &[u32]) -> Tensor<1> {
    let ids: Vec<i32> = tokens.iter().map(|&token| token as i32).collect();
    let data = TensorData::new(ids, [tokens.len(), 1]);
    let ids: Tensor<2, Int> = Tensor::from_data(data, &logits.device().inner());
    let chosen = log_softmax(logits, 1).gather(1, ids);
    chosen.reshape([tokens.len()])
}

#[backend_extension(Flex, Autodiff)]
trait Likelihood: Backend {
    fn likelihoods(logits: FloatTensor<Self>, tokens: Arc<[u32]>) -> FloatTensor<Self>;
}

impl Likelihood for Flex {
    fn likelihoods(logits: FlexTensor, tokens: Arc<[u32]>) -> FlexTensor {
        chosen(&logits, &tokens, &totals(&logits))
    }
}

/// `logits` at `tokens`, less the totals.
fn chosen(logits: &FlexTensor, tokens: &[u32], totals: &[f32]) -> FlexTensor {
    let vocab = logits.layout().shape()[1];
    let rows = floats(logits);
    let values = rows.chunks(vocab).zip(tokens).zip(totals);
    tensor(
        values
            .map(|((row, token), total)| row[*token as usize] - total)
            .collect(),
        [tokens.len()],
    )
}

/// log Σ exp of each row.
fn totals(logits: &FlexTensor) -> Vec<f32> {
    let vocab = logits.layout().shape()[1];
    floats(logits).par_chunks(vocab).map(total).collect()
}

vectorised! {
    fn total<'a>(row: &'a [f32]) -> f32 {
        /// Few enough that a sum in f32 keeps its last digits.
        const AT_ONCE: usize = 512;
        let largest = math::max(row);
        let mut sum = 0.0;
        let mut exps = [0.0; AT_ONCE];
        for row in row.chunks(AT_ONCE) {
            for (exps, x) in exps.iter_mut().zip(row) {
                *exps = exp(x - largest);
            }
            sum += f64::from(math::sum(&exps[..row.len()]));
        }
        (f64::from(largest) + sum.ln()) as f32
    }
}

impl<C: CheckpointStrategy> Likelihood for Autodiff<Flex, C> {
    fn likelihoods(logits: FloatTensor<Self>, tokens: Arc<[u32]>) -> FloatTensor<Self> {
        let (logits, node) = logits.into_parts();
        let totals: Arc<[f32]> = totals(&logits).into();
        let output = chosen(&logits, &tokens, &totals);
        record::<C, _, 1>([node], (logits, tokens, totals), output, gradient)
    }
}

/// The gradient of the logits: one at the token, less the softmax.
fn gradient(
    output: &FlexTensor,
    (logits, tokens, totals): &(FlexTensor, Arc<[u32]>, Arc<[f32]>),
    _needed: [bool; 1],
) -> [Option<FlexTensor>; 1] {
    let shape = logits.layout().shape().to_vec();
    let (output, logits) = (floats(output), floats(logits));
    let mut d_logits = vec![0.0; logits.len()];
    d_logits
        .par_chunks_mut(shape[1])
        .zip(logits.par_chunks(shape[1]))
        .zip(output.par_iter().zip(&**totals).zip(&**tokens))
        .for_each(|((d_logits, logits), ((output, total), token))| {
            backward(d_logits, logits, *output, *total);
            d_logits[*token as usize] += output;
        });
    [Some(tensor(d_logits, shape))]
}

vectorised! {
    fn backward<'a>(d_logits: &'a mut [f32], logits: &'a [f32], output: f32, total: f32) {
        for (d_logit, logit) in d_logits.iter_mut().zip(logits) {
            *d_logit = -output * exp(logit - total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::{assert_same, matrix};

    #[test]
    fn fused_and_plain_agree() {
        let tokens = [0, 1200, 7, 7, 555];
        assert_same(
            &[matrix(5, 1201, 1)],
            |[logits]| log_likelihoods(logits, &tokens),
            |[logits]| plain(logits, &tokens),
        );
    }
}
