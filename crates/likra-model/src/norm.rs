//! Root-mean-square normalisation.

use burn::tensor::{FloatDType, Tensor};

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
    ///
    /// As transformers' `LlamaRMSNorm`: the whole normalisation in f32, then the cast to the input's
    /// type, then the weight. (Burn's `RmsNorm` divides in the input's type.)
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let dtype = FloatDType::from(x.dtype());
        let x = x.cast(FloatDType::F32);
        let mean_square = x.clone().square().mean_dim(1);
        let scaled = x / mean_square.add_scalar(self.epsilon).sqrt();
        scaled.cast(dtype) * self.weight.clone().unsqueeze()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn epsilon_is_under_the_root() {
        let device = Device::flex();
        let norm = RmsNorm::new(Tensor::from_floats([1.0, 2.0], &device), 3.0);
        // mean(x²) = 1, so the divisor is √(1 + 3) = 2.
        let y = norm.forward(Tensor::from_floats([[1.0, -1.0]], &device));
        assert_eq!(y.try_into_vec_as::<f32>().unwrap(), [0.5, -1.0]);
    }
}
