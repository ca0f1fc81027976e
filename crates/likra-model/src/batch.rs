//! What runs together in one forward pass: rows of tokens, some of them with branches.

use std::collections::BTreeSet;
use std::iter;

use likra_kernels::{Sight, Visibility};

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
    /// Texts that run together: what all of them begin with is the trunk.
    pub fn new(texts: &[&'a [u32]]) -> Self {
        let first = texts.first().copied().unwrap_or_default();
        let alike = texts.iter().map(|text| common(first, text));
        let shared = alike.min().unwrap_or_default();
        Self {
            trunk: &first[..shared],
            branches: texts.iter().map(|text| &text[shared..]).collect(),
        }
    }

    /// A plain sequence.
    pub fn sequence(tokens: &'a [u32]) -> Self {
        Self {
            trunk: tokens,
            branches: Vec::new(),
        }
    }

    /// How many tokens the row has, branches included.
    pub fn len(&self) -> usize {
        let branches = self.branches.iter().map(|branch| branch.len());
        self.trunk.len() + branches.sum::<usize>()
    }

    /// Whether the row has no token at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lengths of the texts along its branches, or of the trunk if there are none.
    fn texts(&self) -> Vec<usize> {
        let trunk = self.trunk.len();
        match self.branches.as_slice() {
            [] => vec![trunk],
            branches => branches.iter().map(|branch| trunk + branch.len()).collect(),
        }
    }

    fn longest(&self) -> usize {
        self.texts().into_iter().max().unwrap_or(0)
    }

    /// Its tokens: those of the trunk, then of each branch.
    fn tokens(&self) -> impl Iterator<Item = u32> {
        let parts = iter::once(self.trunk).chain(self.branches.iter().copied());
        parts.flatten().copied()
    }

    /// Where each token stands.
    fn places(&self) -> impl Iterator<Item = Place> {
        let (trunk, longest) = (self.trunk.len(), self.longest());
        let parts = iter::once(trunk).chain(self.branches.iter().map(|branch| branch.len()));
        let mut end = 0;
        parts.enumerate().flat_map(move |(part, length)| {
            let start = end;
            end += length;
            (start..end).map(move |offset| Place {
                position: offset - start + if part == 0 { 0 } else { trunk },
                longest,
                trunk,
                branch: (part > 0).then_some(start),
                offset,
            })
        })
    }
}

/// Where a token stands in its row.
#[derive(Debug, Clone, Default)]
struct Place {
    /// How many tokens it sees before itself.
    position: usize,
    /// How many tokens the longest of the row's texts has.
    longest: usize,
    /// How many tokens the row's trunk has.
    trunk: usize,
    /// Where its branch begins in the row, if it is not on the trunk.
    branch: Option<usize>,
    /// Where itself is in the row.
    offset: usize,
}

impl Place {
    /// What the token sees: the prefix, the trunk and its own branch up to itself, no further back
    /// than `window` positions. Padding sees itself, so that its softmax has a finite value (which
    /// nothing reads).
    fn sight(&self, prefix: usize, window: usize) -> Sight {
        // The first position, and the first of the row's, that is near enough.
        let first = (prefix + self.position + 1).saturating_sub(window);
        let own = first.saturating_sub(prefix);
        let (trunk_end, branch) = match self.branch {
            None => (self.offset + 1, self.offset + 1),
            Some(branch) => (self.trunk, branch),
        };
        Sight {
            prefix_from: first.min(prefix),
            trunk: own.min(trunk_end)..trunk_end,
            branch: branch + own.saturating_sub(self.trunk)..self.offset + 1,
        }
    }
}

/// Rows of tokens that run together, with the positions and the visibility of their tokens.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) ids: Vec<u32>,
    /// The length of each row.
    lengths: Vec<usize>,
    /// The lengths of each row's texts: itself, or those along its branches.
    pub(crate) texts: Vec<Vec<usize>>,
    places: Vec<Place>,
    /// The tokens whose hidden states are asked for, in order, if not all are.
    pub(crate) asked: Option<Vec<usize>>,
}

impl Batch {
    /// Puts `rows` one behind the other.
    pub fn new(rows: &[Row]) -> Self {
        Self::laid_out(rows, rows.iter().map(Row::len).collect())
    }

    /// Pads `rows` at their ends to the longest, and to a multiple of `step`.
    /// [`Model::batch`](crate::Model::batch) says where that is faster.
    pub fn padded(rows: &[Row], step: usize) -> Self {
        let width = rows.iter().map(Row::len).max().unwrap_or(0);
        Self::laid_out(rows, vec![width.next_multiple_of(step); rows.len()])
    }

    fn laid_out(rows: &[Row], lengths: Vec<usize>) -> Self {
        let (mut ids, mut places) = (Vec::new(), Vec::new());
        for (row, &length) in rows.iter().zip(&lengths) {
            let padding = row.len()..length;
            ids.extend(row.tokens().chain(padding.clone().map(|_| 0)));
            let longest = row.longest();
            let padding = padding.map(|offset| Place {
                longest,
                branch: Some(offset),
                offset,
                ..Place::default()
            });
            places.extend(row.places().chain(padding));
        }
        Self {
            ids,
            lengths,
            texts: rows.iter().map(Row::texts).collect(),
            places,
            asked: None,
        }
    }

    /// Has a forward pass give the hidden states of the tokens before `targets`, if there are any, alone, each once, and turns
    /// their indices into those of its result. The last layer leaves out what nothing is read from.
    pub fn only(self, targets: &mut [(usize, u32)]) -> Self {
        let asked: BTreeSet<usize> = targets.iter().map(|(index, _)| *index).collect();
        let asked = Vec::from_iter(asked);
        for (index, _) in targets {
            *index = asked.partition_point(|at| at < index);
        }
        Self {
            asked: Some(asked).filter(|asked| !asked.is_empty()),
            ..self
        }
    }

    /// How many tokens run, padding included.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Where the token at `place` of a text, the trunk and a branch of `row`, stands in the flat `[tokens, hidden]` of a
    /// forward pass. A row without branches is one text.
    pub fn index(&self, row: usize, text: usize, place: usize) -> usize {
        let start: usize = self.lengths[..row].iter().sum();
        let trunk = self.places[start].trunk;
        let before = self.texts[row][..text].iter().map(|text| text - trunk);
        let branches = if place < trunk { 0 } else { before.sum() };
        start + branches + place
    }

    /// The tokens' positions after a prefix of `prefix` tokens, each with the length of its row's longest
    /// text.
    pub(crate) fn positions(&self, prefix: usize) -> Vec<(usize, usize)> {
        let places = self.places.iter();
        let positions = places.map(|place| (prefix + place.position, prefix + place.longest));
        positions.collect()
    }

    /// What each token attends to.
    pub(crate) fn visibility(&self, prefix: usize, window: Option<usize>) -> Visibility {
        let window = window.unwrap_or(usize::MAX);
        let sights = self.places.iter().map(|place| place.sight(prefix, window));
        Visibility::new(&self.lengths, sights.collect(), prefix)
    }
}

/// The length of what both begin with.
pub fn common(one: &[u32], other: &[u32]) -> usize {
    let pairs = one.iter().zip(other);
    pairs.take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the tokens of the first row see, of a prefix and of their row.
    fn seen(batch: &Batch, prefix: usize, window: Option<usize>) -> Vec<String> {
        let width = batch.lengths[0];
        let window = window.unwrap_or(usize::MAX);
        let sees = |place: &Place| {
            let sight = place.sight(prefix, window);
            let before = (0..prefix).map(|key| key >= sight.prefix_from);
            let own =
                (0..width).map(|key| sight.trunk.contains(&key) || sight.branch.contains(&key));
            before
                .chain(own)
                .map(|seen| if seen { 'x' } else { '.' })
                .collect()
        };
        batch.places[..width].iter().map(sees).collect()
    }

    #[test]
    fn branches_see_the_trunk_and_themselves() {
        let rows = [
            Row::sequence(&[6, 7, 8]),
            Row {
                trunk: &[1, 2],
                branches: vec![&[3, 4], &[5]],
            },
        ];
        let batch = Batch::new(&rows);
        assert_eq!(batch.ids, [6, 7, 8, 1, 2, 3, 4, 5]);
        assert_eq!(
            batch.positions(10),
            [
                (10, 13),
                (11, 13),
                (12, 13),
                (10, 14),
                (11, 14),
                (12, 14),
                (13, 14),
                (12, 14)
            ]
        );
        assert_eq!([0, 1, 2].map(|place| batch.index(1, 1, place)), [3, 4, 7]);
        assert_eq!(seen(&batch, 0, None), ["x..", "xx.", "xxx"]);
        assert_eq!(
            seen(&Batch::new(&rows[1..]), 0, None),
            ["x....", "xx...", "xxx..", "xxxx.", "xx..x"]
        );
        let batch = Batch::padded(&rows, 1);
        assert_eq!(batch.ids, [6, 7, 8, 0, 0, 1, 2, 3, 4, 5]);
        assert_eq!([0, 1, 2].map(|place| batch.index(1, 0, place)), [5, 6, 7]);
        assert_eq!(
            seen(&batch, 0, None),
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
        // Only the first token still sees the prefix's last.
        assert_eq!(
            seen(&batch, 2, Some(2)),
            [".xx....", "..xx...", "...xx..", "....xx.", "....x.x"]
        );
        assert_eq!(seen(&batch, 1, Some(5))[4], "xxxx.x");
        // A window of 2 that the branch itself fills.
        let batch = Batch::new(&[Row {
            trunk: &[1],
            branches: vec![&[2], &[3, 4, 5]],
        }]);
        assert_eq!(seen(&batch, 0, Some(2))[4], "...xx");
        // Texts that share nothing.
        let batch = Batch::new(&[Row::new(&[&[1, 2, 3], &[4, 5]])]);
        assert_eq!(
            seen(&batch, 0, Some(2)),
            ["x....", "xx...", ".xx..", "...x.", "...xx"]
        );
    }
}
