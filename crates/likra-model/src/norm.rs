//! Root-mean-square normalisation.

use burn::tensor::{FloatDType, Tensor};
use likra_kernels::rms_norm;

use crate::Result;
use crate::weights::Weights;

/// `x / √(mean(x²) + ε) · weight` (Zhang and Sennrich 2019).
#[derive(Debug)]
pub(crate) struct RmsNorm {
    weight: Tensor<1>,
    epsilon: f64,
}

impl RmsNorm {
    /// Takes the norm called `path`, over `width` numbers at a time.
    pub(crate) fn load(weights: &Weights, path: &str, width: usize) -> Result<Self> {
        let name = format!("{path}.weight");
        let weight = match weights.config.family.exact_norms {
            true => weights.load_as(&name, [width], FloatDType::F32)?,
            false => weights.load(&name, [width])?,
        };
        let weight = match weights.config.family.norms_from_one {
            true => weight.add_scalar(1.0),
            false => weight,
        };
        let epsilon = weights.config.rms_norm_eps;
        Ok(Self { weight, epsilon })
    }

    /// `[tokens, features]` to the same; each `width` of the features are normalised by themselves.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let ([tokens, features], [width]) = (x.dims(), self.weight.dims());
        let x = x.reshape([tokens * features / width, width]);
        rms_norm(x, &self.weight, self.epsilon).reshape([tokens, features])
    }
}

/// `x`, normalised where there is a norm.
pub(crate) fn normed(norm: Option<&RmsNorm>, x: Tensor<2>) -> Tensor<2> {
    match norm {
        Some(norm) => norm.forward(x),
        None => x,
    }
}
