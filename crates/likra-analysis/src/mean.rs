//! Means of real values with 95% intervals.

use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

use crate::Estimate;

/// The share of a distribution below the upper end of a two-sided 95% interval.
const UPPER: f64 = 0.975;

/// The mean over questions with an interval by the central limit theorem: 1.96 standard errors to either side.
/// Of a single value the interval has no width.
pub(crate) fn over_questions(values: &[f64]) -> Estimate {
    interval(values, Normal::standard().inverse_cdf(UPPER))
}

/// The mean over seeds with an interval by Student's t, because the seeds are few. The quantile has the three
/// decimals of printed tables, so that a reader can redo the interval by hand.
pub(crate) fn over_seeds(values: &[f64]) -> Estimate {
    let freedom = values.len().saturating_sub(1).max(1);
    let quantile = StudentsT::new(0.0, 1.0, freedom as f64).map(|t| t.inverse_cdf(UPPER));
    let printed = quantile.map(|t| (t * 1000.0).round() / 1000.0);
    interval(values, printed.unwrap_or(f64::NAN))
}

fn interval(values: &[f64], quantile: f64) -> Estimate {
    let value = values.iter().sum::<f64>() / values.len() as f64;
    let half = standard_error(values).map_or(0.0, |error| quantile * error);
    let (low, high) = (value - half, value + half);
    Estimate { value, low, high }
}

/// The standard error of a mean: the sample's deviation over the root of n. None of a single value.
pub fn standard_error(values: &[f64]) -> Option<f64> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean) * (value - mean));
    let deviation = (squares.sum::<f64>() / (count - 1.0)).sqrt();
    (values.len() > 1).then(|| deviation / count.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cases_by_hand() {
        // Variance 1, standard error 1 / sqrt(3), two degrees of freedom.
        let seeds = over_seeds(&[1.0, 2.0, 3.0]);
        assert_eq!(seeds.value, 2.0);
        assert!((seeds.high - 2.0 - 4.303 / 3.0_f64.sqrt()).abs() < 1e-6);
        let questions = over_questions(&[1.0, 2.0, 3.0]);
        assert!((2.0 - questions.low - 1.959_964 / 3.0_f64.sqrt()).abs() < 1e-6);
        assert_eq!(standard_error(&[1.0, 2.0, 3.0]), Some(1.0 / 3.0_f64.sqrt()));
        assert_eq!(standard_error(&[1.0]), None);
        let one = over_seeds(&[0.5]);
        assert_eq!((one.low, one.value, one.high), (0.5, 0.5, 0.5));
    }

    /// NIST/SEMATECH, e-Handbook of Statistical Methods, 1.3.6.7.2: 2.042 at 30 degrees of freedom, and
    /// no sudden drop to the normal distribution's 1.960 after that.
    #[test]
    fn students_t_falls_slowly() {
        let quantile = |seeds: u32| {
            let values: Vec<f64> = (0..seeds).map(|n| f64::from(n % 2)).collect();
            let (t, normal) = (over_seeds(&values), over_questions(&values));
            1.959_964 * (t.high - t.value) / (normal.high - normal.value)
        };
        for (seeds, expected) in [(3, 4.303), (31, 2.042), (32, 2.040), (101, 1.984)] {
            let found = quantile(seeds);
            assert!((found - expected).abs() < 1e-5, "{seeds} seeds: {found}");
        }
    }
}
