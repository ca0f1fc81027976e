//! Intervals over questions: the percentile bootstrap, computed rather than simulated.
//!
//! The bootstrap draws as many questions as there are, with replacement, and takes the spread of
//! their mean over many such resamples (Efron 1979). What is averaged here takes two or three values
//! only: a question is answered right or not, or one method wins, ties or loses against another. The
//! sum of n draws then has a distribution that can be written down: the n-th power of the polynomial
//! whose coefficients are the shares of the values. Its quantiles are what 10 000 resamples
//! approximate and infinitely many would give, without a seed and without noise between rows.

/// Half of the share of resamples that lie outside of an interval.
const TAIL: f64 = 0.025;

/// Terms that cannot change a quantile: a million of them are 1e-24 of the whole.
const NEGLIGIBLE: f64 = 1e-30;

/// A mean over questions and its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean over the questions.
    pub value: f64,
    /// The 2.5th percentile of the mean over resampled questions.
    pub low: f64,
    /// The 97.5th percentile of the mean over resampled questions.
    pub high: f64,
}

impl Estimate {
    /// In hundredths rather than shares of one.
    pub fn percent(self) -> Self {
        self.map(|share| share * 100.0)
    }

    /// The same in another unit.
    pub(crate) fn map(self, convert: impl Fn(f64) -> f64) -> Self {
        let [value, low, high] = [self.value, self.low, self.high].map(convert);
        Self { value, low, high }
    }
}

/// The share of questions that are answered right, with its interval.
pub fn accuracy(right: &[bool]) -> Estimate {
    let answered = right.iter().filter(|&&right| right).count();
    mean(&[right.len() - answered, answered], 0)
}

/// The accuracy of one method less that of another over the same questions, resampled in pairs.
pub(crate) fn gain(right: &[bool], other: &[bool]) -> Estimate {
    let mut counts = [0; 3];
    for gained in gains(right, other) {
        counts[(gained + 1) as usize] += 1;
    }
    mean(&counts, -1)
}

/// How much larger one gain is than another over the same questions.
pub(crate) fn difference(gain: [&[bool]; 2], other: [&[bool]; 2]) -> Estimate {
    let [gain, other] = [gain, other].map(|[right, other]| gains(right, other));
    let mut counts = [0; 5];
    for (gained, other) in gain.zip(other) {
        counts[(gained - other + 2) as usize] += 1;
    }
    mean(&counts, -2)
}

/// Of each question, whether it is won, lost or neither.
fn gains(right: &[bool], other: &[bool]) -> impl Iterator<Item = i8> {
    let pairs = right.iter().zip(other);
    pairs.map(|(&right, &other)| i8::from(right) - i8::from(other))
}

/// The mean of values `lowest`, `lowest + 1`, ... that occur so many times.
fn mean(counts: &[usize], lowest: i32) -> Estimate {
    let total: usize = counts.iter().sum();
    let shares = counts.iter().map(|&count| count as f64 / total as f64);
    let sums = power(&shares.collect::<Vec<_>>(), total);
    let mean_of = |sum: usize| sum as f64 / total as f64 + f64::from(lowest);
    let weighted = |(value, count): (usize, &usize)| value * count;
    let value = mean_of(counts.iter().enumerate().map(weighted).sum());
    let [low, high] = [TAIL, 1.0 - TAIL].map(|share| mean_of(quantile(&sums, share)));
    Estimate { value, low, high }
}

/// The polynomial of these coefficients, raised to a power by squaring.
pub(crate) fn power(coefficients: &[f64], exponent: usize) -> Vec<f64> {
    if exponent == 0 {
        return vec![1.0];
    }
    let root = power(coefficients, exponent / 2);
    let square = product(&root, &root);
    match exponent.is_multiple_of(2) {
        true => square,
        false => product(coefficients, &square),
    }
}

fn product(left: &[f64], right: &[f64]) -> Vec<f64> {
    let mut product = vec![0.0; left.len() + right.len() - 1];
    for (shift, &factor) in left.iter().enumerate() {
        if factor < NEGLIGIBLE {
            continue;
        }
        for (sum, &term) in product[shift..].iter_mut().zip(right) {
            *sum += factor * term;
        }
    }
    product
}

/// The least value below or at which this share of a distribution lies.
fn quantile(distribution: &[f64], share: f64) -> usize {
    let mut below = 0.0;
    let reached = distribution.iter().position(|&mass| {
        below += mass;
        below >= share
    });
    reached.unwrap_or(distribution.len() - 1)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn answers(right: usize, questions: usize) -> Vec<bool> {
        (0..questions).map(|question| question < right).collect()
    }

    /// The bootstrap as it is usually done, over `values` of any kind.
    fn simulated(values: &[i32], resamples: usize) -> (f64, f64) {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut means: Vec<f64> = (0..resamples)
            .map(|_| {
                let draw = |_| values[random.random_range(0..values.len())];
                let sum: i32 = (0..values.len()).map(draw).sum();
                f64::from(sum) / values.len() as f64
            })
            .collect();
        means.sort_by(f64::total_cmp);
        let at = |share: f64| means[(share * resamples as f64) as usize];
        (at(TAIL), at(1.0 - TAIL))
    }

    #[test]
    fn small_cases_by_hand() {
        // Two draws of a coin: 0, 1 or 2 right with shares 1/4, 1/2, 1/4.
        assert_eq!(power(&[0.5, 0.5], 2), [0.25, 0.5, 0.25]);
        assert_eq!(power(&[0.5, 0.5], 3), [0.125, 0.375, 0.375, 0.125]);
        let coin = accuracy(&[true, false]);
        assert_eq!((coin.value, coin.low, coin.high), (0.5, 0.0, 1.0));
        // Four draws of a loss, a tie or a win with shares 1/4, 1/2, 1/4: a sum of -3 or less has
        // (1 + 8) / 256, more than 2.5%, and one of -4 has less.
        let gain = gain(&[true, false, true, false], &[false, true, true, false]);
        assert_eq!((gain.value, gain.low, gain.high), (0.0, -0.75, 0.75));
    }

    #[test]
    fn a_difference_of_gains_is_taken_question_by_question() {
        let (a, none) = (answers(2, 4), answers(0, 4));
        let found = difference([&a, &none], [&none, &a]);
        assert_eq!(found.value, 1.0);
        // Twice the gain, with twice its interval.
        let once = gain(&a, &none);
        assert_eq!((found.low, found.high), (2.0 * once.low, 2.0 * once.high));
    }

    #[test]
    fn certainty_has_no_width() {
        for (right, value) in [
            (vec![true; 50], 1.0),
            (vec![false; 50], 0.0),
            (vec![true], 1.0),
        ] {
            let estimate = accuracy(&right);
            assert_eq!(
                (estimate.value, estimate.low, estimate.high),
                (value, value, value)
            );
            let none = gain(&right, &right);
            assert_eq!((none.value, none.low, none.high), (0.0, 0.0, 0.0));
        }
    }

    #[test]
    fn a_thousand_questions_are_nearly_normal() {
        for right in [300, 586, 1100] {
            let (n, p) = (1172.0, f64::from(right) / 1172.0);
            let estimate = accuracy(&answers(right as usize, 1172));
            let half_width = 1.96 * (p * (1.0 - p) / n).sqrt();
            assert!(
                (estimate.low - (p - half_width)).abs() < 1.0 / n,
                "{estimate:?}"
            );
            assert!(
                (estimate.high - (p + half_width)).abs() < 1.0 / n,
                "{estimate:?}"
            );
        }
    }

    #[test]
    fn it_is_what_resampling_approximates() {
        let right: Vec<bool> = (0..400).map(|question| question % 5 < 2).collect();
        let other: Vec<bool> = (0..400).map(|question| question % 7 < 2).collect();
        let close = |estimate: Estimate, (low, high): (f64, f64)| {
            // Within one question of 400.
            assert!((estimate.low - low).abs() <= 0.0026, "{estimate:?} {low}");
            assert!(
                (estimate.high - high).abs() <= 0.0026,
                "{estimate:?} {high}"
            );
        };
        let values: Vec<i32> = right.iter().map(|&right| i32::from(right)).collect();
        close(accuracy(&right), simulated(&values, 10_000));
        let pairs = right.iter().zip(&other);
        let values: Vec<i32> = pairs.map(|(&a, &b)| i32::from(a) - i32::from(b)).collect();
        close(gain(&right, &other), simulated(&values, 10_000));
    }

    #[test]
    fn many_questions_keep_all_of_the_distribution() {
        for shares in [vec![0.9, 0.1], vec![0.04, 0.9, 0.06]] {
            let whole: f64 = power(&shares, 10_042).iter().sum();
            assert!((whole - 1.0).abs() < 1e-10, "{whole}");
        }
    }

    #[test]
    fn the_gain_turns_its_sign_with_its_methods() {
        let (a, b) = (answers(60, 100), answers(40, 100));
        let (forth, back) = (gain(&a, &b), gain(&b, &a));
        assert!((forth.value - 0.2).abs() < 1e-12);
        assert_eq!(forth.value, -back.value);
        assert!((forth.low + back.high).abs() < 0.011, "{forth:?} {back:?}");
    }
}
