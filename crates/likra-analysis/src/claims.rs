//! The paper's six claims, each as a check of a study's scores.
//!
//! A part is decided by a 95% interval: it is found if the whole interval meets its condition, not found if
//! none of it does, and open otherwise. A claim is found if all its parts are, and not found if one is not.

mod parts;
#[cfg(test)]
mod tests;

use likra_results::AnswerKind;

use self::parts::{Condition, change, difference, part, unmeasured};
use crate::cell::RowBuilder;
use crate::comparisons::{gain, right};
use crate::method::{NEGATIVE, POSITIVE};
use crate::{Cell, Cells, Estimate, Method, Study, bootstrap, likelihood, mean};

pub use self::parts::{Part, Verdict};

/// Something that the paper says, and whether it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Its number in the list, from 1.
    pub number: usize,
    /// What the paper says.
    pub statement: String,
    /// Where it says so.
    pub source: String,
    /// Whether it was found.
    pub verdict: Verdict,
    /// What the verdict rests on.
    pub parts: Vec<Part>,
}

/// A part of a claim is a row of `claims.csv`.
impl Cells for (&Claim, &Part) {
    fn cells(&self) -> Vec<(String, Cell)> {
        let (claim, part) = self;
        RowBuilder::default()
            .count("claim", claim.number)
            .text("statement", &claim.statement)
            .text("source", &claim.source)
            .text("verdict", claim.verdict)
            .text("measured", &part.what)
            .text("found", &part.value)
            .text("asked_for", &part.condition)
            .text("part_verdict", part.verdict)
            .cells()
    }
}

/// All claims, in the order of the paper's figures.
pub(crate) fn claims(study: &Study) -> Vec<Claim> {
    let claims: [(&str, &str, Vec<Part>); 6] = [
        (
            "Likra jumps between 64 and 256 negative examples, while SFT gains less than a point with each doubling.",
            "Figure 1, section 3.2",
            jump(study),
        ),
        (
            "During supervised fine-tuning the right answer and the most likely wrong answer stay about equally likely.",
            "Figure 2, section 3.1",
            close(study),
        ),
        (
            "Likra works about as well without positive examples, and far better than SFT either way.",
            "Figure 3, section 4.1",
            without_positive(study),
        ),
        (
            "Accuracy rises with the weight of the negative head and is best at 0.9 to 1.0.",
            "Figure 4, section 4.2",
            weight(study),
        ),
        (
            "The more plausible wrong answers are, the more they help; even unrelated ones help more than SFT.",
            "Figure 5, section 4.3",
            plausible(study),
        ),
        (
            "The negative head makes incorrect answers more likely, irrelevant ones too but less so, and right ones less \
             likely; unrelated ones become less likely under both heads.",
            "Figure 6, section 4.4",
            changes(study),
        ),
    ];
    (1..)
        .zip(claims)
        .map(|(number, (statement, source, parts))| Claim {
            number,
            statement: statement.into(),
            source: source.into(),
            verdict: verdict(&parts),
            parts,
        })
        .collect()
}

/// What the parts of a claim say together.
fn verdict(parts: &[Part]) -> Verdict {
    let any = |verdict| parts.iter().any(|part| part.verdict == verdict);
    [Verdict::No, Verdict::Unmeasured, Verdict::Open]
        .into_iter()
        .find(|&verdict| any(verdict))
        .unwrap_or(Verdict::Yes)
}

/// Claim 1.
fn jump(study: &Study) -> Vec<Part> {
    let likra = Method::sft_likra();
    let step = |from, to| {
        let what = format!("SFT-Likra after {to} examples minus after {from}");
        let found = gain(study, (&likra, to), (&likra, from));
        part(&what, found, Condition::Above(0.0))
    };
    vec![
        step(64, 256),
        step(64, 128),
        steepest(study),
        sft_per_doubling(study),
    ]
}

/// Whether the steepest of SFT-Likra's steps lies between 64 and 256.
fn steepest(study: &Study) -> Part {
    let what = "SFT-Likra's steepest step between two numbers of examples";
    let condition = "between 64 and 256";
    let likra = Method::sft_likra();
    let examples = likra.examples(&study.table);
    let step = |pair: &[usize]| {
        let gain = gain(study, (&likra, pair[1]), (&likra, pair[0]))?;
        Some((pair[0], pair[1], gain))
    };
    let steps: Vec<(usize, usize, Estimate)> = examples.windows(2).filter_map(step).collect();
    let inside = |(from, to, _): &(usize, usize, Estimate)| *from >= 64 && *to <= 256;
    let steeper = |a: &(usize, usize, Estimate), b: &(usize, usize, Estimate)| {
        a.2.value.total_cmp(&b.2.value)
    };
    let best = steps.iter().copied().max_by(steeper);
    let within = steps.iter().copied().filter(inside).max_by(steeper);
    let (Some(best), Some(within)) = (best, within) else {
        return unmeasured(what, condition);
    };
    let verdict = match inside(&best) {
        true => Verdict::Yes,
        // As far as the intervals tell, a step within could be the steepest.
        false if within.2.high >= best.2.value => Verdict::Open,
        false => Verdict::No,
    };
    let points = best.2.percent();
    Part {
        what: what.into(),
        value: format!("from {} to {}: {}", best.0, best.1, parts::points(points)),
        condition: condition.into(),
        verdict,
    }
}

/// What SFT gains with each doubling of its examples, from its first checkpoint to its last.
fn sft_per_doubling(study: &Study) -> Part {
    let (sft, what) = (Method::sft(), "SFT's gain with each doubling, on average");
    let condition = Condition::Below(0.01);
    let examples = sft.examples(&study.table);
    let (Some(&first), Some(&last)) = (examples.first(), examples.last()) else {
        return unmeasured(what, &condition.words());
    };
    let doublings = (last as f64 / first as f64).log2();
    if doublings < 1.0 {
        return unmeasured(what, &condition.words());
    }
    let found = gain(study, (&sft, last), (&sft, first)).map(|total| Estimate {
        value: total.value / doublings,
        low: total.low / doublings,
        high: total.high / doublings,
    });
    part(what, found, condition)
}

/// Claim 2: each of the two mean likelihoods is at least four fifths of the other, at the end of training.
fn close(study: &Study) -> Vec<Part> {
    let name = |examples| format!("after {examples} examples of SFT");
    let Some(last) = Method::sft().last(&study.table) else {
        let what = "mean likelihoods per character at the end of SFT";
        return vec![unmeasured(what, "each at least 0.8 of the other")];
    };
    let column = study.table.log_likelihoods(POSITIVE, last);
    let (correct, wrong) = column.map_or_else(
        || (Vec::new(), Vec::new()),
        |column| likelihood::likelihoods(&study.table, column),
    );
    let [mean_correct, mean_wrong] =
        [&correct, &wrong].map(|values| mean::over_questions(values).value);
    let at_least = |(a, a_mean, a_name): (&[f64], f64, &str),
                    (b, b_mean, b_name): (&[f64], f64, &str)| {
        // Decided by the mean over questions of the one less 0.8 of the other.
        let rest: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - 0.8 * b).collect();
        let rest = (!rest.is_empty()).then(|| mean::over_questions(&rest));
        Part {
            value: format!(
                "{:.3} to {:.3}, which is {:.2} of it",
                a_mean,
                b_mean,
                a_mean / b_mean
            ),
            condition: "at least 0.80".into(),
            ..part(
                &format!(
                    "likelihood per character of {a_name}, to that of {b_name}, {}",
                    name(last)
                ),
                rest,
                Condition::Above(0.0),
            )
        }
    };
    let correct = (correct.as_slice(), mean_correct, "the right answer");
    let wrong = (wrong.as_slice(), mean_wrong, "the most likely wrong one");
    vec![at_least(correct, wrong), at_least(wrong, correct)]
}

/// Claim 3.
fn without_positive(study: &Study) -> Vec<Part> {
    let (likra, base_likra, sft) = (Method::sft_likra(), Method::base_likra(), Method::sft());
    let last = likra.last(&study.table);
    let compared = |method: &Method, other: &Method, condition| {
        let at = last.map_or_else(String::new, |last| format!(" after {last} examples"));
        let what = format!("{} minus {}{at}", method.label(), other.label());
        let found = last.and_then(|last| gain(study, (method, last), (other, last)));
        part(&what, found, condition)
    };
    vec![
        compared(&likra, &base_likra, Condition::Within(0.05)),
        compared(&likra, &sft, Condition::Above(0.05)),
        compared(&base_likra, &sft, Condition::Above(0.05)),
    ]
}

/// Claim 4.
fn weight(study: &Study) -> Vec<Part> {
    let what = "the best weight of SFT-Likra";
    let likra = Method::sft_likra();
    let right = |weight: f64| {
        let rule = likra.rule(&study.table, likra.last(&study.table)?, weight)?;
        Some(rule.right(study.norm))
    };
    let count = |right: &[bool]| right.iter().filter(|&&right| right).count();
    let swept = study.weights.iter().filter_map(|&w| Some((w, right(w)?)));
    let swept: Vec<(f64, Vec<bool>)> = swept.collect();
    let more = |a: &&(f64, Vec<bool>), b: &&(f64, Vec<bool>)| count(&a.1).cmp(&count(&b.1));
    let inside = |w: f64| (0.9 - 1e-9..=1.0 + 1e-9).contains(&w);
    let best = swept.iter().max_by(more);
    let within = swept.iter().filter(|(w, _)| inside(*w)).max_by(more);
    let peak = match (best, within) {
        (Some(best), Some(within)) => {
            // How much is lost by staying between 0.9 and 1.0.
            let lost = bootstrap::gain(&best.1, &within.1);
            let verdict = match () {
                () if lost.value <= 0.0 => Verdict::Yes,
                () if lost.low > 0.0 => Verdict::No,
                () => Verdict::Open,
            };
            Part {
                what: what.into(),
                value: format!(
                    "{:.2}, {} above the best from 0.9 to 1.0",
                    best.0,
                    parts::points(lost.percent())
                ),
                condition: "from 0.9 to 1.0".into(),
                verdict,
            }
        }
        _ => unmeasured(what, "from 0.9 to 1.0"),
    };
    let (none, whole) = (right(0.0), right(1.0));
    let rise = none
        .zip(whole)
        .map(|(none, whole)| bootstrap::gain(&whole, &none));
    vec![
        peak,
        part(
            "SFT-Likra at weight 1 minus at weight 0",
            rise,
            Condition::Above(0.0),
        ),
    ]
}

/// Claim 5, for each pair after the most examples that both have seen.
fn plausible(study: &Study) -> Vec<Part> {
    let with = |head: &str| {
        let negative = study
            .negatives
            .iter()
            .find(|negative| negative.head == head);
        Method::likra_with(head, negative.map_or(head, |negative| &negative.label))
    };
    let compared = |method: &Method, other: &Method| {
        let examples = method.examples(&study.table);
        let common = examples.into_iter().rev();
        let last = common
            .into_iter()
            .find(|&n| right(study, other, n).is_some());
        let at = last.map_or_else(String::new, |last| format!(" after {last} examples"));
        let what = format!("Likra with {} minus {}{at}", method.label(), other.label());
        let found = last.and_then(|last| gain(study, (method, last), (other, last)));
        part(&what, found, Condition::Above(0.0))
    };
    let (irrelevant, unrelated) = (with("irrelevant"), with("unrelated"));
    vec![
        compared(&with(NEGATIVE), &irrelevant),
        compared(&irrelevant, &unrelated),
        compared(&unrelated, &Method::sft()),
    ]
}

/// Claim 6, at the last checkpoint of each head.
fn changes(study: &Study) -> Vec<Part> {
    let rises = Condition::Above(0.0);
    let falls = Condition::Below(0.0);
    vec![
        change(study, NEGATIVE, AnswerKind::Incorrect, rises),
        change(study, NEGATIVE, AnswerKind::Irrelevant, rises),
        difference(
            study,
            NEGATIVE,
            AnswerKind::Incorrect,
            AnswerKind::Irrelevant,
        ),
        change(study, NEGATIVE, AnswerKind::Correct, falls),
        change(study, NEGATIVE, AnswerKind::Unrelated, falls),
        change(study, POSITIVE, AnswerKind::Correct, rises),
        change(study, POSITIVE, AnswerKind::Unrelated, falls),
    ]
}
