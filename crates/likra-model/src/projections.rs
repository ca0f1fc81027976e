//! Linear layers as checkpoints have them: one for each product, or one for several.

use burn::tensor::Tensor;
use likra_lora::{Adapter, Linear};

use crate::config::Products;
use crate::error::Result;
use crate::weights::Weights;

/// `N` products of one input.
#[derive(Debug)]
pub(crate) struct Projections<const N: usize> {
    layers: Vec<Linear>,
    /// How many outputs each of the products has.
    outputs: Vec<usize>,
}

impl<const N: usize> Projections<N> {
    /// Takes them from the layer at `path`.
    pub(crate) fn load(weights: &Weights, path: &str, products: &Products) -> Result<Self> {
        let load = |(name, output)| -> Result<Linear> {
            let path = format!("{path}.{name}");
            let shape = [output, products.input];
            let weight = weights.load_frozen(&format!("{path}.weight"), shape)?;
            let bias = || weights.load(&format!("{path}.bias"), [output]);
            let bias = products.bias.then(bias).transpose()?;
            Ok(Linear::new(weights.config.module(&path), weight, bias))
        };
        let layers = products.linears().map(load);
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            outputs: products.outputs.clone(),
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
