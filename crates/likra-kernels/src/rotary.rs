//! Rotary position embedding in Hugging Face's convention: a head's first half is rotated against
//! its second (Burn's `RotaryEncoding` rotates neighbours, as the original paper and Meta's files do).

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use crate::flex::{by_rows, is_fused};
use crate::graph::{Gradients, Operation, constant, fused};
use crate::vectors::vectorised;

/// Rotates every head of `x`. The angles are constants.
///
/// # Shapes
///
/// - `x`, output: `[tokens, heads · head_dim]`
/// - `cos`, `sin`: `[tokens, head_dim / 2]`
pub fn rotate(x: Tensor<2>, cos: &Tensor<2>, sin: &Tensor<2>) -> Tensor<2> {
    if !is_fused(&x) {
        return plain(x, cos, sin);
    }
    let [cos, sin] = [cos, sin].map(constant);
    fused([x], Rotate { cos, sin })
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

#[derive(Debug)]
struct Rotate {
    cos: FlexTensor,
    sin: FlexTensor,
}

impl Rotate {
    /// `direction` -1 rotates back.
    fn rotated(&self, x: &FlexTensor, direction: f32) -> FlexTensor {
        let inputs = [x, &self.cos, &self.sin];
        let [output] = by_rows(inputs, |[output], [x, cos, sin]| {
            rotate_token(output, x, cos, sin, direction);
        });
        output
    }
}

impl Operation<1> for Rotate {
    type Kept = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
        (self.rotated(&x, 1.0), ())
    }

    fn backward(&self, output: &FlexTensor, (): &(), _: [bool; 1]) -> Gradients<1> {
        [Some(self.rotated(output, -1.0))]
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{assert_same, matrix};

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
