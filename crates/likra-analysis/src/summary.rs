//! What a run has found, in a few lines of text.

use crate::{Estimate, Findings};

/// A table of all methods for a terminal, a sentence on the gain of SFT-Likra over SFT, and the claims with their
/// verdicts.
pub fn summary(findings: &Findings) -> String {
    let rows = findings.table1.iter().map(|row| {
        let label = row.method.label().to_owned();
        (label, row.examples, row.acc, row.acc_norm)
    });
    let (questions, chance) = (findings.questions, findings.chance * 100.0);
    let verdicts = findings.claims.iter().map(|claim| {
        let (number, statement) = (claim.number, &claim.statement);
        format!("{number}. [{}] {statement}\n", claim.verdict)
    });
    format!(
        "{}\nPercent [95% interval] of {questions} questions; chance is {chance:.1}. \
         acc_norm is {}.\n{}\nThe paper's claims:\n{}",
        accuracies("method", rows),
        findings.norm.describe(),
        gain(findings),
        verdicts.collect::<String>()
    )
}

/// A table of accuracies for a terminal, in percent with 95% intervals: names, numbers of examples, `acc` and
/// `acc_norm`.
pub fn accuracies(
    named: &str,
    rows: impl Iterator<Item = (String, usize, Estimate, Estimate)>,
) -> String {
    let percent = |estimate: Estimate| {
        let Estimate { value, low, high } = estimate.percent();
        format!("{value:.1} [{low:.1}, {high:.1}]")
    };
    let cells = |(name, examples, acc, acc_norm): (String, usize, Estimate, Estimate)| {
        [name, examples.to_string(), percent(acc), percent(acc_norm)]
    };
    let mut lines = vec![[named, "examples", "acc", "acc_norm"].map(String::from)];
    lines.extend(rows.map(cells));
    // Columns are as wide as their widest cell, the first to the left and the others to the right.
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max();
    let [first, second, third, fourth] = [0, 1, 2, 3].map(|column| width(column).unwrap_or(0));
    let line = |[method, examples, acc, acc_norm]: &[String; 4]| {
        format!("{method:<first$}  {examples:>second$}  {acc:>third$}  {acc_norm:>fourth$}\n")
    };
    lines.iter().map(line).collect()
}

fn gain(findings: &Findings) -> String {
    let Some(found) = findings.gain_over_sft() else {
        return String::new();
    };
    let Estimate { value, low, high } = found.gain.percent();
    format!(
        "SFT-Likra gains {value:+.1} points of {} over SFT after {} examples per head \
         (95% interval {low:+.1} to {high:+.1}, paired bootstrap over {} questions).\n",
        findings.norm.label(),
        found.examples,
        findings.questions
    )
}
