//! Fused and plain attention on rows of different lengths, with branches, a prefix and a window.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::*;
use crate::twin::{assert_same, matrix};

const HEAD_DIM: usize = 10;

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
    assert_same(
        &inputs,
        |[q, k, v]| attention(q, &own(k, v), before.as_ref(), &visibility, HEAD_DIM),
        |[q, k, v]| plain::attention(q, &own(k, v), before.as_ref(), &visibility, HEAD_DIM),
    );
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
