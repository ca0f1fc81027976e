//! Matrices in bf16 that are multiplied with f32 sums, on a CPU.
//!
//! What they are multiplied by is rounded to bf16, too. So a product of two numbers is exact in f32, and only the sums
//! are rounded, as in the instructions that CPUs have for this (AVX-512 BF16, AMX).

use std::fmt;
use std::ops::Range;

use burn::tensor::bf16;
use rayon::prelude::*;

use crate::avx512::{self, halves};
use crate::flex::zeros;
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
    /// Packs rows as `read` gives them, some at a time, on all threads: a whole copy of a large matrix beside this one would
    /// be the most memory that a process takes.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    ///
    /// # Panics
    ///
    /// If it does not give as many numbers as the rows have.
    pub(crate) fn new<E>(
        rows: usize,
        columns: usize,
        mut read: impl FnMut(Range<usize>) -> Result<Vec<bf16>, E>,
    ) -> Result<Self, E> {
        /// How many panels are read at a time.
        const AT_ONCE: usize = 8;
        let mut packed = Self::empty(rows, columns);
        let of_panel = columns.div_ceil(2).max(1);
        let starts = (0..rows).step_by(AT_ONCE * PANEL);
        for (panels, start) in packed.pairs.chunks_mut(AT_ONCE * of_panel).zip(starts) {
            let rows = start..rows.min(start + AT_ONCE * PANEL);
            let numbers = read(rows.clone())?;
            assert_eq!(numbers.len(), rows.len() * columns, "numbers of a matrix");
            let numbers = numbers.par_chunks(PANEL * columns);
            let panels = panels.par_chunks_mut(of_panel).zip(numbers);
            panels.for_each(|(panel, numbers)| {
                pack(panel, numbers.len() / columns, columns, |row, column| {
                    u32::from(numbers[row * columns + column].to_bits())
                });
            });
        }
        Ok(packed)
    }

    /// Packs the numbers of a matrix, rounded to bf16, on this thread.
    pub(crate) fn rounded(matrix: Matrix) -> Self {
        let mut packed = Self::empty(matrix.rows, matrix.columns);
        let panels = packed.pairs.chunks_mut(matrix.columns.div_ceil(2).max(1));
        for (number, panel) in panels.enumerate() {
            let first = number * PANEL;
            let rows = PANEL.min(matrix.rows - first);
            pack(panel, rows, matrix.columns, |row, column| {
                let place = (first + row) * matrix.row_step + column * matrix.column_step;
                rounded(matrix.data[place]) >> 16
            });
        }
        packed
    }

    fn empty(rows: usize, columns: usize) -> Self {
        Self {
            pairs: vec![[0; PANEL]; rows.div_ceil(PANEL) * columns.div_ceil(2)],
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
        let panels = self.pairs.chunks(self.columns.div_ceil(2).max(1));
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
        let mut sums = zeros(rows * self.rows);
        let blocks = sums.par_chunks_mut(each * self.rows);
        let blocks = blocks.zip(left.par_chunks(each * self.columns));
        blocks.for_each(|(sums, left)| {
            let left = Matrix::new(left, left.len() / self.columns, self.columns, self.columns);
            self.add_product(sums, self.rows, left, self.rows);
        });
        sums
    }

    /// Adds to `sums`, a row every `step`, the product of `left` and what stands in this matrix's first `rows` rows and
    /// as many columns as `left` has, turned.
    pub(crate) fn add_product(&self, sums: &mut [f32], step: usize, left: Matrix, rows: usize) {
        let pairs = left.columns.div_ceil(2);
        let left = Left::new(left, self.by_pairs);
        for (first, panel) in self.panels().take_while(|(first, _)| *first < rows) {
            let columns = PANEL.min(rows - first);
            left.add_product(&mut sums[first..], [step, columns], &panel[..pairs]);
        }
    }

    /// `left · self`, where `left` has as many columns as this matrix has rows.
    pub(crate) fn turned_product(&self, left: &[f32]) -> Vec<f32> {
        let rows = left.len() / self.rows;
        let left = Matrix::new(left, rows, self.rows, self.rows);
        let left = Left::new(left, self.by_pairs);
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
            left.add_product(&mut sums, [columns, columns], &turned);
            sums
        });
        let parts: Vec<Vec<f32>> = parts.collect();
        let mut sums = zeros(rows * self.columns);
        let by_row = sums.par_chunks_mut(self.columns).enumerate();
        by_row.for_each(|(row, sums)| {
            for (part, sums) in parts.iter().zip(sums.chunks_mut(PANEL)) {
                sums.copy_from_slice(&part[row * sums.len()..][..sums.len()]);
            }
        });
        sums
    }
}

/// The rows of a matrix, rounded to bf16.
enum Left {
    /// As f32, by sixes: of each six column after column, filled up to a whole number of pairs. And how many rows there
    /// are.
    Floats(Vec<Vec<[f32; matrix::ROWS]>>, usize),
    /// For the instruction: pairs of columns, row after row, and how many pairs a row has.
    Pairs(Vec<u32>, usize),
}

impl Left {
    fn new(matrix: Matrix, by_pairs: bool) -> Self {
        let of_row = matrix.columns.div_ceil(2);
        let row = |row: usize| &matrix.data[row * matrix.row_step..][..matrix.columns];
        if by_pairs {
            let mut pairs = vec![0; matrix.rows * of_row];
            let rows = pairs.par_chunks_mut(of_row.max(1)).enumerate();
            let rows = rows.with_min_len(ROWS);
            rows.for_each(|(place, pairs)| round(bytemuck::cast_slice_mut(pairs), row(place)));
            return Self::Pairs(pairs, of_row);
        }
        let starts = (0..matrix.rows).into_par_iter().step_by(matrix::ROWS);
        let sixes = starts.with_min_len(ROWS / matrix::ROWS).map(|start| {
            let mut six = vec![[0.0; matrix::ROWS]; 2 * of_row];
            for place in 0..matrix::ROWS.min(matrix.rows - start) {
                for (six, number) in six.iter_mut().zip(row(start + place)) {
                    six[place] = f32::from_bits(rounded(*number));
                }
            }
            six
        });
        Self::Floats(sixes.collect(), matrix.rows)
    }

    /// Adds to `columns` numbers of each row, one every `step` of `sums`, the product with `pairs`, as many as a row has.
    fn add_product(&self, sums: &mut [f32], [step, columns]: [usize; 2], pairs: &[Pair]) {
        match self {
            Self::Floats(sixes, rows) => {
                /// How many pairs are unpacked at a time: so many stay in the first cache.
                const AT_ONCE: usize = 64;
                let mut unpacked = vec![0.0; 2 * AT_ONCE * PANEL];
                for (number, pairs) in pairs.chunks(AT_ONCE).enumerate() {
                    unpack(&mut unpacked, pairs);
                    let start = 2 * number * AT_ONCE;
                    let inner = start..start + 2 * pairs.len();
                    let right = Matrix::new(&unpacked, inner.len(), columns, PANEL);
                    add_packed_product(sums, step, (sixes, *rows), inner, right);
                }
            }
            Self::Pairs(left, of_row) => {
                /// So many pairs of a panel stay in the second cache while the rows pass by.
                const AT_ONCE: usize = 512;
                for (number, pairs) in pairs.chunks(AT_ONCE).enumerate() {
                    let sums = sums.chunks_mut(avx512::ROWS * step);
                    for (left, sums) in left.chunks(avx512::ROWS * of_row).zip(sums) {
                        let left = &left[number * AT_ONCE..];
                        avx512::add_product(sums, [step, columns], left, *of_row, pairs);
                    }
                }
            }
        }
    }
}

/// Puts pairs of columns into a panel, from the bits of its numbers: a few pairs of all rows after the other, so that
/// what is read and what is written stay in the first cache, whichever way the matrix lies.
#[inline(always)]
fn pack(panel: &mut [Pair], rows: usize, columns: usize, bits: impl Fn(usize, usize) -> u32) {
    const AT_ONCE: usize = 16;
    for (block, pairs) in panel.chunks_mut(AT_ONCE).enumerate() {
        for row in 0..rows {
            for (place, pair) in pairs.iter_mut().enumerate() {
                let column = 2 * (block * AT_ONCE + place);
                let high = if column + 1 < columns {
                    bits(row, column + 1)
                } else {
                    0
                };
                pair[row] = bits(row, column) | high << 16;
            }
        }
    }
}

vectorised! {
    /// The bits of rounded numbers. What two of them make is a pair, as CPUs with the instruction store the lower half
    /// first.
    fn round<'a>(halves: &'a mut [u16], numbers: &'a [f32]) {
        for (half, number) in halves.iter_mut().zip(numbers) {
            *half = (rounded(*number) >> 16) as u16;
        }
    }
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
        for (rows, columns, others) in [
            (64, 128, 6),
            (130, 257, 7),
            (1, 1, 1),
            (70, 300, 400),
            (600, 9, 2),
        ] {
            let exact: Vec<bf16> = numbers(rows * columns, 1)
                .iter()
                .map(|number| bf16::from_f32(*number))
                .collect();
            let read = |at: Range<usize>| {
                // Never all of a large matrix at once.
                assert!(at.len() <= 512, "{at:?}");
                Ok::<_, ()>(exact[at.start * columns..at.end * columns].to_vec())
            };
            let mut packed = Packed::new(rows, columns, read).unwrap();
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
