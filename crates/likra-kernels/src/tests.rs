//! Compares a fused operation with its plain twin, in tests.

use burn::tensor::{Device, Tensor, TensorData};

/// Numbers between -3 and 3 that look random and are the same in every run.
pub(crate) fn matrix(rows: usize, columns: usize, seed: u32) -> Tensor<2> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let numbers: Vec<f32> = (0..rows * columns)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as f32 / u32::MAX as f32 * 6.0 - 3.0
        })
        .collect();
    Tensor::from_data(TensorData::new(numbers, [rows, columns]), &Device::flex())
}

/// Asserts that two functions agree to 1e-6 of their largest number: in their values, outside of a
/// graph and in one, and in the gradients of all inputs and of each alone.
pub(crate) fn assert_same<const N: usize, const D: usize>(
    inputs: &[Tensor<2>; N],
    fused: impl Fn([Tensor<2>; N]) -> Tensor<D>,
    plain: impl Fn([Tensor<2>; N]) -> Tensor<D>,
) {
    let wanted = plain(inputs.clone());
    assert_close(&fused(inputs.clone()), &wanted, "without a graph");
    for alone in [None].into_iter().chain((0..N).map(Some)) {
        let found = gradients(inputs, alone, &fused);
        let expected = gradients(inputs, alone, &plain);
        assert_close(&found.0, &wanted, "in a graph");
        for (number, (found, expected)) in found.1.iter().zip(&expected.1).enumerate() {
            assert_close(
                found,
                expected,
                &format!("gradient {number}, alone {alone:?}"),
            );
        }
    }
}

/// The value, and the gradients of the inputs (or of the one that stands alone), of a sum with
/// different weights.
fn gradients<const N: usize, const D: usize>(
    inputs: &[Tensor<2>; N],
    alone: Option<usize>,
    function: impl Fn([Tensor<2>; N]) -> Tensor<D>,
) -> (Tensor<D>, Vec<Tensor<2>>) {
    let mut number = 0;
    let tracked = inputs.clone().map(|input| {
        number += 1;
        if alone.is_none_or(|alone| alone + 1 == number) {
            input.autodiff().require_grad()
        } else {
            input
        }
    });
    let output = function(tracked.clone());
    let shape = output.shape();
    let weights = matrix(1, shape.num_elements(), 99)
        .reshape(shape)
        .autodiff();
    let mut found = (output.clone() * weights).sum().backward();
    let gradients = tracked
        .iter()
        .filter(|input| input.is_require_grad())
        .map(|input| input.grad_remove(&mut found).expect("a gradient"))
        .collect();
    (output.inner(), gradients)
}

fn assert_close<const D: usize>(found: &Tensor<D>, wanted: &Tensor<D>, case: &str) {
    assert_eq!(found.dims(), wanted.dims(), "{case}");
    let [found, wanted] =
        [found, wanted].map(|tensor| tensor.try_to_vec_as::<f32>().expect("numbers"));
    let largest = wanted
        .iter()
        .fold(0.0f32, |largest, x| largest.max(x.abs()));
    // The longest sums here have 117 terms (attention to 40 and 77 tokens). Rounding each to 24 bits can
    // move a sum by 117 / 2^24 of its terms; which way depends on the CPU's vectors.
    let bound = 117.0 / f32::from(1_u16 << 12).powi(2) * largest;
    for (place, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        assert!(
            (found - wanted).abs() <= bound,
            "{case}, number {place}: {found} is not {wanted}"
        );
    }
}
