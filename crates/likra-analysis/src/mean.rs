//! Means of real values with 95% intervals.

use crate::Estimate;

/// The 97.5th percentile of the normal distribution.
const NORMAL: f64 = 1.959_964;

/// The 97.5th percentiles of Student's t for 1 to 30 degrees of freedom (such as NIST/SEMATECH's e-Handbook of
/// Statistical Methods, 1.3.6.7.2).
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

/// The mean over questions with an interval by the central limit theorem: 1.96 standard errors to either side.
/// Of a single value the interval has no width.
pub(crate) fn over_questions(values: &[f64]) -> Estimate {
    interval(values, NORMAL)
}

/// The mean over seeds with an interval by Student's t, as few as they are.
pub(crate) fn over_seeds(values: &[f64]) -> Estimate {
    let freedom = values.len().saturating_sub(1);
    let quantile = STUDENT.get(freedom.saturating_sub(1)).copied();
    interval(values, quantile.unwrap_or(NORMAL))
}

fn interval(values: &[f64], quantile: f64) -> Estimate {
    let count = values.len() as f64;
    let value = values.iter().sum::<f64>() / count;
    let square = |x: &f64| (x - value) * (x - value);
    let half = match values.len() {
        0 | 1 => 0.0,
        _ => {
            let variance = values.iter().map(square).sum::<f64>() / (count - 1.0);
            quantile * (variance / count).sqrt()
        }
    };
    Estimate {
        value,
        low: value - half,
        high: value + half,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cases_by_hand() {
        // Variance 1, standard error 1 / sqrt(3), two degrees of freedom.
        let seeds = over_seeds(&[1.0, 2.0, 3.0]);
        assert_eq!(seeds.value, 2.0);
        assert!((seeds.high - 2.0 - 4.303 / 3.0_f64.sqrt()).abs() < 1e-12);
        let questions = over_questions(&[1.0, 2.0, 3.0]);
        assert!((2.0 - questions.low - NORMAL / 3.0_f64.sqrt()).abs() < 1e-12);
        let one = over_seeds(&[0.5]);
        assert_eq!((one.low, one.value, one.high), (0.5, 0.5, 0.5));
        // With many seeds, Student's t is nearly normal.
        let many: Vec<f64> = (0..32).map(|n| f64::from(n % 2)).collect();
        assert_eq!(over_seeds(&many), over_questions(&many));
    }
}
