//! Attention with grouped queries, over a row's own tokens and a prefix that all rows share.

mod fused;
mod plain;
#[cfg(test)]
mod tests;
mod visibility;

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::flex::is_fused;
use crate::graph::{self, constant};
use fused::Attention;
pub use visibility::{Sight, Visibility};

/// The keys and values of some tokens, rotary embedding applied: each `[tokens, key_heads · head_dim]`.
#[derive(Debug, Clone)]
pub struct KeyValue {
    /// What queries are compared with.
    pub keys: Tensor<2>,
    /// What is averaged.
    pub values: Tensor<2>,
}

/// How queries and keys become scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// The width of a head.
    pub head_dim: usize,
    /// What products of queries and keys are multiplied by: `1 / √head_dim` in most models.
    pub scale: f64,
    /// `c` in `c · tanh(score / c)`, in models that bound their scores so.
    pub softcap: Option<f64>,
    /// Whether queries, keys, values and the weights of values are rounded to bf16 where they are multiplied, on a CPU
    /// with everything else in f32.
    pub rounded: bool,
}

/// On a CPU in f32, and without a soft cap, a token comes to the same bits whether or not a part of what it sees is a prefix, if that part has a
/// multiple of so many tokens: in blocks of as many is added up over keys.
pub const BLOCK: usize = crate::matrix::INNER;

/// `softmax(scale · queries · keysᵀ) · values` for every query head, each token over what it
/// sees of its own row and of the prefix. Query head `h` belongs to key head `h / group`, as in
/// transformers' `repeat_kv`.
///
/// A prefix is a constant: no gradient goes through it on a CPU.
///
/// # Shapes
///
/// - `queries`, output: `[tokens, heads · head_dim]`
pub fn attention(
    queries: Tensor<2>,
    own: &KeyValue,
    prefix: Option<&KeyValue>,
    visibility: &Arc<Visibility>,
    scores: Scores,
) -> Tensor<2> {
    if !is_fused(&queries) || scores.softcap.is_some() {
        return plain::attention(queries, own, prefix, visibility, scores);
    }
    let operation = Attention {
        prefix: prefix.map(|prefix| [&prefix.keys, &prefix.values].map(constant)),
        visibility: Arc::clone(visibility),
        scores,
    };
    graph::fused([queries, own.keys.clone(), own.values.clone()], operation)
}
