//! Products of small matrices: those of one attention head, or with the few columns of an adapter.
//!
//! A general matrix product packs its operands first, which is most of its work when one side has 8 or 34 rows.

use pulp::{Arch, Simd, WithSimd};

/// A matrix in a slice: `(row, column)` is at `row · row_step + column · column_step`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_step: usize,
    pub(crate) column_step: usize,
}

impl<'a> Matrix<'a> {
    /// `rows` rows of `columns` numbers each, one every `step`.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize, step: usize) -> Self {
        Self {
            data,
            rows,
            columns,
            row_step: step,
            column_step: 1,
        }
    }

    /// The same numbers with rows for columns.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }

    /// The first `count` columns.
    pub(crate) fn first(self, count: usize) -> Self {
        Self {
            columns: count,
            ..self
        }
    }

    /// The columns after the first `count`.
    pub(crate) fn after(self, count: usize) -> Self {
        Self {
            data: &self.data[count * self.column_step..],
            columns: self.columns - count,
            ..self
        }
    }

    /// A copy in row-major order.
    pub(crate) fn to_vec(self) -> Vec<f32> {
        let mut copy = Vec::with_capacity(self.rows * self.columns);
        for row in 0..self.rows {
            let start = row * self.row_step;
            copy.extend((0..self.columns).map(|column| self.data[start + column * self.column_step]));
        }
        copy
    }
}

/// `sum += left · right`, where row `r` of `sum` begins at `r · step`.
///
/// The rows of `right` have to be contiguous. Costs a copy of `left`, whichever way it lies.
pub(crate) fn add_product(sum: &mut [f32], step: usize, left: Matrix, right: Matrix) {
    assert_eq!(left.columns, right.rows, "inner sizes");
    assert_eq!(right.column_step, 1, "rows of the right matrix");
    if left.rows > 0 && left.columns > 0 && right.columns > 0 {
        Arch::new().dispatch(AddProduct {
            sum,
            step,
            left,
            right,
        });
    }
}

/// How many rows of the left matrix are multiplied at a time: with two vectors of columns they make
/// eight independent sums, as many as it takes to keep two multipliers of four cycles busy.
const ROWS: usize = 4;

struct AddProduct<'a> {
    sum: &'a mut [f32],
    step: usize,
    left: Matrix<'a>,
    right: Matrix<'a>,
}

impl WithSimd for AddProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let panels = panels(self.left);
        let panels = panels.chunks(self.left.columns);
        let columns = self.right.columns;
        let mut column = 0;
        while column < columns {
            let left = columns - column;
            // The columns stay in the first cache while the panels pass by.
            let taken = match left {
                _ if left >= 2 * S::F32_LANES => 2 * S::F32_LANES,
                _ if left >= S::F32_LANES => S::F32_LANES,
                _ => left,
            };
            for (number, panel) in panels.clone().enumerate() {
                let row = number * ROWS;
                let sums = &mut self.sum[row * self.step + column..];
                let rows = (self.left.rows - row).min(ROWS);
                let tile = Tile {
                    panel,
                    right: &self.right.data[column..],
                    right_step: self.right.row_step,
                    columns: taken,
                };
                if taken == 2 * S::F32_LANES {
                    tile.add_whole::<S, 2>(simd, sums, self.step, rows);
                } else if taken == S::F32_LANES {
                    tile.add_whole::<S, 1>(simd, sums, self.step, rows);
                } else {
                    tile.add_part(simd, sums, self.step, rows);
                }
            }
            column += taken;
        }
    }
}

/// The rows of `left` by fours, each four column by column, the last filled up with zeros.
#[inline(always)]
fn panels(left: Matrix) -> Vec<[f32; ROWS]> {
    let mut panels = vec![[0.0; ROWS]; left.rows.div_ceil(ROWS) * left.columns];
    for row in 0..left.rows {
        let panel = &mut panels[row / ROWS * left.columns..][..left.columns];
        let numbers = left.data[row * left.row_step..].iter();
        for (place, number) in panel.iter_mut().zip(numbers.step_by(left.column_step)) {
            place[row % ROWS] = *number;
        }
    }
    panels
}

/// Four rows of the left matrix and some columns of the right one.
struct Tile<'a> {
    panel: &'a [[f32; ROWS]],
    right: &'a [f32],
    right_step: usize,
    columns: usize,
}

impl Tile<'_> {
    /// Adds the product to `sums` where the columns fill `VECTORS` vectors.
    #[inline(always)]
    fn add_whole<S: Simd, const VECTORS: usize>(
        &self,
        simd: S,
        sums: &mut [f32],
        step: usize,
        rows: usize,
    ) {
        let mut products = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        for (left, right) in self.panel.iter().zip(self.right.chunks(self.right_step)) {
            let (right, _) = S::as_simd_f32s(&right[..self.columns]);
            for (products, left) in products.iter_mut().zip(left) {
                let left = simd.splat_f32s(*left);
                for (product, right) in products.iter_mut().zip(right) {
                    *product = simd.mul_add_e_f32s(left, *right, *product);
                }
            }
        }
        for (row, products) in products.iter().enumerate().take(rows) {
            let (sums, _) = S::as_mut_simd_f32s(&mut sums[row * step..][..self.columns]);
            for (sum, product) in sums.iter_mut().zip(products) {
                *sum = simd.add_f32s(*sum, *product);
            }
        }
    }

    /// Adds the product to `sums` where the columns fill a part of one vector.
    #[inline(always)]
    fn add_part<S: Simd>(&self, simd: S, sums: &mut [f32], step: usize, rows: usize) {
        let mut products = [simd.splat_f32s(0.0); ROWS];
        for (left, right) in self.panel.iter().zip(self.right.chunks(self.right_step)) {
            let right = simd.partial_load_f32s(&right[..self.columns]);
            for (product, left) in products.iter_mut().zip(left) {
                *product = simd.mul_add_e_f32s(simd.splat_f32s(*left), right, *product);
            }
        }
        for (row, product) in products.iter().enumerate().take(rows) {
            let sums = &mut sums[row * step..][..self.columns];
            let sum = simd.add_f32s(simd.partial_load_f32s(sums), *product);
            simd.partial_store_f32s(sums, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count)
            .map(|n| ((n * 37 + seed * 11) % 23) as f32 - 11.0)
            .collect()
    }

    /// Whole numbers, so that every order of summation gives the same.
    #[test]
    fn products_of_all_sizes_are_exact() {
        for (m, n, k) in [(1, 1, 1), (3, 8, 5), (4, 32, 7), (6, 37, 9), (9, 50, 64), (5, 71, 3)] {
            let (a, b) = (numbers(m * k, 1), numbers(k * (n + 2), 2));
            let mut found = numbers(m * n, 3);
            let mut wanted = found.clone();
            for row in 0..m {
                for column in 0..n {
                    wanted[row * n + column] += (0..k)
                        .map(|inner| a[row * k + inner] * b[inner * (n + 2) + column])
                        .sum::<f32>();
                }
            }
            let right = Matrix::new(&b, k, n, n + 2);
            let left = Matrix::new(&a, m, k, k);
            let mut again = found.clone();
            add_product(&mut found, n, left, right);
            assert_eq!(found, wanted, "{m} {n} {k}");
            let turned = left.transposed().to_vec();
            add_product(&mut again, n, Matrix::new(&turned, k, m, m).transposed(), right);
            assert_eq!(again, wanted, "{m} {n} {k}, transposed");
        }
    }
}
