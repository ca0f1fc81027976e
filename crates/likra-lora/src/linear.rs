//! A linear layer that never learns, with a place for an update that does.

use burn::tensor::Tensor;
use likra_kernels::{Frozen, Update, adapted_linear};

use crate::{Adapter, LowRank};

/// A frozen linear layer `y = x Wᵀ + b`, plus `s (x Aᵀ) Bᵀ` when an adapter has an update for it.
///
/// The weight is a plain tensor outside autodiff: it is a constant of every graph, so a backward
/// pass computes no gradient for it (Hu et al. 2021, section 4.1, "W is frozen"). It stays in
/// Hugging Face's `[out, in]` layout, which tied embeddings need and which costs no transposed copy.
#[derive(Debug, Clone)]
pub struct Linear {
    name: String,
    weight: Frozen,
    bias: Option<Tensor<1>>,
}

impl Linear {
    /// A layer called `name` (its module path in the checkpoint, such as
    /// `model.layers.0.mlp.gate_proj`) with `weight: [out, in]` and `bias: [out]`.
    pub fn new(
        name: impl Into<String>,
        weight: impl Into<Frozen>,
        bias: Option<Tensor<1>>,
    ) -> Self {
        Self {
            name: name.into(),
            weight: weight.into(),
            bias,
        }
    }

    /// Runs the layer.
    ///
    /// The base product is computed in the weight's type and the update in f32, whatever the weight
    /// is: small updates would be lost in the rounding of bf16. Without an update for this layer the
    /// extra products are not computed at all, so the base stays exactly the base.
    ///
    /// # Shapes
    ///
    /// - `x`: `[tokens, in]`
    /// - output: `[tokens, out]`
    pub fn forward(&self, x: Tensor<2>, adapter: Option<&Adapter>) -> Tensor<2> {
        let bias = self.bias.as_ref();
        let update = adapter.and_then(|adapter| adapter.updates.get(&self.name));
        if let Some(LowRank { a, b, scale }) = update {
            let scale = *scale;
            return adapted_linear(x, &self.weight, bias, Update { a, b, scale });
        }
        let y = self.weight.product(x);
        match bias {
            Some(bias) => y + bias.clone().unsqueeze(),
            None => y,
        }
    }
}
