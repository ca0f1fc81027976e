//! Which solved questions stand before a question.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, PythonRandom, Question, Result};

/// Whether all questions stand after the same shots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ShotRule {
    /// They do: what they begin with is computed once a head.
    #[default]
    Fixed,
    /// Each has its own, drawn by one generator that runs through the questions in order, as
    /// lm-evaluation-harness does.
    PerQuestion,
}

/// Which solved questions stand before a question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shots {
    /// How many.
    pub count: usize,
    /// Whether they are the same for all questions.
    pub rule: ShotRule,
    /// The ids of fixed ones, in order, of which the first `count` are taken.
    pub ids: Option<Vec<String>>,
    /// The seed that they are drawn by. Without one, fixed shots are the first of the pool, and those
    /// per question are drawn with [`HARNESS_SEED`].
    pub seed: Option<u64>,
}

/// The seed of lm-evaluation-harness (0.4.13, the fourth number of `--seed`) for drawing shots.
pub const HARNESS_SEED: u64 = 1234;

/// The same `count` shots for every question: the first of `pool`, or, with a seed, what Python's
/// `random.Random(seed).sample(pool, count)` takes from it.
///
/// # Errors
///
/// If the pool has fewer questions.
pub(crate) fn fixed(pool: &[Question], count: usize, seed: Option<u64>) -> Result<Vec<&Question>> {
    check(pool, count)?;
    Ok(match seed {
        None => pool[..count].iter().collect(),
        Some(seed) => draw(pool, count, &mut PythonRandom::new(seed)),
    })
}

/// The shots with these ids, in this order.
///
/// # Errors
///
/// If the pool lacks one.
pub(crate) fn by_id<'a>(
    pool: &'a [Question],
    ids: &[impl AsRef<str>],
) -> Result<Vec<&'a Question>> {
    let find = |id: &str| pool.iter().find(|question| question.id() == id);
    ids.iter()
        .map(AsRef::as_ref)
        .map(|id| {
            find(id).ok_or_else(|| Error::UnknownShot {
                id: id.into(),
                pool: pool.len(),
            })
        })
        .collect()
}

/// Other shots for every question, drawn by one generator that runs through the questions in order,
/// as lm-evaluation-harness does.
///
/// An iterator without end: the first draw is for the first question. So a run over the first
/// questions of a test gives them the same shots as a run over all.
#[derive(Debug, Clone)]
pub(crate) struct PerQuestion<'a> {
    pool: &'a [Question],
    count: usize,
    /// How many are drawn, of which the first `count` are given.
    drawn: usize,
    rng: PythonRandom,
}

impl<'a> PerQuestion<'a> {
    /// Draws `count` shots from `pool` for each question; the harness's own `seed` is [`HARNESS_SEED`].
    ///
    /// # Errors
    ///
    /// If the pool has fewer questions.
    pub(crate) fn new(pool: &'a [Question], count: usize, seed: u64) -> Result<Self> {
        check(pool, count)?;
        Ok(Self {
            pool,
            count,
            drawn: count,
            rng: PythonRandom::new(seed),
        })
    }

    /// Draws `count + 1` shots for each question and gives the first `count`, as the harness does for
    /// `hellaswag`; for `arc_challenge` it does what [`new`](Self::new) does.
    ///
    /// The spare one would stand in for the question itself, if that were drawn. The harness draws it
    /// where a task names one split for shots and for the test, and takes `hellaswag`, which names
    /// neither, for such a task (`fewshot_context` in `lm_eval/api/task.py`, version 0.4.13). Its
    /// shots come from the training set, so a question is never among them.
    ///
    /// # Errors
    ///
    /// If the pool has fewer questions than are drawn.
    pub(crate) fn with_spare(pool: &'a [Question], count: usize, seed: u64) -> Result<Self> {
        let shots = Self::new(pool, count, seed)?;
        // Without shots, the harness draws nothing.
        let drawn = if count == 0 { 0 } else { count + 1 };
        if drawn > pool.len() {
            return Err(Error::NoSpareShot { count });
        }
        Ok(Self { drawn, ..shots })
    }
}

impl<'a> Iterator for PerQuestion<'a> {
    type Item = Vec<&'a Question>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut shots = draw(self.pool, self.drawn, &mut self.rng);
        shots.truncate(self.count);
        Some(shots)
    }
}

fn check(pool: &[Question], count: usize) -> Result<()> {
    if count > pool.len() {
        return Err(Error::TooManyShots {
            count,
            pool: pool.len(),
        });
    }
    Ok(())
}

fn draw<'a>(pool: &'a [Question], count: usize, rng: &mut PythonRandom) -> Vec<&'a Question> {
    rng.sample(pool.len(), count)
        .into_iter()
        .map(|place| &pool[place])
        .collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        arc_shots: ArcShots,
    }

    /// `random.Random(seed).sample` over ARC-Challenge-Train, of which there are only ids here.
    #[derive(Deserialize)]
    struct ArcShots {
        seed: u64,
        pool: usize,
        places: Vec<usize>,
        ids: Vec<String>,
    }

    fn golden() -> ArcShots {
        let text = include_str!("../../../fixtures/data/python_random.json");
        serde_json::from_str::<Golden>(text).unwrap().arc_shots
    }

    fn pool(size: usize) -> Vec<Question> {
        let choices = || vec!["a".into(), "b".into()];
        (0..size)
            .map(|place| Question::new(place.to_string(), "?".into(), choices(), 0).unwrap())
            .collect()
    }

    fn places(shots: &[&Question]) -> Vec<usize> {
        shots
            .iter()
            .map(|shot| shot.id().parse().unwrap())
            .collect()
    }

    #[test]
    fn without_a_seed_the_first_are_taken_and_with_one_pythons_sample() {
        let golden = golden();
        let pool = pool(golden.pool);
        assert_eq!(places(&fixed(&pool, 3, None).unwrap()), [0, 1, 2]);
        let drawn = fixed(&pool, golden.places.len(), Some(golden.seed)).unwrap();
        assert_eq!(places(&drawn), golden.places);
        assert_eq!(golden.ids[0], "CSZ10245");
    }

    #[test]
    fn one_generator_runs_through_the_questions() {
        let pool = pool(40);
        let drawn: Vec<_> = PerQuestion::new(&pool, 25, 1234).unwrap().take(3).collect();
        let mut rng = PythonRandom::new(1234);
        for shots in drawn {
            assert_eq!(places(&shots), rng.sample(40, 25));
        }
    }

    #[test]
    fn a_spare_shot_is_drawn_and_not_given() {
        let pool = pool(40);
        let drawn = PerQuestion::with_spare(&pool, 10, 1234).unwrap().take(3);
        let mut rng = PythonRandom::new(1234);
        for shots in drawn {
            assert_eq!(places(&shots), rng.sample(40, 11)[..10]);
        }
    }

    #[test]
    fn without_shots_no_spare_is_needed() {
        let mut none = PerQuestion::with_spare(&[], 0, 1).unwrap();
        assert_eq!(none.next(), Some(Vec::new()));
    }

    #[test]
    fn shots_are_found_by_id_in_the_order_asked() {
        let pool = pool(5);
        assert_eq!(places(&by_id(&pool, &["3", "0"]).unwrap()), [3, 0]);
        let error = by_id(&pool, &["3", "x"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no question `x` among the 5 questions that shots are taken from"
        );
    }

    #[test]
    fn more_shots_than_questions_are_refused() {
        let pool = pool(5);
        let expected = "6 shots asked for, but the pool has 5 questions";
        for seed in [None, Some(1)] {
            assert_eq!(fixed(&pool, 6, seed).unwrap_err().to_string(), expected);
        }
        assert_eq!(
            PerQuestion::new(&pool, 6, 1).unwrap_err().to_string(),
            expected
        );
        assert_eq!(
            PerQuestion::with_spare(&pool, 6, 1)
                .unwrap_err()
                .to_string(),
            expected
        );
        assert_eq!(
            PerQuestion::with_spare(&pool, 5, 1)
                .unwrap_err()
                .to_string(),
            "5 shots asked for, and one more is drawn to spare, but the pool has 5 questions"
        );
    }
}
