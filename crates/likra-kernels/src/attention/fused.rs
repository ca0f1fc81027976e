//! Attention on a CPU: row by row, so that rows need no padding, and without keeping any scores.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::attention::{Scores, Sight, Visibility};
use crate::flex::{floats, tensor, zeros};
use crate::graph::{Gradients, Operation};
use crate::math;
use crate::matrix::{INNER, Matrix, add_product};
use crate::packed::Packed;
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

/// Keys and values of one key head of some tokens, in the form in which they are multiplied.
enum Held<'a> {
    /// The keys with tokens for columns, and the values.
    Floats(Vec<f32>, Matrix<'a>),
    /// Keys and turned values in bf16; so are rounded the queries and the weights that they are multiplied by.
    Rounded(Packed, Packed),
}

impl<'a> Held<'a> {
    fn new(keys: Matrix<'a>, values: Matrix<'a>, rounded: bool) -> Self {
        match rounded {
            false => Self::Floats(keys.transposed().to_vec(), values),
            true => Self::Rounded(Packed::rounded(keys), Packed::rounded(values.transposed())),
        }
    }

    /// Adds to `scores`, a row every `step`, the products of queries and the keys of the first `tokens`.
    fn add_scores(&self, scores: &mut [f32], step: usize, queries: Matrix, tokens: usize) {
        match self {
            Self::Floats(keys, values) => {
                let keys = Matrix::new(keys, values.columns, tokens, values.rows.max(1));
                add_product(scores, step, queries, keys);
            }
            Self::Rounded(keys, _) => keys.add_product(scores, step, queries, tokens),
        }
    }

    /// Adds to `sums`, a row every `step`, the products of weights and the values of as many tokens, the first ones.
    fn add_values(&self, sums: &mut [f32], step: usize, weights: Matrix) {
        match self {
            Self::Floats(_, values) => {
                let rows = weights.columns;
                add_product(sums, step, weights, Matrix { rows, ..*values });
            }
            Self::Rounded(_, values) => {
                values.add_product(sums, step, weights, values.sizes()[0]);
            }
        }
    }
}

/// What all tasks of an attention share.
struct Heads<'a> {
    visibility: &'a Visibility,
    rounded: bool,
    queries: Cow<'a, [f32]>,
    /// Keys and values.
    own: [Cow<'a, [f32]>; 2],
    prefix: [Cow<'a, [f32]>; 2],
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
        let prefix = attention.prefix.as_ref();
        let prefix = prefix.map(|prefix| prefix.each_ref().map(floats));
        Self {
            visibility: &attention.visibility,
            rounded: attention.scores.rounded,
            queries: floats(queries),
            own: [keys, values].map(floats),
            prefix: prefix.unwrap_or_default(),
            head_dim: attention.scores.head_dim,
            scale: attention.scores.scale as f32,
            query_step: queries.layout().shape()[1],
            key_step: keys.layout().shape()[1],
        }
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

    /// Every key head of `tokens` of keys and values.
    fn held<'b>(&self, [keys, values]: [&'b [f32]; 2], tokens: &Range<usize>) -> Vec<Held<'b>> {
        let held = |head| {
            let [keys, values] = [keys, values].map(|data| self.of_key(data, head, tokens));
            Held::new(keys, values, self.rounded)
        };
        (0..self.key_heads()).into_par_iter().map(held).collect()
    }

    fn of_prefix(&self) -> Vec<Held<'_>> {
        self.held(
            self.prefix.each_ref().map(|data| &**data),
            &(0..self.visibility.prefix),
        )
    }

    fn of_row(&self, row: &Range<usize>) -> Vec<Held<'_>> {
        self.held(self.own.each_ref().map(|data| &**data), row)
    }

    /// The products of `left`, as many as a head has, with the keys of the prefix and of the first `own` tokens of a row.
    fn scores(&self, left: Matrix, [prefix, row]: [&Held; 2], own: usize) -> Vec<f32> {
        let before = self.visibility.prefix;
        let step = before + own;
        let mut scores = vec![0.0; left.rows * step];
        prefix.add_scores(&mut scores, step, left, before);
        row.add_scores(&mut scores[before..], step, left, own);
        scores
    }

    /// The attention weights of a query head of `queries`, one row each, over the prefix and then the row's tokens up to
    /// the last query.
    fn weights(
        &self,
        row: &Range<usize>,
        queries: &Range<usize>,
        head: usize,
        held: [&Held; 2],
    ) -> Vec<f32> {
        let left = self.of_query(&self.queries, head, queries);
        let mut scores = self.scores(left, held, queries.end - row.start);
        let sights = &self.visibility.sights[queries.clone()];
        softmaxes(&mut scores, sights, self.visibility.prefix, self.scale);
        scores
    }

    /// The attention of all queries.
    fn output(&self) -> Vec<f32> {
        let prefix = self.of_prefix();
        let rows: Vec<_> = self.visibility.rows().collect();
        let held: Vec<_> = rows.par_iter().map(|row| self.of_row(row)).collect();
        let tasks = rows.iter().zip(&held).flat_map(|(row, held)| {
            let starts = row.clone().step_by(QUERIES);
            starts.map(move |start| (row, start..row.end.min(start + QUERIES), held))
        });
        let tasks: Vec<_> = tasks.collect();
        let mut output = zeros(self.queries.len());
        let ranges = tasks.iter().map(|(_, queries, _)| queries.clone());
        parts(&mut output, self.query_step, ranges)
            .into_par_iter()
            .zip(&tasks)
            .for_each(|(output, (row, queries, held))| {
                self.attend(row, queries, [&prefix, held], output);
            });
        output
    }

    /// Attention of `queries`, tokens of the row `row`; `output` is their part of the output.
    fn attend(
        &self,
        row: &Range<usize>,
        queries: &Range<usize>,
        held: [&[Held]; 2],
        output: &mut [f32],
    ) {
        let before = self.visibility.prefix;
        let keys = before + queries.end - row.start;
        for key_head in 0..self.key_heads() {
            let [prefix, own] = held.map(|held| &held[key_head]);
            for head in self.group(key_head) {
                let weights = self.weights(row, queries, head, [prefix, own]);
                let weights = Matrix::new(&weights, queries.len(), keys, keys);
                let output = &mut output[head * self.head_dim..];
                prefix.add_values(output, self.query_step, weights.columns(0..before));
                own.add_values(output, self.query_step, weights.columns(before..keys));
            }
        }
    }

    /// Adds the gradients of a row's queries, keys and values to `gradients`, from that of its output.
    fn attend_backward(
        &self,
        row: &Range<usize>,
        prefix: &[Held],
        output: &[f32],
        gradients: [&mut [f32]; 3],
    ) {
        let [d_queries, d_keys, d_values] = gradients;
        let of_prefix = 0..self.visibility.prefix;
        let seen = of_prefix.len() + row.len();
        let of_row = of_prefix.end..seen;
        let own = self.of_row(row);
        let [prefix_keys, prefix_values] = self.prefix.each_ref();
        let [keys, values] = self.own.each_ref();
        for key_head in 0..self.key_heads() {
            // What the gradients of the output are multiplied by, values in the place of keys.
            let turned = |values, keys, tokens| {
                let [values, keys] = [values, keys].map(|data| self.of_key(data, key_head, tokens));
                Held::new(values, keys, false)
            };
            let turned = [
                turned(prefix_values, prefix_keys, &of_prefix),
                turned(values, keys, row),
            ];
            let d_keys = &mut d_keys[key_head * self.head_dim..];
            let d_values = &mut d_values[key_head * self.head_dim..];
            for head in self.group(key_head) {
                let held = [&prefix[key_head], &own[key_head]];
                let weights = self.weights(row, row, head, held);
                let d_output = self.of_query(output, head, row);
                let mut d_scores = self.scores(d_output, turned.each_ref(), row.len());
                softmaxes_backward(&mut d_scores, &weights, row.len(), self.scale);
                let [weights, d_scores] =
                    [&weights, &d_scores].map(|data| Matrix::new(data, row.len(), seen, seen));
                let d_queries = &mut d_queries[head * self.head_dim..];
                turned[0].add_values(
                    d_queries,
                    self.query_step,
                    d_scores.columns(of_prefix.clone()),
                );
                let d_scores = d_scores.columns(of_row.clone());
                turned[1].add_values(d_queries, self.query_step, d_scores);
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
        // In the blocks in which values are added up, wherever the prefix ends.
        let (first, rest) = scores.split_at(scores.len().min(INNER - seen.start % INNER));
        total += math::sum(first);
        for block in rest.chunks(INNER) {
            total += math::sum(block);
        }
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
        let output = Heads::new(self, &inputs).output();
        (tensor(output, inputs[0].layout().shape().to_vec()), inputs)
    }

    fn backward(&self, output: &FlexTensor, kept: &[FlexTensor; 3], _: [bool; 3]) -> Gradients<3> {
        let heads = Heads::new(self, kept);
        let prefix = heads.of_prefix();
        let output = floats(output);
        let shapes = kept.each_ref().map(|input| input.layout().shape().to_vec());
        let mut found = shapes.map(|shape| tensor(zeros(shape.iter().product()), shape));
        let rows = || self.visibility.rows();
        let [queries, keys, values] = found.each_mut().map(|gradient| {
            let step = gradient.layout().shape()[1];
            parts(gradient.storage_mut(), step, rows())
        });
        (queries.into_par_iter().zip(keys).zip(values))
            .zip(rows().collect::<Vec<_>>())
            .for_each(|(((queries, keys), values), row)| {
                heads.attend_backward(&row, &prefix, &output, [queries, keys, values]);
            });
        found.map(Some)
    }
}
