//! Attention on a CPU: row by row, so that rows need no padding, and without keeping any scores.

use std::ops::Range;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::attention::{Scores, Sight, Visibility};
use crate::flex::{floats, tensor};
use crate::graph::record;
use crate::math;
use crate::matrix::{Matrix, add_product};
use crate::vectors::vectorised;

#[backend_extension(Flex, Autodiff)]
pub(crate) trait Attention: Backend {
    fn attention(
        queries: FloatTensor<Self>,
        keys: FloatTensor<Self>,
        values: FloatTensor<Self>,
        prefix_keys: FloatTensor<Self>,
        prefix_values: FloatTensor<Self>,
        visibility: Arc<Visibility>,
        scores: Scores,
    ) -> FloatTensor<Self>;
}

/// How many queries of a row run as one task: long rows are to occupy all cores. A multiple of the rows
/// that a product takes at a time.
const QUERIES: usize = 48;

/// Keys and values of some tokens, `[tokens, key_heads · head_dim]`.
#[derive(Clone, Copy)]
struct KeysValues<'a> {
    keys: &'a [f32],
    values: &'a [f32],
}

/// What all tasks of an attention share.
struct Heads<'a> {
    visibility: &'a Visibility,
    queries: &'a [f32],
    own: KeysValues<'a>,
    prefix: KeysValues<'a>,
    /// The prefix's keys of each key head, with tokens for columns.
    prefix_keys: Vec<Vec<f32>>,
    head_dim: usize,
    /// What products of queries and keys are multiplied by.
    scale: f32,
    /// Numbers of a token's queries.
    query_step: usize,
    /// Numbers of a token's keys, and of its values.
    key_step: usize,
}

impl<'a> Heads<'a> {
    fn new(
        visibility: &'a Visibility,
        scores: Scores,
        queries: &'a [f32],
        own: KeysValues<'a>,
        prefix: KeysValues<'a>,
    ) -> Self {
        let tokens = visibility.tokens();
        let mut heads = Self {
            visibility,
            queries,
            own,
            prefix,
            prefix_keys: Vec::new(),
            head_dim: scores.head_dim,
            scale: scores.scale as f32,
            query_step: queries.len() / tokens,
            key_step: own.keys.len() / tokens,
        };
        heads.prefix_keys = (0..heads.key_heads())
            .map(|head| heads.turned(prefix.keys, head, &(0..visibility.prefix)))
            .collect();
        heads
    }

    fn key_heads(&self) -> usize {
        self.key_step / self.head_dim
    }

    /// The query heads that belong to a key head.
    fn group(&self, key_head: usize) -> Range<usize> {
        let group = self.query_step / self.key_step;
        key_head * group..(key_head + 1) * group
    }

    /// A query head of `tokens` in something with the shape of the queries.
    fn of_query<'b>(&self, data: &'b [f32], head: usize, tokens: &Range<usize>) -> Matrix<'b> {
        let data = &data[tokens.start * self.query_step + head * self.head_dim..];
        Matrix::new(data, tokens.len(), self.head_dim, self.query_step)
    }

    /// A key head of `tokens` in something with the shape of the keys.
    fn of_key<'b>(&self, data: &'b [f32], head: usize, tokens: &Range<usize>) -> Matrix<'b> {
        let data = &data[(tokens.start * self.key_step + head * self.head_dim).min(data.len())..];
        Matrix::new(data, tokens.len(), self.head_dim, self.key_step)
    }

    /// A copy of a key head of `tokens`, with tokens for columns.
    fn turned(&self, data: &[f32], head: usize, tokens: &Range<usize>) -> Vec<f32> {
        self.of_key(data, head, tokens).transposed().to_vec()
    }

    /// The attention weights of a query head of `queries`, tokens of the row `row`: one row each,
    /// over the prefix and then the row's tokens up to the last query, whose keys are `turned`.
    fn weights(
        &self,
        row: &Range<usize>,
        queries: &Range<usize>,
        head: usize,
        turned: &[f32],
    ) -> Vec<f32> {
        let own = queries.end - row.start;
        let key_head = head / (self.query_step / self.key_step);
        let left = self.of_query(self.queries, head, queries);
        let mut scores = self.product_with_turned(left, &self.prefix_keys[key_head], turned, own);
        let scale = self.scale;
        let prefix = self.visibility.prefix;
        let sights = &self.visibility.sights[queries.clone()];
        softmaxes(&mut scores, sights, prefix, scale);
        scores
    }

    /// `left` times keys or values that have tokens for columns: the prefix's and `own` of the row's.
    fn product_with_turned(
        &self,
        left: Matrix,
        prefix: &[f32],
        turned: &[f32],
        own: usize,
    ) -> Vec<f32> {
        let before = self.visibility.prefix;
        let step = before + own;
        let mut product = vec![0.0; left.rows * step];
        let right = Matrix::new(prefix, self.head_dim, before, before.max(1));
        add_product(&mut product, step, left, right);
        let right = Matrix::new(turned, self.head_dim, own, own);
        add_product(&mut product[before..], step, left, right);
        product
    }

    /// Attention of `queries`, tokens of the row `row`; `output` is their part of the output.
    fn attend(&self, row: &Range<usize>, queries: &Range<usize>, output: &mut [f32]) {
        let (prefix, own) = (self.visibility.prefix, queries.end - row.start);
        let seen = row.start..queries.end;
        for key_head in 0..self.key_heads() {
            let turned = self.turned(self.own.keys, key_head, &seen);
            for head in self.group(key_head) {
                let weights = self.weights(row, queries, head, &turned);
                let weights = Matrix::new(&weights, queries.len(), prefix + own, prefix + own);
                let output = &mut output[head * self.head_dim..];
                let values = self.of_key(self.prefix.values, key_head, &(0..prefix));
                add_product(output, self.query_step, weights.first(prefix), values);
                let values = self.of_key(self.own.values, key_head, &seen);
                add_product(output, self.query_step, weights.after(prefix), values);
            }
        }
    }

    /// The gradients of a row's queries, keys and values, from that of its output.
    fn attend_backward(&self, row: &Range<usize>, output: &[f32], gradients: &mut RowGradients) {
        let (prefix, own) = (self.visibility.prefix, row.len());
        for key_head in 0..self.key_heads() {
            let keys = self.turned(self.own.keys, key_head, row);
            let values = self.turned(self.own.values, key_head, row);
            let prefix_values = self.turned(self.prefix.values, key_head, &(0..prefix));
            for head in self.group(key_head) {
                let weights = self.weights(row, row, head, &keys);
                let d_output = self.of_query(output, head, row);
                let mut d_scores = self.product_with_turned(d_output, &prefix_values, &values, own);
                let scale = self.scale;
                softmaxes_backward(&mut d_scores, &weights, own, scale);
                let square = |data| Matrix::new(data, own, prefix + own, prefix + own);
                let (weights, d_scores) = (square(&weights), square(&d_scores));
                let (at, at_key) = (head * self.head_dim, key_head * self.head_dim);
                let queries = &mut gradients.queries[at..];
                let keys = self.of_key(self.prefix.keys, key_head, &(0..prefix));
                add_product(queries, self.query_step, d_scores.first(prefix), keys);
                let keys = self.of_key(self.own.keys, key_head, row);
                add_product(queries, self.query_step, d_scores.after(prefix), keys);
                let queries = self.of_query(self.queries, head, row);
                let d_scores = d_scores.after(prefix).transposed();
                add_product(
                    &mut gradients.keys[at_key..],
                    self.key_step,
                    d_scores,
                    queries,
                );
                let weights = weights.after(prefix).transposed();
                add_product(
                    &mut gradients.values[at_key..],
                    self.key_step,
                    weights,
                    d_output,
                );
            }
        }
    }
}

/// The gradients of one row's queries, keys and values.
struct RowGradients<'a> {
    queries: &'a mut [f32],
    keys: &'a mut [f32],
    values: &'a mut [f32],
}

vectorised! {
    /// Turns the scores of some queries, a row for each of `sights`, into weights.
    fn softmaxes<'a>(scores: &'a mut [f32], sights: &'a [Sight], prefix: usize, scale: f32) {
        let keys = scores.len() / sights.len();
        for (scores, sight) in scores.chunks_mut(keys).zip(sights) {
            softmax(scores, sight, prefix, scale);
        }
    }
}

vectorised! {
    /// Turns the gradients of the weights of `queries` queries, a row for each, into those of the
    /// unscaled scores.
    fn softmaxes_backward<'a>(
        gradients: &'a mut [f32],
        weights: &'a [f32],
        queries: usize,
        scale: f32,
    ) {
        let keys = weights.len() / queries;
        for (gradients, weights) in gradients.chunks_mut(keys).zip(weights.chunks(keys)) {
            softmax_backward(gradients, weights, scale);
        }
    }
}

/// Turns scores into weights: a softmax of `scale` times what `sight` sees, 0 elsewhere.
#[inline(always)]
fn softmax(scores: &mut [f32], sight: &Sight, prefix: usize, scale: f32) {
    let seen = [
        sight.prefix_from..prefix,
        prefix + sight.trunk.start..prefix + sight.trunk.end,
        prefix + sight.branch.start..prefix + sight.branch.end,
    ];
    let largest = seen
        .iter()
        .map(|seen| math::max(&scores[seen.clone()]))
        .fold(f32::NEG_INFINITY, f32::max);
    let mut end = 0;
    let mut total = 0.0;
    for seen in &seen {
        scores[end..seen.start.max(end)].fill(0.0);
        let scores = &mut scores[seen.clone()];
        for score in scores.iter_mut() {
            *score = math::exp((*score - largest) * scale);
        }
        total += math::sum(scores);
        end = seen.end.max(end);
    }
    scores[end..].fill(0.0);
    let share = total.recip();
    for weight in scores {
        *weight *= share;
    }
}

/// Turns the gradient of the weights into that of the unscaled scores.
#[inline(always)]
fn softmax_backward(gradient: &mut [f32], weights: &[f32], scale: f32) {
    let mean = math::dot(gradient, weights);
    for (gradient, weight) in gradient.iter_mut().zip(weights) {
        *gradient = weight * (*gradient - mean) * scale;
    }
}

/// Cuts `data` into the parts of consecutive `ranges` of tokens.
fn parts(
    mut data: &mut [f32],
    step: usize,
    ranges: impl Iterator<Item = Range<usize>>,
) -> Vec<&mut [f32]> {
    ranges
        .map(|range| {
            data.split_off_mut(..range.len() * step)
                .expect("a part for each range")
        })
        .collect()
}

impl Attention for Flex {
    fn attention(
        queries: FlexTensor,
        keys: FlexTensor,
        values: FlexTensor,
        prefix_keys: FlexTensor,
        prefix_values: FlexTensor,
        visibility: Arc<Visibility>,
        scores: Scores,
    ) -> FlexTensor {
        let shape = queries.layout().shape().to_vec();
        let inputs = [&queries, &keys, &values, &prefix_keys, &prefix_values].map(floats);
        let heads = heads(&inputs, &visibility, scores);
        let tasks: Vec<_> = visibility
            .rows()
            .flat_map(|row| {
                let starts = row.clone().step_by(QUERIES);
                starts.map(move |start| (row.clone(), start..row.end.min(start + QUERIES)))
            })
            .collect();
        let mut output = vec![0.0; inputs[0].len()];
        let ranges = tasks.iter().map(|(_, queries)| queries.clone());
        parts(&mut output, heads.query_step, ranges)
            .into_par_iter()
            .zip(&tasks)
            .for_each(|(output, (row, queries))| heads.attend(row, queries, output));
        tensor(output, shape)
    }
}

/// `inputs`: queries, keys, values, the prefix's keys and values.
fn heads<'a>(
    inputs: &'a [std::borrow::Cow<[f32]>; 5],
    visibility: &'a Visibility,
    scores: Scores,
) -> Heads<'a> {
    let [queries, keys, values, prefix_keys, prefix_values] = inputs;
    let own = KeysValues { keys, values };
    let prefix = KeysValues {
        keys: prefix_keys,
        values: prefix_values,
    };
    Heads::new(visibility, scores, queries, own, prefix)
}

#[derive(Debug, Clone)]
struct State {
    /// Queries, keys, values, the prefix's keys and values.
    inputs: [FlexTensor; 5],
    visibility: Arc<Visibility>,
    scores: Scores,
}

/// The gradients of queries, keys and values.
fn gradient(output: &FlexTensor, state: &State, _needed: [bool; 3]) -> [Option<FlexTensor>; 3] {
    let [queries, keys, values, ..] = &state.inputs;
    let inputs = state.inputs.each_ref().map(floats);
    let heads = heads(&inputs, &state.visibility, state.scores);
    let output = floats(output);
    let mut found = [queries, keys, values].map(|input| vec![0.0; floats(input).len()]);
    let [d_queries, d_keys, d_values] = &mut found;
    let rows = || state.visibility.rows();
    parts(d_queries, heads.query_step, rows())
        .into_par_iter()
        .zip(parts(d_keys, heads.key_step, rows()))
        .zip(parts(d_values, heads.key_step, rows()))
        .zip(rows().collect::<Vec<_>>())
        .for_each(|(((queries, keys), values), row)| {
            let mut gradients = RowGradients {
                queries,
                keys,
                values,
            };
            heads.attend_backward(&row, &output, &mut gradients);
        });
    let shapes = [queries, keys, values].map(|input| input.layout().shape().to_vec());
    let [d_queries, d_keys, d_values] = found;
    let [queries, keys, values] = shapes;
    [
        tensor(d_queries, queries),
        tensor(d_keys, keys),
        tensor(d_values, values),
    ]
    .map(Some)
}

impl<C: CheckpointStrategy> Attention for Autodiff<Flex, C> {
    fn attention(
        queries: FloatTensor<Self>,
        keys: FloatTensor<Self>,
        values: FloatTensor<Self>,
        prefix_keys: FloatTensor<Self>,
        prefix_values: FloatTensor<Self>,
        visibility: Arc<Visibility>,
        scores: Scores,
    ) -> FloatTensor<Self> {
        assert!(
            visibility.prefix == 0 || !(prefix_keys.is_tracked() || prefix_values.is_tracked()),
            "a prefix is a constant"
        );
        let nodes = [queries.node(), keys.node(), values.node()];
        let inputs = [queries, keys, values, prefix_keys, prefix_values]
            .map(FloatTensor::<Self>::into_primitive);
        let [queries, keys, values, prefix_keys, prefix_values] = inputs.clone();
        let output = Flex::attention(
            queries,
            keys,
            values,
            prefix_keys,
            prefix_values,
            Arc::clone(&visibility),
            scores,
        );
        let state = State {
            inputs,
            visibility,
            scores,
        };
        record::<C, _, 3>(nodes, state, output, gradient)
    }
}
