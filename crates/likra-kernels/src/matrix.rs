//! Products of small matrices: those of one attention head, or with the few columns of an adapter.
//!
//! A general matrix product packs its operands first, which is most of its work when one side has 8 or 34 rows.

use std::ops::Range;

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

    /// Some of its columns.
    pub(crate) fn columns(self, columns: Range<usize>) -> Self {
        Self {
            data: &self.data[columns.start * self.column_step..],
            columns: columns.len(),
            ..self
        }
    }

    /// A copy in row-major order.
    pub(crate) fn to_vec(self) -> Vec<f32> {
        let mut copy = Vec::with_capacity(self.rows * self.columns);
        for row in 0..self.rows {
            let start = row * self.row_step;
            let number = |column| self.data[start + column * self.column_step];
            copy.extend((0..self.columns).map(number));
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

/// The same product of a left matrix that is packed: its rows by sixes, each six column by column. There are `rows` of them,
/// and of the columns of each six those in `inner` are multiplied.
pub(crate) fn add_packed_product(
    sum: &mut [f32],
    step: usize,
    (left, rows): (&[Vec<[f32; ROWS]>], usize),
    inner: Range<usize>,
    right: Matrix,
) {
    assert_eq!(inner.len(), right.rows, "inner sizes");
    Arch::new().dispatch(AddPacked {
        sum,
        step,
        left,
        rows,
        inner,
        right,
    });
}

/// How many rows of the left matrix are multiplied at a time. With four vectors of columns they make 24
/// sums, which 32 registers hold beside what is multiplied; with two they make 12, for CPUs with 16.
pub(crate) const ROWS: usize = 6;

/// How much of the inner size is multiplied at a time: so much of the right matrix's columns stays in
/// the first cache while the rows pass by.
pub(crate) const INNER: usize = 128;

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
        let mut panels = Vec::new();
        let inner = self.left.columns;
        for start in (0..inner).step_by(INNER) {
            let block = start..inner.min(start + INNER);
            pack(&mut panels, self.left, &block);
            let right = Matrix {
                data: &self.right.data[start * self.right.row_step..],
                ..self.right
            };
            let panels = panels.chunks(block.len());
            add_block(simd, self.sum, self.step, (&panels, self.left.rows), right);
        }
    }
}

struct AddPacked<'a> {
    sum: &'a mut [f32],
    step: usize,
    left: &'a [Vec<[f32; ROWS]>],
    rows: usize,
    inner: Range<usize>,
    right: Matrix<'a>,
}

impl WithSimd for AddPacked<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let panels = self.left.iter().map(|six| &six[self.inner.clone()]);
        add_block(simd, self.sum, self.step, (&panels, self.rows), self.right);
    }
}

/// Adds the product of packed rows, of which there are so many, and as many rows of the right matrix.
#[inline(always)]
fn add_block<'b, S: Simd>(
    simd: S,
    sum: &mut [f32],
    step: usize,
    (panels, rows): (&(impl Iterator<Item = &'b [[f32; ROWS]]> + Clone), usize),
    right: Matrix,
) {
    let most = if S::REGISTER_COUNT < 32 { 2 } else { 4 };
    let mut column = 0;
    while column < right.columns {
        let left = right.columns - column;
        let vectors = match (left / S::F32_LANES).min(most) {
            3 => 2,
            vectors => vectors,
        };
        for (number, panel) in panels.clone().enumerate() {
            let row = number * ROWS;
            let tile = Tile {
                panel,
                right: &right.data[column..],
                right_step: right.row_step,
                sums: &mut sum[row * step + column..],
                step,
                rows: (rows - row).min(ROWS),
            };
            match vectors {
                4 => tile.add_whole::<S, 4>(simd),
                2 => tile.add_whole::<S, 2>(simd),
                1 => tile.add_whole::<S, 1>(simd),
                _ => tile.add_part(simd, left),
            }
        }
        column += match vectors {
            0 => left,
            _ => vectors * S::F32_LANES,
        };
    }
}

/// Puts some columns of `left` into `panels`: its rows by sixes, each six column by column, the last
/// filled up with zeros.
#[inline(always)]
fn pack(panels: &mut Vec<[f32; ROWS]>, left: Matrix, columns: &Range<usize>) {
    panels.clear();
    panels.resize(left.rows.div_ceil(ROWS) * columns.len(), [0.0; ROWS]);
    for row in 0..left.rows {
        let panel = &mut panels[row / ROWS * columns.len()..][..columns.len()];
        let numbers = &left.data[row * left.row_step + columns.start * left.column_step..];
        if left.column_step == 1 {
            for (place, number) in panel.iter_mut().zip(numbers) {
                place[row % ROWS] = *number;
            }
        } else {
            let numbers = numbers.iter().step_by(left.column_step);
            for (place, number) in panel.iter_mut().zip(numbers) {
                place[row % ROWS] = *number;
            }
        }
    }
}

/// Six rows of the left matrix, some columns of the right one, and where their product is added.
struct Tile<'a> {
    panel: &'a [[f32; ROWS]],
    right: &'a [f32],
    right_step: usize,
    sums: &'a mut [f32],
    step: usize,
    rows: usize,
}

impl Tile<'_> {
    /// Adds the product with as many columns as `VECTORS` vectors hold.
    #[inline(always)]
    fn add_whole<S: Simd, const VECTORS: usize>(self, simd: S) {
        let mut products = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        for (left, right) in self.panel.iter().zip(self.right.chunks(self.right_step)) {
            // Arrays of known length, so that all sums stay in registers.
            let Some(right) = S::as_simd_f32s(right).0.first_chunk::<VECTORS>() else {
                break;
            };
            for (products, left) in products.iter_mut().zip(left) {
                let left = simd.splat_f32s(*left);
                for (product, right) in products.iter_mut().zip(right) {
                    *product = simd.mul_add_e_f32s(left, *right, *product);
                }
            }
        }
        let rows = self.sums.chunks_mut(self.step).take(self.rows);
        for (sums, products) in rows.zip(products) {
            for (sum, product) in S::as_mut_simd_f32s(sums).0.iter_mut().zip(products) {
                *sum = simd.add_f32s(*sum, product);
            }
        }
    }

    /// Adds the product with so many columns as fill a part of one vector.
    #[inline(always)]
    fn add_part<S: Simd>(self, simd: S, columns: usize) {
        let mut products = [simd.splat_f32s(0.0); ROWS];
        for (left, right) in self.panel.iter().zip(self.right.chunks(self.right_step)) {
            let right = simd.partial_load_f32s(&right[..columns]);
            for (product, left) in products.iter_mut().zip(left) {
                *product = simd.mul_add_e_f32s(simd.splat_f32s(*left), right, *product);
            }
        }
        let rows = self.sums.chunks_mut(self.step).take(self.rows);
        for (sums, product) in rows.zip(products) {
            let sums = &mut sums[..columns];
            let sum = simd.add_f32s(simd.partial_load_f32s(sums), product);
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
        for (m, n, k) in [
            (1, 1, 1),
            (3, 8, 5),
            (4, 32, 7),
            (6, 37, 9),
            (9, 50, 64),
            (5, 71, 3),
            (13, 100, 300),
        ] {
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
            add_product(
                &mut again,
                n,
                Matrix::new(&turned, k, m, m).transposed(),
                right,
            );
            assert_eq!(again, wanted, "{m} {n} {k}, transposed");
        }
    }

    /// What older CPUs run is compiled in, but `dispatch` would never choose it here.
    #[test]
    fn vectors_of_all_lengths_give_the_same() {
        let (rows, columns, inner) = (13, 100, 300);
        let (left, right) = (numbers(rows * inner, 1), numbers(inner * columns, 2));
        let product = |multiply: &dyn Fn(AddProduct)| {
            let mut sum = numbers(rows * columns, 3);
            multiply(AddProduct {
                sum: &mut sum,
                step: columns,
                left: Matrix::new(&left, rows, inner, inner),
                right: Matrix::new(&right, inner, columns, columns),
            });
            sum
        };
        let scalar = product(&|it| it.with_simd(pulp::Scalar::new()));
        assert_eq!(product(&|it| Arch::new().dispatch(it)), scalar);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            assert_eq!(product(&|it| Simd::vectorize(simd, it)), scalar);
        }
    }
}
