//! Logistic regression: how much two heads and an answer's length say about whether it is right.

use std::array::from_fn;

use crate::method::NEGATIVE;
use crate::table::SHORTEST;
use crate::{Method, Norm, POSITIVE, ScoreTable};

/// Newton's method is at its end long before.
const STEPS: usize = 50;

/// Next to none: the two heads say nearly the same, and what tells them apart must not be held down. It is there for
/// answers that can be told apart without a mistake.
const PENALTY: f64 = 1e-3;

/// Fits the chance that a choice is right on log p+, log p-, and minus its characters, each after the most examples;
/// nothing if a head is missing.
pub(crate) fn logistic(table: &ScoreTable) -> Option<Method> {
    let examples = Method::SFT_LIKRA.last(table)?;
    let choices = |head, examples| Some(table.rule(head, examples)?.choices(Norm::None).concat());
    let positive = choices(POSITIVE, examples)?;
    let (negative, shortest) = (choices(NEGATIVE, examples)?, choices(SHORTEST, 0)?);
    let columns = [&positive, &negative, &shortest];
    let feature = |at: usize| columns.map(|column| column[at].0);
    let features: Vec<[f64; 3]> = (0..positive.len()).map(feature).collect();
    let right: Vec<bool> = positive.iter().map(|choice| choice.1).collect();
    let (weights, _) = logistic_regression(&features, &right, PENALTY);
    let is_fitted = weights.iter().all(|weight| weight.is_finite());
    is_fitted.then(|| Method::logistic(weights))
}

/// How much each feature adds to the log-odds of what is right, in its own unit, and the log-odds where all features are
/// 0. Half of `penalty` times the squares of the weights of standardised features is added to the loss (scikit-learn's 1/C),
/// and the constant is free. Without rows all are 0.
pub fn logistic_regression<const N: usize>(
    features: &[[f64; N]],
    right: &[bool],
    penalty: f64,
) -> ([f64; N], f64) {
    if features.is_empty() {
        return ([0.0; N], 0.0);
    }
    let count = features.len() as f64;
    let mean = |of: &dyn Fn(&[f64; N]) -> f64| features.iter().map(of).sum::<f64>() / count;
    let means: [f64; N] = from_fn(|at| mean(&|one| one[at]));
    let deviations: [f64; N] = from_fn(|at| {
        let deviation = mean(&|one| (one[at] - means[at]).powi(2)).sqrt();
        // What is the same everywhere says nothing.
        if deviation > 0.0 { deviation } else { 1.0 }
    });
    let rows = features.iter().map(|one| {
        let standardised = (0..N).map(|at| (one[at] - means[at]) / deviations[at]);
        standardised.chain([1.0]).collect::<Vec<f64>>()
    });
    let found = fit(&rows.collect::<Vec<_>>(), right, penalty);
    let weights: [f64; N] = from_fn(|at| found[at] / deviations[at]);
    let shifts = weights.iter().zip(means);
    let shift: f64 = shifts.map(|(weight, mean)| weight * mean).sum();
    (weights, found[N] - shift)
}

/// The weights of rows of features, of which the last one is constant and its weight free, by Newton's method.
fn fit(rows: &[Vec<f64>], right: &[bool], penalty: f64) -> Vec<f64> {
    let width = rows.first().map_or(0, Vec::len);
    let mut found = vec![0.0; width];
    for _ in 0..STEPS {
        // The curvature, and in a last column the slope.
        let mut equations = vec![vec![0.0; width + 1]; width];
        for at in 0..width.saturating_sub(1) {
            equations[at][at] = penalty;
            equations[at][width] = penalty * found[at];
        }
        for (row, &right) in rows.iter().zip(right) {
            let score: f64 = row.iter().zip(&found).map(|(x, weight)| x * weight).sum();
            let chance = 1.0 / (1.0 + (-score).exp());
            for (equation, x) in equations.iter_mut().zip(row) {
                for (sum, other) in equation.iter_mut().zip(row) {
                    *sum += chance * (1.0 - chance) * x * other;
                }
                equation[width] += (chance - f64::from(right)) * x;
            }
        }
        let steps = found.iter_mut().zip(solve(equations));
        steps.for_each(|(found, step)| *found -= step);
    }
    found
}

/// `x` of `a x = b` for rows of `a` and `b`, where `a` is symmetric and positive, which needs no exchange of rows.
fn solve(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let size = rows.len();
    for pivot in 0..size {
        for row in pivot + 1..size {
            let share = rows[row][pivot] / rows[pivot][pivot];
            (pivot..=size).for_each(|column| rows[row][column] -= share * rows[pivot][column]);
        }
    }
    let mut found = vec![0.0; size];
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|at| rows[row][at] * found[at]).sum();
        found[row] = (rows[row][size] - known) / rows[row][row];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against scikit-learn 1.9.1: `LogisticRegression(tol=1e-12).fit(StandardScaler().fit_transform(X), y).coef_ / scale_`.
    #[test]
    fn weights_are_those_of_scikit_learn() {
        let features: Vec<[f64; 3]> = (0..40)
            .map(f64::from)
            .map(|n| {
                [
                    (n * 1.7).sin() * 9.0 - 12.0,
                    (n * 0.9).cos() * 7.0 - 14.0,
                    -5.0 - (n * 7.0) % 23.0,
                ]
            })
            .collect();
        let right: Vec<bool> = features
            .iter()
            .enumerate()
            .map(|(n, [a, b, c])| a - b + c / 9.0 + if n % 5 == 0 { 6.0 } else { -1.0 } > 0.5)
            .collect();
        let (found, constant) = logistic_regression(&features, &right, 1.0);
        let expected = [0.305_015_516, -0.216_050_420, 0.041_752_189];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
        assert!((constant - 2.157_286_171).abs() < 1e-6, "{constant}");
    }
}
