//! Accuracies as CSV, one method after so many examples a line; shares of one to five decimals.
//!
//! No field can hold a comma or a quote: all are numbers and names of methods.

use crate::{AccuracyRow, Estimate, WeightRow};

const ACCURACY: &str = "acc,acc_low,acc_high,acc_norm,acc_norm_low,acc_norm_high,questions";

pub(crate) fn accuracies(rows: &[AccuracyRow]) -> String {
    let line = |row: &AccuracyRow| {
        let (method, examples) = (row.method.name(), row.examples);
        format!("{method},{examples},{}\n", accuracy(row))
    };
    let lines: String = rows.iter().map(line).collect();
    format!("method,examples,{ACCURACY}\n{lines}")
}

pub(crate) fn weights(rows: &[WeightRow]) -> String {
    let line = |row: &WeightRow| {
        let (method, examples) = (row.accuracy.method.name(), row.accuracy.examples);
        let (weight, accuracy) = (row.weight, accuracy(&row.accuracy));
        format!("{method},{examples},{weight:.4},{accuracy}\n")
    };
    let lines: String = rows.iter().map(line).collect();
    format!("method,examples,weight,{ACCURACY}\n{lines}")
}

fn accuracy(row: &AccuracyRow) -> String {
    let shares = |estimate: Estimate| {
        let Estimate { value, low, high } = estimate;
        format!("{value:.5},{low:.5},{high:.5}")
    };
    format!(
        "{},{},{}",
        shares(row.acc),
        shares(row.acc_norm),
        row.questions
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;

    fn row() -> AccuracyRow {
        AccuracyRow {
            method: Method::SftLikra,
            examples: 64,
            acc: Estimate {
                value: 0.4,
                low: 0.3,
                high: 0.5,
            },
            acc_norm: Estimate {
                value: 1.0 / 3.0,
                low: 0.0,
                high: 1.0,
            },
            questions: 3,
        }
    }

    #[test]
    fn decimals_are_fixed() {
        let text = accuracies(&[row()]);
        let expected = "method,examples,acc,acc_low,acc_high,acc_norm,acc_norm_low,acc_norm_high,questions\n\
                        sft-likra,64,0.40000,0.30000,0.50000,0.33333,0.00000,1.00000,3\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_sweep_has_its_weight() {
        let text = weights(&[WeightRow {
            weight: 0.9,
            accuracy: row(),
        }]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("method,examples,weight,acc,"));
        assert!(lines[1].starts_with("sft-likra,64,0.9000,0.40000,"));
    }
}
