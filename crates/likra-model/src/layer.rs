//! One transformer layer: attention and a gated feed-forward block, each around a residual.

use burn::tensor::Tensor;
use likra_kernels::{KeyValue, Scores, geglu, swiglu};
use likra_lora::{Adapter, Linear};

use crate::attention::{Attention, Context};
use crate::config::{Config, LinearShape};
use crate::error::Result;
use crate::family::{Activation, QueryKeyNorm};
use crate::norm::{RmsNorm, normed};
use crate::projections::{Projections, load_linear};
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
    down_proj: Linear,
    activation: Activation,
}

impl Layer {
    /// Takes layer `number` out of `weights`.
    pub(crate) fn load(weights: &Weights, config: &Config, number: usize) -> Result<Self> {
        let path = format!("model.layers.{number}");
        let norm =
            |name: &str, width| RmsNorm::load(weights, config, &format!("{path}.{name}"), width);
        let [attention, attended, mlp_norm, output] = config
            .family
            .norm_names()
            .map(|name| name.map(|name| norm(name, config.hidden_size)).transpose());
        let heads_norm = |name: &str, heads: usize| -> Result<Option<RmsNorm>> {
            let width = match config.family.query_key_norm {
                None => return Ok(None),
                Some(QueryKeyNorm::Head) => config.head_dim,
                Some(QueryKeyNorm::AllHeads) => heads * config.head_dim,
            };
            norm(name, width).map(Some)
        };
        let mut shapes = config.linears();
        let linear =
            |shapes: &mut Vec<LinearShape>| load_linear(weights, config, &path, &shapes.remove(0));
        let self_attn = Attention {
            qkv: Projections::load(weights, config, &path, &mut shapes)?,
            o_proj: linear(&mut shapes)?,
            q_norm: heads_norm("self_attn.q_norm", config.num_attention_heads)?,
            k_norm: heads_norm("self_attn.k_norm", config.num_key_value_heads)?,
            kind: config.layers[number],
            scores: Scores {
                head_dim: config.head_dim,
                scale: config.attention_scale,
                softcap: config.attention_softcap,
            },
        };
        let mlp = FeedForward {
            gate_up: Projections::load(weights, config, &path, &mut shapes)?,
            down_proj: linear(&mut shapes)?,
            activation: config.activation,
        };
        Ok(Self {
            attention_norm: attention?,
            self_attn,
            attended_norm: attended?,
            mlp_norm: mlp_norm?,
            mlp,
            output_norm: output?,
        })
    }

    /// `[tokens, hidden]` to the same, and the layer's keys and values.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        context: &Context,
        prefix: Option<&KeyValue>,
        adapter: Option<&Adapter>,
    ) -> (Tensor<2>, KeyValue) {
        let input = normed(&self.attention_norm, x.clone());
        let (attended, own) = self.self_attn.forward(input, context, prefix, adapter);
        let x = x + normed(&self.attended_norm, attended);
        let output = self.mlp.forward(normed(&self.mlp_norm, x.clone()), adapter);
        (x + normed(&self.output_norm, output), own)
    }
}

impl FeedForward {
    fn forward(&self, x: Tensor<2>, adapter: Option<&Adapter>) -> Tensor<2> {
        let [gate, up] = self.gate_up.forward(&x, adapter);
        let gated = match self.activation {
            Activation::Silu => swiglu(gate, up),
            Activation::GeluTanh => geglu(gate, up),
        };
        self.down_proj.forward(gated, adapter)
    }
}
