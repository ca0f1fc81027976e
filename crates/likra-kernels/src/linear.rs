//! A frozen linear layer with a low-rank update (Hu et al. 2021, equation 3).

use burn::tensor::{FloatDType, Tensor};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::flex::{floats, is_fused, tensor};
use crate::frozen::Frozen;
use crate::graph::{Gradients, Operation, fused};
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
pub fn adapted_linear(
    x: Tensor<2>,
    weight: &Frozen,
    bias: Option<&Tensor<1>>,
    update: Update,
) -> Tensor<2> {
    if !is_fused(&x) {
        return plain(x, weight, bias, update);
    }
    let inputs = [x, update.a.clone(), update.b.clone()];
    let operation = Linear {
        weight: weight.clone(),
        scale: update.scale as f32,
    };
    add_bias(fused(inputs, operation), bias)
}

/// The same in Burn's operations.
fn plain(
    x: Tensor<2>,
    weight: &Frozen,
    bias: Option<&Tensor<1>>,
    Update { a, b, scale }: Update,
) -> Tensor<2> {
    let wide = x.clone().cast(FloatDType::F32);
    let low = wide.matmul(a.clone().transpose());
    let update = low.mul_scalar(scale).matmul(b.clone().transpose());
    let y = add_bias(weight.product(x), bias);
    let dtype = FloatDType::from(y.dtype());
    y + update.cast(dtype)
}

fn add_bias(y: Tensor<2>, bias: Option<&Tensor<1>>) -> Tensor<2> {
    match bias {
        Some(bias) => y + bias.clone().unsqueeze(),
        None => y,
    }
}

#[derive(Debug)]
struct Linear {
    weight: Frozen,
    scale: f32,
}

impl Linear {
    fn scaled(&self, numbers: &[f32]) -> Vec<f32> {
        numbers.iter().map(|number| number * self.scale).collect()
    }
}

impl Operation<3> for Linear {
    /// `x`, A, B, and `s (x Aᵀ)`: `[tokens, rank]`.
    type Kept = [FlexTensor; 4];

    fn forward(&self, [x, a, b]: [FlexTensor; 3]) -> (FlexTensor, [FlexTensor; 4]) {
        let mut low = zeros(sizes(&x)[0], sizes(&a)[0]);
        add_rows(&mut low, &x, &self.scaled(&turned(&a)));
        let mut output = self.weight.times(&x);
        add_rows(&mut output, &low, &turned(&b));
        (output, [x, a, b, low])
    }

    fn backward(&self, output: &FlexTensor, kept: &Self::Kept, needed: [bool; 3]) -> Gradients<3> {
        let ([x, a, b, low], [needs_x, needs_a, needs_b]) = (kept, needed);
        let [tokens, rank] = sizes(low);
        let mut d_low = zeros(tokens, rank);
        if needs_x || needs_a {
            add_rows(&mut d_low, output, &self.scaled(&floats(b)));
        }
        let d_x = needs_x.then(|| {
            let mut d_x = self.weight.turned_times(output);
            add_rows(&mut d_x, &d_low, &floats(a));
            d_x
        });
        let (d_a, d_b) = rayon::join(
            || needs_a.then(|| across(&d_low, x)),
            || needs_b.then(|| tensor(turned(&across(low, output)), sizes(b))),
        );
        [d_x, d_a, d_b]
    }
}

/// How many rows a thread takes at a time.
const ROWS: usize = 32;

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

/// `leftᵀ · right`.
fn across(left: &FlexTensor, right: &FlexTensor) -> FlexTensor {
    let ([tokens, rows], [_, columns]) = (sizes(left), sizes(right));
    let (left, right) = (turned(left), floats(right));
    let left = matrix(&left, [rows, tokens]);
    let mut product = vec![0.0; rows * columns];
    add_product(
        &mut product,
        columns,
        left,
        matrix(&right, [tokens, columns]),
    );
    tensor(product, [rows, columns])
}

/// The numbers with rows for columns.
fn turned(tensor: &FlexTensor) -> Vec<f32> {
    matrix(&floats(tensor), sizes(tensor)).transposed().to_vec()
}

fn zeros(rows: usize, columns: usize) -> FlexTensor {
    tensor(vec![0.0; rows * columns], [rows, columns])
}

fn sizes(tensor: &FlexTensor) -> [usize; 2] {
    let shape = tensor.layout().shape();
    [shape[0], shape[1]]
}

fn matrix(data: &[f32], [rows, columns]: [usize; 2]) -> Matrix<'_> {
    Matrix::new(data, rows, columns, columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{assert_same, matrix};

    #[test]
    fn fused_and_plain_agree() {
        let (weight, bias) = (matrix(50, 23, 1).into(), matrix(1, 50, 5).reshape([50]));
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
