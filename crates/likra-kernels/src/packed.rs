//! Matrices in bf16 that are multiplied with f32 sums, on a CPU.
//!
//! What they are multiplied by is rounded to bf16, too. So a product of two numbers is exact in f32, and only the sums
//! are rounded, as in the instructions that CPUs have for this (AVX-512 BF16, AMX).

use std::fmt;

use burn::tensor::bf16;
use rayon::prelude::*;

use crate::avx512;
use crate::matrix::{self, Matrix, add_packed_product};
use crate::vectors::vectorised;

/// How many rows stand side by side in a panel.
const PANEL: usize = 64;

/// Two columns of a panel: of each row two numbers, the first in the lower half.
type Pair = [u32; PANEL];

/// A matrix `[rows, columns]` in bf16, packed.
pub(crate) struct Packed {
    /// Panel after panel, of each the pairs of columns; filled up with zeros.
    pairs: Vec<Pair>,
    rows: usize,
    columns: usize,
    /// Whether it is multiplied by the instruction for pairs.
    by_pairs: bool,
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed([{}, {}])", self.rows, self.columns)
    }
}

/// How many rows of the other matrix a thread takes at a time, at most: so many stay in the second cache.
const ROWS: usize = 192;

impl Packed {
    /// Packs `numbers`, row after row.
    ///
    /// # Panics
    ///
    /// If there are not as many as rows and columns say.
    pub(crate) fn new(numbers: &[bf16], rows: usize, columns: usize) -> Self {
        assert_eq!(numbers.len(), rows * columns, "numbers of a matrix");
        let of_panel = columns.div_ceil(2);
        let mut pairs = vec![[0; PANEL]; rows.div_ceil(PANEL) * of_panel];
        let panels = pairs.par_chunks_mut(of_panel.max(1));
        let numbers = numbers.par_chunks(PANEL * columns.max(1));
        panels.zip(numbers).for_each(|(panel, numbers)| {
            for (place, row) in numbers.chunks(columns).enumerate() {
                for (pair, numbers) in panel.iter_mut().zip(row.chunks(2)) {
                    let bits = |number: &bf16| u32::from(number.to_bits());
                    let high = numbers.get(1).map_or(0, bits);
                    pair[place] = bits(&numbers[0]) | high << 16;
                }
            }
        });
        Self {
            pairs,
            rows,
            columns,
            by_pairs: avx512::is_there(),
        }
    }

    pub(crate) fn sizes(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Each panel with the first of its rows.
    fn panels(&self) -> impl Iterator<Item = (usize, &[Pair])> {
        let panels = self.pairs.chunks(self.columns.div_ceil(2));
        panels
            .enumerate()
            .map(|(number, pairs)| (number * PANEL, pairs))
    }

    /// A row as f32.
    pub(crate) fn row(&self, row: usize) -> impl Iterator<Item = f32> {
        let of_panel = self.columns.div_ceil(2);
        let pairs = &self.pairs[row / PANEL * of_panel..][..of_panel];
        let numbers = pairs.iter().flat_map(move |pair| halves(pair[row % PANEL]));
        numbers.take(self.columns)
    }

    /// `left · selfᵀ`, where `left` has as many columns as this matrix.
    pub(crate) fn product(&self, left: &[f32]) -> Vec<f32> {
        let rows = left.len() / self.columns;
        // Threads share rows, each as many of them.
        let threads = rayon::current_num_threads();
        let blocks = rows.div_ceil(ROWS).next_multiple_of(threads);
        let each = rows.div_ceil(blocks).next_multiple_of(matrix::ROWS);
        let mut sums = vec![0.0; rows * self.rows];
        let blocks = sums.par_chunks_mut(each * self.rows);
        let blocks = blocks.zip(left.par_chunks(each * self.columns));
        blocks.for_each(|(sums, left)| {
            let left = Left::new(left, self.columns, self.by_pairs);
            for (first, panel) in self.panels() {
                let columns = PANEL.min(self.rows - first);
                left.add_product(&mut sums[first..], [self.rows, columns], 0, panel);
            }
        });
        sums
    }

    /// `left · self`, where `left` has as many columns as this matrix has rows.
    pub(crate) fn turned_product(&self, left: &[f32]) -> Vec<f32> {
        let rows = left.len() / self.rows;
        let left = Left::new(left, self.rows, self.by_pairs);
        // Threads share columns, so that each column is turned once.
        let starts = (0..self.columns).into_par_iter().step_by(PANEL);
        let parts = starts.map(|start| {
            let columns = PANEL.min(self.columns - start);
            let mut turned = vec![[0; PANEL]; self.rows.div_ceil(PANEL) * PANEL / 2];
            for ((_, panel), turned) in self.panels().zip(turned.chunks_mut(PANEL / 2)) {
                turn(turned, &panel[start / 2..][..columns.div_ceil(2)]);
            }
            turned.truncate(self.rows.div_ceil(2));
            let mut sums = vec![0.0; rows * columns];
            left.add_product(&mut sums, [columns, columns], 0, &turned);
            sums
        });
        let parts: Vec<Vec<f32>> = parts.collect();
        let mut sums = vec![0.0; rows * self.columns];
        let by_row = sums.par_chunks_mut(self.columns).enumerate();
        by_row.for_each(|(row, sums)| {
            for (part, sums) in parts.iter().zip(sums.chunks_mut(PANEL)) {
                sums.copy_from_slice(&part[row * sums.len()..][..sums.len()]);
            }
        });
        sums
    }
}

/// Some rows of a matrix, rounded to bf16: by sixes, and how many rows there are.
enum Left {
    /// As f32: of each six column after column, filled up to a whole number of pairs.
    Floats(Vec<Vec<[f32; matrix::ROWS]>>, usize),
    /// For the instruction: of each six pair of columns after pair.
    Pairs(Vec<Vec<[u32; avx512::ROWS]>>, usize),
}

impl Left {
    fn new(numbers: &[f32], columns: usize, by_pairs: bool) -> Self {
        let (rows, of_six) = (numbers.len() / columns, columns.div_ceil(2));
        if by_pairs {
            let sixes = numbers.par_chunks(avx512::ROWS * columns).map(|rows| {
                let mut pairs = vec![[0; avx512::ROWS]; of_six];
                for (place, row) in rows.chunks(columns).enumerate() {
                    for (pair, numbers) in pairs.iter_mut().zip(row.chunks(2)) {
                        let high = numbers.get(1).map_or(0, |number| rounded(*number));
                        pair[place] = high | rounded(numbers[0]) >> 16;
                    }
                }
                pairs
            });
            return Self::Pairs(sixes.collect(), rows);
        }
        let sixes = numbers.par_chunks(matrix::ROWS * columns).map(|rows| {
            let mut six = vec![[0.0; matrix::ROWS]; 2 * of_six];
            for (place, row) in rows.chunks(columns).enumerate() {
                for (six, number) in six.iter_mut().zip(row) {
                    six[place] = f32::from_bits(rounded(*number));
                }
            }
            six
        });
        Self::Floats(sixes.collect(), rows)
    }

    /// Adds to `columns` numbers of each row, one every `step` of `sums`, the product of its pairs of numbers from the
    /// pair `first` on and of `pairs`.
    fn add_product(
        &self,
        sums: &mut [f32],
        [step, columns]: [usize; 2],
        first: usize,
        pairs: &[Pair],
    ) {
        match self {
            Self::Floats(sixes, rows) => {
                /// How many pairs are unpacked at a time: so many stay in the first cache.
                const AT_ONCE: usize = 64;
                let mut unpacked = vec![0.0; 2 * AT_ONCE * PANEL];
                for (number, pairs) in pairs.chunks(AT_ONCE).enumerate() {
                    unpack(&mut unpacked, pairs);
                    let start = 2 * (first + number * AT_ONCE);
                    let inner = start..start + 2 * pairs.len();
                    let right = Matrix::new(&unpacked, inner.len(), columns, PANEL);
                    add_packed_product(sums, step, (sixes, *rows), inner, right);
                }
            }
            Self::Pairs(sixes, rows) => {
                /// So many pairs of a panel stay in the second cache while the rows pass by.
                const AT_ONCE: usize = 512;
                for (number, pairs) in pairs.chunks(AT_ONCE).enumerate() {
                    let start = first + number * AT_ONCE;
                    for (six, left) in sixes.iter().enumerate() {
                        let rows = (rows - six * avx512::ROWS).min(avx512::ROWS);
                        let sums = &mut sums[six * avx512::ROWS * step..];
                        let left = &left[start..][..pairs.len()];
                        avx512::add_product(sums, step, [rows, columns], left, pairs);
                    }
                }
            }
        }
    }
}

/// The two numbers of a pair, as f32.
#[inline(always)]
pub(crate) fn halves(pair: u32) -> [f32; 2] {
    [
        f32::from_bits(pair << 16),
        f32::from_bits(pair & 0xffff_0000),
    ]
}

vectorised! {
    /// Pairs of columns as f32: a column of the panel after the other.
    fn unpack<'a>(columns: &'a mut [f32], pairs: &'a [Pair]) {
        for (columns, pair) in columns.chunks_exact_mut(2 * PANEL).zip(pairs) {
            let (first, second) = columns.split_at_mut(PANEL);
            for ((first, second), pair) in first.iter_mut().zip(second).zip(pair) {
                [*first, *second] = halves(*pair);
            }
        }
    }
}

/// Pairs of rows of a panel from its pairs of columns, at most as many as it has rows in pairs: what stood beside
/// one another stands below one another.
fn turn(turned: &mut [Pair], pairs: &[Pair]) {
    for (column, pair) in pairs.iter().enumerate() {
        for (turned, rows) in turned.iter_mut().zip(pair.as_chunks::<2>().0) {
            let [first, second] = *rows;
            turned[2 * column] = first & 0xffff | second << 16;
            turned[2 * column + 1] = first >> 16 | second & 0xffff_0000;
        }
    }
}

/// The bits of the nearest bf16, of the even one of two, in the upper half.
#[inline(always)]
fn rounded(number: f32) -> u32 {
    let bits = number.to_bits();
    bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between -3 and 3, in bf16 or not.
    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let tensor = crate::tests::matrix(1, count, seed);
        tensor.try_to_vec_as::<f32>().unwrap()
    }

    #[test]
    fn products_are_those_of_the_rounded_numbers() {
        // Whole panels and blocks, and parts of them.
        for (rows, columns, others) in [(64, 128, 6), (130, 257, 7), (1, 1, 1), (70, 300, 400)] {
            let exact: Vec<bf16> = numbers(rows * columns, 1)
                .iter()
                .map(|number| bf16::from_f32(*number))
                .collect();
            let mut packed = Packed::new(&exact, rows, columns);
            let number = |row: usize, column: usize| exact[row * columns + column].to_f64();
            let expected = |left: &[f32], row: usize, place: usize, turned: bool| -> [f64; 2] {
                let inner = if turned { rows } else { columns };
                let terms = (0..inner).map(|at| {
                    let left = bf16::from_f32(left[row * inner + at]).to_f64();
                    left * if turned {
                        number(at, place)
                    } else {
                        number(place, at)
                    }
                });
                terms.fold([0.0, 0.0], |[sum, size], term| {
                    [sum + term, size + term.abs()]
                })
            };
            for (turned, by_pairs) in [(false, false), (false, true), (true, false), (true, true)] {
                packed.by_pairs = by_pairs;
                let (inner, width) = if turned {
                    (rows, columns)
                } else {
                    (columns, rows)
                };
                let left = numbers(others * inner, 2);
                let found = match turned {
                    true => packed.turned_product(&left),
                    false => packed.product(&left),
                };
                assert_eq!(found.len(), others * width);
                for (place, found) in found.iter().enumerate() {
                    let [sum, size] = expected(&left, place / width, place % width, turned);
                    let error = (f64::from(*found) - sum).abs();
                    let case = [rows, columns, others, turned.into(), by_pairs.into()];
                    assert!(error <= 2e-6 * size, "{case:?}: {error}");
                }
            }
            for row in [0, rows - 1] {
                let found: Vec<f32> = packed.row(row).collect();
                let expected: Vec<f32> = (0..columns).map(|at| number(row, at) as f32).collect();
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn rounding_is_to_the_nearest_and_even() {
        let mut found = numbers(4096, 3);
        // Halfway between two numbers of bf16.
        found.extend([1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, -0.0, 1e-40]);
        for number in found {
            let expected = bf16::from_f32(number).to_f32();
            assert_eq!(f32::from_bits(rounded(number)), expected, "{number}");
        }
    }
}
