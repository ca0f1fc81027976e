//! The gate of a feed-forward block: `silu(gate) · up`, or with GELU (Shazeer 2020).

use burn::tensor::activation::{gelu_approximate, silu};
use burn::tensor::{FloatDType, Tensor};
use burn_flex::FlexTensor;

use crate::flex::{by_rows, is_fused};
use crate::graph::{Gradients, Operation, fused};
use crate::math::sigmoid;
use crate::vectors::vectorised;

/// `silu(gate) · up`, number by number.
///
/// # Shapes
///
/// - `gate`, `up`, output: `[tokens, features]`
pub fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    if is_fused(&gate) {
        fused([gate, up], Swiglu)
    } else {
        plain(gate, up)
    }
}

/// The same in Burn's operations.
///
/// Burn's silu is a sigmoid and a product, each rounded; torch's rounds once, as this does.
fn plain(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    let dtype = FloatDType::from(gate.dtype());
    silu(gate.cast(FloatDType::F32)).cast(dtype) * up
}

/// `gelu(gate) · up`, with the approximation of GELU by a tanh (`GEGLU`), in Burn's operations.
///
/// # Shapes
///
/// - `gate`, `up`, output: `[tokens, features]`
pub fn geglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    let dtype = FloatDType::from(gate.dtype());
    gelu_approximate(gate.cast(FloatDType::F32)).cast(dtype) * up
}

#[derive(Debug)]
struct Swiglu;

impl Operation<2> for Swiglu {
    /// Gate and up.
    type Kept = [FlexTensor; 2];

    fn forward(&self, inputs: [FlexTensor; 2]) -> (FlexTensor, [FlexTensor; 2]) {
        let [gate, up] = &inputs;
        let [output] = by_rows([gate, up], |[output], [gate, up]| forward(output, gate, up));
        (output, inputs)
    }

    fn backward(&self, output: &FlexTensor, kept: &[FlexTensor; 2], _: [bool; 2]) -> Gradients<2> {
        let [gate, up] = kept;
        let gradients = |[d_gate, d_up]: [&mut [f32]; 2], [gate, up, output]: [&[f32]; 3]| {
            backward(d_gate, d_up, output, gate, up);
        };
        by_rows([gate, up, output], gradients).map(Some)
    }
}

vectorised! {
    fn forward<'a>(output: &'a mut [f32], gate: &'a [f32], up: &'a [f32]) {
        for ((output, gate), up) in output.iter_mut().zip(gate).zip(up) {
            *output = gate * sigmoid(*gate) * up;
        }
    }
}

vectorised! {
    /// `silu(x)' = σ(x) (1 + x (1 − σ(x)))`.
    fn backward<'a>(
        d_gate: &'a mut [f32],
        d_up: &'a mut [f32],
        output: &'a [f32],
        gate: &'a [f32],
        up: &'a [f32],
    ) {
        let inputs = output.iter().zip(gate).zip(up);
        for ((d_gate, d_up), ((output, gate), up)) in d_gate.iter_mut().zip(d_up).zip(inputs) {
            let share = sigmoid(*gate);
            *d_up = output * gate * share;
            *d_gate = output * up * share * (1.0 + gate * (1.0 - share));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{assert_same, matrix};

    #[test]
    fn fused_and_plain_agree() {
        let inputs = [matrix(5, 77, 1), matrix(5, 77, 2)];
        assert_same(
            &inputs,
            |[gate, up]| swiglu(gate, up),
            |[gate, up]| plain(gate, up),
        );
    }
}
