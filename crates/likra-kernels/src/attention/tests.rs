//! Fused and plain attention on rows of different lengths, with branches, a prefix and a window.

use std::sync::Arc;

use burn::tensor::{FloatDType, Tensor};

use super::*;
use crate::tests::{assert_same, matrix};

const HEAD_DIM: usize = 10;

const SCORES: Scores = Scores {
    head_dim: HEAD_DIM,
    scale: 0.2,
    softcap: None,
    rounded: false,
};

/// One plain row, and one with a trunk of 2 and branches of 3 and 2.
fn visibility(prefix: usize, prefix_from: usize) -> Arc<Visibility> {
    let sight = |trunk, branch| Sight {
        prefix_from,
        trunk,
        branch,
    };
    let mut sights: Vec<Sight> = (0..70).map(|n| sight(0..n + 1, 0..0)).collect();
    sights[69].trunk = 60..70;
    sights.extend([
        sight(0..1, 1..1),
        sight(0..2, 2..2),
        sight(0..2, 2..3),
        sight(0..2, 2..4),
        sight(1..2, 2..5),
        sight(0..2, 5..6),
        sight(0..2, 5..7),
    ]);
    Arc::new(Visibility::new(&[70, 7], sights, prefix))
}

fn compare(prefix: usize, prefix_from: usize) {
    let visibility = visibility(prefix, prefix_from);
    let before = (prefix > 0).then(|| KeyValue {
        keys: matrix(prefix, 2 * HEAD_DIM, 4),
        values: matrix(prefix, 2 * HEAD_DIM, 5),
    });
    let inputs = [(4, 1), (2, 2), (2, 3)].map(|(heads, seed)| matrix(77, heads * HEAD_DIM, seed));
    let own = |keys: Tensor<2>, values: Tensor<2>| KeyValue { keys, values };
    // All at once, and a few places at a time: 4 heads and 2 rows have 560 scores a place and more.
    for at_once in [usize::MAX, 20_000, 1] {
        assert_same(
            &inputs,
            |[q, k, v]| attention(q, &own(k, v), before.as_ref(), &visibility, SCORES),
            |[q, k, v]| {
                let (own, before) = (own(k, v), before.as_ref());
                plain::in_blocks(q, &own, before, &visibility, SCORES, at_once)
            },
        );
    }
}

#[test]
fn fused_and_plain_agree() {
    compare(0, 0);
}

#[test]
fn fused_and_plain_agree_after_a_prefix() {
    compare(40, 0);
}

#[test]
fn fused_and_plain_agree_where_a_prefix_is_out_of_sight() {
    compare(40, 21);
    compare(40, 40);
}

/// `c · tanh(s / c)` of scores that one sees: with one key the weight is 1, with two they differ.
#[test]
fn a_softcap_bounds_the_scores() {
    let row = |numbers: &[f32]| Tensor::<1>::from_floats(numbers, &burn::tensor::Device::flex());
    let queries = row(&[100.0, 100.0]).reshape([2, 1]);
    let own = KeyValue {
        keys: row(&[1.0, -1.0]).reshape([2, 1]),
        values: row(&[0.0, 1.0]).reshape([2, 1]),
    };
    let sight = |end| Sight {
        trunk: 0..end,
        ..Sight::default()
    };
    let visibility = Arc::new(Visibility::new(&[2], vec![sight(1), sight(2)], 0));
    let scores = Scores {
        head_dim: 1,
        scale: 1.0,
        softcap: Some(0.5),
        rounded: false,
    };
    let found = attention(queries, &own, None, &visibility, scores);
    let found = found.try_into_vec_as::<f32>().unwrap();
    // The scores are 0.5 and -0.5.
    let second = 1.0 / (1.0 + 1.0_f32.exp());
    assert!(
        found[0] == 0.0 && (found[1] - second).abs() < 1e-6,
        "{found:?}"
    );
}

/// Of numbers that bf16 has, only the weights are rounded: by a share of 2⁻⁹ at most, so that the output is off by no more
/// than that share of the largest value.
#[test]
fn rounded_products_are_those_of_rounded_numbers() {
    let in_bf16 = |rows, heads, seed| {
        let numbers = matrix(rows, heads * HEAD_DIM, seed);
        numbers.cast(FloatDType::BF16).cast(FloatDType::F32)
    };
    let key_value = |rows, seed| KeyValue {
        keys: in_bf16(rows, 2, seed),
        values: in_bf16(rows, 2, seed + 1),
    };
    let (queries, own, before) = (in_bf16(77, 4, 1), key_value(77, 2), key_value(13, 4));
    let largest = own.values.clone().abs().max().into_scalar::<f32>();
    for prefix in [None, Some(&before)] {
        let visibility = visibility(prefix.map_or(0, |_| 13), 0);
        let [exact, rounded] = [false, true].map(|rounded| {
            let scores = Scores { rounded, ..SCORES };
            attention(queries.clone(), &own, prefix, &visibility, scores)
        });
        let error = (exact - rounded).abs().max().into_scalar::<f32>();
        assert!(error > 0.0 && error <= largest / 256.0, "{error}");
    }
}
