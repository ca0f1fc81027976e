//! What a run has found, in a few lines of text.

use crate::{AccuracyRow, Estimate, Findings};

/// A table of all methods for a terminal, a sentence on the gain of SFT-Likra over SFT, and the claims with their
/// verdicts.
#[must_use]
pub fn summary(findings: &Findings) -> String {
    let mut lines = vec![["method", "examples", "acc", "acc_norm"].map(String::from)];
    lines.extend(findings.table1.iter().map(cells));
    let (questions, chance) = (findings.questions, findings.chance * 100.0);
    let verdicts = findings.claims.iter().map(|claim| {
        let (number, statement) = (claim.number, &claim.statement);
        format!("{number}. [{}] {statement}\n", claim.verdict)
    });
    format!(
        "{}\nPercent [95% interval] of {questions} questions; chance is {chance:.1}. \
         acc_norm is {}.\n{}\nThe paper's claims:\n{}",
        aligned(&lines),
        findings.norm.describe(),
        gain(findings),
        verdicts.collect::<String>()
    )
}

fn cells(row: &AccuracyRow) -> [String; 4] {
    let percent = |estimate: Estimate| {
        let Estimate { value, low, high } = estimate.percent();
        format!("{value:.1} [{low:.1}, {high:.1}]")
    };
    let (method, examples) = (row.method.label(), row.examples);
    [
        method.into(),
        examples.to_string(),
        percent(row.acc),
        percent(row.acc_norm),
    ]
}

/// Columns as wide as their widest cell, the first to the left and the others to the right.
fn aligned(lines: &[[String; 4]]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max();
    let [first, second, third, fourth] = [0, 1, 2, 3].map(|column| width(column).unwrap_or(0));
    let line = |[method, examples, acc, acc_norm]: &[String; 4]| {
        format!("{method:<first$}  {examples:>second$}  {acc:>third$}  {acc_norm:>fourth$}\n")
    };
    lines.iter().map(line).collect()
}

fn gain(findings: &Findings) -> String {
    let Some(gain) = findings.gain else {
        return String::new();
    };
    let Estimate { value, low, high } = gain.acc_norm.percent();
    format!(
        "SFT-Likra gains {value:+.1} points of {} over SFT after {} examples per head \
         (95% interval {low:+.1} to {high:+.1}, paired bootstrap over {} questions).\n",
        findings.norm.label(),
        gain.examples,
        findings.questions
    )
}
