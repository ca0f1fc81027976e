//! `AdamW` over an adapter's tensors, with torch's arithmetic and one gradient norm for all of them.
//!
//! All tensors are joined to one, on which a device runs a few kernels a step, not some for each tensor.

use burn::tensor::Tensor;
use likra_lora::Adapter;

use crate::TrainSettings;

/// torch's defaults, which Hugging Face's `Trainer` keeps.
const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;

/// The optimiser's state: how often it has stepped, and both moments of the gradient, the mean and that of the
/// square: each `[parameters]`, as [`Adapter::joined`] has them.
#[derive(Debug, Clone)]
pub(crate) struct AdamW {
    pub(crate) step: usize,
    pub(crate) moments: [Tensor<1>; 2],
}

impl AdamW {
    pub(crate) fn new(adapter: &Adapter) -> Self {
        let zeros = adapter.joined().zeros_like();
        let (step, moments) = (0, [zeros.clone(), zeros]);
        Self { step, moments }
    }

    /// One step of Loshchilov and Hutter 2019, algorithm 2, in the order of operations of torch 2's
    /// `_single_tensor_adamw`, with a `share` of the learning rate. `parameters`, `gradient`, output: `[parameters]`.
    pub(crate) fn update(
        &mut self,
        parameters: Tensor<1>,
        gradient: Tensor<1>,
        settings: &TrainSettings,
        share: f64,
    ) -> Tensor<1> {
        self.step += 1;
        let step = self.step as f64;
        let learning_rate = settings.learning_rate * share;
        let rate = learning_rate / (1.0 - BETA_1.powf(step));
        let root = (1.0 - BETA_2.powf(step)).sqrt();
        let keep = 1.0 - learning_rate * settings.weight_decay;
        let [mean, square] = &mut self.moments;
        *mean = mean.clone() * BETA_1 + gradient.clone() * (1.0 - BETA_1);
        *square = square.clone() * BETA_2 + gradient.square() * (1.0 - BETA_2);
        let divisor = square.clone().sqrt() / root + settings.adam_epsilon;
        parameters * keep - mean.clone() / divisor * rate
    }
}

/// Scales `gradient` down so that its norm, over all tensors together, is at most `max`; returns the norm before,
/// `[1]`, too.
///
/// As torch's `clip_grad_norm_`. (Burn's `GradientClipping::Norm` clips each tensor by itself.)
pub(crate) fn clip(gradient: Tensor<1>, max: f64) -> (Tensor<1>, Tensor<1>) {
    let norm = gradient.clone().square().sum().sqrt();
    let scale = (norm.clone() + 1e-6).recip() * max;
    (gradient * scale.clamp_max(1.0), norm)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use likra_lora::{LoraConfig, Target};

    use super::*;

    fn tensor(numbers: [f32; 3]) -> Tensor<1> {
        Tensor::from_floats(numbers, &Device::flex())
    }

    fn values(tensor: &Tensor<1>) -> Vec<f32> {
        tensor.try_to_vec_as::<f32>().unwrap()
    }

    #[test]
    fn the_norm_is_over_all_tensors_together() {
        let (clipped, norm) = clip(tensor([3.0, 0.0, 4.0]), 1.0);
        assert_eq!(values(&norm), [5.0]);
        let clipped = values(&clipped);
        assert!((clipped[0] - 0.6).abs() < 1e-6 && (clipped[2] - 0.8).abs() < 1e-6);
        let (small, _) = clip(tensor([0.3, 0.0, 0.4]), 1.0);
        assert_eq!(values(&small), [0.3, 0.0, 0.4]);
    }

    /// From torch 2.15: `p = tensor([w]); AdamW([p], lr=0.1, weight_decay=0.5)`, gradients 1 then -3.
    #[test]
    fn steps_follow_torch() {
        let settings = TrainSettings {
            learning_rate: 0.1,
            weight_decay: 0.5,
            ..TrainSettings::default()
        };
        let target = Target {
            module: "up_proj".into(),
            input: 2,
            output: 1,
        };
        let config = LoraConfig {
            rank: 1,
            ..LoraConfig::default()
        };
        let start = Adapter::init(config, &[target], 1, &Device::flex()).unwrap();
        let (mut optimiser, start) = (AdamW::new(&start), start.joined());
        let one = optimiser.update(start.clone(), tensor([0.0, 0.0, 1.0]), &settings, 1.0);
        let two = optimiser.update(one.clone(), tensor([0.0, 0.0, -3.0]), &settings, 1.0);
        let [start, one, two] = [start, one, two].map(|numbers| values(&numbers));
        assert!((one[2] - -0.1).abs() < 1e-7, "{}", one[2]);
        assert!((two[2] - -0.045_581_006).abs() < 1e-7, "{}", two[2]);
        // What has no gradient only decays.
        assert!((two[0] - start[0] * 0.95 * 0.95).abs() < 1e-7);
    }
}
