//! Functions that a compiler turns into vector instructions, unlike a libm's.

/// eˣ to within 2 units in the last place; 0 far below and the largest power far above.
///
/// Cody and Waite's reduction with Cephes' polynomial (`expf`), without branches.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // 1.5 · 2²³: adding it rounds to a whole number, which then stands in the lowest bits.
    const ROUNDER: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUNDER;
    let power = shifted - ROUNDER;
    let rest = x - power * LN_2_HIGH - power * LN_2_LOW;
    let mut series = 1.987_569_1e-4;
    for coefficient in [
        1.398_2e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        series = series * rest + coefficient;
    }
    let series = series * rest * rest + rest + 1.0;
    let exponent = shifted.to_bits() << 23;
    f32::from_bits(series.to_bits().wrapping_add(exponent))
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// How many partial sums a sum is made of: as many as a vector holds, on CPUs with long ones.
const LANES: usize = 16;

/// Σ xᵢ.
#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += x;
        }
    }
    sums.iter().sum::<f32>() + chunks.remainder().iter().sum::<f32>()
}

/// Σ xᵢ yᵢ.
#[inline(always)]
pub(crate) fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (mut left, mut right) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    for (x, y) in (&mut left).zip(&mut right) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    let rest = left.remainder().iter().zip(right.remainder());
    sums.iter().sum::<f32>() + rest.map(|(x, y)| x * y).sum::<f32>()
}

/// The largest number; -∞ if there is none.
#[inline(always)]
pub(crate) fn max(x: &[f32]) -> f32 {
    let mut largest = [f32::NEG_INFINITY; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (largest, x) in largest.iter_mut().zip(chunk) {
            *largest = if *x > *largest { *x } else { *largest };
        }
    }
    let all = largest.iter().chain(chunks.remainder());
    all.copied().fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_right_to_two_units() {
        for step in -8700..=8800 {
            let x = step as f32 / 100.0;
            let (found, wanted) = (f64::from(exp(x)), f64::from(x).exp());
            assert!(
                (found / wanted - 1.0).abs() < 2.5e-7,
                "{x}: {found}, {wanted}"
            );
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e30) < 1e-37);
    }

    #[test]
    fn reductions_take_every_number() {
        let x: Vec<f32> = (0..37u8).map(f32::from).collect();
        assert_eq!(sum(&x), 666.0);
        assert_eq!(dot(&x, &x), 16206.0);
        assert_eq!(max(&x), 36.0);
        assert_eq!(max(&x[..3]), 2.0);
    }
}
