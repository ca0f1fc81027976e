//! Two methods over the same questions: paired differences and tests.

use crate::method::NEGATIVE;
use crate::{Cells, Columns, Estimate, Method, Negative, Study, bootstrap};

/// The accuracy of one method less that of another after so many examples.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The one.
    pub method: Method,
    /// The other.
    pub other: Method,
    /// How many training examples each head has seen.
    pub examples: usize,
    /// The difference of their accuracies by normalised scores, with an interval over questions that are
    /// resampled in pairs.
    pub gain: Estimate,
    /// The questions that only the one answers right, and those that only the other does.
    pub only: (usize, usize),
    /// `McNemar`'s exact two-sided test: the chance of a split at least as uneven if both were equally good.
    pub p: f64,
    /// The same, adjusted for all comparisons of the study by Holm's method.
    pub adjusted: f64,
}

impl Cells for Comparison {
    fn cells(&self) -> Columns {
        Columns::default()
            .text("method", self.method.name())
            .text("other", self.other.name())
            .count("examples", self.examples)
            .estimate(["gain", "gain_low", "gain_high"], self.gain)
            .count("only_method", self.only.0)
            .count("only_other", self.only.1)
            .number("p", self.p, 6)
            .number("p_holm", self.adjusted, 6)
    }
}

/// Every comparison that the figures invite, after every number of examples that both have.
pub(crate) fn comparisons(study: &Study) -> Vec<Comparison> {
    let mut found: Vec<Comparison> = Vec::new();
    for (method, other) in pairs(study) {
        let examples = method.examples(&study.table).into_iter();
        found.extend(examples.filter_map(|n| compare(study, &method, &other, n)));
    }
    adjust(&mut found);
    found
}

/// Pairs of methods, of which the first is trained.
fn pairs(study: &Study) -> Vec<(Method, Method)> {
    let mut pairs = vec![
        (Method::SFT_LIKRA, Method::SFT),
        (Method::SFT_LIKRA, Method::BASE),
        (Method::BASE_LIKRA, Method::SFT),
        (Method::BASE_LIKRA, Method::BASE),
        (Method::SFT_LIKRA, Method::BASE_LIKRA),
        (Method::SFT, Method::BASE),
    ];
    // SFT-Likra's own head has been compared with SFT above.
    let other = |negative: &&Negative| negative.is_pure() && negative.head != NEGATIVE;
    let negatives = study.negatives.iter().filter(other);
    pairs.extend(negatives.map(|negative| (negative.method(), Method::SFT)));
    let pairs_of_heads = [
        ("incorrect", "irrelevant"),
        ("irrelevant", "unrelated"),
        ("hardest", "incorrect"),
        ("incorrect", "easiest"),
    ];
    let likra = |head| Method::likra_with(head, head);
    pairs.extend(pairs_of_heads.map(|(one, other)| (likra(one), likra(other))));
    // Of the controls, SFT-Likra and SFT are the first two.
    let controls = study.controls().into_iter().skip(2);
    pairs.extend(controls.map(|control| (Method::SFT_LIKRA, control)));
    // What was chosen may be what there was, which is tested once, under its own name.
    let mut rivals = study.rivals();
    rivals.sort_by_key(Method::is_chosen);
    for rival in rivals {
        // The base's PMI is a control, too.
        if !Method::TABLE1.contains(&rival) && rival != Method::BASE_PMI {
            pairs.extend(Method::LIKRA.map(|likra| (likra, rival.clone())));
        }
    }
    let mut distinct: Vec<(Method, Method)> = Vec::new();
    for (one, other) in pairs {
        let is_there = |known: &(Method, Method)| known.0.is_same(&one) && known.1.is_same(&other);
        if !one.is_same(&other) && !distinct.iter().any(is_there) {
            distinct.push((one, other));
        }
    }
    distinct
}

/// One comparison; `None` if a method is not defined there.
fn compare(study: &Study, method: &Method, other: &Method, examples: usize) -> Option<Comparison> {
    let right = right(study, method, examples)?;
    let other_right = self::right(study, other, examples)?;
    let only = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|&(&a, &b)| a && !b).count();
    let only = (only(&right, &other_right), only(&other_right, &right));
    let p = mcnemar(only.0, only.1);
    Some(Comparison {
        method: method.clone(),
        other: other.clone(),
        examples,
        gain: bootstrap::gain(&right, &other_right),
        only,
        p,
        adjusted: p,
    })
}

/// Which questions a method answers right; what has no trained head does so after any number of examples.
pub(crate) fn right(study: &Study, method: &Method, examples: usize) -> Option<Vec<bool>> {
    let examples = if method.is_untrained() { 0 } else { examples };
    Some(method.rule(&study.table, examples, 1.0)?.right(study.norm))
}

/// `McNemar`'s exact test, two-sided: of the questions that one method alone answers right, the share that is the
/// first method's is that of heads in throws of a coin (`McNemar` 1947).
fn mcnemar(wins: usize, losses: usize) -> f64 {
    let heads = bootstrap::power(&[0.5, 0.5], wins + losses);
    let tail: f64 = heads[..=wins.min(losses)].iter().sum();
    (2.0 * tail).min(1.0)
}

/// Holm's step-down adjustment (Holm 1979), which keeps the chance of any false finding below the level.
fn adjust(comparisons: &mut [Comparison]) {
    let mut order: Vec<usize> = (0..comparisons.len()).collect();
    order.sort_by(|&a, &b| comparisons[a].p.total_cmp(&comparisons[b].p));
    let mut least: f64 = 0.0;
    for (rank, &place) in order.iter().enumerate() {
        let left = (order.len() - rank) as f64;
        least = least.max((comparisons[place].p * left).min(1.0));
        comparisons[place].adjusted = least;
    }
}

/// The gain of a method over another in a study's own norm.
pub(crate) fn gain(study: &Study, pair: [(&Method, usize); 2]) -> Option<Estimate> {
    let [one, other] = pair.map(|(method, examples)| right(study, method, examples));
    Some(bootstrap::gain(&one?, &other?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture_tests::{study, table};

    #[test]
    fn mcnemar_by_hand() {
        let is = |wins, losses, p: f64| (mcnemar(wins, losses) - p).abs() < 1e-12;
        assert!(is(0, 0, 1.0) && is(1, 0, 1.0) && is(5, 5, 1.0));
        // Ten throws, one or none the other way: 2 (1 + 10) / 1024.
        assert!(is(9, 1, 22.0 / 1024.0) && is(1, 9, 22.0 / 1024.0));
        assert!(mcnemar(700, 300) < 1e-30);
    }

    #[test]
    fn holm_by_hand() {
        let one = |p| Comparison {
            method: Method::SFT,
            other: Method::BASE,
            examples: 32,
            gain: Estimate {
                value: 0.0,
                low: 0.0,
                high: 0.0,
            },
            only: (0, 0),
            p,
            adjusted: p,
        };
        let mut found = [0.04, 0.01, 0.03, 0.5].map(one);
        adjust(&mut found);
        let adjusted = found.map(|comparison| comparison.adjusted);
        let expected = [0.09, 0.04, 0.09, 0.5];
        for (found, expected) in adjusted.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{adjusted:?}");
        }
    }

    #[test]
    fn what_is_untrained_is_compared_after_every_number_of_examples() {
        let study = study(table(&[
            ("base", 0, &[&[-2.0, -1.0], &[-2.0, -1.0]]),
            ("positive", 32, &[&[-1.0, -2.0], &[-2.0, -1.0]]),
            ("positive", 64, &[&[-1.0, -2.0], &[-1.0, -2.0]]),
            ("incorrect", 64, &[&[-1.0, -1.0], &[-1.0, -1.0]]),
        ]));
        let found = comparisons(&study);
        let rows = |method: &str, other: &str| -> Vec<(usize, f64, (usize, usize))> {
            let of = |c: &&Comparison| (c.method.name(), c.other.name()) == (method, other);
            let row = |c: &Comparison| (c.examples, c.gain.value, c.only);
            found.iter().filter(of).map(row).collect()
        };
        assert_eq!(rows("sft", "base"), [(32, 0.5, (1, 0)), (64, 1.0, (2, 0))]);
        assert_eq!(rows("sft-likra", "sft"), [(64, 0.0, (0, 0))]);
        assert!(rows("sft-likra", "base-pmi").is_empty());
    }
}
