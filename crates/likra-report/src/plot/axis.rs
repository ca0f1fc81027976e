//! Axes: where values stand, and which of them are marked.

use std::collections::BTreeSet;
use std::ops::Range;

/// How many spaces between marks a linear axis has at most.
const SPACES: u32 = 7;

/// How much room a linear axis has beyond its values, as a share of their range.
const MARGIN: f64 = 0.03;

/// The least distance between two marks of an axis of examples, in doublings.
const APART: f64 = 0.6;

/// A straight axis in its own coordinates.
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) range: Range<f64>,
    /// Marked values, each with its label.
    pub(crate) ticks: Vec<(f64, String)>,
}

/// An axis of training examples: doublings are equally far apart, and 0, which has no logarithm,
/// stands one doubling before the first.
pub(crate) struct ExamplesAxis(BTreeSet<usize>);

impl ExamplesAxis {
    pub(crate) fn new(examples: impl IntoIterator<Item = usize>) -> Self {
        Self(examples.into_iter().collect())
    }

    /// Where a number of examples stands.
    pub(crate) fn position(&self, examples: usize) -> f64 {
        match examples {
            0 => {
                let first = self.0.iter().find(|&&examples| examples > 0);
                first.map_or(0.0, |&examples| (examples as f64).log2()) - 1.0
            }
            _ => (examples as f64).log2(),
        }
    }

    /// The axis with a mark at each number of examples, as far as there is room for it. The last,
    /// which need not be a power of two, always has one.
    pub(crate) fn axis(&self) -> Axis {
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for &examples in self.0.iter().rev() {
            let at = self.position(examples);
            if ticks.last().is_none_or(|(later, _)| later - at >= APART) {
                ticks.push((at, examples.to_string()));
            }
        }
        ticks.reverse();
        let last = self.0.last().copied().unwrap_or_default();
        Axis {
            label: "training examples per head".into(),
            range: self.position(0) - 0.15..self.position(last) + 0.1,
            ticks,
        }
    }
}

/// An axis over `values` with marks at round numbers.
pub(crate) fn linear(label: &str, values: impl IntoIterator<Item = f64>) -> Axis {
    let none = (f64::INFINITY, f64::NEG_INFINITY);
    let widen = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
    let (low, high) = values.into_iter().fold(none, widen);
    let step = round_step(high - low);
    let margin = MARGIN * (high - low).max(step);
    let range = low - margin..high + margin;
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let first = (range.start / step).ceil();
    // The margins may add a mark at either end.
    let marks = (0..=SPACES + 2).map(|number| (first + f64::from(number)) * step);
    let marks = marks.take_while(|&at| at <= range.end);
    // Plus zero, so that no mark is a negative zero.
    let ticks = marks.map(|at| (at, format!("{:.decimals$}", at + 0.0)));
    Axis {
        label: label.into(),
        ticks: ticks.collect(),
        range,
    }
}

/// The least of ..., 1, 2, 5, 10, ... that divides `span` into few spaces.
fn round_step(span: f64) -> f64 {
    if span <= 0.0 || !span.is_finite() {
        return 1.0;
    }
    let step = span / f64::from(SPACES);
    let power = 10_f64.powf(step.log10().floor());
    let mut digits = [1.0, 2.0, 5.0].into_iter();
    let digit = digits.find(|digit| digit * power >= step);
    digit.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn zero_stands_one_doubling_before_the_first() {
        let axis = ExamplesAxis::new([0, 32, 64, 128]);
        let positions = [0, 32, 64, 128].map(|examples| axis.position(examples));
        assert_eq!(positions, [4.0, 5.0, 6.0, 7.0]);
        assert_eq!(labels(&axis.axis()), ["0", "32", "64", "128"]);
    }

    #[test]
    fn the_last_mark_has_precedence() {
        let axis = ExamplesAxis::new([0, 512, 1024, 1119]).axis();
        assert_eq!(labels(&axis), ["0", "512", "1119"]);
        let axis = ExamplesAxis::new([0, 2048, 4096, 6615]).axis();
        assert_eq!(labels(&axis), ["0", "2048", "4096", "6615"]);
    }

    #[test]
    fn linear_marks_are_round_and_within() {
        let axis = linear("%", [24.1, 43.0]);
        assert_eq!(labels(&axis), ["25", "30", "35", "40"]);
        assert!(axis.range.start < 24.1 && axis.range.end > 43.0);
        let cases: [([f64; 2], &[&str]); 3] = [
            ([0.0, 2.0], &["0.0", "0.5", "1.0", "1.5", "2.0"]),
            ([-0.2, 0.2], &["-0.2", "-0.1", "0.0", "0.1", "0.2"]),
            ([0.0, 35.0], &["0", "5", "10", "15", "20", "25", "30", "35"]),
        ];
        for (values, expected) in cases {
            assert_eq!(labels(&linear("w", values)), expected);
        }
    }

    #[test]
    fn odd_values_are_no_reason_to_hang() {
        assert_eq!(labels(&linear("w", [1.0])), ["1"]);
        assert!(labels(&linear("w", [])).is_empty());
        for values in [[1e300, 1e300], [-1e308, 1e308], [0.0, 1e-300]] {
            assert!(labels(&linear("w", values)).len() <= 10);
        }
        assert_eq!(labels(&ExamplesAxis::new([]).axis()), [""; 0]);
    }
}
