//! Between Burn's CPU tensors and slices of f32.

use std::borrow::Cow;

use burn::backend::DispatchDevice;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use burn_flex::FlexTensor;
use rayon::prelude::*;

/// Whether [`attention`](crate::attention()) takes rows of different lengths as they are: elsewhere it
/// pads them, which is better done once.
pub fn takes_rows_of_any_length(dtype: FloatDType, device: &Device) -> bool {
    dtype == FloatDType::F32 && is_cpu(device)
}

/// Whether `device` is Burn's CPU backend, in an autodiff graph or not.
pub fn is_cpu(device: &Device) -> bool {
    let device = device.clone().inner();
    matches!(device.as_dispatch(), DispatchDevice::Flex(_))
}

/// Whether the kernels of this crate can compute with `tensor`: f32 on Burn's CPU backend, in an
/// autodiff graph or not.
pub(crate) fn is_fused<const D: usize>(tensor: &Tensor<D>) -> bool {
    takes_rows_of_any_length(FloatDType::from(tensor.dtype()), &tensor.device())
}

/// The tensor's numbers in row-major order, copied only if it is a view that has them otherwise.
pub(crate) fn floats(tensor: &FlexTensor) -> Cow<'_, [f32]> {
    match tensor.as_slice::<f32>() {
        Some(slice) => Cow::Borrowed(slice),
        None => Cow::Owned(tensor.to_contiguous().storage::<f32>().to_vec()),
    }
}

/// A tensor of these numbers, in row-major order.
pub(crate) fn tensor(values: Vec<f32>, shape: impl Into<Vec<usize>>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

/// How many numbers a thread takes at least.
const NUMBERS: usize = 8 * 1024;

/// So many zeros, written by all threads: they would wait for one alone.
pub(crate) fn zeros(count: usize) -> Vec<f32> {
    let zeros = rayon::iter::repeat_n(0.0, count);
    zeros.with_min_len(NUMBERS).collect()
}

/// Tensors in the shape of the first of `inputs`, `[rows, columns]`, that `fill` makes row by row from
/// the rows of the inputs, on all threads.
pub(crate) fn by_rows<const OUT: usize, const IN: usize>(
    inputs: [&FlexTensor; IN],
    fill: impl Fn([&mut [f32]; OUT], [&[f32]; IN]) + Sync,
) -> [FlexTensor; OUT] {
    let shape = inputs[0].layout().shape().to_vec();
    let (rows, columns) = (shape[0], shape[1]);
    let inputs = inputs.map(floats);
    let mut outputs = [(); OUT].map(|()| zeros(rows * columns));
    let mut chunks = outputs.each_mut().map(|output| output.chunks_mut(columns));
    let tasks: Vec<_> = (0..rows)
        .map(|_| chunks.each_mut().map(|rows| rows.next().expect("a row")))
        .collect();
    tasks
        .into_par_iter()
        .enumerate()
        .with_min_len(NUMBERS.div_ceil(columns))
        .for_each(|(row, outputs)| {
            let inputs = inputs.each_ref().map(|input| {
                let columns = input.len() / rows;
                &input[row * columns..][..columns]
            });
            fill(outputs, inputs);
        });
    outputs.map(|output| tensor(output, shape.clone()))
}
