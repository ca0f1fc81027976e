//! The angles of rotary position embedding.

use std::f64::consts::TAU;

use burn::tensor::{Device, FloatDType, Tensor, TensorData};

use crate::config::{Config, Llama3Scaling};

/// The angular frequencies, in radians a position, of a head's pairs of numbers.
#[derive(Debug)]
pub(crate) struct Rope {
    frequencies: Vec<f64>,
}

/// Cosines and sines at the positions of a batch, each `[tokens, head_dim / 2]`.
#[derive(Debug, Clone)]
pub(crate) struct Angles {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

impl Rope {
    pub(crate) fn new(config: &Config) -> Self {
        let pairs = config.head_dim / 2;
        let frequencies = (0..pairs)
            .map(|pair| config.rope_theta.powf(-(pair as f64) / pairs as f64))
            .map(|frequency| match &config.rope_scaling {
                Some(scaling) => scaling.stretch(frequency),
                None => frequency,
            })
            .collect();
        Self { frequencies }
    }

    /// The rotations at `positions`, computed in f64 on the host and rounded once.
    pub(crate) fn at(&self, positions: &[usize], dtype: FloatDType, device: &Device) -> Angles {
        let table = |function: fn(f64) -> f64| {
            let values: Vec<f32> = positions
                .iter()
                .flat_map(|&position| {
                    self.frequencies
                        .iter()
                        .map(move |f| function(position as f64 * f) as f32)
                })
                .collect();
            let data = TensorData::new(values, [positions.len(), self.frequencies.len()]);
            Tensor::<2>::from_data(data, device).cast(dtype)
        };
        Angles {
            cos: table(f64::cos),
            sin: table(f64::sin),
        }
    }
}

impl Llama3Scaling {
    /// Long wavelengths are stretched by `factor`, short ones kept, those between interpolated
    /// (transformers 4.57, `modeling_rope_utils._compute_llama3_parameters`).
    fn stretch(&self, frequency: f64) -> f64 {
        let context = self.original_max_position_embeddings;
        let wavelength = TAU / frequency;
        // In this order, which decides where the factors cross.
        if wavelength > context / self.low_freq_factor {
            return frequency / self.factor;
        }
        if wavelength < context / self.high_freq_factor {
            return frequency;
        }
        let smooth = (context / wavelength - self.low_freq_factor)
            / (self.high_freq_factor - self.low_freq_factor);
        (1.0 - smooth) * frequency / self.factor + smooth * frequency
    }
}

impl Angles {
    /// Rotates every head of `x: [tokens, heads · head_dim]`.
    pub(crate) fn rotate(&self, x: Tensor<2>) -> Tensor<2> {
        likra_kernels::rotate(x, &self.cos, &self.sin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `_compute_llama3_parameters` of transformers 4.57.1, which then only warns.
    #[test]
    fn factors_that_cross_stretch_long_wavelengths_first() {
        let scaling = Llama3Scaling {
            factor: 8.0,
            low_freq_factor: 4.0,
            high_freq_factor: 1.0,
            original_max_position_embeddings: 1000.0,
        };
        assert_eq!(scaling.stretch(TAU / 500.0), TAU / 500.0 / 8.0);
        assert_eq!(scaling.stretch(TAU / 200.0), TAU / 200.0);
    }
}
