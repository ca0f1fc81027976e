//! Medians, spreads and straight lines.

/// The middle of `values`, or the mean of the two in the middle; not a number if there are none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// The largest; not a number if one is not, so that it is within no bound.
pub(super) fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, |largest, value| {
        if value.is_nan() || value > largest {
            value
        } else {
            largest
        }
    })
}

/// A straight line through measured points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Line {
    pub(super) start: f64,
    pub(super) slope: f64,
    /// The largest distance of a point from the line, as a share of the point.
    pub(super) deviation: f64,
}

impl Line {
    /// The line of least squares through points `(x, y)`, of which two have different `x`.
    pub(super) fn through(points: &[(f64, f64)]) -> Self {
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let about = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
            points.iter().map(|(a, b)| of(a - x, b - y)).sum()
        };
        let slope = about(&|a, b| a * b) / about(&|a, _| a * a);
        let start = y - slope * x;
        let off = points
            .iter()
            .map(|(x, y)| (y - start - slope * x).abs() / y);
        Self {
            start,
            slope,
            deviation: largest(off),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn what_is_no_number_is_the_largest() {
        assert_eq!(largest([1.0, 3.0, 2.0]), 3.0);
        assert!(largest([1.0, f64::NAN, 2.0]).is_nan());
    }

    #[test]
    fn a_line_is_fitted_and_its_worst_point_named() {
        let straight = Line::through(&[(0.0, 1.0), (2.0, 5.0), (5.0, 11.0)]);
        assert!((straight.start - 1.0).abs() < 1e-12 && (straight.slope - 2.0).abs() < 1e-12);
        assert!(straight.deviation < 1e-12);
        // Means 2 and 14/3; slope 5/2; start -1/3; off by 1/3, 2/3 and 1/3.
        let bent = Line::through(&[(1.0, 2.5), (2.0, 4.0), (3.0, 7.5)]);
        assert!((bent.slope - 2.5).abs() < 1e-12 && (bent.start + 1.0 / 3.0).abs() < 1e-12);
        assert!((bent.deviation - 2.0 / 3.0 / 4.0).abs() < 1e-12);
        assert!(Line::through(&[(1.0, 1.0), (1.0, 1.0)]).deviation.is_nan());
    }
}
