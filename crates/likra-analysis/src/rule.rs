//! How two columns of log-likelihoods become a choice.

use likra_results::{AnswerKind, ScoreRecord};

use crate::{Norm, ScoreTable};

/// A way of scoring candidates: log p+(a|q) - w log p-(a|q) (paper, section 2), where either head may
/// be any column of a table, and there may be none or several of the negative ones.
#[derive(Debug, Clone)]
pub struct Rule<'a> {
    pub(crate) table: &'a ScoreTable,
    /// Columns of the table, and how often each is added.
    pub(crate) terms: Vec<(f64, &'a [Vec<f64>])>,
    /// Whether scores are no sums over an answer's tokens, and not to be divided by its length.
    pub(crate) whole: bool,
}

impl ScoreTable {
    /// Scores candidates by one head alone; `None` if the table does not have it.
    pub fn rule(&self, head: &str, examples: usize) -> Option<Rule<'_>> {
        Some(Rule {
            table: self,
            terms: vec![(1.0, self.log_likelihoods(head, examples)?)],
            whole: false,
        })
    }
}

impl Rule<'_> {
    /// The same rule minus `weight` times the log-likelihood under another head; `None` if the table
    /// does not have it.
    pub fn minus(mut self, weight: f64, head: &str, examples: usize) -> Option<Self> {
        let column = self.table.log_likelihoods(head, examples)?;
        self.terms.push((-weight, column));
        Some(self)
    }

    /// The scores of all candidates, in nats, by question and then by candidate.
    pub fn scores(&self) -> Vec<Vec<f64>> {
        let terms = &self.terms;
        let sum = |at: usize, place: usize| terms.iter().map(|(n, of)| n * of[at][place]).sum();
        let questions = self.table.questions().iter().enumerate();
        let scores = questions.map(|(at, question)| {
            let places = 0..question.candidates.len();
            places.map(|place| sum(at, place)).collect()
        });
        scores.collect()
    }

    /// The scores of each question's choices, divided as `norm` says, with whether they are right.
    pub(crate) fn choices(&self, norm: Norm) -> Vec<Vec<(f64, bool)>> {
        let norm = if self.whole { Norm::None } else { norm };
        let questions = self.table.questions().iter().zip(self.scores());
        let each = questions.map(|(one, scores)| choices(one.candidates.iter().zip(scores), norm));
        each.collect()
    }

    /// For each question whether the choice of the highest score is the right one. Of equal scores
    /// the first is taken, as `NumPy` does for the harness.
    pub fn right(&self, norm: Norm) -> Vec<bool> {
        let questions = self.choices(norm).into_iter();
        let right = questions.map(|choices| highest(choices) == Some(true));
        right.collect()
    }
}

/// Of candidates with scores the scores of the choices, divided as `norm` says, with whether they are right.
pub(crate) fn choices<'a>(
    scored: impl Iterator<Item = (&'a ScoreRecord, f64)>,
    norm: Norm,
) -> Vec<(f64, bool)> {
    let choices = scored.filter(|(candidate, _)| candidate.kind.is_choice());
    let is_right = |choice: &ScoreRecord| choice.kind == AnswerKind::Correct;
    let choices = choices.map(|(choice, score)| (score / norm.divisor(choice), is_right(choice)));
    choices.collect()
}

/// What has the highest score, and of equals the first.
pub fn highest<S: PartialOrd, T>(scored: impl IntoIterator<Item = (S, T)>) -> Option<T> {
    let scored = scored.into_iter();
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map(|(_, best)| best)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture_tests::{records, score, table};

    #[test]
    fn the_ratio_is_weighted_and_then_divided_by_characters() {
        // Candidates have 2, 3 and 4 characters.
        let table = table(&[
            ("base", 0, &[&[-4.0, -3.0, -6.0]]),
            ("incorrect", 64, &[&[-4.0, -2.0, -5.0]]),
        ]);
        let base = table.rule("base", 0).unwrap();
        // Per character: -2, -1, -1.5.
        assert_eq!(base.right(Norm::None), [false]);
        assert_eq!(base.right(Norm::Chars), [false]);
        let ratio = base.clone().minus(1.0, "incorrect", 64).unwrap();
        assert_eq!(ratio.scores(), [[0.0, -1.0, -1.0]]);
        assert_eq!(ratio.right(Norm::None), [true]);
        let half = base.minus(0.5, "incorrect", 64).unwrap();
        // Per character: -1, -2/3, -7/8.
        assert_eq!(half.scores(), [[-2.0, -2.0, -3.5]]);
        assert_eq!(half.right(Norm::None), [true]);
        assert_eq!(half.right(Norm::Chars), [false]);
    }

    #[test]
    fn every_normalisation_has_its_own_choice() {
        // Tokens, characters and bytes are such that each candidate is the best by one of the four.
        let candidates = [
            (-10.0, 1, 1, 1),    // Per byte -10, per character -10, per token -10.
            (-40.0, 10, 10, 20), // Per byte -2, per character -4, per token -4.
            (-24.0, 4, 10, 10),  // Per byte -2.4, per character -2.4, per token -6.
            (-39.0, 13, 13, 13), // Per byte -3, per character -3, per token -3.
        ];
        let chosen = [Norm::None, Norm::Bytes, Norm::Chars, Norm::Tokens];
        for (right, expected) in chosen.into_iter().enumerate() {
            let record = |(place, (value, tokens, chars, bytes))| {
                let gold = place == right;
                let kind = if gold {
                    AnswerKind::Correct
                } else {
                    AnswerKind::Incorrect
                };
                let of_base = score("base", 0, 0, place, value);
                ScoreRecord {
                    kind,
                    tokens,
                    chars,
                    bytes,
                    ..of_base
                }
            };
            let records: Vec<_> = candidates.into_iter().enumerate().map(record).collect();
            let table = ScoreTable::new(&records).unwrap();
            for norm in Norm::ALL {
                let found = table.rule("base", 0).unwrap().right(norm);
                assert_eq!(
                    found,
                    [norm == expected],
                    "candidate {right} under {norm:?}"
                );
            }
        }
    }

    #[test]
    fn of_equal_scores_the_first_is_taken() {
        let tie = table(&[("base", 0, &[&[-1.0, -1.0], &[-2.0, -1.0, -1.0]])]);
        assert_eq!(
            tie.rule("base", 0).unwrap().right(Norm::None),
            [true, false]
        );
        // Two and three characters, so that the tie is per character only.
        let tie = table(&[("base", 0, &[&[-2.0, -3.0]])]);
        assert_eq!(tie.rule("base", 0).unwrap().right(Norm::Chars), [true]);
    }

    #[test]
    fn answers_that_are_not_choices_are_never_chosen() {
        let mut all = records("base", 0, &[&[-3.0, -4.0]]);
        all.push(ScoreRecord {
            kind: AnswerKind::Unrelated,
            ..score("base", 0, 0, 2, -0.1)
        });
        let table = ScoreTable::new(&all).unwrap();
        assert_eq!(table.rule("base", 0).unwrap().right(Norm::None), [true]);
    }

    #[test]
    fn what_the_table_does_not_have_makes_no_rule() {
        let table = table(&[("base", 0, &[&[-1.0]])]);
        assert!(table.rule("positive", 64).is_none());
        assert!(table.rule("base", 64).is_none());
        assert!(
            table
                .rule("base", 0)
                .unwrap()
                .minus(1.0, "incorrect", 64)
                .is_none()
        );
    }

    /// Log-likelihoods that are sums of few bits, so that adding to them is exact.
    fn any_scores() -> impl Strategy<Value = Vec<[f64; 4]>> {
        let score = (-800_i32..0).prop_map(|eighths| f64::from(eighths) / 8.0);
        prop::collection::vec(prop::array::uniform4(score), 1..20)
    }

    fn columns(positive: &[[f64; 4]], negative: &[[f64; 4]]) -> ScoreTable {
        let slices = |scores: &[[f64; 4]]| scores.iter().map(|q| q.to_vec()).collect::<Vec<_>>();
        let (positive, negative) = (slices(positive), slices(negative));
        let positive: Vec<&[f64]> = positive.iter().map(Vec::as_slice).collect();
        let negative: Vec<&[f64]> = negative.iter().map(Vec::as_slice).collect();
        table(&[("base", 0, &positive), ("incorrect", 64, &negative)])
    }

    proptest! {
        #[test]
        fn a_constant_added_to_a_question_changes_no_choice(
            scores in any_scores(),
            shift in -100_i32..100,
        ) {
            let shifted: Vec<[f64; 4]> =
                scores.iter().map(|question| question.map(|score| score + f64::from(shift))).collect();
            let right = |scores: &[[f64; 4]]| {
                columns(scores, scores).rule("base", 0).unwrap().right(Norm::None)
            };
            prop_assert_eq!(right(&scores), right(&shifted));
        }

        #[test]
        fn weight_zero_is_the_positive_head_alone(pair in (any_scores(), any_scores())) {
            let length = pair.0.len().min(pair.1.len());
            let table = columns(&pair.0[..length], &pair.1[..length]);
            let alone = table.rule("base", 0).unwrap();
            let weighted = alone.clone().minus(0.0, "incorrect", 64).unwrap();
            for norm in Norm::ALL {
                prop_assert_eq!(alone.right(norm), weighted.right(norm));
            }
        }

        #[test]
        fn a_head_less_itself_takes_the_first_choice(scores in any_scores()) {
            let table = columns(&scores, &scores);
            let rule = table.rule("base", 0).unwrap().minus(1.0, "incorrect", 64).unwrap();
            for norm in Norm::ALL {
                prop_assert!(rule.right(norm).into_iter().all(|right| right));
            }
        }
    }
}
