//! Log-likelihoods of given tokens from logits over the vocabulary.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::flex::{by_rows, floats, is_fused, tensor};
use crate::graph::{Gradients, Operation, fused};
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
pub fn log_likelihoods(logits: Tensor<2>, tokens: &[u32]) -> Tensor<1> {
    let [rows, vocab] = logits.dims();
    assert_eq!(tokens.len(), rows, "one token for each row");
    assert!(tokens.iter().all(|&token| (token as usize) < vocab));
    if is_fused(&logits) {
        fused([logits], LogLikelihoods(tokens.into()))
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

/// Of these tokens.
#[derive(Debug)]
struct LogLikelihoods(Vec<u32>);

impl Operation<1> for LogLikelihoods {
    /// The logits, and log Σ exp of each row.
    type Kept = [FlexTensor; 2];

    fn forward(&self, [logits]: [FlexTensor; 1]) -> (FlexTensor, [FlexTensor; 2]) {
        let vocab = logits.layout().shape()[1];
        let rows = floats(&logits);
        let totals: Vec<f32> = rows.par_chunks(vocab).map(total).collect();
        let chosen = rows.chunks(vocab).zip(&self.0).zip(&totals);
        let chosen = chosen.map(|((row, token), total)| row[*token as usize] - total);
        let output = tensor(chosen.collect(), [totals.len()]);
        let totals = tensor(totals, output.layout().shape().to_vec());
        drop(rows);
        (output, [logits, totals])
    }

    /// One at the token, less the softmax.
    fn backward(&self, output: &FlexTensor, kept: &[FlexTensor; 2], _: [bool; 1]) -> Gradients<1> {
        let [logits, totals] = kept;
        let inputs = [logits, output, totals];
        let [mut d_logits] = by_rows(inputs, |[d_logits], [logits, output, total]| {
            backward(d_logits, logits, output[0], total[0]);
        });
        let vocab = logits.layout().shape()[1];
        let rows = d_logits.storage_mut::<f32>().chunks_mut(vocab);
        for ((row, token), output) in rows.zip(&self.0).zip(&*floats(output)) {
            row[*token as usize] += output;
        }
        [Some(d_logits)]
    }
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
    use crate::tests::{assert_same, matrix};

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
