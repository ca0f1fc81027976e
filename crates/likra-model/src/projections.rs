//! Linear layers as checkpoints have them: one for each product, or one for several.

use burn::tensor::Tensor;
use likra_lora::{Adapter, Linear};

use crate::config::{Config, LinearShape};
use crate::error::Result;
use crate::weights::Weights;

/// `N` products of one input: each with a weight of its own, or all with one.
#[derive(Debug)]
pub(crate) struct Projections<const N: usize> {
    layers: Vec<Linear>,
    /// How many outputs each of the products has.
    outputs: Vec<usize>,
}

impl<const N: usize> Projections<N> {
    /// Takes what it needs from the front of `shapes`.
    pub(crate) fn load(
        weights: &Weights,
        config: &Config,
        path: &str,
        shapes: &mut Vec<LinearShape>,
    ) -> Result<Self> {
        let several = shapes[0].outputs.len() == 1;
        let taken: Vec<_> = shapes.drain(..if several { N } else { 1 }).collect();
        let layers = taken
            .iter()
            .map(|shape| load_linear(weights, config, path, shape));
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            outputs: taken.into_iter().flat_map(|shape| shape.outputs).collect(),
        })
    }

    pub(crate) fn forward(&self, x: &Tensor<2>, adapter: Option<&Adapter>) -> [Tensor<2>; N] {
        if self.layers.len() == N {
            return std::array::from_fn(|number| self.layers[number].forward(x.clone(), adapter));
        }
        let all = self.layers[0].forward(x.clone(), adapter);
        let mut start = 0;
        std::array::from_fn(|number| {
            let width = self.outputs[number];
            start += width;
            all.clone().narrow(1, start - width, width)
        })
    }
}

/// Takes a linear layer of the layer at `path`.
pub(crate) fn load_linear(
    weights: &Weights,
    config: &Config,
    path: &str,
    shape: &LinearShape,
) -> Result<Linear> {
    let (path, output) = (format!("{path}.{}", shape.name), shape.outputs.iter().sum());
    let weight = weights.load(&format!("{path}.weight"), [output, shape.input])?;
    let bias = shape
        .bias
        .then(|| weights.load(&format!("{path}.bias"), [output]))
        .transpose()?;
    Ok(Linear::new(config.module(&path), weight, bias))
}
