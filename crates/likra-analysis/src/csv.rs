//! Rows as CSV; shares of one and likelihoods to five decimals. Names may hold commas, so that a writer quotes.

use std::fmt::Display;

use crate::html::ClaimView;
use crate::{AccuracyRow, Comparison, Estimate, LikelihoodRow, SeedsRow, WeightRow};

const ACCURACY: [&str; 7] = [
    "acc",
    "acc_low",
    "acc_high",
    "acc_norm",
    "acc_norm_low",
    "acc_norm_high",
    "questions",
];

pub(crate) fn accuracies(rows: &[AccuracyRow]) -> String {
    let line = |row: &AccuracyRow| {
        let own = [row.method.name().to_owned(), row.examples.to_string()];
        own.into_iter().chain(accuracy(row)).collect()
    };
    let header = ["method", "examples"].into_iter().chain(ACCURACY);
    table(header, rows.iter().map(line))
}

pub(crate) fn weights(rows: &[WeightRow]) -> String {
    let line = |WeightRow {
                    weight,
                    accuracy: row,
                }: &WeightRow| {
        let (method, examples) = (row.method.name().to_owned(), row.examples.to_string());
        let own = [method, examples, format!("{weight:.4}")];
        own.into_iter().chain(accuracy(row)).collect()
    };
    let header = ["method", "examples", "weight"].into_iter().chain(ACCURACY);
    table(header, rows.iter().map(line))
}

pub(crate) fn likelihoods(rows: &[LikelihoodRow]) -> String {
    let line = |row: &LikelihoodRow| {
        let mut cells = vec![
            row.head.to_owned(),
            row.kind.to_string(),
            row.examples.to_string(),
        ];
        cells.extend(decimals(row.mean));
        cells.push(row.questions.to_string());
        cells
    };
    let header = [
        "head",
        "answer",
        "examples",
        "mean",
        "low",
        "high",
        "questions",
    ];
    table(header, rows.iter().map(line))
}

pub(crate) fn comparisons(rows: &[Comparison]) -> String {
    let line = |row: &Comparison| {
        let mut cells = vec![
            row.method.name().to_owned(),
            row.other.name().to_owned(),
            row.examples.to_string(),
        ];
        cells.extend(decimals(row.gain));
        cells.extend([row.only.0, row.only.1].map(|count| count.to_string()));
        cells.extend([row.p, row.adjusted].map(|p| format!("{p:.6}")));
        cells
    };
    let header = [
        "method",
        "other",
        "examples",
        "gain",
        "gain_low",
        "gain_high",
        "only_method",
        "only_other",
        "p",
        "p_holm",
    ];
    table(header, rows.iter().map(line))
}

pub(crate) fn seeds(rows: &[SeedsRow]) -> String {
    let seeds = rows.first().map_or(&[][..], |row| &row.acc_norm);
    let seeds = seeds.iter().map(|(seed, _)| format!("seed_{seed}"));
    let header = ["method", "examples", "mean", "low", "high"].map(String::from);
    let header = header.into_iter().chain(seeds).chain(["questions".into()]);
    let line = |row: &SeedsRow| {
        let mut cells = vec![row.method.name().to_owned(), row.examples.to_string()];
        cells.extend(decimals(row.mean));
        cells.extend(row.acc_norm.iter().map(|(_, share)| format!("{share:.5}")));
        cells.push(row.questions.to_string());
        cells
    };
    table(header, rows.iter().map(line))
}

pub(crate) fn claims(claims: &[ClaimView]) -> String {
    let header = [
        "claim",
        "statement",
        "source",
        "verdict",
        "measured",
        "found",
        "asked_for",
        "part_verdict",
    ];
    let lines = claims.iter().flat_map(|claim| {
        claim.parts.iter().map(|part| {
            vec![
                claim.number.to_string(),
                claim.statement.clone(),
                claim.source.clone(),
                claim.verdict.to_string(),
                part.what.clone(),
                part.value.clone(),
                part.condition.clone(),
                part.verdict.to_string(),
            ]
        })
    });
    table(header, lines)
}

fn accuracy(row: &AccuracyRow) -> Vec<String> {
    let [acc, acc_norm] = [row.acc, row.acc_norm].map(decimals);
    let cells = acc.into_iter().chain(acc_norm);
    cells.chain([row.questions.to_string()]).collect()
}

fn decimals(estimate: Estimate) -> [String; 3] {
    let Estimate { value, low, high } = estimate;
    // Plus zero, so that nothing is a negative zero.
    [value, low, high].map(|value| format!("{:.5}", value + 0.0))
}

fn table<H: Display>(
    header: impl IntoIterator<Item = H>,
    lines: impl Iterator<Item = Vec<String>>,
) -> String {
    let header = header.into_iter().map(|name| name.to_string()).collect();
    let line = |cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        cells.join(",") + "\n"
    };
    [header].into_iter().chain(lines).map(line).collect()
}

/// A field as RFC 4180 has it.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;

    fn row() -> AccuracyRow {
        AccuracyRow {
            method: Method::sft_likra(),
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

    #[test]
    fn commas_and_quotes_are_quoted() {
        let text = table(
            ["a", "b"],
            [vec!["x, \"y\"".into(), "z".into()]].into_iter(),
        );
        assert_eq!(text, "a,b\n\"x, \"\"y\"\"\",z\n");
    }
}
