//! What a run has found, in a few lines of text.

use crate::comparisons::gain as gained;
use crate::html::ClaimView;
use crate::{AccuracyRow, Estimate, Method, Norm, Study, claims, table1};

/// What SFT-Likra gains over SFT.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gain {
    /// After how many training examples per head.
    pub examples: usize,
    /// The difference of their accuracies by normalised scores as a share of one, with an interval over resampled
    /// questions, on which both methods are compared in pairs.
    pub acc_norm: Estimate,
    /// How many questions there are.
    pub questions: usize,
}

/// What SFT-Likra gains over SFT after the most examples that both heads have seen; `None` if there
/// are no such heads.
#[must_use]
pub fn gain(study: &Study) -> Option<Gain> {
    let (likra, sft) = (Method::sft_likra(), Method::sft());
    let examples = likra.last(&study.table)?;
    Some(Gain {
        examples,
        acc_norm: gained(study, (&likra, examples), (&sft, examples))?,
        questions: study.table.questions().len(),
    })
}

/// A table of all methods for a terminal, a sentence on the gain of SFT-Likra over SFT, and the claims with their
/// verdicts.
#[must_use]
pub fn summary(study: &Study) -> String {
    let (table, norm) = (&study.table, study.norm);
    let mut lines = vec![["method", "examples", "acc", "acc_norm"].map(String::from)];
    lines.extend(table1(table, norm).iter().map(cells));
    let (questions, chance) = (table.questions().len(), table.chance() * 100.0);
    let gain = gain(study).map_or_else(String::new, |gain| sentence(&gain, norm));
    let claims: String = claims(study).iter().map(verdict).collect();
    format!(
        "{}\nPercent [95% interval] of {questions} questions; chance is {chance:.1}. \
         acc_norm is {}.\n{gain}\nThe paper's claims:\n{claims}",
        aligned(&lines),
        norm.describe()
    )
}

fn verdict(claim: &ClaimView) -> String {
    let (number, statement) = (claim.number, &claim.statement);
    format!("{number}. [{}] {statement}\n", claim.verdict)
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

fn sentence(gain: &Gain, norm: Norm) -> String {
    let Estimate { value, low, high } = gain.acc_norm.percent();
    let Gain {
        examples,
        questions,
        ..
    } = gain;
    format!(
        "SFT-Likra gains {value:+.1} points of {} over SFT after {examples} examples per head \
         (95% interval {low:+.1} to {high:+.1}, paired bootstrap over {questions} questions).\n",
        norm.label()
    )
}
