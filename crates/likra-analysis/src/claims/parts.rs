//! Numbers that claims rest on, in words and with a verdict.

use std::fmt;

use likra_results::AnswerKind;

use crate::{Estimate, Study, likelihood, mean};

/// Whether something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was.
    Yes,
    /// The contrary was.
    No,
    /// It was measured, and that does not decide it.
    Open,
    /// The run has nothing to say on it.
    Unmeasured,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Open => "open",
            Self::Unmeasured => "not measured",
        })
    }
}

/// A number that a claim rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What was measured.
    pub what: String,
    /// What was found.
    pub value: String,
    /// What had to be found.
    pub condition: String,
    /// Whether it was.
    pub verdict: Verdict,
}

/// What has to hold of a number and its whole interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Condition {
    /// It is greater.
    Above(f64),
    /// It is less.
    Below(f64),
    /// Its distance from 0 is at most this.
    Within(f64),
}

impl Condition {
    /// For a share, in points.
    pub(super) fn words(self) -> String {
        match self {
            Self::Above(limit) => format!("above {:.0}", limit * 100.0),
            Self::Below(limit) => format!("below {:.0}", limit * 100.0),
            Self::Within(limit) => format!("at most {:.0} to either side", limit * 100.0),
        }
    }

    fn verdict(self, found: Estimate) -> Verdict {
        let Estimate { low, high, .. } = found;
        let (met, missed) = match self {
            Self::Above(limit) => (low > limit, high <= limit),
            Self::Below(limit) => (high < limit, low >= limit),
            Self::Within(limit) => (low >= -limit && high <= limit, low > limit || high < -limit),
        };
        match (met, missed) {
            (true, _) => Verdict::Yes,
            (_, true) => Verdict::No,
            _ => Verdict::Open,
        }
    }
}

/// A difference of accuracies, if it could be measured.
pub(super) fn part(what: &str, found: Option<Estimate>, condition: Condition) -> Part {
    match found {
        None => unmeasured(what, &condition.words()),
        Some(found) => Part {
            what: what.into(),
            value: points(found.percent()),
            condition: condition.words(),
            verdict: condition.verdict(found),
        },
    }
}

pub(super) fn unmeasured(what: &str, condition: &str) -> Part {
    Part {
        what: what.into(),
        value: "–".into(),
        condition: condition.into(),
        verdict: Verdict::Unmeasured,
    }
}

/// `+5.5 points (+2.4 to +8.6)`.
pub(super) fn points(found: Estimate) -> String {
    let Estimate { value, low, high } = found;
    format!("{value:+.1} points ({low:+.1} to {high:+.1})")
}

/// How a head has changed what it thinks of a kind of answer, at its last checkpoint.
pub(super) fn change(study: &Study, head: &str, kind: AnswerKind, condition: Condition) -> Part {
    let (examples, at) = last(study, head);
    let what = format!("log-likelihood per character of {kind} answers under the {head} head{at}");
    let values = likelihood::changes(&study.table, head, examples, kind);
    in_nats(&what, &values, condition)
}

/// How much more a head has raised one kind of answer than another of the same question.
pub(super) fn difference(study: &Study, head: &str, kind: AnswerKind, other: AnswerKind) -> Part {
    let (examples, at) = last(study, head);
    let what = format!("the same, {kind} minus {other}{at}");
    let of = |kind| likelihood::changes(&study.table, head, examples, kind);
    let (one, other) = (of(kind), of(other));
    // Every question has both, or they could not be told apart in pairs.
    let values: Vec<f64> = if one.len() == other.len() {
        one.iter()
            .zip(&other)
            .map(|(one, other)| one - other)
            .collect()
    } else {
        Vec::new()
    };
    in_nats(&what, &values, Condition::Above(0.0))
}

fn in_nats(what: &str, values: &[f64], condition: Condition) -> Part {
    let words = match condition {
        Condition::Above(_) => "rises",
        Condition::Below(_) => "falls",
        Condition::Within(_) => "stays",
    };
    if values.is_empty() {
        return unmeasured(what, words);
    }
    let found = mean::over_questions(values);
    let Estimate { value, low, high } = found;
    Part {
        what: what.into(),
        value: format!("{value:+.3} nats ({low:+.3} to {high:+.3})"),
        condition: words.into(),
        verdict: condition.verdict(found),
    }
}

/// The last checkpoint of a head, also in words; 0 if it has none, where no change is measured.
fn last(study: &Study, head: &str) -> (usize, String) {
    let examples = study.table.examples().into_iter().rev();
    let trained = |&n: &usize| n > 0 && study.table.log_likelihoods(head, n).is_some();
    match examples.into_iter().find(trained) {
        Some(last) => (last, format!(" after {last} examples")),
        None => (usize::MAX, String::new()),
    }
}
