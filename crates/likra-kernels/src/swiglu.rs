//! The gate of a feed-forward block: `silu(gate) · up`, or with GELU (Shazeer 2020).

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::activation::{gelu_approximate, silu};
use burn::tensor::{FloatDType, Tensor};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::flex::{CHUNK, floats, is_fused, tensor};
use crate::graph::record;
use crate::math::sigmoid;
use crate::vectors::vectorised;

/// `silu(gate) · up`, number by number.
///
/// # Shapes
///
/// - `gate`, `up`, output: `[tokens, features]`
#[must_use]
pub fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    if is_fused(&gate) {
        let (gate, up) = (gate.into_dispatch(), up.into_dispatch());
        Tensor::from_dispatch(<Dispatch as Swiglu>::swiglu(gate, up))
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
#[must_use]
pub fn geglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    let dtype = FloatDType::from(gate.dtype());
    gelu_approximate(gate.cast(FloatDType::F32)).cast(dtype) * up
}

#[backend_extension(Flex, Autodiff)]
trait Swiglu: Backend {
    fn swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Swiglu for Flex {
    fn swiglu(gate: FlexTensor, up: FlexTensor) -> FlexTensor {
        let shape = gate.layout().shape().to_vec();
        let (gate, up) = (floats(&gate), floats(&up));
        let mut output = vec![0.0; gate.len()];
        output
            .par_chunks_mut(CHUNK)
            .zip(gate.par_chunks(CHUNK))
            .zip(up.par_chunks(CHUNK))
            .for_each(|((output, gate), up)| forward(output, gate, up));
        tensor(output, shape)
    }
}

vectorised! {
    fn forward<'a>(output: &'a mut [f32], gate: &'a [f32], up: &'a [f32]) {
        for ((output, gate), up) in output.iter_mut().zip(gate).zip(up) {
            *output = gate * sigmoid(*gate) * up;
        }
    }
}

impl<C: CheckpointStrategy> Swiglu for Autodiff<Flex, C> {
    fn swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [gate.node(), up.node()];
        let (gate, up) = (gate.into_primitive(), up.into_primitive());
        let output = Flex::swiglu(gate.clone(), up.clone());
        record::<C, _, 2>(nodes, (gate, up), output, gradient)
    }
}

/// The gradients of `gate` and `up`.
fn gradient(
    output: &FlexTensor,
    (gate, up): &(FlexTensor, FlexTensor),
    _needed: [bool; 2],
) -> [Option<FlexTensor>; 2] {
    let shape = gate.layout().shape().to_vec();
    let (output, gate, up) = (floats(output), floats(gate), floats(up));
    let (mut d_gate, mut d_up) = (vec![0.0; gate.len()], vec![0.0; gate.len()]);
    d_gate
        .par_chunks_mut(CHUNK)
        .zip(d_up.par_chunks_mut(CHUNK))
        .zip(output.par_chunks(CHUNK))
        .zip(gate.par_chunks(CHUNK))
        .zip(up.par_chunks(CHUNK))
        .for_each(|((((d_gate, d_up), output), gate), up)| {
            backward(d_gate, d_up, output, gate, up);
        });
    [tensor(d_gate, shape.clone()), tensor(d_up, shape)].map(Some)
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
    use crate::twin::{assert_same, matrix};

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
