//! The paper's six claims, each as a check of a study's scores.
//!
//! A part is decided by a 95% interval: it is found if the whole interval meets its condition, not found if
//! none of it does, and open otherwise. A claim is found if all its parts are, and not found if one is not.

mod parts;
#[cfg(test)]
mod tests;

use likra_results::AnswerKind;

use self::parts::{Condition, after, change, difference, mean_of, part, points};
use crate::comparisons::{gain, right};
use crate::method::{NEGATIVE, POSITIVE};
use crate::rule::highest;
use crate::{Cells, Columns, Method, Study, bootstrap, likelihood};

pub use self::parts::{Part, Verdict};

/// Something that the paper says, and whether it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Its number in the list, from 1.
    pub number: usize,
    /// What the paper says.
    pub statement: &'static str,
    /// Where it says so.
    pub source: &'static str,
    /// Whether it was found.
    pub verdict: Verdict,
    /// What the verdict rests on.
    pub parts: Vec<Part>,
}

/// A part of a claim is a row of `claims.csv`.
impl Cells for (&Claim, &Part) {
    fn cells(&self) -> Columns {
        let (claim, part) = self;
        Columns::default()
            .count("claim", claim.number)
            .text("statement", claim.statement)
            .text("source", claim.source)
            .text("verdict", claim.verdict)
            .text("measured", &part.what)
            .text("found", &part.value)
            .text("asked_for", &part.condition)
            .text("part_verdict", part.verdict)
    }
}

/// What the paper says and where, a claim a line, in the order of its figures.
const CLAIMS: &str = include_str!("claims.txt");

/// All claims.
pub(crate) fn claims(study: &Study) -> Vec<Claim> {
    let parts: [fn(&Study) -> Vec<Part>; 6] =
        [jump, close, without_positive, weight, plausible, changes];
    let claim = |((number, line), parts): ((_, &'static str), fn(&Study) -> _)| {
        let (source, statement) = line.split_once(": ").unwrap_or_default();
        let parts: Vec<Part> = parts(study);
        let verdicts = parts.iter().map(|part| part.verdict);
        Claim {
            number,
            statement,
            source,
            verdict: verdicts.max().unwrap_or(Verdict::Unmeasured),
            parts,
        }
    };
    (1..).zip(CLAIMS.lines()).zip(parts).map(claim).collect()
}

/// Claim 1.
fn jump(study: &Study) -> Vec<Part> {
    let likra = &Method::SFT_LIKRA;
    let step = |from, to| {
        let what = format!("SFT-Likra after {to} examples minus after {from}");
        let found = gain(study, [(likra, to), (likra, from)]);
        part(&what, found, Condition::Above(0.0))
    };
    let (whole, half) = (step(64, 256), step(64, 128));
    vec![whole, half, steepest(study), sft_per_doubling(study)]
}

/// Which questions a method answers right after so many examples.
type Answered = (usize, Vec<bool>);

/// Whether the steepest of SFT-Likra's steps lies between 64 and 256.
fn steepest(study: &Study) -> Part {
    let likra = &Method::SFT_LIKRA;
    let examples = likra.examples(&study.table);
    let answered = examples.iter();
    let answered = answered.filter_map(|&n| Some((n, right(study, likra, n)?)));
    let answered: Vec<Answered> = answered.collect();
    let (within, without): (Vec<_>, Vec<_>) = answered.windows(2).partition(|step| {
        let [from, to] = [step[0].0, step[1].0];
        from >= 64 && to <= 256
    });
    let both = largest(within).zip(largest(without));
    let found = both.map(|((place, within), (other, without))| {
        let more = bootstrap::difference(within, without);
        let [[from, to], [other_from, other_to]] = [place, other];
        let value = format!(
            "from {from} to {to}, by {} more than from {other_from} to {other_to}",
            points(more)
        );
        (value, Condition::Above(0.0).verdict(more))
    });
    let what = "SFT-Likra's steepest step between 64 and 256, to its steepest elsewhere";
    Part::new(what, &Condition::Above(0.0).words(), found)
}

/// The numbers of examples of the step that gains most, and what is answered right after and before it.
fn largest(steps: Vec<&[Answered]>) -> Option<([usize; 2], [&[bool]; 2])> {
    highest(steps.into_iter().map(|step| {
        let [(from, before), (to, after)] = [&step[0], &step[1]];
        let gained = bootstrap::gain(after, before).value;
        (gained, ([*from, *to], [&after[..], &before[..]]))
    }))
}

/// What SFT gains with each doubling of its examples, from its first checkpoint to its last.
fn sft_per_doubling(study: &Study) -> Part {
    let sft = Method::SFT;
    let examples = sft.examples(&study.table);
    let ends = examples.first().zip(examples.last());
    let found = ends.and_then(|(&first, &last)| {
        let doublings = (last as f64 / first as f64).log2();
        let total = gain(study, [(&sft, last), (&sft, first)])?;
        (doublings >= 1.0).then(|| total.map(|share| share / doublings))
    });
    let what = "SFT's gain with each doubling, on average";
    part(what, found, Condition::Below(0.01))
}

/// Claim 2: each of the two mean likelihoods is at least four fifths of the other, at the end of training.
fn close(study: &Study) -> Vec<Part> {
    let Some((last, column)) = likelihood::columns(&study.table, POSITIVE).pop() else {
        let what = "mean likelihoods per character at the end of SFT";
        return vec![Part::new(what, "each at least 0.8 of the other", None)];
    };
    let (correct, wrong) = likelihood::likelihoods(&study.table, column);
    let after = format!(", after {last} examples");
    let at_least = |(a_name, a): (&str, &[f64]), (b_name, b): (&str, &[f64])| {
        let what =
            format!("likelihood per character of {a_name}, to that of {b_name}{after} of SFT");
        // Decided by the mean over questions of the one less 0.8 of the other.
        let rest: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - 0.8 * b).collect();
        let means = mean_of(a).zip(mean_of(b)).zip(mean_of(&rest));
        let found = means.map(|((a, b), rest)| {
            let (a, b) = (a.value, b.value);
            let value = format!("{a:.3} to {b:.3}, which is {:.2} of it", a / b);
            (value, Condition::Above(0.0).verdict(rest))
        });
        Part::new(&what, "at least 0.80", found)
    };
    let correct = ("the right answer", correct.as_slice());
    let wrong = ("the most likely wrong one", wrong.as_slice());
    vec![at_least(correct, wrong), at_least(wrong, correct)]
}

/// Claim 3.
fn without_positive(study: &Study) -> Vec<Part> {
    let (likra, base_likra, sft) = (&Method::SFT_LIKRA, &Method::BASE_LIKRA, &Method::SFT);
    let last = likra.last(&study.table);
    vec![
        compared(study, [likra, base_likra], last, Condition::Within(0.05)),
        compared(study, [likra, sft], last, Condition::Above(0.05)),
        compared(study, [base_likra, sft], last, Condition::Above(0.05)),
    ]
}

/// How much better a method is than another after so many examples.
fn compared(study: &Study, pair: [&Method; 2], examples: Option<usize>, asked: Condition) -> Part {
    let ([method, other], after) = (pair, after(examples));
    let what = format!("{} minus {}{after}", method.label(), other.label());
    let found = examples.and_then(|n| gain(study, [(method, n), (other, n)]));
    part(&what, found, asked)
}

/// Claim 4.
fn weight(study: &Study) -> Vec<Part> {
    let likra = Method::SFT_LIKRA;
    let last = likra.last(&study.table);
    let right = |weight: f64| {
        let rule = likra.rule(&study.table, last?, weight)?;
        Some(rule.right(study.norm))
    };
    let swept = study.weights.iter().filter_map(|&w| Some((w, right(w)?)));
    let mut swept: Vec<(f64, Vec<bool>)> = swept.collect();
    // Of equally good ones that nearest to 1.
    swept.sort_by(|(a, _), (b, _)| (a - 1.0).abs().total_cmp(&(b - 1.0).abs()));
    let (within, without): (Vec<_>, Vec<_>) =
        (swept.iter()).partition(|(weight, _)| (0.9 - 1e-9..=1.0 + 1e-9).contains(weight));
    let peak = best(within)
        .zip(best(without))
        .map(|((inside, within), (outside, without))| {
            let lost = bootstrap::gain(without, within);
            let words = points(lost);
            let found = format!("{words}, with weights {outside:.2} and {inside:.2}");
            (found, Condition::Below(0.01).verdict(lost))
        });
    let rise = right(0.0).zip(right(1.0));
    let rise = rise.map(|(none, whole)| bootstrap::gain(&whole, &none));
    let what = "SFT-Likra at weight 1 minus at weight 0";
    vec![
        Part::new(
            "SFT-Likra at its best other weight minus at its best weight from 0.9 to 1.0",
            &Condition::Below(0.01).words(),
            peak,
        ),
        part(what, rise, Condition::Above(0.0)),
    ]
}

/// The weight with which most questions are answered right, of equals the first.
fn best(weights: Vec<&(f64, Vec<bool>)>) -> Option<&(f64, Vec<bool>)> {
    let count = |right: &[bool]| right.iter().filter(|&&right| right).count();
    highest(weights.into_iter().map(|one| (count(&one.1), one)))
}

/// Claim 5, for each pair after the most examples that both have seen.
fn plausible(study: &Study) -> Vec<Part> {
    let with = |head: &str| Method::likra_with(head, &format!("Likra with {head}"));
    let compared = |method: &Method, other: &Method| {
        let examples = method.examples(&study.table).into_iter();
        let last = examples.rev().find(|&n| right(study, other, n).is_some());
        compared(study, [method, other], last, Condition::Above(0.0))
    };
    let (irrelevant, unrelated) = (with("irrelevant"), with("unrelated"));
    vec![
        compared(&with(NEGATIVE), &irrelevant),
        compared(&irrelevant, &unrelated),
        compared(&unrelated, &Method::SFT),
    ]
}

/// Claim 6, at the last checkpoint of each head.
fn changes(study: &Study) -> Vec<Part> {
    use AnswerKind::{Correct, Incorrect, Irrelevant, Unrelated};
    let rises = |head, kind| change(study, head, kind, Condition::Above(0.0));
    let falls = |head, kind| change(study, head, kind, Condition::Below(0.0));
    vec![
        rises(NEGATIVE, Incorrect),
        rises(NEGATIVE, Irrelevant),
        difference(study, NEGATIVE, Incorrect, Irrelevant),
        falls(NEGATIVE, Correct),
        falls(NEGATIVE, Unrelated),
        rises(POSITIVE, Correct),
        falls(POSITIVE, Unrelated),
    ]
}
