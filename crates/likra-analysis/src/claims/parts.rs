//! Numbers that claims rest on, in words and with a verdict.

use std::fmt;

use likra_results::AnswerKind;

use crate::{Estimate, Study, likelihood, mean};

/// Whether something was found; of several the greatest decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It was.
    Yes,
    /// It was measured, and that does not decide it.
    Open,
    /// The run has nothing to say on it.
    Unmeasured,
    /// The contrary was.
    No,
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

    pub(super) fn verdict(self, found: Estimate) -> Verdict {
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

impl Part {
    /// A part of what was found, in words and with a verdict, if it could be measured.
    pub(super) fn new(what: &str, condition: &str, found: Option<(String, Verdict)>) -> Self {
        let (value, verdict) = found.unwrap_or_else(|| ("–".into(), Verdict::Unmeasured));
        Self {
            what: what.into(),
            value,
            condition: condition.into(),
            verdict,
        }
    }
}

/// A difference of accuracies, if it could be measured.
pub(super) fn part(what: &str, found: Option<Estimate>, condition: Condition) -> Part {
    let found = found.map(|found| (points(found), condition.verdict(found)));
    Part::new(what, &condition.words(), found)
}

/// `+5.5 points (+2.4 to +8.6)`, of shares of one.
pub(super) fn points(found: Estimate) -> String {
    let Estimate { value, low, high } = found.percent();
    format!("{value:+.1} points ({low:+.1} to {high:+.1})")
}

/// ` after 64 examples`; nothing if there are none.
pub(super) fn after(examples: Option<usize>) -> String {
    let after = examples.map(|examples| format!(" after {examples} examples"));
    after.unwrap_or_default()
}

/// How a head has changed what it thinks of a kind of answer, at its last checkpoint.
pub(super) fn change(study: &Study, head: &str, kind: AnswerKind, condition: Condition) -> Part {
    let (at, changes) = last(study, head, kind);
    let what = format!("log-likelihood per character of {kind} answers under the {head} head{at}");
    in_nats(&what, &changes, condition)
}

/// How much more a head has raised one kind of answer than another of the same question.
pub(super) fn difference(study: &Study, head: &str, kind: AnswerKind, other: AnswerKind) -> Part {
    let ((at, one), (_, two)) = (last(study, head, kind), last(study, head, other));
    let what = format!("the same, {kind} minus {other}{at}");
    // Every question has both, or they could not be told apart in pairs.
    let pairs = one.iter().zip(&two).filter(|_| one.len() == two.len());
    let more: Vec<f64> = pairs.map(|(one, two)| one - two).collect();
    in_nats(&what, &more, Condition::Above(0.0))
}

/// The last checkpoint of a head in words, and its changes of the answers of a kind; none without a checkpoint.
fn last(study: &Study, head: &str, kind: AnswerKind) -> (String, Vec<f64>) {
    let last = likelihood::columns(&study.table, head).pop();
    let changes = last.map(|(_, column)| likelihood::changes(&study.table, column, kind));
    let examples = last.map(|(examples, _)| examples);
    (after(examples), changes.unwrap_or_default())
}

fn in_nats(what: &str, changes: &[f64], condition: Condition) -> Part {
    let is_fall = matches!(condition, Condition::Below(_));
    let found = mean_of(changes).map(|found| {
        let Estimate { value, low, high } = found;
        let nats = format!("{value:+.3} nats ({low:+.3} to {high:+.3})");
        (nats, condition.verdict(found))
    });
    Part::new(what, if is_fall { "falls" } else { "rises" }, found)
}

/// The mean over questions, if there are any.
pub(super) fn mean_of(values: &[f64]) -> Option<Estimate> {
    (!values.is_empty()).then(|| mean::over_questions(values))
}
