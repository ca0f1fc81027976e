//! From two log-likelihoods to a probability: the weight, the length and the calibration are chosen on answers that no
//! head has learned, and how well that does is measured on other answers than those that it was chosen on.

use likra_analysis::{Estimate, accuracy, highest, logistic_regression, trust};
use serde::{Deserialize, Serialize};

use crate::Judgement;

/// What two heads think of an answer, in nats, and how long it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// log p+(a|q).
    pub positive: f64,
    /// log p-(a|q).
    pub negative: f64,
    /// Its characters.
    pub chars: usize,
}

/// How a judge goes from log-likelihoods to probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Calibration {
    /// How much the negative head counts.
    pub weight: f64,
    /// Whether answers are ranked by nats per character, and not by nats.
    pub per_character: bool,
    /// What a unit of the score adds to the log-odds of a good answer (Platt 1999).
    pub slope: f64,
    /// The log-odds at a score of 0.
    pub constant: f64,
}

/// How well a judge does, each with a 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Performance {
    /// How many prompts with good and bad answers there were.
    pub prompts: usize,
    /// How often the best answer is a good one.
    pub accuracy: Interval,
    /// The chance that a good answer has a higher probability than a bad one.
    pub auroc: Interval,
    /// The squared distance of the probabilities from the truth, summed over the answers to a prompt.
    pub brier: Interval,
    /// How far the best answer's probability is from how often it is good.
    pub calibration_error: Interval,
}

/// A value, and the ends of its interval.
pub type Interval = [f64; 3];

fn interval(estimate: Estimate) -> Interval {
    [estimate.value, estimate.low, estimate.high]
}

/// Answers to a prompt, each with whether it is good.
pub type Labelled = Vec<(Scored, bool)>;

/// The weights that are tried.
const WEIGHTS: u8 = 15;

/// What keeps few answers from a slope that is too steep, as scikit-learn has it by default.
const PENALTY: f64 = 1.0;

/// Into how many parts the prompts are cut to measure how well a choice does on others.
const FOLDS: usize = 5;

impl Calibration {
    /// The paper's weight and length, and scores as they are.
    const PAPER: Self = Self {
        weight: 1.0,
        per_character: true,
        slope: 1.0,
        constant: 0.0,
    };

    /// What is best on these prompts: the weight and the length that put most good answers before bad ones, of equals
    /// those nearest to the paper's (1, per character); and a logistic regression on the score.
    pub fn fit(prompts: &[&Labelled]) -> Self {
        let mut weights: Vec<f64> = (0..=WEIGHTS).map(|n| f64::from(n) / 10.0).collect();
        weights.sort_by(|a, b| (a - 1.0).abs().total_cmp(&(b - 1.0).abs()));
        let (mut rule, mut most) = (Self::PAPER, -1.0);
        for per_character in [true, false] {
            for &weight in &weights {
                let tried = Self {
                    weight,
                    per_character,
                    ..Self::PAPER
                };
                let wins = prompts.iter().map(|answers| tried.wins(answers)).sum();
                if wins > most {
                    (rule, most) = (tried, wins);
                }
            }
        }
        let answers = prompts.iter().flat_map(|answers| answers.iter());
        let scored = answers.map(|(scored, good)| ([rule.score(scored)], *good));
        let (scores, good): (Vec<[f64; 1]>, Vec<bool>) = scored.unzip();
        let ([slope], constant) = logistic_regression(&scores, &good, PENALTY);
        if !scores.is_empty() && slope.is_finite() && constant.is_finite() {
            (rule.slope, rule.constant) = (slope, constant);
        }
        rule
    }

    /// Of all pairs of a good and a bad answer to one prompt the share that stands in order.
    fn wins(&self, answers: &Labelled) -> f64 {
        let of = |wanted: bool| {
            let some = answers.iter().filter(move |(_, good)| *good == wanted);
            some.map(|(scored, _)| self.score(scored))
        };
        let pairs = of(true).flat_map(|good| of(false).map(move |bad| good - bad));
        let wins: Vec<f64> = pairs.map(|margin| f64::from(margin > 0.0)).collect();
        wins.iter().sum::<f64>() / wins.len().max(1) as f64
    }

    /// log p+ - w log p-, in nats.
    fn ratio(&self, scored: &Scored) -> f64 {
        scored.positive - self.weight * scored.negative
    }

    fn ratio_per_character(&self, scored: &Scored) -> f64 {
        self.ratio(scored) / scored.chars.max(1) as f64
    }

    /// What answers are ranked by.
    fn score(&self, scored: &Scored) -> f64 {
        match self.per_character {
            true => self.ratio_per_character(scored),
            false => self.ratio(scored),
        }
    }

    fn probability(&self, scored: &Scored) -> f64 {
        let odds = self.slope * self.score(scored) + self.constant;
        1.0 / (1.0 + (-odds).exp())
    }

    /// What a judge says of answers to a prompt; of equal scores the first is the best.
    pub fn judge(&self, answers: &[Scored]) -> Judgement {
        let ranked = |at: usize| self.score(&answers[at]);
        let mut order: Vec<usize> = (0..answers.len()).collect();
        order.sort_by(|&a, &b| ranked(b).total_cmp(&ranked(a)));
        let mut rank = vec![0; answers.len()];
        for (place, &answer) in (1..).zip(&order) {
            rank[answer] = place;
        }
        let each = |value: fn(&Self, &Scored) -> f64| {
            let values = answers.iter().map(|answer| value(self, answer));
            values.collect()
        };
        Judgement {
            scores: each(Self::ratio),
            scores_per_character: each(Self::ratio_per_character),
            probabilities: each(Self::probability),
            rank,
            best: order.first().copied().unwrap_or_default(),
        }
    }
}

impl Performance {
    /// How well calibrations do on prompts that they were not fitted on, each on a fifth of them; nothing if there are
    /// too few.
    pub fn of_others(prompts: &[Labelled]) -> Option<Self> {
        let mut judged = Vec::new();
        for fold in 0..FOLDS {
            let is_own = |(place, _): &(usize, &Labelled)| place % FOLDS == fold;
            let places = prompts.iter().enumerate();
            let others = places.clone().filter(|one| !is_own(one));
            let others: Vec<&Labelled> = others.map(|(_, answers)| answers).collect();
            let rule = Calibration::fit(&others);
            judged.extend(places.filter(is_own).map(|(_, answers)| {
                let (answers, labels): (Vec<Scored>, Vec<bool>) = answers.iter().copied().unzip();
                (rule.judge(&answers), labels)
            }));
        }
        Self::of(&judged)
    }

    /// How well these judgements fit the labels; nothing if no prompt has good and bad answers.
    pub fn of(judged: &[(Judgement, Vec<bool>)]) -> Option<Self> {
        let mixed = judged.iter().filter(|(_, good)| is_mixed(good));
        let right = mixed.clone().map(|(judgement, good)| good[judgement.best]);
        let right: Vec<bool> = right.collect();
        if right.is_empty() {
            return None;
        }
        let questions = mixed.map(|(judgement, good)| {
            let probabilities = judgement.probabilities.iter().copied();
            probabilities.zip(good.iter().copied()).collect()
        });
        let questions: Vec<Vec<(f64, bool)>> = questions.collect();
        let [auroc, calibration, brier, _] = trust(&questions);
        Some(Self {
            prompts: right.len(),
            accuracy: interval(accuracy(&right)),
            auroc: interval(auroc),
            brier: interval(brier),
            calibration_error: interval(calibration),
        })
    }
}

fn is_mixed(good: &[bool]) -> bool {
    good.contains(&true) && good.contains(&false)
}

/// How often the answer with the highest score is a good one, over prompts with good and bad answers; nothing if there
/// are none.
pub fn accuracy_of(prompts: &[(Vec<f64>, Vec<bool>)]) -> Option<Interval> {
    let mixed = prompts.iter().filter(|(_, good)| is_mixed(good));
    let right = mixed.map(|(scores, good)| highest(scores.iter().zip(good)) == Some(&true));
    let right: Vec<bool> = right.collect();
    (!right.is_empty()).then(|| interval(accuracy(&right)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(positive: f64, negative: f64, chars: usize) -> Scored {
        Scored {
            positive,
            negative,
            chars,
        }
    }

    /// The negative head alone knows which answers are bad, and long answers are as good as short ones.
    fn prompts() -> Vec<Labelled> {
        let noise = |n: usize| (n as f64 * 1.7).sin();
        let prompt = |n: usize| {
            let (good, bad) = (10 + n % 7, 10 + n % 5);
            let likely = |chars: usize| -(chars as f64);
            vec![
                (
                    scored(likely(good) + noise(n), likely(good) - 4.0, good),
                    true,
                ),
                (
                    scored(
                        likely(bad) + noise(n + 1),
                        likely(bad) + 1.0 + noise(3 * n),
                        bad,
                    ),
                    false,
                ),
            ]
        };
        (0..40).map(prompt).collect()
    }

    #[test]
    fn the_weight_is_found_that_tells_good_from_bad() {
        let prompts = prompts();
        let all: Vec<&Labelled> = prompts.iter().collect();
        let found = Calibration::fit(&all);
        assert!(found.weight > 0.4 && found.slope > 0.0, "{found:?}");
        let performance = Performance::of_others(&prompts).unwrap();
        assert_eq!(performance.prompts, 40);
        assert!(
            performance.accuracy[0] > 0.95 && performance.auroc[0] > 0.95,
            "{performance:?}"
        );
        assert!(performance.brier[0] < 0.2, "{performance:?}");
    }

    #[test]
    fn judgements_by_hand() {
        let rule = Calibration {
            weight: 0.5,
            per_character: true,
            slope: 2.0,
            constant: -1.0,
        };
        let judgement = rule.judge(&[
            scored(-4.0, -2.0, 3),
            scored(-2.0, -6.0, 2),
            scored(-4.0, -2.0, 3),
        ]);
        assert_eq!(judgement.scores, [-3.0, 1.0, -3.0]);
        assert_eq!(judgement.scores_per_character, [-1.0, 0.5, -1.0]);
        assert_eq!(judgement.rank, [2, 1, 3]);
        assert_eq!(judgement.best, 1);
        let expected = [(-3.0_f64), 0.0, -3.0].map(|odds| 1.0 / (1.0 + (-odds).exp()));
        assert_eq!(judgement.probabilities, expected);
        assert_eq!(
            Performance::of(&[(judgement, vec![true, true, true])]),
            None
        );
    }
}
