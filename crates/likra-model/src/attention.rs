//! Causal self-attention with grouped queries, over a batch's own tokens and a shared prefix.

use std::sync::Arc;

use burn::tensor::{Int, Tensor};
use likra_kernels::{KeyValue, Scores, Visibility, attention};
use likra_lora::Adapter;

use crate::family::LayerKind;
use crate::norm::{RmsNorm, normed};
use crate::projections::Projections;
use crate::rope::Angles;

/// A layer's attention.
#[derive(Debug)]
pub(crate) struct Attention {
    pub(crate) qkv: Projections<3>,
    pub(crate) o_proj: Projections<1>,
    pub(crate) q_norm: Option<RmsNorm>,
    pub(crate) k_norm: Option<RmsNorm>,
    pub(crate) kind: LayerKind,
    pub(crate) scores: Scores,
}

/// What the layers of a forward pass share.
#[derive(Debug)]
pub(crate) struct Context {
    /// The rotations of the batch's tokens, by the rotary embeddings that the model has.
    pub(crate) angles: Vec<Angles>,
    /// What each token may see, in layers that see everything and in layers with a window.
    pub(crate) visibility: [Arc<Visibility>; 2],
    /// In the last layer the tokens whose hidden states are asked for, if not all are.
    pub(crate) asked: Option<Tensor<1, Int>>,
}

impl Context {
    /// What is left of `[tokens, ...]` once the layer's keys and values are there.
    pub(crate) fn asked(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.asked {
            Some(asked) => x.select(0, asked.clone()),
            None => x,
        }
    }
}

impl Attention {
    /// Attends from every token of the batch to the prefix, if there is one, and to what it may see
    /// of its own row. Returns the keys and values of the batch's own tokens, too.
    ///
    /// # Shapes
    ///
    /// - `x`: `[tokens, hidden]`
    /// - output: the same, or `[asked, hidden]`
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        context: &Context,
        prefix: Option<&KeyValue>,
        adapter: Option<&Adapter>,
    ) -> (Tensor<2>, KeyValue) {
        let [queries, keys, values] = self.qkv.forward(&x, adapter);
        let turned = |x: Tensor<2>| match self.kind.rope {
            Some(rope) => context.angles[rope].rotate(x, self.scores.head_dim),
            None => x,
        };
        let queries = turned(normed(self.q_norm.as_ref(), queries));
        let own = KeyValue {
            keys: turned(normed(self.k_norm.as_ref(), keys)),
            values,
        };
        let visibility = &context.visibility[usize::from(self.kind.slides)];
        let attended = attention(queries, &own, prefix, visibility, self.scores);
        let [output] = self.o_proj.forward(&context.asked(attended), adapter);
        (output, own)
    }
}
