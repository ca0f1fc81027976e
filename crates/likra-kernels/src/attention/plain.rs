//! The same attention in Burn's operations, for every device and type.

use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};

use crate::attention::{KeyValue, Scores, Sight, Visibility};

/// Far below every score, yet finite: a token may see nothing of a prefix that its window has left
/// behind, and a softmax over infinities alone is no number.
const HIDDEN: f32 = -1e30;

/// What is added to the scores, and how rows are padded to one width.
#[derive(Debug)]
pub(crate) struct Masks {
    rows: usize,
    width: usize,
    /// `[1, rows, 1, width, width]`, f32.
    own_bias: Tensor<5>,
    /// `[1, rows, 1, width, prefix]`, f32; none if every token sees all of the prefix.
    prefix_bias: Option<Tensor<5>>,
    /// Where rows differ in length.
    padding: Option<Padding>,
}

/// For each place of the padded rows its token (some token for padding), and for each token its place.
#[derive(Debug)]
struct Padding {
    tokens: Tensor<1, Int>,
    places: Tensor<1, Int>,
}

impl Masks {
    fn new(visibility: &Visibility, device: &Device) -> Self {
        let lengths: Vec<usize> = visibility.rows().map(|row| row.len()).collect();
        let (rows, width) = (lengths.len(), lengths.iter().copied().max().unwrap_or(0));
        let filler = Sight {
            branch: 0..1,
            ..Sight::default()
        };
        let sights: Vec<&Sight> = visibility
            .rows()
            .flat_map(|row| {
                let padding = std::iter::repeat_n(&filler, width - row.len());
                visibility.sights[row].iter().chain(padding)
            })
            .collect();
        let own = sights.iter().flat_map(|sight| {
            let sees = |key| sight.trunk.contains(&key) || sight.branch.contains(&key);
            (0..width).map(move |key| hidden_unless(sees(key)))
        });
        let prefix = visibility.prefix;
        let before = sights
            .iter()
            .flat_map(|sight| (0..prefix).map(move |key| hidden_unless(key >= sight.prefix_from)));
        let tensor = |bias: Vec<f32>, keys: usize| {
            Tensor::from_data(TensorData::new(bias, [1, rows, 1, width, keys]), device)
        };
        let uneven = lengths.iter().any(|&length| length < width);
        let partly = visibility.sights.iter().any(|sight| sight.prefix_from > 0);
        Self {
            rows,
            width,
            own_bias: tensor(own.collect(), width),
            prefix_bias: partly.then(|| tensor(before.collect(), prefix)),
            padding: uneven.then(|| Padding::new(visibility, width, device)),
        }
    }

    /// `x` with its rows padded, or padded rows without their padding.
    fn relaid(&self, x: Tensor<2>, which: fn(&Padding) -> &Tensor<1, Int>) -> Tensor<2> {
        match &self.padding {
            Some(padding) => x.select(0, which(padding).clone()),
            None => x,
        }
    }
}

fn hidden_unless(seen: bool) -> f32 {
    if seen { 0.0 } else { HIDDEN }
}

impl Padding {
    fn new(visibility: &Visibility, width: usize, device: &Device) -> Self {
        let (mut tokens, mut places) = (Vec::new(), Vec::new());
        for row in visibility.rows() {
            places.extend((0..row.len()).map(|offset| (tokens.len() + offset) as i32));
            let filler = std::iter::repeat_n(0, width - row.len());
            tokens.extend(row.map(|token| token as i32).chain(filler));
        }
        let [tokens, places] = [tokens, places].map(|values| {
            let shape = [values.len()];
            Tensor::from_data(TensorData::new(values, shape), device)
        });
        Self { tokens, places }
    }
}

/// The key heads come before the rows, so that a prefix which has keys but no rows meets all
/// queries of a head in one product, without a copy for each row. The query heads of a group are
/// folded into the query positions, which needs no copy of the keys either (and keeps clear of a
/// fault of Burn 0.22.1: under autodiff its broadcast over grouped heads reads out of bounds).
pub(crate) fn attention(
    queries: Tensor<2>,
    own: &KeyValue,
    prefix: Option<&KeyValue>,
    visibility: &Visibility,
    scoring: Scores,
) -> Tensor<2> {
    let head_dim = scoring.head_dim;
    let dtype = FloatDType::from(queries.dtype());
    let device = queries.device().inner();
    let masks = visibility
        .masks
        .get_or_init(|| Masks::new(visibility, &device));
    let key_heads = own.keys.dims()[1] / head_dim;
    let by_key_head = |x: Tensor<2>| {
        by_key_head(
            masks.relaid(x, |padding| &padding.tokens),
            masks,
            key_heads,
            head_dim,
        )
    };
    let queries = by_key_head(queries.mul_scalar(scoring.scale));
    let (keys, values) = (
        by_key_head(own.keys.clone()),
        by_key_head(own.values.clone()),
    );

    let scores = |keys, bias| scores(&queries, keys, masks.width, bias, scoring.softcap);
    let to_own = scores(keys, Some(&masks.own_bias));
    let attended = match prefix {
        None => weighted(softmax(to_own, 4).cast(dtype), values),
        Some(prefix) => {
            let [prefix_keys, prefix_values] =
                [&prefix.keys, &prefix.values].map(|x| of_prefix(x.clone(), key_heads));
            let to_prefix = Part::new(scores(prefix_keys, masks.prefix_bias.as_ref()));
            let to_own = Part::new(to_own);
            let share = to_prefix.share_beside(&to_own).cast(dtype);
            let own_share = share.clone().neg().add_scalar(1.0);
            weighted(to_prefix.weights.cast(dtype), prefix_values) * share
                + weighted(to_own.weights.cast(dtype), values) * own_share
        }
    };
    masks.relaid(joined(attended, masks), |padding| &padding.places)
}

/// `[tokens, heads · head_dim]` to `[key_heads, rows, group · width, head_dim]`.
fn by_key_head(x: Tensor<2>, masks: &Masks, key_heads: usize, head_dim: usize) -> Tensor<4> {
    let group = x.dims()[1] / head_dim / key_heads;
    x.reshape([masks.rows, masks.width, key_heads, group, head_dim])
        .permute([2, 0, 3, 1, 4])
        .reshape([key_heads, masks.rows, group * masks.width, head_dim])
}

/// `[prefix, key_heads · head_dim]` to `[key_heads, 1, prefix, head_dim]`.
fn of_prefix(x: Tensor<2>, key_heads: usize) -> Tensor<4> {
    let [tokens, features] = x.dims();
    x.reshape([tokens, 1, key_heads, features / key_heads])
        .permute([2, 1, 0, 3])
}

/// The inverse of [`by_key_head`].
fn joined(x: Tensor<4>, masks: &Masks) -> Tensor<2> {
    let [key_heads, rows, queries, head_dim] = x.dims();
    let group = queries / masks.width;
    x.reshape([key_heads, rows, group, masks.width, head_dim])
        .permute([1, 3, 0, 2, 4])
        .reshape([rows * masks.width, key_heads * group * head_dim])
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
        let share = sigmoid(self.total.clone() - other.total.clone());
        share.reshape([key_heads, rows, group * width, 1])
    }
}

/// Scores in f32, `[key_heads, rows, group, width, keys]`: against each row's own keys, `[key_heads, rows,
/// keys, head_dim]`, or against one prefix's, `[key_heads, 1, keys, head_dim]`.
fn scores(
    queries: &Tensor<4>,
    keys: Tensor<4>,
    width: usize,
    bias: Option<&Tensor<5>>,
    softcap: Option<f64>,
) -> Tensor<5> {
    let [key_heads, rows, of_row, head_dim] = queries.dims();
    let [_, parts, keys_of_part, _] = keys.dims();
    let scores = queries
        .clone()
        .reshape([key_heads, parts, rows / parts * of_row, head_dim])
        .matmul(keys.transpose());
    let scores = match softcap {
        Some(cap) => scores.div_scalar(cap).tanh().mul_scalar(cap),
        None => scores,
    };
    let shape = [key_heads, rows, of_row / width, width, keys_of_part];
    let scores = scores.cast(FloatDType::F32).reshape(shape);
    match bias {
        Some(bias) => scores + bias.clone(),
        None => scores,
    }
}

/// `[key_heads, rows, group, width, keys]` times each row's own values or one prefix's, in the shapes of
/// the keys, gives `[key_heads, rows, group · width, head_dim]`.
fn weighted(weights: Tensor<5>, values: Tensor<4>) -> Tensor<4> {
    let [key_heads, rows, group, width, keys] = weights.dims();
    let [_, parts, _, head_dim] = values.dims();
    weights
        .reshape([key_heads, parts, rows / parts * group * width, keys])
        .matmul(values)
        .reshape([key_heads, rows, group * width, head_dim])
}
