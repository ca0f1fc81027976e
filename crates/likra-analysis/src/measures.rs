//! How far a method's judgement can be trusted: measures over the probabilities that it gives to a question's choices,
//! the softmax of their scores. Intervals are by resampling questions.

use std::array::from_fn;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::harness::shares;
use crate::{Cells, Columns, Estimate, Method, Norm, Rule, ScoreTable};

/// How often questions are drawn anew for an interval.
const RESAMPLES: usize = 1000;

/// Into how many parts of equal width confidence is cut for the calibration error.
const BINS: usize = 10;

/// The measures of a method after so many training examples.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureRow {
    /// The method.
    pub method: Method,
    /// How many training examples each of its heads has seen.
    pub examples: usize,
    /// The chance that a right answer has a higher probability than a wrong one, over all pairs of answers (the area
    /// under the receiver's operating characteristic).
    pub auroc: Estimate,
    /// The expected calibration error (Guo et al. 2017, equation 3): how far the share of right choices is from the
    /// probability that they were given.
    pub calibration: Estimate,
    /// The Brier score (Brier 1950): the squared distance of the probabilities from 1 for the right choice (of several, an
    /// equal share for each) and 0 for others.
    pub brier: Estimate,
    /// The area under the curve of risk over coverage (Geifman et al. 2019): the share of wrong choices among the surest,
    /// over every number of them. Of equally sure ones each may come first.
    pub risk: Estimate,
    /// How many questions there are.
    pub questions: usize,
}

impl Cells for MeasureRow {
    fn cells(&self) -> Columns {
        Columns::default()
            .text("method", self.method.name())
            .count("examples", self.examples)
            .estimate(["auroc", "auroc_low", "auroc_high"], self.auroc)
            .estimate(["ece", "ece_low", "ece_high"], self.calibration)
            .estimate(["brier", "brier_low", "brier_high"], self.brier)
            .estimate(["aurc", "aurc_low", "aurc_high"], self.risk)
            .count("questions", self.questions)
    }
}

/// The measures of these methods after their most examples, at weight 1.
pub(crate) fn measures(methods: &[Method], table: &ScoreTable) -> Vec<MeasureRow> {
    let row = |method: &Method| {
        let examples = method.last(table)?;
        let judged = probabilities(&method.rule(table, examples, 1.0)?);
        let [auroc, calibration, brier, risk] = trust(&judged);
        Some(MeasureRow {
            method: method.clone(),
            examples,
            auroc,
            calibration,
            brier,
            risk,
            questions: table.questions().len(),
        })
    };
    methods.iter().filter_map(row).collect()
}

/// Of each question its choices with the probabilities that a rule gives them, and whether each is right.
fn probabilities(rule: &Rule) -> Vec<Vec<(f64, bool)>> {
    let of_question = |choices: Vec<(f64, bool)>| {
        let shares = shares(&choices).into_iter();
        let total: f64 = shares.clone().map(|(share, _)| share).sum();
        let probabilities = shares.map(|(share, right)| (share / total, right));
        probabilities.collect()
    };
    let questions = rule.choices(Norm::None).into_iter();
    questions.map(of_question).collect()
}

/// How far probabilities can be trusted that were given to the answers of each question, beside whether each is right:
/// AUROC, expected calibration error, Brier score, and risk over coverage, as a [`MeasureRow`] has them.
pub fn trust(questions: &[Vec<(f64, bool)>]) -> [Estimate; 4] {
    let count = questions.len();
    let (mut chosen, mut answers) = (Vec::new(), Vec::new());
    for (question, choices) in questions.iter().enumerate() {
        let (mut surest, mut brier) = ((0.0, false), 0.0);
        let rights = choices.iter().filter(|choice| choice.1).count() as f64;
        for &(probability, right) in choices {
            if probability > surest.0 {
                surest = (probability, right);
            }
            let truth = if right { rights.recip() } else { 0.0 };
            brier += (probability - truth).powi(2);
            answers.push((question, probability, right));
        }
        chosen.push((surest.0, surest.1, brier));
    }
    let mut surest: Vec<usize> = (0..count).collect();
    surest.sort_by(|&a, &b| chosen[b].0.total_cmp(&chosen[a].0));
    answers.sort_by(|a, b| a.1.total_cmp(&b.1));
    // Where each question counts so many times.
    let values = |times: &[f64]| {
        let total: f64 = times.iter().sum();
        let brier = chosen.iter().zip(times);
        let brier: f64 = brier.map(|((.., brier), times)| brier * times).sum();
        let (calibration, risk) = (calibration(&chosen, times), risk(&chosen, &surest, times));
        [
            auroc(&answers, times),
            calibration / total,
            brier / total,
            risk / total,
        ]
    };
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let resampled = (0..RESAMPLES).map(|_| {
        let mut times = vec![0.0; count];
        (0..count).for_each(|_| times[random.random_range(0..count)] += 1.0);
        values(&times)
    });
    let resampled: Vec<[f64; 4]> = resampled.collect();
    let found = values(&vec![1.0; count]);
    from_fn(|measure| {
        let mut drawn: Vec<f64> = resampled.iter().map(|values| values[measure]).collect();
        drawn.sort_by(f64::total_cmp);
        let [low, high] = [25, 975].map(|place| drawn[place * RESAMPLES / 1000]);
        let value = found[measure];
        Estimate { value, low, high }
    })
}

/// The probability of the choice at a question, whether it is right, and the Brier score.
type Chosen = (f64, bool, f64);

/// Of the question, the probability, and whether it is right, of each answer, the least likely first.
fn auroc(answers: &[(usize, f64, bool)], times: &[f64]) -> f64 {
    let (mut below, mut wins, mut right) = (0.0, 0.0, 0.0);
    for equal in answers.chunk_by(|a, b| a.1 == b.1) {
        let of = |wanted: bool| {
            let some = equal.iter().filter(|answer| answer.2 == wanted);
            some.map(|answer| times[answer.0]).sum::<f64>()
        };
        let [rights, wrongs] = [true, false].map(of);
        wins += rights * (below + wrongs / 2.0);
        below += wrongs;
        right += rights;
    }
    wins / (right * below)
}

fn calibration(chosen: &[Chosen], times: &[f64]) -> f64 {
    let mut bins = [0.0; BINS];
    for ((confidence, right, _), times) in chosen.iter().zip(times) {
        let bin = ((confidence * BINS as f64) as usize).min(BINS - 1);
        bins[bin] += times * (confidence - f64::from(*right));
    }
    bins.iter().map(|bin| bin.abs()).sum()
}

/// With the questions whose choices are the surest first.
fn risk(chosen: &[Chosen], surest: &[usize], times: &[f64]) -> f64 {
    let (mut seen, mut wrong, mut area) = (0.0, 0.0, 0.0);
    for equal in surest.chunk_by(|&a, &b| chosen[a].0 == chosen[b].0) {
        let [mut count, mut missed] = [0.0; 2];
        for &question in equal {
            count += times[question];
            missed += times[question] * f64::from(!chosen[question].1);
        }
        // The mean over all orders in which they may come.
        let steps = (1..=count as usize).map(|step| step as f64);
        area += steps
            .map(|step| (wrong + missed * step / count) / (seen + step))
            .sum::<f64>();
        seen += count;
        wrong += missed;
    }
    area
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture_tests::table;

    /// Three questions of two choices, of which the first is right; probabilities 0.9, 0.6 and 0.3 for it.
    #[test]
    fn measures_by_hand() {
        let odds = |probability: f64| (probability / (1.0 - probability)).ln();
        let scores = [0.9, 0.6, 0.3].map(|right| [odds(right), 0.0]);
        let rows: Vec<&[f64]> = scores.iter().map(|scores| &scores[..]).collect();
        let table = table(&[("base", 0, &rows)]);
        let [row] = &measures(&[Method::BASE], &table)[..] else {
            panic!("one row")
        };
        let near = |found: Estimate, expected: f64| {
            assert!(
                (found.value - expected).abs() < 1e-12,
                "{found:?} is not {expected}"
            );
            assert!(found.low <= found.value && found.value <= found.high);
        };
        // Right 0.9, 0.6, 0.3 against wrong 0.1, 0.4, 0.7: 3 + 2 + 1 of 9 pairs.
        near(row.auroc, 6.0 / 9.0);
        // Confidence 0.9, 0.6 and 0.7: of the last, the choice is wrong.
        near(row.calibration, (0.1 + 0.4 + 0.7) / 3.0);
        near(row.brier, 2.0 * (0.01 + 0.16 + 0.49) / 3.0);
        // No wrong one among the surest, one of two, one of three.
        near(row.risk, (0.0 + 0.5 + 1.0 / 3.0) / 3.0);
    }

    /// Whichever of equals stands first in the file.
    #[test]
    fn equally_sure_choices_may_come_in_any_order() {
        let question = |right: bool| vec![(0.7, right), (0.3, !right)];
        for order in [[true, false, true], [false, true, true]] {
            let [.., risk] = trust(&order.map(question));
            // A third is wrong among one, two and three of them.
            assert!((risk.value - 1.0 / 3.0).abs() < 1e-12, "{risk:?}");
        }
    }

    #[test]
    fn of_several_right_answers_each_has_its_share() {
        let [_, _, brier, _] = trust(&[vec![(0.5, true), (0.5, true), (0.0, false)]]);
        assert_eq!(brier.value, 0.0);
    }
}
