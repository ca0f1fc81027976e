//! Attention on a CPU: row by row, so that rows need no padding, and without keeping any scores.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::attention::{Scores, Sight, Visibility};
use crate::flex::{floats, tensor};
use crate::graph::{Gradients, Operation};
use crate::math;
use crate::matrix::{Matrix, add_product};
use crate::vectors::vectorised;

/// Attention from queries to keys and values, each `[tokens, heads · head_dim]`.
#[derive(Debug)]
pub(super) struct Attention {
    /// Keys and values.
    pub(super) prefix: Option<[FlexTensor; 2]>,
    pub(super) visibility: Arc<Visibility>,
    pub(super) scores: Scores,
}

/// How many queries of a row run as one task: long rows are to occupy all cores. A multiple of the rows
/// that a product takes at a time.
const QUERIES: usize = 48;

/// What all tasks of an attention share.
struct Heads<'a> {
    visibility: &'a Visibility,
    queries: Cow<'a, [f32]>,
    keys: Cow<'a, [f32]>,
    values: Cow<'a, [f32]>,
    prefix_keys: Cow<'a, [f32]>,
    prefix_values: Cow<'a, [f32]>,
    /// The prefix's keys of each key head, with tokens for columns.
    turned_prefix: Vec<Vec<f32>>,
    head_dim: usize,
    /// What products of queries and keys are multiplied by.
    scale: f32,
    /// Numbers of a token's queries.
    query_step: usize,
    /// Numbers of a token's keys, and of its values.
    key_step: usize,
}

impl<'a> Heads<'a> {
    fn new(attention: &'a Attention, [queries, keys, values]: &'a [FlexTensor; 3]) -> Self {
        let visibility = &*attention.visibility;
        let prefix = attention.prefix.as_ref();
        let prefix = prefix.map(|prefix| prefix.each_ref().map(floats));
        let [prefix_keys, prefix_values] = prefix.unwrap_or_default();
        let mut heads = Self {
            visibility,
            queries: floats(queries),
            keys: floats(keys),
            values: floats(values),
            prefix_keys,
            prefix_values,
            turned_prefix: Vec::new(),
            head_dim: attention.scores.head_dim,
            scale: attention.scores.scale as f32,
            query_step: queries.layout().shape()[1],
            key_step: keys.layout().shape()[1],
        };
        let turned = |head| heads.turned(&heads.prefix_keys, head, &(0..visibility.prefix));
        heads.turned_prefix = (0..heads.key_heads()).map(turned).collect();
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

    /// The attention weights of a query head of `queries`: one row each, over the prefix and then the
    /// row's tokens up to the last query, whose keys are `turned`.
    fn weights(&self, queries: &Range<usize>, head: usize, turned: &[f32]) -> Vec<f32> {
        let prefix = &self.turned_prefix[head * self.key_step / self.query_step];
        let left = self.of_query(&self.queries, head, queries);
        let mut scores = self.product_with_turned(left, prefix, turned);
        let sights = &self.visibility.sights[queries.clone()];
        softmaxes(&mut scores, sights, self.visibility.prefix, self.scale);
        scores
    }

    /// `left` times keys or values that have tokens for columns: the prefix's, and some of the row's.
    fn product_with_turned(&self, left: Matrix, prefix: &[f32], turned: &[f32]) -> Vec<f32> {
        let (before, own) = (self.visibility.prefix, turned.len() / self.head_dim);
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
        let (seen, of_prefix) = (row.start..queries.end, 0..self.visibility.prefix);
        let keys = of_prefix.len() + seen.len();
        let of_row = of_prefix.end..keys;
        for key_head in 0..self.key_heads() {
            let turned = self.turned(&self.keys, key_head, &seen);
            let prefix_values = self.of_key(&self.prefix_values, key_head, &of_prefix);
            let values = self.of_key(&self.values, key_head, &seen);
            for head in self.group(key_head) {
                let weights = self.weights(queries, head, &turned);
                let weights = Matrix::new(&weights, queries.len(), keys, keys);
                let output = &mut output[head * self.head_dim..];
                let to_prefix = weights.columns(of_prefix.clone());
                add_product(output, self.query_step, to_prefix, prefix_values);
                let to_row = weights.columns(of_row.clone());
                add_product(output, self.query_step, to_row, values);
            }
        }
    }

    /// Adds the gradients of a row's queries, keys and values to `gradients`, from that of its output.
    fn attend_backward(&self, row: &Range<usize>, output: &[f32], gradients: [&mut [f32]; 3]) {
        let [d_queries, d_keys, d_values] = gradients;
        let of_prefix = 0..self.visibility.prefix;
        let seen = of_prefix.len() + row.len();
        let of_row = of_prefix.end..seen;
        for key_head in 0..self.key_heads() {
            let turned = |data: &[f32], tokens| self.turned(data, key_head, tokens);
            let turned_keys = turned(&self.keys, row);
            let turned_values = turned(&self.values, row);
            let turned_prefix_values = turned(&self.prefix_values, &of_prefix);
            let prefix_keys = self.of_key(&self.prefix_keys, key_head, &of_prefix);
            let keys = self.of_key(&self.keys, key_head, row);
            let d_keys = &mut d_keys[key_head * self.head_dim..];
            let d_values = &mut d_values[key_head * self.head_dim..];
            for head in self.group(key_head) {
                let weights = self.weights(row, head, &turned_keys);
                let d_output = self.of_query(output, head, row);
                let mut d_scores =
                    self.product_with_turned(d_output, &turned_prefix_values, &turned_values);
                softmaxes_backward(&mut d_scores, &weights, row.len(), self.scale);
                let [weights, d_scores] =
                    [&weights, &d_scores].map(|data| Matrix::new(data, row.len(), seen, seen));
                let d_queries = &mut d_queries[head * self.head_dim..];
                let d_prefix_scores = d_scores.columns(of_prefix.clone());
                add_product(d_queries, self.query_step, d_prefix_scores, prefix_keys);
                let d_scores = d_scores.columns(of_row.clone());
                add_product(d_queries, self.query_step, d_scores, keys);
                let queries = self.of_query(&self.queries, head, row);
                add_product(d_keys, self.key_step, d_scores.transposed(), queries);
                let weights = weights.columns(of_row.clone()).transposed();
                add_product(d_values, self.key_step, weights, d_output);
            }
        }
    }
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
            let mean = math::dot(gradients, weights);
            for (gradient, weight) in gradients.iter_mut().zip(weights) {
                *gradient = weight * (*gradient - mean) * scale;
            }
        }
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

impl Operation<3> for Attention {
    /// The inputs.
    type Kept = [FlexTensor; 3];

    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, [FlexTensor; 3]) {
        let heads = Heads::new(self, &inputs);
        let tasks: Vec<_> = (self.visibility.rows())
            .flat_map(|row| {
                let starts = row.clone().step_by(QUERIES);
                starts.map(move |start| (row.clone(), start..row.end.min(start + QUERIES)))
            })
            .collect();
        let mut output = vec![0.0; heads.queries.len()];
        let ranges = tasks.iter().map(|(_, queries)| queries.clone());
        parts(&mut output, heads.query_step, ranges)
            .into_par_iter()
            .zip(&tasks)
            .for_each(|(output, (row, queries))| heads.attend(row, queries, output));
        drop(heads);
        (tensor(output, inputs[0].layout().shape().to_vec()), inputs)
    }

    fn backward(&self, output: &FlexTensor, kept: &[FlexTensor; 3], _: [bool; 3]) -> Gradients<3> {
        let heads = Heads::new(self, kept);
        let output = floats(output);
        let shapes = kept.each_ref().map(|input| input.layout().shape().to_vec());
        let mut found = shapes.map(|shape| tensor(vec![0.0; shape.iter().product()], shape));
        let rows = || self.visibility.rows();
        let [queries, keys, values] = found.each_mut().map(|gradient| {
            let step = gradient.layout().shape()[1];
            parts(gradient.storage_mut(), step, rows())
        });
        (queries.into_par_iter().zip(keys).zip(values))
            .zip(rows().collect::<Vec<_>>())
            .for_each(|(((queries, keys), values), row)| {
                heads.attend_backward(&row, &output, [queries, keys, values]);
            });
        found.map(Some)
    }
}
