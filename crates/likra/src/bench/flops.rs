//! Floating-point operations that a workload needs: a multiplication and an addition each count as one.
//!
//! Counted are the products of matrices: linear layers, updates of adapters, attention, the output head.
//! Norms, softmaxes, rotations and sums are some per mille of those and left out, and so is padding: it
//! is computed, but nobody needs it.

use likra_data::TrainingExample;
use likra_lora::Adapter;
use likra_model::{Config, Row};

/// What one token costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    layers: f64,
    /// Weights of a layer's linear layers.
    layer: f64,
    /// Weights of its down projection.
    down: f64,
    /// Weights of the output head.
    head: f64,
    /// Operations of a layer's attention for each key that a token sees.
    key: f64,
    /// Numbers in the adapter.
    adapter: f64,
}

/// How many tokens run, how many keys they see between them, and how many next tokens are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Work {
    pub(super) tokens: usize,
    keys: usize,
    targets: usize,
}

impl Cost {
    pub(super) fn new(config: &Config, adapter: Option<&Adapter>) -> Self {
        let (hidden, feed) = (config.hidden_size, config.intermediate_size);
        let queries = config.num_attention_heads * config.head_dim;
        let keys = config.num_key_value_heads * config.head_dim;
        let numbers = |adapter: &Adapter| -> usize {
            let tensors = adapter.tensors().into_iter();
            tensors
                .map(|(_, tensor)| tensor.shape().num_elements())
                .sum()
        };
        Self {
            layers: config.num_hidden_layers as f64,
            layer: (2 * hidden * (queries + keys) + 3 * hidden * feed) as f64,
            down: (hidden * feed) as f64,
            head: (hidden * config.vocab_size) as f64,
            // Queries with keys, and weights with values.
            key: 4.0 * queries as f64,
            adapter: adapter.map_or(0, numbers) as f64,
        }
    }

    /// A forward pass.
    pub(super) fn forward(&self, work: Work) -> f64 {
        let (tokens, keys, targets) = work.counts();
        2.0 * (self.layers * self.layer + self.adapter) * tokens
            + self.layers * self.key * keys
            + 2.0 * self.head * targets
    }

    /// Forward and backward of a step that trains an adapter on feed-forward blocks.
    ///
    /// The base's products have a backward half for their inputs alone: their weights are constants. Of the
    /// first layer only the down projection has one, for nothing before it depends on the adapter. Both
    /// factors of attention's products and of the adapter's want a gradient.
    pub(super) fn training(&self, work: Work) -> f64 {
        let (tokens, keys, targets) = work.counts();
        let above = self.layers - 1.0;
        let linear = 2.0 * (above * self.layer + self.down) * tokens;
        let attention = 2.0 * above * self.key * keys;
        let adapter = 4.0 * self.adapter * tokens;
        self.forward(work) + linear + attention + adapter + 2.0 * self.head * targets
    }
}

impl Work {
    /// A text of its own, or a prefix.
    pub(super) fn sequence(tokens: usize, targets: usize) -> Self {
        Self {
            tokens,
            keys: triangle(tokens),
            targets,
        }
    }

    /// A question with its candidates after `prefix` tokens.
    pub(super) fn row(prefix: usize, row: &Row, targets: usize) -> Self {
        let trunk = row.trunk.len();
        let branches = row.branches.iter().map(|branch| branch.len());
        let keys: usize = branches
            .map(|branch| branch * (prefix + trunk) + triangle(branch))
            .sum();
        Self {
            tokens: row.len(),
            keys: trunk * prefix + triangle(trunk) + keys,
            targets,
        }
    }

    pub(super) fn example(example: &TrainingExample) -> Self {
        let tokens = example.tokens.len();
        Self::sequence(tokens, tokens - example.answer_start)
    }

    fn counts(self) -> (f64, f64, f64) {
        (self.tokens as f64, self.keys as f64, self.targets as f64)
    }
}

impl std::iter::Sum for Work {
    fn sum<I: Iterator<Item = Self>>(works: I) -> Self {
        works.fold(Self::default(), |sum, work| Self {
            tokens: sum.tokens + work.tokens,
            keys: sum.keys + work.keys,
            targets: sum.targets + work.targets,
        })
    }
}

/// How many keys the tokens of a text see: the first one, the second two, ...
fn triangle(tokens: usize) -> usize {
    tokens * (tokens + 1) / 2
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn tiny() -> Cost {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny/config.json");
        Cost::new(&Config::read(&path).unwrap(), None)
    }

    /// `fixtures/tiny`: 4 layers, hidden 128, feed-forward 320, 4 query heads and 2 key heads of 32,
    /// vocabulary 640.
    #[test]
    fn a_known_shape_has_known_products() {
        let cost = tiny();
        // q and o: 128 x 128 each; k and v: 128 x 64 each; gate, up, down: 128 x 320 each.
        assert_eq!(cost.layer, 2.0 * 16_384.0 + 2.0 * 8_192.0 + 3.0 * 40_960.0);
        let text = cost.forward(Work::sequence(3, 2));
        // 1 + 2 + 3 keys, each 4 heads x 32 numbers in two products.
        let attention = 4.0 * 6.0 * (2.0 * 2.0 * 128.0);
        assert_eq!(
            text,
            2.0 * 4.0 * 172_032.0 * 3.0 + attention + 2.0 * 128.0 * 640.0 * 2.0
        );
    }

    #[test]
    fn training_is_less_than_three_times_a_forward_pass() {
        let cost = Cost {
            adapter: 1000.0,
            ..tiny()
        };
        let work = Work::sequence(3, 2);
        let backward = cost.training(work) - cost.forward(work);
        // Three of four layers and a down projection; attention twice; the head; A and B twice.
        let linear = 2.0 * (3.0 * 172_032.0 + 40_960.0) * 3.0;
        let attention = 2.0 * 3.0 * 6.0 * 512.0;
        assert_eq!(
            backward,
            linear + attention + 2.0 * 81_920.0 * 2.0 + 4.0 * 1000.0 * 3.0
        );
    }

    #[test]
    fn branches_see_the_prefix_the_trunk_and_themselves() {
        let row = Row {
            trunk: &[1, 2],
            branches: vec![&[3, 4], &[5]],
        };
        let work = Work::row(10, &row, 3);
        // Trunk: 11 + 12; first branch: 13 + 14; second: 13.
        assert_eq!((work.tokens, work.keys, work.targets), (5, 63, 3));
        let alone = Work::row(0, &Row::sequence(&[1, 2, 3]), 1);
        assert_eq!(alone, Work::sequence(3, 1));
        assert_eq!([work, alone].into_iter().sum::<Work>().keys, 69);
    }
}
