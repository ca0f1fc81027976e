//! Causal self-attention with grouped queries, over a batch's own tokens and a shared prefix.

use std::sync::Arc;

use burn::tensor::Tensor;
use likra_kernels::{KeyValue, Visibility, attention};
use likra_lora::{Adapter, Linear};

use crate::rope::Angles;

/// The four projections of a layer's attention.
#[derive(Debug)]
pub(crate) struct Attention {
    pub(crate) q_proj: Linear,
    pub(crate) k_proj: Linear,
    pub(crate) v_proj: Linear,
    pub(crate) o_proj: Linear,
    pub(crate) head_dim: usize,
}

/// What all layers of a forward pass share: the rotations of the batch's tokens and what each of
/// them may see.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) angles: Angles,
    pub(crate) visibility: Arc<Visibility>,
}

impl Attention {
    /// Attends from every token of the batch to the prefix, if there is one, and to what it may see
    /// of its own row. Returns the keys and values of the batch's own tokens, too.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[tokens, hidden]`
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        context: &Context,
        prefix: Option<&KeyValue>,
        adapter: Option<&Adapter>,
    ) -> (Tensor<2>, KeyValue) {
        let angles = &context.angles;
        let queries = angles.rotate(self.q_proj.forward(x.clone(), adapter));
        let own = KeyValue {
            keys: angles.rotate(self.k_proj.forward(x.clone(), adapter)),
            values: self.v_proj.forward(x, adapter),
        };
        let attended = attention(queries, &own, prefix, &context.visibility, self.head_dim);
        (self.o_proj.forward(attended, adapter), own)
    }
}
