//! `AdamW` over an adapter's tensors, with torch's arithmetic and one gradient norm for all of them.

use burn::tensor::Tensor;
use likra_lora::Adapter;

use crate::{Error, Result, TrainSettings};

/// torch's defaults, which Hugging Face's `Trainer` keeps. (Burn's epsilon is 1e-5.)
const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The optimiser's state: how often it has stepped, and both moments (the mean, and that of the square) of
/// every tensor's gradient in the order of [`Adapter::tensors`].
#[derive(Debug, Clone)]
pub(crate) struct AdamW {
    pub(crate) step: usize,
    pub(crate) moments: Vec<[Tensor<2>; 2]>,
}

impl AdamW {
    pub(crate) fn new(adapter: &Adapter) -> Self {
        let tensors = adapter.tensors().into_iter();
        let zeros = tensors.map(|(_, tensor)| [tensor.zeros_like(), tensor.zeros_like()]);
        let (step, moments) = (0, zeros.collect());
        Self { step, moments }
    }

    /// One step of Loshchilov and Hutter 2019, algorithm 2, in the order of operations of torch 2's
    /// `_single_tensor_adamw`. `gradients` are in the order of [`Adapter::tensors`].
    ///
    /// # Errors
    ///
    /// If a tensor has no gradient: it would silently stay as it is.
    pub(crate) fn update(
        &mut self,
        adapter: &Adapter,
        gradients: Vec<Tensor<2>>,
        settings: &TrainSettings,
    ) -> Result<Adapter> {
        self.step += 1;
        let step = self.step as f64;
        let rate = settings.learning_rate / (1.0 - BETA_1.powf(step));
        let root = (1.0 - BETA_2.powf(step)).sqrt();
        let keep = 1.0 - settings.learning_rate * settings.weight_decay;
        let mut states = self.moments.iter_mut().zip(gradients);
        adapter.try_map(|name, parameter| {
            let missing = || Error::Gradient(name.into());
            let ([mean, square], gradient) = states.next().ok_or_else(missing)?;
            *mean = mean.clone() * BETA_1 + gradient.clone() * (1.0 - BETA_1);
            *square = square.clone() * BETA_2 + gradient.square() * (1.0 - BETA_2);
            let divisor = square.clone().sqrt() / root + EPSILON;
            Ok(parameter.clone() * keep - mean.clone() / divisor * rate)
        })
    }
}

/// Scales `gradients` down so that their norm, over all of them together, is at most `max`; returns
/// the norm before.
///
/// # Errors
///
/// If the norm cannot be read from the device.
///
/// As torch's `clip_grad_norm_`. (Burn's `GradientClipping::Norm` clips each tensor by itself.)
pub(crate) fn clip(gradients: &mut [Tensor<2>], max: f64) -> Result<f64> {
    let squares = gradients.iter().map(|one| one.clone().square().sum());
    let norm = Tensor::cat(squares.collect(), 0).sum().sqrt();
    let norm = norm.try_into_scalar::<f32>();
    let norm = f64::from(norm.map_err(likra_model::Error::read)?);
    let scale = max / (norm + 1e-6);
    if scale < 1.0 {
        for gradient in gradients {
            *gradient = gradient.clone() * scale;
        }
    }
    Ok(norm)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use likra_lora::{LoraConfig, Target};

    use super::*;

    fn adapter() -> Adapter {
        let target = Target {
            module: "up_proj".into(),
            input: 2,
            output: 1,
        };
        let config = LoraConfig {
            rank: 1,
            ..LoraConfig::default()
        };
        Adapter::init(config, &[target], 1, &Device::flex()).unwrap()
    }

    fn values(tensor: &Tensor<2>) -> Vec<f32> {
        tensor.try_to_vec_as::<f32>().unwrap()
    }

    fn gradients(a: [f32; 2], b: f32) -> Vec<Tensor<2>> {
        let device = Device::flex();
        vec![
            Tensor::from_floats([a], &device),
            Tensor::from_floats([[b]], &device),
        ]
    }

    #[test]
    fn the_norm_is_over_all_tensors_together() {
        let mut clipped = gradients([3.0, 0.0], 4.0);
        assert_eq!(clip(&mut clipped, 1.0).unwrap(), 5.0);
        assert!((values(&clipped[0])[0] - 0.6).abs() < 1e-6);
        assert!((values(&clipped[1])[0] - 0.8).abs() < 1e-6);
        let mut small = gradients([0.3, 0.0], 0.4);
        clip(&mut small, 1.0).unwrap();
        assert_eq!(values(&small[1]), [0.4]);
    }

    /// From torch 2.15: `p = tensor([w]); AdamW([p], lr=0.1, weight_decay=0.5)`, gradients 1 then -3.
    #[test]
    fn steps_follow_torch() {
        let settings = TrainSettings {
            learning_rate: 0.1,
            weight_decay: 0.5,
            ..TrainSettings::default()
        };
        let start = adapter();
        let mut optimiser = AdamW::new(&start);
        let one = optimiser
            .update(&start, gradients([0.0, 0.0], 1.0), &settings)
            .unwrap();
        let two = optimiser
            .update(&one, gradients([0.0, 0.0], -3.0), &settings)
            .unwrap();
        let b = |adapter: &Adapter| values(&adapter.tensors()[1].1)[0];
        assert!((b(&one) - -0.1).abs() < 1e-7, "{}", b(&one));
        assert!((b(&two) - -0.045_581_006).abs() < 1e-7, "{}", b(&two));
        // A tensor without a gradient only decays.
        let a = values(&start.tensors()[0].1)[0];
        assert!((values(&two.tensors()[0].1)[0] - a * 0.95 * 0.95).abs() < 1e-7);
    }

    #[test]
    fn a_missing_gradient_is_an_error_that_names_the_tensor() {
        let start = adapter();
        let mut fewer = gradients([1.0, 0.0], 1.0);
        fewer.pop();
        let settings = TrainSettings::default();
        let error = AdamW::new(&start).update(&start, fewer, &settings);
        let message = error.map(drop).unwrap_err().to_string();
        assert!(message.contains("`up_proj.lora_B.weight`"), "{message}");
    }
}
