//! Root-mean-square normalisation (Zhang and Sennrich 2019).

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{FloatDType, Tensor};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::flex::{floats, is_fused, tensor};
use crate::graph::record;
use crate::math::dot;
use crate::vectors::vectorised;

/// `x / √(mean(x²) + ε) · weight`. The weight is a constant.
///
/// # Shapes
///
/// - `x`, output: `[tokens, hidden]`
/// - `weight`: `[hidden]`
#[must_use]
pub fn rms_norm(x: Tensor<2>, weight: &Tensor<1>, epsilon: f64) -> Tensor<2> {
    if is_fused(&x) {
        let (x, weight) = (x.into_dispatch(), weight.clone().into_dispatch());
        Tensor::from_dispatch(<Dispatch as RmsNorm>::rms_norm(x, weight, epsilon))
    } else {
        plain(x, weight, epsilon)
    }
}

/// The same in Burn's operations.
///
/// As transformers' `LlamaRMSNorm`: the whole normalisation in f32, then the cast to the input's
/// type, then the weight. A weight of f32 is multiplied by before the cast, as in its `Gemma2RMSNorm`
/// and `Olmo2RMSNorm`. (Burn's `RmsNorm` divides in the input's type.)
fn plain(x: Tensor<2>, weight: &Tensor<1>, epsilon: f64) -> Tensor<2> {
    let dtype = FloatDType::from(x.dtype());
    let x = x.cast(FloatDType::F32);
    let mean_square = x.clone().square().mean_dim(1);
    let scaled = x / mean_square.add_scalar(epsilon).sqrt();
    (scaled.cast(FloatDType::from(weight.dtype())) * weight.clone().unsqueeze()).cast(dtype)
}

#[backend_extension(Flex, Autodiff)]
trait RmsNorm: Backend {
    fn rms_norm(x: FloatTensor<Self>, weight: FloatTensor<Self>, epsilon: f64)
    -> FloatTensor<Self>;
}

impl RmsNorm for Flex {
    fn rms_norm(x: FlexTensor, weight: FlexTensor, epsilon: f64) -> FlexTensor {
        let shape = x.layout().shape().to_vec();
        let (x, weight) = (floats(&x), floats(&weight));
        let mut output = vec![0.0; x.len()];
        output
            .par_chunks_mut(weight.len())
            .zip(x.par_chunks(weight.len()))
            .with_min_len(ROWS)
            .for_each(|(output, x)| forward(output, x, &weight, epsilon));
        tensor(output, shape)
    }
}

/// How many rows a thread takes at least.
const ROWS: usize = 16;

vectorised! {
    fn forward<'a>(output: &'a mut [f32], x: &'a [f32], weight: &'a [f32], epsilon: f64) {
        let share = share(x, epsilon);
        for ((output, x), weight) in output.iter_mut().zip(x).zip(weight) {
            *output = x * share * weight;
        }
    }
}

/// `1 / √(mean(x²) + ε)`.
#[inline(always)]
fn share(x: &[f32], epsilon: f64) -> f32 {
    (dot(x, x) / x.len() as f32 + epsilon as f32).sqrt().recip()
}

impl<C: CheckpointStrategy> RmsNorm for Autodiff<Flex, C> {
    fn rms_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        assert!(!weight.is_tracked(), "the weight is a constant");
        let (x, node) = x.into_parts();
        let weight = weight.into_primitive();
        let output = Flex::rms_norm(x.clone(), weight.clone(), epsilon);
        record::<C, _, 1>([node], (x, weight, epsilon), output, gradient)
    }
}

/// The gradient of `x`.
fn gradient(
    output: &FlexTensor,
    (x, weight, epsilon): &(FlexTensor, FlexTensor, f64),
    _needed: [bool; 1],
) -> [Option<FlexTensor>; 1] {
    let shape = x.layout().shape().to_vec();
    let (output, x, weight) = (floats(output), floats(x), floats(weight));
    let mut d_x = vec![0.0; x.len()];
    d_x.par_chunks_mut(weight.len())
        .zip(output.par_chunks(weight.len()))
        .zip(x.par_chunks(weight.len()))
        .with_min_len(ROWS)
        .for_each(|((d_x, output), x)| {
            backward(d_x, output, x, &weight, *epsilon);
        });
    [Some(tensor(d_x, shape))]
}

vectorised! {
    /// With `s` the share and `g = output · weight`: `s g − s³ mean(x g) x`.
    fn backward<'a>(
        d_x: &'a mut [f32],
        output: &'a [f32],
        x: &'a [f32],
        weight: &'a [f32],
        epsilon: f64,
    ) {
        let share = share(x, epsilon);
        for ((d_x, output), weight) in d_x.iter_mut().zip(output).zip(weight) {
            *d_x = output * weight;
        }
        let along = share * share * dot(d_x, x) / x.len() as f32;
        for (d_x, x) in d_x.iter_mut().zip(x) {
            *d_x = share * (*d_x - along * x);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::twin::{assert_same, matrix};

    #[test]
    fn epsilon_is_under_the_root() {
        let device = Device::flex();
        let weight = Tensor::from_floats([1.0, 2.0], &device);
        // mean(x²) = 1, so the divisor is √(1 + 3) = 2.
        let y = rms_norm(Tensor::from_floats([[1.0, -1.0]], &device), &weight, 3.0);
        assert_eq!(y.try_into_vec_as::<f32>().unwrap(), [0.5, -1.0]);
    }

    #[test]
    fn fused_and_plain_agree() {
        let weight = matrix(1, 77, 2).reshape([77]);
        assert_same(
            &[matrix(40, 77, 1)],
            |[x]| rms_norm(x, &weight, 0.01),
            |[x]| plain(x, &weight, 0.01),
        );
    }
}
