//! The same attention in Burn's operations, for every device and type.

use std::ops::Range;

use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Bool, DType, Device, FloatDType, Int, Tensor, TensorData};

use crate::attention::{KeyValue, Scores, Sight, Visibility};

/// Far below every score, yet finite: a token may see nothing of a prefix that its window has left
/// behind, and a softmax over infinities alone is no number.
const HIDDEN: f32 = -1e30;

/// How many scores there are at once, of all heads of all rows: a quarter of a gibibyte.
const AT_ONCE: usize = 1 << 26;

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
        let with_padding = |row: Range<usize>| {
            let padding = std::iter::repeat_n(&filler, width - row.len());
            visibility.sights[row].iter().chain(padding)
        };
        let sights: Vec<&Sight> = visibility.rows().flat_map(with_padding).collect();
        // The numbers of each token go to the device, and what they mean is worked out there.
        let column = |number: fn(&Sight) -> usize| {
            let numbers: Vec<i32> = sights.iter().map(|sight| number(sight) as i32).collect();
            let shape = [numbers.len(), 1];
            Tensor::<2, Int>::from_data(TensorData::new(numbers, shape), device)
        };
        let places = |keys: usize| {
            let places = Tensor::<1, Int>::arange(0..keys as i64, device);
            places.reshape([1, keys]).expand([sights.len(), keys])
        };
        let bias = |seen: Tensor<2, Bool>, keys: usize| {
            let none = Tensor::<2>::zeros([sights.len(), keys], (device, DType::F32));
            let bias = none.mask_fill(seen.bool_not(), HIDDEN);
            bias.reshape([1, rows, 1, width, keys])
        };
        let within = |first: fn(&Sight) -> usize, end: fn(&Sight) -> usize| {
            let places = places(width);
            let end = column(end).expand([sights.len(), width]);
            let first = column(first).expand([sights.len(), width]);
            places
                .clone()
                .greater_equal(first)
                .bool_and(places.lower(end))
        };
        let own = || {
            let trunk = within(|sight| sight.trunk.start, |sight| sight.trunk.end);
            trunk.bool_or(within(|sight| sight.branch.start, |sight| sight.branch.end))
        };
        let of_prefix = || {
            let first = column(|sight| sight.prefix_from).expand([sights.len(), visibility.prefix]);
            places(visibility.prefix).greater_equal(first)
        };
        let uneven = lengths.iter().any(|&length| length < width);
        let partly = visibility.sights.iter().any(|sight| sight.prefix_from > 0);
        Self {
            rows,
            width,
            own_bias: bias(own(), width),
            prefix_bias: partly.then(|| bias(of_prefix(), visibility.prefix)),
            padding: uneven.then(|| Padding::new(visibility, width, device)),
        }
    }

    /// `[tokens, heads · head_dim]` to `[key_heads, rows, group, width, head_dim]`.
    fn by_key_head(&self, x: Tensor<2>, key_heads: usize, head_dim: usize) -> Tensor<5> {
        let group = x.dims()[1] / head_dim / key_heads;
        let x = match &self.padding {
            Some(padding) => x.select(0, padding.tokens.clone()),
            None => x,
        };
        x.reshape([self.rows, self.width, key_heads, group, head_dim])
            .permute([2, 0, 3, 1, 4])
    }

    /// The inverse of [`by_key_head`](Self::by_key_head).
    fn joined(&self, x: Tensor<5>) -> Tensor<2> {
        let [key_heads, rows, group, _, head_dim] = x.dims();
        let x = x
            .permute([1, 3, 0, 2, 4])
            .reshape([rows * self.width, key_heads * group * head_dim]);
        match &self.padding {
            Some(padding) => x.select(0, padding.places.clone()),
            None => x,
        }
    }
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

/// See [`attention`](super::attention()).
pub(crate) fn attention(
    queries: Tensor<2>,
    own: &KeyValue,
    prefix: Option<&KeyValue>,
    visibility: &Visibility,
    scoring: Scores,
) -> Tensor<2> {
    in_blocks(queries, own, prefix, visibility, scoring, AT_ONCE)
}

/// The same with at most so many scores `at_once`, or those of one place in all rows.
///
/// The key heads come before the rows, so that a prefix which has keys but no rows meets all
/// queries of a head in one product, without a copy for each row. The query heads of a group are
/// folded into the query positions, which needs no copy of the keys either (and keeps clear of a
/// fault of Burn 0.22.1: under autodiff its broadcast over grouped heads reads out of bounds).
pub(crate) fn in_blocks(
    queries: Tensor<2>,
    own: &KeyValue,
    prefix: Option<&KeyValue>,
    visibility: &Visibility,
    scoring: Scores,
    at_once: usize,
) -> Tensor<2> {
    let head_dim = scoring.head_dim;
    let device = queries.device().inner();
    let masks = visibility
        .masks
        .get_or_init(|| Masks::new(visibility, &device));
    let key_heads = own.keys.dims()[1] / head_dim;
    let by_key_head = |x: Tensor<2>| masks.by_key_head(x, key_heads, head_dim);
    let queries = by_key_head(queries.mul_scalar(scoring.scale));
    let (rows, width) = (masks.rows, masks.width);
    let keys_of_row = [&own.keys, &own.values].map(|x| {
        let x = by_key_head(x.clone());
        x.reshape([key_heads, rows, width, head_dim])
    });
    let keys_of_prefix = prefix
        .map(|prefix| [&prefix.keys, &prefix.values].map(|x| of_prefix(x.clone(), key_heads)));

    let of_place = key_heads * rows * queries.dims()[2] * (visibility.prefix + width);
    let step = (at_once / of_place).clamp(1, width);
    let blocks = (0..width).step_by(step).map(|start| {
        let places = start..width.min(start + step);
        let queries = queries.clone().slice_dim(3, places.clone());
        // Nothing sees what comes after itself.
        let seen = 0..places.end;
        let own = keys_of_row
            .each_ref()
            .map(|x| x.clone().slice_dim(2, seen.clone()));
        let bias = masks.own_bias.clone().slice_dim(3, places.clone());
        let own = (own, Some(bias.slice_dim(4, seen.clone())));
        let prefix = keys_of_prefix.clone().map(|prefix| {
            let bias = masks.prefix_bias.clone();
            (prefix, bias.map(|bias| bias.slice_dim(3, places.clone())))
        });
        attend(queries, own, prefix, scoring.softcap)
    });
    let blocks: Vec<Tensor<5>> = blocks.collect();
    masks.joined(Tensor::cat(blocks, 3))
}

/// Keys and values by key head, and what is added to the scores against the keys.
type Seen = ([Tensor<4>; 2], Option<Tensor<5>>);

/// Attention from queries, `[key_heads, rows, group, places, head_dim]`, to what they see; in the shape of the
/// queries.
fn attend(
    queries: Tensor<5>,
    (own, own_bias): Seen,
    prefix: Option<Seen>,
    softcap: Option<f64>,
) -> Tensor<5> {
    let shape = queries.dims();
    let [key_heads, rows, group, places, head_dim] = shape;
    let dtype = FloatDType::from(queries.dtype());
    let queries = queries.reshape([key_heads, rows, group * places, head_dim]);
    let scores = |keys, bias: Option<Tensor<5>>| scores(&queries, keys, places, bias, softcap);
    let [keys, values] = own;
    let to_own = scores(keys, own_bias);
    let attended = match prefix {
        None => weighted(softmax(to_own, 4).cast(dtype), values),
        Some(([prefix_keys, prefix_values], prefix_bias)) => {
            let to_prefix = scores(prefix_keys, prefix_bias);
            let (prefix_weights, prefix_total) = part(to_prefix);
            let (own_weights, own_total) = part(to_own);
            let share = sigmoid(prefix_total - own_total).cast(dtype);
            let share = share.reshape([key_heads, rows, group * places, 1]);
            let own_share = share.clone().neg().add_scalar(1.0);
            weighted(prefix_weights.cast(dtype), prefix_values) * share
                + weighted(own_weights.cast(dtype), values) * own_share
        }
    };
    attended.reshape(shape)
}

/// `[prefix, key_heads · head_dim]` to `[key_heads, 1, prefix, head_dim]`.
fn of_prefix(x: Tensor<2>, key_heads: usize) -> Tensor<4> {
    let [tokens, features] = x.dims();
    x.reshape([tokens, 1, key_heads, features / key_heads])
        .permute([2, 1, 0, 3])
}

/// A softmax over a part of the keys, `[key_heads, rows, group, width, keys]`, and log Σ exp over its scores,
/// `[key_heads, rows, group, width, 1]`, by which it is joined to the softmax over the others.
///
/// The prefix and a row's own tokens are different tensors. Joining their scores would copy all of
/// them, twice, and there are far more scores than anything else when the prefix is long.
fn part(scores: Tensor<5>) -> (Tensor<5>, Tensor<5>) {
    let largest = scores.clone().max_dim(4);
    let weights = softmax(scores, 4);
    // The largest weight is exp(largest score - total).
    let total = largest - weights.clone().max_dim(4).log();
    (weights, total)
}

/// Scores in f32, `[key_heads, rows, group, width, keys]`: against each row's own keys, `[key_heads, rows,
/// keys, head_dim]`, or against one prefix's, `[key_heads, 1, keys, head_dim]`.
fn scores(
    queries: &Tensor<4>,
    keys: Tensor<4>,
    width: usize,
    bias: Option<Tensor<5>>,
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
        Some(bias) => scores + bias,
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
