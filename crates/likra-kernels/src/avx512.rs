//! Products with the instruction that CPUs have for bf16, `vdpbf16ps` of AVX-512: 32 multiply-adds.
//!
//! The one place of the workspace with unsafe code: a function that is compiled for these instructions is entered once
//! it is known that the CPU has them.

#![allow(unsafe_code, reason = "see above")]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m512bh, _mm512_dpbf16_ps, _mm512_set1_epi32, _mm512_setzero_ps};

use crate::packed::halves;

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

/// Adds to the first `columns` numbers of `rows` rows, one every `step` of `sums`, the product of rows of pairs of bf16,
/// `left`, and columns of such pairs, `right`: of each pair the second numbers first, as the instruction has it. Where
/// it is not there, the same bits are computed without it, slowly.
///
/// # Panics
///
/// If sizes do not match.
pub(crate) fn add_product(
    sums: &mut [f32],
    step: usize,
    [rows, columns]: [usize; 2],
    left: &[[u32; ROWS]],
    right: &[[u32; COLUMNS]],
) {
    assert_eq!(left.len(), right.len(), "inner sizes");
    assert!(
        rows <= ROWS && columns <= COLUMNS,
        "{rows} rows, {columns} columns"
    );
    #[cfg(target_arch = "x86_64")]
    if is_there() {
        // SAFETY: the CPU has the instructions that it is compiled for.
        return unsafe { tile(sums, step, [rows, columns], left, right) };
    }
    twin(sums, step, [rows, columns], left, right);
}

/// What [`tile`] computes, as two fused multiply-adds for each pair.
fn twin(
    sums: &mut [f32],
    step: usize,
    [rows, columns]: [usize; 2],
    left: &[[u32; ROWS]],
    right: &[[u32; COLUMNS]],
) {
    for (row, sums) in sums.chunks_mut(step).enumerate().take(rows) {
        for (column, total) in sums[..columns].iter_mut().enumerate() {
            let mut sum = 0.0_f32;
            for (left, right) in left.iter().zip(right) {
                let [left, right] = [left[row], right[column]].map(halves);
                sum = left[1].mul_add(right[1], sum);
                sum = left[0].mul_add(right[0], sum);
            }
            *total += sum;
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn tile(
    sums: &mut [f32],
    step: usize,
    [rows, columns]: [usize; 2],
    left: &[[u32; ROWS]],
    right: &[[u32; COLUMNS]],
) {
    let mut products = [[_mm512_setzero_ps(); COLUMNS / 16]; ROWS];
    for (left, right) in left.iter().zip(right) {
        let right: [__m512bh; COLUMNS / 16] = bytemuck::cast(*right);
        for (products, left) in products.iter_mut().zip(left) {
            let left: __m512bh = bytemuck::cast(_mm512_set1_epi32(left.cast_signed()));
            for (product, right) in products.iter_mut().zip(right) {
                *product = _mm512_dpbf16_ps(*product, left, right);
            }
        }
    }
    for (sums, products) in sums.chunks_mut(step).zip(products).take(rows) {
        let products: [f32; COLUMNS] = bytemuck::cast(products);
        for (sum, product) in sums[..columns].iter_mut().zip(products) {
            *sum += product;
        }
    }
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
        for [inner, rows, columns] in [[200, 6, 64], [1, 1, 1], [33, 4, 50]] {
            let mut next = || pairs.next().unwrap_or(0x3f80_3f80);
            let left: Vec<_> = (0..inner).map(|_| [(); ROWS].map(|()| next())).collect();
            let right: Vec<_> = (0..inner).map(|_| [(); COLUMNS].map(|()| next())).collect();
            let mut found = vec![0.5; 6 * 70];
            let mut expected = found.clone();
            add_product(&mut found, 70, [rows, columns], &left, &right);
            twin(&mut expected, 70, [rows, columns], &left, &right);
            let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            if bits(&found) == bits(&expected) {
                continue;
            }
            // Intel documents the order of the two additions. A CPU of another maker may add a pair first: then sums
            // differ by no more than rounding at each addition explains.
            let absolute = |pair: u32| pair & 0x7fff_7fff;
            let (left, right): (Vec<_>, Vec<_>) = left
                .iter()
                .zip(&right)
                .map(|(left, right)| (left.map(absolute), right.map(absolute)))
                .unzip();
            let mut sizes = vec![0.5; 6 * 70];
            twin(&mut sizes, 70, [rows, columns], &left, &right);
            for ((found, expected), size) in found.iter().zip(&expected).zip(sizes) {
                let bound = 2.0 * inner as f32 * f32::EPSILON / 2.0 * size;
                let error = (found - expected).abs();
                assert!(
                    error <= bound,
                    "{inner} {rows} {columns}: {error} > {bound}"
                );
            }
        }
    }
}
