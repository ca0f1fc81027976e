//! Root-mean-square normalisation (Zhang and Sennrich 2019).

use burn::tensor::{FloatDType, Tensor};
use burn_flex::FlexTensor;

use crate::flex::{by_rows, floats, is_fused};
use crate::graph::{Gradients, Operation, constant, fused};
use crate::math::dot;
use crate::vectors::vectorised;

/// `x / √(mean(x²) + ε) · weight`. The weight is a constant.
///
/// # Shapes
///
/// - `x`, output: `[tokens, hidden]`
/// - `weight`: `[hidden]`
pub fn rms_norm(x: Tensor<2>, weight: &Tensor<1>, epsilon: f64) -> Tensor<2> {
    if !is_fused(&x) {
        return plain(x, weight, epsilon);
    }
    let weight = constant(weight);
    fused([x], RmsNorm { weight, epsilon })
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

#[derive(Debug)]
struct RmsNorm {
    weight: FlexTensor,
    epsilon: f64,
}

impl Operation<1> for RmsNorm {
    type Kept = FlexTensor;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        let weight = floats(&self.weight);
        let [output] = by_rows([&x], |[output], [x]| {
            forward(output, x, &weight, self.epsilon);
        });
        (output, x)
    }

    fn backward(&self, output: &FlexTensor, x: &FlexTensor, _: [bool; 1]) -> Gradients<1> {
        let weight = floats(&self.weight);
        let gradient = |[d_x]: [&mut [f32]; 1], [x, output]: [&[f32]; 2]| {
            backward(d_x, output, x, &weight, self.epsilon);
        };
        by_rows([x, output], gradient).map(Some)
    }
}

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
    use crate::tests::{assert_same, matrix};

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
