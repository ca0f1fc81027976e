//! One transformer layer: attention and a gated feed-forward block, each around a residual.

use burn::tensor::Tensor;
use likra_kernels::{KeyValue, swiglu};
use likra_lora::{Adapter, Linear};

use crate::attention::{Attention, Context};
use crate::config::Config;
use crate::error::Result;
use crate::norm::RmsNorm;
use crate::weights::Weights;

/// A pre-norm layer of the Llama family.
#[derive(Debug)]
pub(crate) struct Layer {
    input_layernorm: RmsNorm,
    self_attn: Attention,
    post_attention_layernorm: RmsNorm,
    mlp: FeedForward,
}

/// `down(silu(gate(x)) · up(x))` (`SwiGLU`, Shazeer 2020).
#[derive(Debug)]
#[allow(clippy::struct_field_names, reason = "the checkpoint's names")]
struct FeedForward {
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

impl Layer {
    /// Takes layer `number` out of `weights`.
    pub(crate) fn load(weights: &Weights, config: &Config, number: usize) -> Result<Self> {
        let path = format!("model.layers.{number}");
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let queries = config.num_attention_heads * config.head_dim;
        let keys = config.num_key_value_heads * config.head_dim;
        let norm = |name: &str| -> Result<RmsNorm> {
            let weight = weights.load(&format!("{path}.{name}.weight"), [hidden])?;
            Ok(RmsNorm::new(weight, config.rms_norm_eps))
        };
        let (input_layernorm, post_attention_layernorm) =
            (norm("input_layernorm")?, norm("post_attention_layernorm")?);
        let linear = |name: &str, input, output, bias| {
            load_linear(weights, &format!("{path}.{name}"), input, output, bias)
        };
        Ok(Self {
            input_layernorm,
            self_attn: Attention {
                q_proj: linear("self_attn.q_proj", hidden, queries, config.attention_bias)?,
                k_proj: linear("self_attn.k_proj", hidden, keys, config.attention_bias)?,
                v_proj: linear("self_attn.v_proj", hidden, keys, config.attention_bias)?,
                o_proj: linear("self_attn.o_proj", queries, hidden, config.attention_bias)?,
                head_dim: config.head_dim,
            },
            post_attention_layernorm,
            mlp: FeedForward {
                gate_proj: linear("mlp.gate_proj", hidden, inner, config.mlp_bias)?,
                up_proj: linear("mlp.up_proj", hidden, inner, config.mlp_bias)?,
                down_proj: linear("mlp.down_proj", inner, hidden, config.mlp_bias)?,
            },
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
        let normed = self.input_layernorm.forward(x.clone());
        let (attended, own) = self.self_attn.forward(normed, context, prefix, adapter);
        let x = x + attended;
        let normed = self.post_attention_layernorm.forward(x.clone());
        (x + self.mlp.forward(normed, adapter), own)
    }
}

impl FeedForward {
    fn forward(&self, x: Tensor<2>, adapter: Option<&Adapter>) -> Tensor<2> {
        let gate = self.gate_proj.forward(x.clone(), adapter);
        let up = self.up_proj.forward(x, adapter);
        self.down_proj.forward(swiglu(gate, up), adapter)
    }
}

/// Takes the linear layer at `path`, with a bias if the configuration says that it has one.
fn load_linear(
    weights: &Weights,
    path: &str,
    input: usize,
    output: usize,
    bias: bool,
) -> Result<Linear> {
    let weight = weights.load(&format!("{path}.weight"), [output, input])?;
    let bias = bias
        .then(|| weights.load(&format!("{path}.bias"), [output]))
        .transpose()?;
    Ok(Linear::new(path, weight, bias))
}
