//! Rotary position embedding in Hugging Face's convention: a head's first half is rotated against
//! its second (Burn's `RotaryEncoding` rotates neighbours, as the original paper and Meta's files do).

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::flex::{floats, is_fused, tensor};
use crate::graph::record;
use crate::vectors::vectorised;

/// Rotates every head of `x`. The angles are constants.
///
/// # Shapes
///
/// - `x`, output: `[tokens, heads · head_dim]`
/// - `cos`, `sin`: `[tokens, head_dim / 2]`
#[must_use]
pub fn rotate(x: Tensor<2>, cos: &Tensor<2>, sin: &Tensor<2>) -> Tensor<2> {
    if is_fused(&x) {
        let [cos, sin] = [cos, sin].map(|tensor| tensor.clone().into_dispatch());
        Tensor::from_dispatch(<Dispatch as Rotate>::rotate(x.into_dispatch(), cos, sin))
    } else {
        plain(x, cos, sin)
    }
}

/// The same in Burn's operations.
fn plain(x: Tensor<2>, cos: &Tensor<2>, sin: &Tensor<2>) -> Tensor<2> {
    let [tokens, features] = x.dims();
    let half = cos.dims()[1];
    let x = x.reshape([tokens, features / (2 * half), 2 * half]);
    let first = x.clone().narrow(2, 0, half);
    let second = x.narrow(2, half, half);
    let [cos, sin] = [cos, sin].map(|tensor| tensor.clone().reshape([tokens, 1, half]));
    let rotated = vec![
        first.clone() * cos.clone() - second.clone() * sin.clone(),
        second * cos + first * sin,
    ];
    Tensor::cat(rotated, 2).reshape([tokens, features])
}

#[backend_extension(Flex, Autodiff)]
trait Rotate: Backend {
    fn rotate(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

impl Rotate for Flex {
    fn rotate(x: FlexTensor, cos: FlexTensor, sin: FlexTensor) -> FlexTensor {
        rotated(&x, &cos, &sin, 1.0)
    }
}

/// `direction` -1 rotates back.
fn rotated(x: &FlexTensor, cos: &FlexTensor, sin: &FlexTensor, direction: f32) -> FlexTensor {
    let shape = x.layout().shape().to_vec();
    let (half, features) = (cos.layout().shape()[1], shape[1]);
    let (x, cos, sin) = (floats(x), floats(cos), floats(sin));
    let mut output = vec![0.0; x.len()];
    output
        .par_chunks_mut(features)
        .zip(x.par_chunks(features))
        .zip(cos.par_chunks(half).zip(sin.par_chunks(half)))
        .with_min_len(ROWS)
        .for_each(|((output, x), (cos, sin))| {
            rotate_token(output, x, cos, sin, direction);
        });
    tensor(output, shape)
}

/// How many rows a thread takes at least.
const ROWS: usize = 16;

vectorised! {
    /// All heads of one token, by the same angles.
    fn rotate_token<'a>(
        output: &'a mut [f32],
        x: &'a [f32],
        cos: &'a [f32],
        sin: &'a [f32],
        direction: f32,
    ) {
        let head_dim = 2 * cos.len();
        let heads = output.chunks_exact_mut(head_dim).zip(x.chunks_exact(head_dim));
        for (output, x) in heads {
            rotate_head(output, x, cos, sin, direction);
        }
    }
}

#[inline(always)]
fn rotate_head(output: &mut [f32], x: &[f32], cos: &[f32], sin: &[f32], direction: f32) {
    let (first, second) = x.split_at(cos.len());
    let (to_first, to_second) = output.split_at_mut(cos.len());
    let inputs = first.iter().zip(second).zip(cos.iter().zip(sin));
    for ((to_first, to_second), ((first, second), (cos, sin))) in
        to_first.iter_mut().zip(to_second).zip(inputs)
    {
        let sin = sin * direction;
        *to_first = first * cos - second * sin;
        *to_second = second * cos + first * sin;
    }
}

impl<C: CheckpointStrategy> Rotate for Autodiff<Flex, C> {
    fn rotate(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        assert!(
            !cos.is_tracked() && !sin.is_tracked(),
            "the angles are constants"
        );
        let (x, node) = x.into_parts();
        let (cos, sin) = (cos.into_primitive(), sin.into_primitive());
        let output = Flex::rotate(x, cos.clone(), sin.clone());
        record::<C, _, 1>([node], (cos, sin), output, |output, (cos, sin), _| {
            [Some(rotated(output, cos, sin, -1.0))]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::{assert_same, matrix};

    #[test]
    fn fused_and_plain_agree() {
        let (cos, sin) = (matrix(20, 9, 2), matrix(20, 9, 3));
        assert_same(
            &[matrix(20, 54, 1)],
            |[x]| rotate(x, &cos, &sin),
            |[x]| plain(x, &cos, &sin),
        );
    }
}
