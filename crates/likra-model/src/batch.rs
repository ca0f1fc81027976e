//! What runs together in one forward pass: rows of tokens, some of them with branches.

use std::iter;

/// One row of a batch: a trunk of tokens, and branches that each continue the trunk without seeing
/// one another.
///
/// A plain sequence is a trunk alone. A question with its candidate answers is one row: the question
/// is the trunk, computed once, and each candidate is a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'a> {
    /// The tokens that all branches share.
    pub trunk: &'a [u32],
    /// The continuations of the trunk, each at the positions right after it.
    pub branches: Vec<&'a [u32]>,
}

impl<'a> Row<'a> {
    /// A plain sequence.
    #[must_use]
    pub fn sequence(tokens: &'a [u32]) -> Self {
        Self {
            trunk: tokens,
            branches: Vec::new(),
        }
    }

    /// How many tokens the row has, branches included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.trunk.len()
            + self
                .branches
                .iter()
                .map(|branch| branch.len())
                .sum::<usize>()
    }

    /// Whether the row has no token at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For each token its position after the row's start and the branch it is on (0: the trunk).
    fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let trunk = (0..self.trunk.len()).map(|position| (position, 0));
        let start = self.trunk.len();
        let branches = self
            .branches
            .iter()
            .zip(1..)
            .flat_map(move |(branch, number)| {
                (0..branch.len()).map(move |offset| (start + offset, number))
            });
        trunk.chain(branches)
    }
}

/// Rows padded to one width, with the positions and the visibility of their tokens.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) ids: Vec<u32>,
    pub(crate) positions: Vec<usize>,
    branches: Vec<usize>,
    pub(crate) rows: usize,
    pub(crate) width: usize,
}

/// The branch number of padding: no token is on it.
const PADDING: usize = usize::MAX;

impl Batch {
    /// Pads `rows` at their ends to the longest.
    #[must_use]
    pub fn new(rows: &[Row]) -> Self {
        let width = rows.iter().map(Row::len).max().unwrap_or(0);
        let mut batch = Self {
            ids: Vec::with_capacity(rows.len() * width),
            positions: Vec::with_capacity(rows.len() * width),
            branches: Vec::with_capacity(rows.len() * width),
            rows: rows.len(),
            width,
        };
        for row in rows {
            batch.push(row);
        }
        batch
    }

    fn push(&mut self, row: &Row) {
        let padding = self.width - row.len();
        let tokens = iter::once(row.trunk)
            .chain(row.branches.iter().copied())
            .flatten();
        self.ids.extend(tokens);
        self.ids.extend(iter::repeat_n(0, padding));
        let places = row.places().chain(iter::repeat_n((0, PADDING), padding));
        for (position, branch) in places {
            self.positions.push(position);
            self.branches.push(branch);
        }
    }

    /// How many tokens run, padding included.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.rows * self.width
    }

    /// Where the token at `offset` of `row` stands in the flat `[tokens, hidden]` of a forward pass.
    #[must_use]
    pub fn index(&self, row: usize, offset: usize) -> usize {
        row * self.width + offset
    }

    /// Whether, in `row`, the token at offset `query` sees the one at offset `key`: the trunk and
    /// its own branch up to itself, no further back than `window` positions. Padding sees itself, so
    /// that its softmax has a finite value (which nothing reads).
    fn sees(&self, row: usize, query: usize, key: usize, window: usize) -> bool {
        let (q, k) = (self.index(row, query), self.index(row, key));
        let lineage = self.branches[k] == 0 || self.branches[k] == self.branches[q];
        query == key
            || (lineage
                && self.branches[q] != PADDING
                && key <= query
                && self.positions[q] - self.positions[k] < window)
    }

    /// What is added to the attention scores among the batch's own tokens: 0 where a token is seen,
    /// hidden where not. Shape `[rows, width, width]`, queries before keys.
    pub(crate) fn own_bias(&self, window: Option<usize>) -> Vec<f32> {
        let window = window.unwrap_or(usize::MAX);
        let mut bias = Vec::with_capacity(self.rows * self.width * self.width);
        for row in 0..self.rows {
            for query in 0..self.width {
                bias.extend(
                    (0..self.width).map(|key| hidden_unless(self.sees(row, query, key, window))),
                );
            }
        }
        bias
    }

    /// The same for the keys of a shared prefix of `prefix` tokens, or nothing if every token sees
    /// all of it. Shape `[rows, width, prefix]`.
    pub(crate) fn prefix_bias(&self, prefix: usize, window: Option<usize>) -> Option<Vec<f32>> {
        let window = window?;
        let last = prefix + self.positions.iter().max()?;
        if last < window {
            return None;
        }
        let sees = |position: usize, key: usize| prefix + position - key < window;
        let bias = self
            .positions
            .iter()
            .flat_map(|&position| (0..prefix).map(move |key| hidden_unless(sees(position, key))))
            .collect();
        Some(bias)
    }
}

/// Far below every score, yet finite: a token may see nothing of a prefix that its window has left
/// behind, and a softmax over infinities alone is no number.
const HIDDEN: f32 = -1e30;

fn hidden_unless(seen: bool) -> f32 {
    if seen { 0.0 } else { HIDDEN }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(batch: &Batch, row: usize, window: Option<usize>) -> Vec<String> {
        let size = batch.width * batch.width;
        let bias = batch.own_bias(window);
        bias[row * size..(row + 1) * size]
            .chunks(batch.width)
            .map(|keys| {
                keys.iter()
                    .map(|b| if *b == 0.0 { 'x' } else { '.' })
                    .collect()
            })
            .collect()
    }

    #[test]
    fn branches_see_the_trunk_and_themselves() {
        let rows = [
            Row {
                trunk: &[1, 2],
                branches: vec![&[3, 4], &[5]],
            },
            Row::sequence(&[6, 7, 8]),
        ];
        let batch = Batch::new(&rows);
        assert_eq!(batch.ids, [1, 2, 3, 4, 5, 6, 7, 8, 0, 0]);
        assert_eq!(batch.positions[..5], [0, 1, 2, 3, 2]);
        assert_eq!(
            seen(&batch, 0, None),
            ["x....", "xx...", "xxx..", "xxxx.", "xx..x"]
        );
        assert_eq!(
            seen(&batch, 1, None),
            ["x....", "xx...", "xxx..", "...x.", "....x"]
        );
    }

    #[test]
    fn a_window_hides_what_is_far_back() {
        let batch = Batch::new(&[Row {
            trunk: &[1, 2, 3],
            branches: vec![&[4], &[5]],
        }]);
        assert_eq!(
            seen(&batch, 0, Some(2)),
            ["x....", "xx...", ".xx..", "..xx.", "..x.x"]
        );
        // Positions 2 to 5 with a window of 2: only the first token still sees the prefix's last.
        let bias = batch.prefix_bias(2, Some(2)).unwrap();
        assert_eq!(bias.iter().filter(|b| **b == 0.0).count(), 1);
        assert_eq!(bias[1], 0.0);
        assert_eq!(batch.prefix_bias(2, Some(6)), None);
        assert_eq!(batch.prefix_bias(2, None), None);
    }
}
