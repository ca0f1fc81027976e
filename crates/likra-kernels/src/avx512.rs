//! Products with the instruction that CPUs have for bf16, `vdpbf16ps` of AVX-512: 32 multiply-adds.
//!
//! The one place of the workspace with unsafe code: a function that is compiled for these instructions is entered once
//! it is known that the CPU has them.

#![allow(unsafe_code, reason = "see above")]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m512bh, _mm512_dpbf16_ps, _mm512_set1_epi32, _mm512_setzero_ps};

/// How many rows of the left matrix are multiplied at a time. With four vectors of columns they make 24 sums, which 32
/// registers hold beside what is multiplied.
pub(crate) const ROWS: usize = 6;

/// How many columns the right matrix has.
pub(crate) const COLUMNS: usize = 64;

/// Whether this CPU has the instruction.
pub(crate) fn is_there() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// The two numbers of a pair, as f32.
#[inline(always)]
pub(crate) fn halves(pair: u32) -> [f32; 2] {
    [
        f32::from_bits(pair << 16),
        f32::from_bits(pair & 0xffff_0000),
    ]
}

/// Adds to the first `columns` numbers of rows, one every `step` of `sums`, the product of rows of pairs of bf16, one
/// every `of_row` of `left`, at most [`ROWS`] of them, and columns of such pairs, `right`: of each pair the second
/// numbers first, as the instruction has it. Where it is not there, the same bits are computed without it, slowly.
///
/// # Panics
///
/// If sizes do not match.
pub(crate) fn add_product(
    sums: &mut [f32],
    [step, columns]: [usize; 2],
    left: &[u32],
    of_row: usize,
    right: &[[u32; COLUMNS]],
) {
    assert!(columns <= COLUMNS, "{columns} columns");
    // In the place of a row that is not there stands the first one.
    let mut rows = [&left[..right.len()]; ROWS];
    let found = left.chunks(of_row).enumerate();
    for (row, left) in found {
        rows[row] = &left[..right.len()];
    }
    let there = left.len().div_ceil(of_row);
    #[cfg(target_arch = "x86_64")]
    if is_there() {
        // SAFETY: the CPU has the instructions that it is compiled for.
        return unsafe { add_tile(sums, [step, there, columns], rows, right) };
    }
    add(sums, [step, there, columns], &twin(rows, right));
}

#[inline(always)]
fn add(sums: &mut [f32], [step, rows, columns]: [usize; 3], products: &[[f32; COLUMNS]; ROWS]) {
    for (sums, products) in sums.chunks_mut(step).zip(products).take(rows) {
        for (sum, product) in sums[..columns].iter_mut().zip(products) {
            *sum += product;
        }
    }
}

/// What [`add_tile`] adds, as two fused multiply-adds for each pair.
fn twin(left: [&[u32]; ROWS], right: &[[u32; COLUMNS]]) -> [[f32; COLUMNS]; ROWS] {
    left.map(|left| {
        std::array::from_fn(|column| {
            left.iter().zip(right).fold(0.0_f32, |sum, (left, right)| {
                let [left, right] = [*left, right[column]].map(halves);
                let sum = left[1].mul_add(right[1], sum);
                left[0].mul_add(right[0], sum)
            })
        })
    })
}

/// Adds the product of rows and columns that have as many pairs.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn add_tile(sums: &mut [f32], sizes: [usize; 3], left: [&[u32]; ROWS], right: &[[u32; COLUMNS]]) {
    let left = left.map(|left| &left[..right.len()]);
    let mut products = [[_mm512_setzero_ps(); COLUMNS / 16]; ROWS];
    for (pair, right) in right.iter().enumerate() {
        let right: [__m512bh; COLUMNS / 16] = bytemuck::cast(*right);
        for (products, left) in products.iter_mut().zip(&left) {
            let left: __m512bh = bytemuck::cast(_mm512_set1_epi32(left[pair].cast_signed()));
            for (product, right) in products.iter_mut().zip(right) {
                *product = _mm512_dpbf16_ps(*product, left, right);
            }
        }
    }
    add(sums, sizes, &bytemuck::cast(products));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instruction_gives_what_its_twin_gives() {
        let numbers = crate::tests::matrix(1, 200 * (ROWS + COLUMNS) * 2, 7);
        let numbers = numbers.try_into_vec_as::<f32>().unwrap();
        let mut pairs = numbers
            .chunks(2)
            .map(|pair| pair[1].to_bits() & 0xffff_0000 | pair[0].to_bits() >> 16);
        for inner in [200, 1, 33] {
            let mut next = || pairs.next().unwrap_or(0x3f80_3f80);
            let left: Vec<u32> = (0..inner * ROWS).map(|_| next()).collect();
            let right: Vec<_> = (0..inner).map(|_| [(); COLUMNS].map(|()| next())).collect();
            let mut found = vec![0.0; ROWS * COLUMNS];
            add_product(&mut found, [COLUMNS; 2], &left, inner, &right);
            let rows = |left: &[u32]| -> Vec<f32> {
                let rows = std::array::from_fn(|row| &left[row * inner..][..inner]);
                twin(rows, &right).concat()
            };
            let expected = rows(&left);
            let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            if bits(&found) == bits(&expected) {
                continue;
            }
            // Intel documents the order of the two additions. A CPU of another maker may add a pair first: then sums
            // differ by no more than rounding at each addition explains.
            let left: Vec<f32> = left.into_iter().flat_map(halves).collect();
            for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
                let terms = (0..2 * inner).map(|at| {
                    let right = halves(right[at / 2][place % COLUMNS])[at % 2];
                    left[place / COLUMNS * 2 * inner + at] * right
                });
                let size: f32 = terms.map(f32::abs).sum();
                let error = (found - expected).abs();
                let bound = 2.0 * inner as f32 * f32::EPSILON / 2.0 * size;
                assert!(error <= bound, "{inner}: {error} > {bound}");
            }
        }
    }
}
