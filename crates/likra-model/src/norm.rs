//! Root-mean-square normalisation.

use burn::tensor::Tensor;
use likra_kernels::rms_norm;

/// `x / √(mean(x²) + ε) · weight` (Zhang and Sennrich 2019).
#[derive(Debug)]
pub(crate) struct RmsNorm {
    weight: Tensor<1>,
    epsilon: f64,
}

impl RmsNorm {
    pub(crate) fn new(weight: Tensor<1>, epsilon: f64) -> Self {
        Self { weight, epsilon }
    }

    /// `[tokens, hidden]` to the same.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        rms_norm(x, &self.weight, self.epsilon)
    }
}
