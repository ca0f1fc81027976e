//! Causal self-attention with grouped queries, over a batch's own tokens and a shared prefix.

use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use likra_lora::{Adapter, Linear};

use crate::batch::Batch;
use crate::rope::Angles;

/// The four projections of a layer's attention.
#[derive(Debug)]
pub(crate) struct Attention {
    pub(crate) q_proj: Linear,
    pub(crate) k_proj: Linear,
    pub(crate) v_proj: Linear,
    pub(crate) o_proj: Linear,
    pub(crate) key_heads: usize,
    pub(crate) head_dim: usize,
}

/// The keys and values of one layer for a batch's own tokens, rotary embedding applied: each
/// `[key_heads, rows, width, head_dim]`.
#[derive(Debug, Clone)]
pub(crate) struct KeyValue {
    pub(crate) keys: Tensor<4>,
    pub(crate) values: Tensor<4>,
}

/// What all layers of a forward pass share: the shape of the batch, the rotations of its tokens and
/// what each of them may see.
#[derive(Debug)]
pub(crate) struct Context {
    rows: usize,
    width: usize,
    angles: Angles,
    /// `[1, rows, 1, width, width]`, f32.
    own_bias: Tensor<5>,
    /// `[1, rows, 1, width, prefix]`, f32.
    prefix_bias: Option<Tensor<5>>,
}

impl Context {
    pub(crate) fn new(
        batch: &Batch,
        angles: Angles,
        prefix: usize,
        window: Option<usize>,
        device: &Device,
    ) -> Self {
        let (rows, width) = (batch.rows, batch.width);
        let tensor = |bias: Vec<f32>, keys: usize| {
            Tensor::from_data(TensorData::new(bias, [1, rows, 1, width, keys]), device)
        };
        Self {
            rows,
            width,
            angles,
            own_bias: tensor(batch.own_bias(window), width),
            prefix_bias: batch
                .prefix_bias(prefix, window)
                .map(|bias| tensor(bias, prefix)),
        }
    }
}

impl Attention {
    /// Attends from every token of the batch to the prefix, if there is one, and to what it may see
    /// of its own row.
    ///
    /// The key heads come before the rows, so that a prefix which has keys but no rows meets all
    /// queries of a head in one product, without a copy for each row. The query heads of a group are
    /// folded into the query positions, which needs no copy of the keys either (and keeps clear of a
    /// fault of Burn 0.22.1: under autodiff its broadcast over grouped heads reads out of bounds).
    ///
    /// # Shapes
    ///
    /// - `x`: `[tokens, hidden]`, tokens = rows · width
    /// - output: `[tokens, hidden]`
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        context: &Context,
        prefix: Option<&KeyValue>,
        adapter: Option<&Adapter>,
    ) -> (Tensor<2>, KeyValue) {
        let dtype = FloatDType::from(x.dtype());
        let angles = &context.angles;
        let queries = angles.rotate(self.heads(self.q_proj.forward(x.clone(), adapter)));
        let keys = angles.rotate(self.heads(self.k_proj.forward(x.clone(), adapter)));
        let values = self.heads(self.v_proj.forward(x, adapter));
        let own = KeyValue {
            keys: self.by_key_head(keys, context),
            values: self.by_key_head(values, context),
        };
        let queries = self.by_key_head(
            queries.mul_scalar((self.head_dim as f64).sqrt().recip()),
            context,
        );

        let scores = own_scores(&queries, &own.keys, context);
        let attended = match prefix {
            None => weighted(softmax(scores, 4).cast(dtype), &own.values),
            Some(prefix) => {
                let to_prefix = Part::new(prefix_scores(&queries, &prefix.keys, context));
                let to_own = Part::new(scores);
                let share = to_prefix.share_beside(&to_own).cast(dtype);
                let own_share = share.clone().neg().add_scalar(1.0);
                weighted_by_head(to_prefix.weights.cast(dtype), &prefix.values) * share
                    + weighted(to_own.weights.cast(dtype), &own.values) * own_share
            }
        };
        (self.o_proj.forward(joined(attended, context), adapter), own)
    }

    /// `[tokens, heads · head_dim]` to `[tokens, heads, head_dim]`.
    fn heads(&self, x: Tensor<2>) -> Tensor<3> {
        let [tokens, features] = x.dims();
        x.reshape([tokens, features / self.head_dim, self.head_dim])
    }

    /// `[tokens, heads, head_dim]` to `[key_heads, rows, group · width, head_dim]`. Query head `h`
    /// belongs to key head `h / group`, as in transformers' `repeat_kv`.
    fn by_key_head(&self, x: Tensor<3>, context: &Context) -> Tensor<4> {
        let [_, heads, head_dim] = x.dims();
        let group = heads / self.key_heads;
        x.reshape([context.rows, context.width, self.key_heads, group, head_dim])
            .permute([2, 0, 3, 1, 4])
            .reshape([
                self.key_heads,
                context.rows,
                group * context.width,
                head_dim,
            ])
    }
}

/// The inverse of [`Attention::by_key_head`] and [`Attention::heads`].
fn joined(x: Tensor<4>, context: &Context) -> Tensor<2> {
    let [key_heads, rows, queries, head_dim] = x.dims();
    let group = queries / context.width;
    x.reshape([key_heads, rows, group, context.width, head_dim])
        .permute([1, 3, 0, 2, 4])
        .reshape([rows * context.width, key_heads * group * head_dim])
}

/// A softmax over a part of the keys, with what it takes to join it to the softmax over the others.
///
/// The prefix and a row's own tokens are different tensors. Joining their scores would copy all of
/// them, twice, and there are far more scores than anything else when the prefix is long.
struct Part {
    /// Softmax over this part's keys: `[key_heads, rows, group, width, keys]`.
    weights: Tensor<5>,
    /// log Σ exp over this part's scores: `[key_heads, rows, group, width, 1]`.
    total: Tensor<5>,
}

impl Part {
    fn new(scores: Tensor<5>) -> Self {
        let largest = scores.clone().max_dim(4);
        let weights = softmax(scores, 4);
        // The largest weight is exp(largest score - total).
        let total = largest - weights.clone().max_dim(4).log();
        Self { weights, total }
    }

    /// This part's share of the softmax over both parts: `[key_heads, rows, group · width, 1]`.
    fn share_beside(&self, other: &Self) -> Tensor<4> {
        let [key_heads, rows, group, width, _] = self.total.dims();
        sigmoid(self.total.clone() - other.total.clone()).reshape([
            key_heads,
            rows,
            group * width,
            1,
        ])
    }
}

/// Scores among a row's own tokens, in f32: `[key_heads, rows, group, width, width]`.
fn own_scores(queries: &Tensor<4>, keys: &Tensor<4>, context: &Context) -> Tensor<5> {
    let [key_heads, rows, queries_per_row, _] = queries.dims();
    let (width, group) = (context.width, queries_per_row / context.width);
    let scores = queries.clone().matmul(keys.clone().transpose());
    scores
        .cast(FloatDType::F32)
        .reshape([key_heads, rows, group, width, width])
        + context.own_bias.clone()
}

/// Scores of all rows against one prefix, in f32: `[key_heads, rows, group, width, prefix]`.
///
/// `keys`: `[key_heads, 1, prefix, head_dim]`.
fn prefix_scores(queries: &Tensor<4>, keys: &Tensor<4>, context: &Context) -> Tensor<5> {
    let [key_heads, rows, queries_per_row, head_dim] = queries.dims();
    let (width, group, prefix) = (
        context.width,
        queries_per_row / context.width,
        keys.dims()[2],
    );
    let scores = queries
        .clone()
        .reshape([key_heads, 1, rows * queries_per_row, head_dim])
        .matmul(keys.clone().transpose())
        .cast(FloatDType::F32)
        .reshape([key_heads, rows, group, width, prefix]);
    match &context.prefix_bias {
        Some(bias) => scores + bias.clone(),
        None => scores,
    }
}

/// `[key_heads, rows, group, width, keys]` times each row's own values, `[key_heads, rows, keys,
/// head_dim]`, gives `[key_heads, rows, group · width, head_dim]`.
fn weighted(weights: Tensor<5>, values: &Tensor<4>) -> Tensor<4> {
    let [key_heads, rows, group, width, keys] = weights.dims();
    weights
        .reshape([key_heads, rows, group * width, keys])
        .matmul(values.clone())
}

/// The same with one prefix's values for all rows, `[key_heads, 1, keys, head_dim]`.
fn weighted_by_head(weights: Tensor<5>, values: &Tensor<4>) -> Tensor<4> {
    let [key_heads, rows, group, width, keys] = weights.dims();
    let head_dim = values.dims()[3];
    weights
        .reshape([key_heads, 1, rows * group * width, keys])
        .matmul(values.clone())
        .reshape([key_heads, rows, group * width, head_dim])
}
