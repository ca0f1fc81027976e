//! One transformer layer: attention and a gated feed-forward block, each around a residual.

use burn::tensor::Tensor;
use likra_kernels::{KeyValue, Scores, geglu, swiglu};
use likra_lora::Adapter;

use crate::attention::{Attention, Context};
use crate::error::Result;
use crate::family::{Activation, QueryKeyNorm};
use crate::norm::{RmsNorm, normed};
use crate::projections::Projections;
use crate::weights::Weights;

/// A layer, with the norms and projections that its family has.
#[derive(Debug)]
pub(crate) struct Layer {
    attention_norm: Option<RmsNorm>,
    self_attn: Attention,
    attended_norm: Option<RmsNorm>,
    mlp_norm: Option<RmsNorm>,
    mlp: FeedForward,
    output_norm: Option<RmsNorm>,
}

/// `down(f(gate(x)) · up(x))` (Shazeer 2020).
#[derive(Debug)]
struct FeedForward {
    gate_up: Projections<2>,
    down_proj: Projections<1>,
    activation: Activation,
}

impl Layer {
    /// Takes layer `number` out of the weights.
    pub(crate) fn load(weights: &Weights, number: usize) -> Result<Self> {
        let config = weights.config;
        let path = format!("model.layers.{number}");
        let norm = |name: &str, width| RmsNorm::load(weights, &format!("{path}.{name}"), width);
        let of_residual = |name: &Option<String>| {
            let norm = name.as_ref().map(|name| norm(name, config.hidden_size));
            norm.transpose()
        };
        let [before, attended, between, output] = config.family.norms.each_ref().map(of_residual);
        let of_heads = |name: &str, heads: usize| {
            let width = config.family.query_key_norm.map(|over| match over {
                QueryKeyNorm::Head => config.head_dim,
                QueryKeyNorm::AllHeads => heads * config.head_dim,
            });
            width.map(|width| norm(name, width)).transpose()
        };
        let [qkv, o_proj, gate_up, down_proj] = config.products();
        Ok(Self {
            attention_norm: before?,
            self_attn: Attention {
                qkv: Projections::load(weights, &path, &qkv)?,
                o_proj: Projections::load(weights, &path, &o_proj)?,
                q_norm: of_heads("self_attn.q_norm", config.num_attention_heads)?,
                k_norm: of_heads("self_attn.k_norm", config.num_key_value_heads)?,
                kind: config.layers[number],
                scores: Scores {
                    rounded: weights.is_rounded(),
                    ..config.scores
                },
            },
            attended_norm: attended?,
            mlp_norm: between?,
            mlp: FeedForward {
                gate_up: Projections::load(weights, &path, &gate_up)?,
                down_proj: Projections::load(weights, &path, &down_proj)?,
                activation: config.activation,
            },
            output_norm: output?,
        })
    }

    /// `[tokens, hidden]` to the same, or in the last layer to what is asked for of it; and the layer's keys and values.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        context: &Context,
        prefix: Option<&KeyValue>,
        adapter: Option<&Adapter>,
    ) -> (Tensor<2>, KeyValue) {
        let input = normed(self.attention_norm.as_ref(), x.clone());
        let (attended, own) = self.self_attn.forward(input, context, prefix, adapter);
        let x = context.asked(x) + normed(self.attended_norm.as_ref(), attended);
        let output = self
            .mlp
            .forward(normed(self.mlp_norm.as_ref(), x.clone()), adapter);
        (x + normed(self.output_norm.as_ref(), output), own)
    }
}

impl FeedForward {
    fn forward(&self, x: Tensor<2>, adapter: Option<&Adapter>) -> Tensor<2> {
        let [gate, up] = self.gate_up.forward(&x, adapter);
        let gated = match self.activation {
            Activation::Silu => swiglu(gate, up),
            Activation::GeluTanh => geglu(gate, up),
        };
        let [output] = self.down_proj.forward(&gated, adapter);
        output
    }
}
