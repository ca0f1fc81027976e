//! Logistic regression: how much two heads and an answer's length say about whether it is right.

use std::array::from_fn;

use likra_results::AnswerKind;

use crate::method::NEGATIVE;
use crate::table::SHORTEST;
use crate::{Method, POSITIVE, ScoreTable};

/// Newton's method is at its end long before.
const STEPS: usize = 50;

/// Fits the chance that a choice is right on log p+, log p-, and minus its characters, each after the most examples;
/// nothing if a head is missing.
pub(crate) fn logistic(table: &ScoreTable) -> Option<Method> {
    let examples = Method::SFT_LIKRA.last(table)?;
    let columns = [(POSITIVE, examples), (NEGATIVE, examples), (SHORTEST, 0)];
    let columns = columns.map(|(head, examples)| table.log_likelihoods(head, examples));
    let [Some(positive), Some(negative), Some(shortest)] = columns else {
        return None;
    };
    let (mut features, mut right) = (Vec::new(), Vec::new());
    for (place, question) in table.questions().iter().enumerate() {
        for (at, candidate) in question.candidates.iter().enumerate() {
            if candidate.kind.is_choice() {
                let values = [positive, negative, shortest].map(|column| column[place][at]);
                features.push(values);
                right.push(candidate.kind == AnswerKind::Correct);
            }
        }
    }
    let (weights, _) = logistic_regression(&features, &right);
    let is_fitted = weights.iter().all(|weight| weight.is_finite());
    is_fitted.then(|| Method::logistic(weights))
}

/// How much each feature adds to the log-odds of what is right, in its own unit, and the log-odds where all features are
/// 0. As scikit-learn does by default, the squares of the weights of standardised features are held down (C = 1), and the
/// constant is free.
#[must_use]
pub fn logistic_regression<const N: usize>(
    features: &[[f64; N]],
    right: &[bool],
) -> ([f64; N], f64) {
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
    let found = fit(&rows.collect::<Vec<_>>(), right);
    let weights: [f64; N] = from_fn(|at| found[at] / deviations[at]);
    let shift: f64 = weights
        .iter()
        .zip(means)
        .map(|(weight, mean)| weight * mean)
        .sum();
    (weights, found[N] - shift)
}

/// The weights of rows of features, of which the last one is constant and its weight free, by Newton's method.
fn fit(rows: &[Vec<f64>], right: &[bool]) -> Vec<f64> {
    let width = rows.first().map_or(0, Vec::len);
    let mut found = vec![0.0; width];
    for _ in 0..STEPS {
        let (mut slope, mut curvature) = (vec![0.0; width], vec![vec![0.0; width]; width]);
        for at in 0..width.saturating_sub(1) {
            slope[at] = found[at];
            curvature[at][at] = 1.0;
        }
        for (row, &right) in rows.iter().zip(right) {
            let score: f64 = row.iter().zip(&found).map(|(x, weight)| x * weight).sum();
            let chance = 1.0 / (1.0 + (-score).exp());
            for i in 0..width {
                slope[i] += (chance - f64::from(u8::from(right))) * row[i];
                for j in 0..width {
                    curvature[i][j] += chance * (1.0 - chance) * row[i] * row[j];
                }
            }
        }
        let step = solve(curvature, slope);
        found
            .iter_mut()
            .zip(step)
            .for_each(|(found, step)| *found -= step);
    }
    found
}

/// `x` of `a x = b` for a matrix that is symmetric and positive, which needs no exchange of rows.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let size = b.len();
    for pivot in 0..size {
        for row in pivot + 1..size {
            let share = a[row][pivot] / a[pivot][pivot];
            (pivot..size).for_each(|column| a[row][column] -= share * a[pivot][column]);
            b[row] -= share * b[pivot];
        }
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size)
            .map(|column| a[row][column] * b[column])
            .sum();
        b[row] = (b[row] - known) / a[row][row];
    }
    b
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
        let (found, constant) = logistic_regression(&features, &right);
        let expected = [0.305_015_516, -0.216_050_420, 0.041_752_189];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
        assert!((constant - 2.157_286_171).abs() < 1e-6, "{constant}");
    }
}
