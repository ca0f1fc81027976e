//! Between Burn's CPU tensors and slices of f32.

use std::borrow::Cow;

use burn::backend::DispatchDevice;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use burn_flex::FlexTensor;

/// Whether [`attention`](crate::attention()) takes rows of different lengths as they are: elsewhere it
/// pads them, which is better done once.
#[must_use]
pub fn takes_rows_of_any_length(dtype: FloatDType, device: &Device) -> bool {
    dtype == FloatDType::F32 && is_cpu(device)
}

/// Whether `device` is Burn's CPU backend, in an autodiff graph or not.
#[must_use]
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

/// How many numbers a thread takes at a time where they do not depend on each other.
pub(crate) const CHUNK: usize = 16 * 1024;
