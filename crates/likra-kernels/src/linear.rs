//! A frozen linear layer with a low-rank update (Hu et al. 2021, equation 3).

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::ops::FloatTensorOps as _;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{FloatDType, Tensor};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::flex::{floats, is_fused, tensor};
use crate::graph::record;
use crate::matrix::{Matrix, add_product};

/// A low-rank update `s (x Aᵀ) Bᵀ`, in f32 whatever the layer's type.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    /// A: `[rank, in]`.
    pub a: &'a Tensor<2>,
    /// B: `[out, rank]`.
    pub b: &'a Tensor<2>,
    /// s.
    pub scale: f64,
}

/// `x Wᵀ + bias + s (x Aᵀ) Bᵀ`. Weight and bias are constants.
///
/// # Shapes
///
/// - `x`: `[tokens, in]`
/// - `weight`: `[out, in]`
/// - `bias`: `[out]`
/// - output: `[tokens, out]`
#[must_use]
pub fn adapted_linear(
    x: Tensor<2>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
    update: Update,
) -> Tensor<2> {
    if !is_fused(&x) {
        return plain(x, weight, bias, update);
    }
    let x = x.into_dispatch();
    let [weight, a, b] = [weight, update.a, update.b].map(|tensor| tensor.clone().into_dispatch());
    let y = <Dispatch as Linear>::linear(x, weight, a, b, update.scale);
    add_bias(Tensor::from_dispatch(y), bias)
}

/// The same in Burn's operations.
fn plain(
    x: Tensor<2>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
    Update { a, b, scale }: Update,
) -> Tensor<2> {
    let low = x
        .clone()
        .cast(FloatDType::F32)
        .matmul(a.clone().transpose());
    let update = low.mul_scalar(scale).matmul(b.clone().transpose());
    let y = add_bias(x.matmul(weight.clone().transpose()), bias);
    let dtype = FloatDType::from(y.dtype());
    y + update.cast(dtype)
}

fn add_bias(y: Tensor<2>, bias: Option<&Tensor<1>>) -> Tensor<2> {
    match bias {
        Some(bias) => y + bias.clone().unsqueeze(),
        None => y,
    }
}

#[backend_extension(Flex, Autodiff)]
trait Linear: Backend {
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self>;
}

impl Linear for Flex {
    fn linear(
        x: FlexTensor,
        weight: FlexTensor,
        a: FlexTensor,
        b: FlexTensor,
        scale: f64,
    ) -> FlexTensor {
        let low = low(&x, &a, scale);
        forward(x, weight, &low, &b)
    }
}

/// How many rows a thread takes at a time.
const ROWS: usize = 32;

/// `s (x Aᵀ)`: `[tokens, rank]`.
fn low(x: &FlexTensor, a: &FlexTensor, scale: f64) -> FlexTensor {
    let ([tokens, _], [rank, _]) = (sizes(x), sizes(a));
    let turned: Vec<f32> = matrix(&floats(a), sizes(a)).transposed().to_vec();
    let turned: Vec<f32> = turned.iter().map(|number| number * scale as f32).collect();
    let mut low = tensor(vec![0.0; tokens * rank], [tokens, rank]);
    add_rows(&mut low, x, &turned);
    low
}

/// `x Wᵀ + low Bᵀ`.
fn forward(x: FlexTensor, weight: FlexTensor, low: &FlexTensor, b: &FlexTensor) -> FlexTensor {
    let mut output = Flex::float_matmul(x, Flex::float_transpose(weight));
    let turned = matrix(&floats(b), sizes(b)).transposed().to_vec();
    add_rows(&mut output, low, &turned);
    output
}

/// `sum += left · right`, a few rows on each thread.
fn add_rows(sum: &mut FlexTensor, left: &FlexTensor, right: &[f32]) {
    let ([_, inner], [_, columns]) = (sizes(left), sizes(sum));
    let left = floats(left);
    let right = matrix(right, [inner, columns]);
    sum.storage_mut::<f32>()
        .par_chunks_mut(ROWS * columns)
        .zip(left.par_chunks(ROWS * inner))
        .for_each(|(sum, left)| {
            let left = matrix(left, [left.len() / inner, inner]);
            add_product(sum, columns, left, right);
        });
}

fn sizes(tensor: &FlexTensor) -> [usize; 2] {
    let shape = tensor.layout().shape();
    [shape[0], shape[1]]
}

fn matrix(data: &[f32], [rows, columns]: [usize; 2]) -> Matrix<'_> {
    Matrix::new(data, rows, columns, columns)
}

/// What the backward pass needs.
#[derive(Debug, Clone)]
struct Kept {
    x: FlexTensor,
    weight: FlexTensor,
    a: FlexTensor,
    b: FlexTensor,
    low: FlexTensor,
    scale: f64,
}

impl<C: CheckpointStrategy> Linear for Autodiff<Flex, C> {
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        assert!(!weight.is_tracked(), "the weight is a constant");
        let nodes = [x.node(), a.node(), b.node()];
        let [x, weight, a, b] = [x, weight, a, b].map(FloatTensor::<Self>::into_primitive);
        let low = low(&x, &a, scale);
        let output = forward(x.clone(), weight.clone(), &low, &b);
        let kept = Kept {
            x,
            weight,
            a,
            b,
            low,
            scale,
        };
        record::<C, _, 3>(nodes, kept, output, gradient)
    }
}

/// The gradients of `x`, A and B.
fn gradient(
    output: &FlexTensor,
    kept: &Kept,
    [needs_x, needs_a, needs_b]: [bool; 3],
) -> [Option<FlexTensor>; 3] {
    let Kept { x, a, b, low, .. } = kept;
    let [tokens, rank] = sizes(low);
    let scaled: Vec<f32> = floats(b).iter().map(|b| b * kept.scale as f32).collect();
    let mut d_low = tensor(vec![0.0; tokens * rank], [tokens, rank]);
    if needs_x || needs_a {
        add_rows(&mut d_low, output, &scaled);
    }
    let d_x = needs_x.then(|| {
        let mut d_x = Flex::float_matmul(output.clone(), kept.weight.clone());
        add_rows(&mut d_x, &d_low, &floats(a));
        d_x
    });
    let (d_a, d_b) = rayon::join(
        || needs_a.then(|| tensor(across(&d_low, x), sizes(a))),
        || {
            needs_b.then(|| {
                let [out, rank] = sizes(b);
                let turned = across(low, output);
                let d_b = matrix(&turned, [rank, out]).transposed().to_vec();
                tensor(d_b, [out, rank])
            })
        },
    );
    [d_x, d_a, d_b]
}

/// `leftᵀ · right`.
fn across(left: &FlexTensor, right: &FlexTensor) -> Vec<f32> {
    let ([_, rows], [_, columns]) = (sizes(left), sizes(right));
    let mut product = vec![0.0; rows * columns];
    let (left, right) = (
        matrix(&floats(left), sizes(left)).transposed().to_vec(),
        (floats(right), sizes(right)),
    );
    let left = matrix(&left, [rows, right.1[0]]);
    add_product(&mut product, columns, left, matrix(&right.0, right.1));
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::{assert_same, matrix};

    #[test]
    fn fused_and_plain_agree() {
        let (weight, bias) = (matrix(50, 23, 1), matrix(1, 50, 5).reshape([50]));
        let scale = 0.5;
        assert_same(
            &[matrix(70, 23, 2), matrix(3, 23, 3), matrix(50, 3, 4)],
            |[x, a, b]| {
                let (a, b) = (&a, &b);
                adapted_linear(x, &weight, Some(&bias), Update { a, b, scale })
            },
            |[x, a, b]| {
                let (a, b) = (&a, &b);
                plain(x, &weight, Some(&bias), Update { a, b, scale })
            },
        );
    }
}
