use super::*;
use crate::Estimate;
use crate::fixture_tests::{study, table};

fn verdicts(study: &Study) -> Vec<(Verdict, Vec<Verdict>)> {
    let of = |claim: &Claim| {
        let parts = claim.parts.iter().map(|part| part.verdict).collect();
        (claim.verdict, parts)
    };
    claims(study).iter().map(of).collect()
}

/// So many questions with the same scores of a right and a wrong answer.
fn all(questions: usize, scores: [f64; 2]) -> Vec<Vec<f64>> {
    vec![scores.to_vec(); questions]
}

fn made(heads: &[(&str, usize, [f64; 2])]) -> Study {
    let columns: Vec<_> = heads
        .iter()
        .map(|&(head, examples, scores)| (head, examples, all(40, scores)))
        .collect();
    let slices: Vec<_> = columns
        .iter()
        .map(|(head, examples, column)| {
            let column: Vec<&[f64]> = column.iter().map(Vec::as_slice).collect();
            (*head, *examples, column)
        })
        .collect();
    let slices: Vec<_> = slices
        .iter()
        .map(|(h, n, c)| (*h, *n, c.as_slice()))
        .collect();
    study(table(&slices))
}

#[test]
fn without_heads_nothing_is_measured() {
    let study = made(&[("base", 0, [-1.0, -2.0])]);
    for (verdict, parts) in verdicts(&study) {
        assert_eq!(verdict, Verdict::Unmeasured);
        assert!(!parts.is_empty() && parts.iter().all(|&part| part == Verdict::Unmeasured));
    }
}

#[test]
fn a_step_at_128_examples_is_a_jump() {
    let mut heads = vec![("base", 0, [-2.0, -1.0])];
    for (examples, wrong) in [
        (32, -4.0),
        (64, -4.0),
        (128, -1.0),
        (256, -1.0),
        (512, -1.0),
    ] {
        heads.push(("positive", examples, [-2.0, -1.0]));
        // From 128 on it finds the wrong answer likelier than the right one, and takes it away.
        heads.push(("incorrect", examples, [-4.0, wrong]));
    }
    let found = verdicts(&made(&heads));
    assert_eq!(found[0], (Verdict::Yes, vec![Verdict::Yes; 4]));
    // SFT is never right and Likra always: with and without the positive head.
    assert_eq!(found[2], (Verdict::Yes, vec![Verdict::Yes; 3]));
    // Right from a weight of a third on, in 0.9 to 1.0 as elsewhere.
    assert_eq!(found[3], (Verdict::Yes, vec![Verdict::Yes; 2]));
    assert_eq!(found[4].0, Verdict::Unmeasured);

    // The same step a doubling later is none.
    let late = heads
        .iter()
        .map(|&(head, examples, scores)| (head, 4 * examples, scores));
    let found = verdicts(&made(&late.collect::<Vec<_>>()));
    assert_eq!(found[0].0, Verdict::No);
    assert_eq!(found[2].0, Verdict::Yes);
}

#[test]
fn closeness_is_a_ratio_both_ways() {
    let with = |right: f64, wrong: f64| {
        // Two and three characters.
        let scores = [2.0 * right.ln(), 3.0 * wrong.ln()];
        verdicts(&made(&[
            ("base", 0, [-1.0, -1.0]),
            ("positive", 32, scores),
        ]))[1]
            .clone()
    };
    let (yes, no) = (Verdict::Yes, Verdict::No);
    assert_eq!(with(0.5, 0.5), (yes, vec![yes, yes]));
    assert_eq!(with(0.5, 0.45), (yes, vec![yes, yes]));
    assert_eq!(with(0.5, 0.3), (no, vec![yes, no]));
    assert_eq!(with(0.3, 0.5), (no, vec![no, yes]));
}

#[test]
fn intervals_decide() {
    let at = |low, high| Estimate {
        value: f64::midpoint(low, high),
        low,
        high,
    };
    let verdict = |condition, low, high| part("x", Some(at(low, high)), condition).verdict;
    let (yes, no, open) = (Verdict::Yes, Verdict::No, Verdict::Open);
    for (condition, low, high, expected) in [
        (Condition::Above(0.0), 0.01, 0.2, yes),
        (Condition::Above(0.0), -0.2, -0.01, no),
        (Condition::Above(0.0), 0.0, 0.0, no),
        (Condition::Above(0.0), -0.1, 0.1, open),
        (Condition::Below(0.01), 0.0, 0.005, yes),
        (Condition::Below(0.01), 0.01, 0.05, no),
        (Condition::Within(0.05), -0.04, 0.05, yes),
        (Condition::Within(0.05), 0.06, 0.09, no),
        (Condition::Within(0.05), 0.04, 0.09, open),
    ] {
        assert_eq!(
            verdict(condition, low, high),
            expected,
            "{condition:?} {low} {high}"
        );
    }
}

#[test]
fn changes_have_signs() {
    let heads = [
        ("base", 0, [-2.0, -2.0]),
        ("positive", 32, [-1.0, -3.0]),
        ("incorrect", 32, [-3.0, -1.0]),
    ];
    let found = &verdicts(&made(&heads))[5];
    let (yes, none) = (Verdict::Yes, Verdict::Unmeasured);
    // There are no irrelevant and no unrelated answers here.
    assert_eq!(found, &(none, vec![yes, none, none, yes, none, yes, none]));
}
