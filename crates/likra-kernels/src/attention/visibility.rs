//! Which tokens see which.

use std::ops::Range;
use std::sync::OnceLock;

use crate::attention::plain::Masks;

/// What one token attends to: every token of a few ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// The first token that it sees of a shared prefix; it sees all after that one, too.
    pub prefix_from: usize,
    /// Tokens of its own row, by their places in the row.
    pub trunk: Range<usize>,
    /// More tokens of its own row, after those of the trunk and up to itself.
    pub branch: Range<usize>,
}

/// What every token of a batch attends to, and the rows that the batch is made of.
#[derive(Debug)]
pub struct Visibility {
    /// Where each row begins among the batch's tokens, and where the last one ends.
    pub(crate) starts: Vec<usize>,
    pub(crate) sights: Vec<Sight>,
    /// How many tokens the shared prefix has.
    pub(crate) prefix: usize,
    /// What the plain operations need, made when they first do.
    pub(crate) masks: OnceLock<Masks>,
}

impl Visibility {
    /// Rows of the given `lengths` after a shared prefix of `prefix` tokens (0: there is none). Every
    /// token has to see one of its own row at least.
    ///
    /// # Panics
    ///
    /// If there is not one sight for each token.
    pub fn new(lengths: &[usize], sights: Vec<Sight>, prefix: usize) -> Self {
        let mut starts = vec![0];
        starts.extend(lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end)
        }));
        assert_eq!(starts.last(), Some(&sights.len()), "a sight for each token");
        Self {
            starts,
            sights,
            prefix,
            masks: OnceLock::new(),
        }
    }

    /// The tokens of each row.
    pub(crate) fn rows(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        self.starts.windows(2).map(|ends| ends[0]..ends[1])
    }
}
