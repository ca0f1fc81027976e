//! Which solved questions stand before a question.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, PythonRandom, Question, Result};

/// Whether all questions stand after the same shots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ShotRule {
    /// As the task file says: each has its own, or all have the first of the pool.
    #[default]
    Task,
    /// They do: what they begin with is computed once a head.
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

impl Shots {
    /// Fixed shots or a question's own, where a task file that decides `takes_first` of the pool or not.
    pub(crate) fn rule(&self, takes_first: bool) -> ShotRule {
        match self.rule {
            ShotRule::Task if takes_first || self.ids.is_some() => ShotRule::Fixed,
            ShotRule::Task => ShotRule::PerQuestion,
            rule => rule,
        }
    }
}

/// The same `count` shots for every question: the first of `pool`, or, with a seed, what Python's
/// `random.Random(seed).sample(pool, count)` takes from it. Behind them, those that may stand in.
///
/// # Errors
///
/// If the pool has fewer questions.
pub(crate) fn fixed(pool: &[Question], count: usize, seed: Option<u64>) -> Result<Vec<&Question>> {
    check(pool, count, false)?;
    let Some(seed) = seed else {
        return Ok(pool.iter().collect());
    };
    let mut rng = PythonRandom::new(seed);
    let pool: Vec<&Question> = pool.iter().collect();
    let mut shots = draw(&pool, count, &mut rng);
    if count > 0 {
        shots.extend(draw(&pool, pool.len(), &mut rng));
    }
    Ok(shots)
}

/// The shots with these ids, in this order.
///
/// # Errors
///
/// If the pool lacks one.
pub(crate) fn by_id<'a>(pool: &'a [Question], ids: &[String]) -> Result<Vec<&'a Question>> {
    let find = |id: &String| {
        let found = pool.iter().find(|question| &question.id == id);
        let among = format!("the {} questions that shots are taken from", pool.len());
        found.ok_or_else(|| Error::Refused(format!("no question `{id}` among {among}")))
    };
    ids.iter().map(find).collect()
}

/// The first `count` of `shots` that are not `question` itself.
///
/// # Errors
///
/// If there are none.
pub(crate) fn without<'a>(
    question: &Question,
    shots: &[&'a Question],
    count: usize,
) -> Result<Vec<&'a Question>> {
    let mut kept: Vec<&Question> = Vec::with_capacity(count);
    for shot in shots {
        let taken = || kept.iter().any(|kept| std::ptr::eq(*kept, *shot));
        if kept.len() < count && !shot.is_same(question) && !taken() {
            kept.push(shot);
        }
    }
    if kept.len() < count {
        let message = "shots, and there is no other to take its place";
        let message = format!("is among its own {count} {message}");
        return Err(Error::question(&question.id, message));
    }
    Ok(kept)
}

/// The shots of each of `asked`, drawn by one generator that runs through the questions in order, as
/// lm-evaluation-harness does (`ContextSampler.sample` of version 0.4.13); its own `seed` is [`HARNESS_SEED`].
///
/// The first draw is for the first question. So a run over the first questions of a test gives them the
/// same shots as a run over all.
///
/// With `spare`, one more is drawn, to stand in for the question itself if that is among them. The
/// harness does so where a task names one split for shots and for the test, and takes `hellaswag`,
/// which names neither, for such a task.
///
/// # Errors
///
/// If the pool has fewer questions than are drawn, or too few others than the question.
pub(crate) fn per_question<'a>(
    asked: &[Question],
    pool: &'a [Question],
    count: usize,
    seed: u64,
    spare: bool,
) -> Result<Vec<Vec<&'a Question>>> {
    // Without shots, the harness draws nothing.
    let spare = spare && count > 0;
    check(pool, count, spare)?;
    let (all, mut rng) = (pool.iter().collect::<Vec<_>>(), PythonRandom::new(seed));
    let shots = |question: &Question| {
        let is_other = |shot: &&Question| !shot.is_same(question);
        let mut drawn = draw(&all, count + usize::from(spare), &mut rng);
        let is_other_row = |shot: &&Question| shot.doc.0 != question.doc.0;
        if spare && drawn.iter().copied().filter(is_other_row).count() < count {
            // The harness draws anew from the rows that are not this one.
            let others: Vec<&Question> = pool.iter().filter(is_other_row).collect();
            drawn = draw(&others, count, &mut rng);
        }
        if drawn.iter().copied().filter(is_other).count() < count {
            // It may show this question from another row. What stands in is drawn aside, so that the next questions'
            // shots stay the harness's.
            let others: Vec<&Question> = pool.iter().filter(is_other).collect();
            drawn.extend(draw(&others, count, &mut rng.clone()));
        }
        without(question, &drawn, count)
    };
    asked.iter().map(shots).collect()
}

fn check(pool: &[Question], count: usize, spare: bool) -> Result<()> {
    let found = pool.len();
    if count + usize::from(spare) <= found {
        return Ok(());
    }
    let more = match count > found {
        true => "",
        false => ", and one more is drawn to spare",
    };
    let message = format!("{count} shots asked for{more}, but the pool has {found} questions");
    Err(Error::Refused(message))
}

/// So many of the pool, or all.
fn draw<'a>(pool: &[&'a Question], count: usize, rng: &mut PythonRandom) -> Vec<&'a Question> {
    let places = rng.sample(pool.len(), count.min(pool.len())).into_iter();
    places.map(|place| pool[place]).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::question::Doc;

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
            .map(|place| Question::new(place.to_string(), format!("{place}?"), choices(), 0))
            .collect()
    }

    fn places(shots: &[&Question]) -> Vec<usize> {
        shots.iter().map(|shot| shot.id.parse().unwrap()).collect()
    }

    #[test]
    fn without_a_seed_the_first_are_taken_and_with_one_pythons_sample() {
        let golden = golden();
        let pool = pool(golden.pool);
        assert_eq!(places(&fixed(&pool, 3, None).unwrap()[..3]), [0, 1, 2]);
        let count = golden.places.len();
        let drawn = fixed(&pool, count, Some(golden.seed)).unwrap();
        assert_eq!(places(&drawn[..count]), golden.places);
        assert_eq!(golden.ids[0], "CSZ10245");
    }

    fn question(id: &str, stem: &str) -> Question {
        Question::new(id.into(), stem.into(), vec!["a".into(), "b".into()], 0)
    }

    #[test]
    fn one_generator_runs_through_the_questions() {
        let pool = pool(40);
        let asked = [(); 3].map(|()| question("x", "another"));
        let shots = per_question(&asked, &pool, 25, 1234, false).unwrap();
        let mut rng = PythonRandom::new(1234);
        for drawn in shots {
            assert_eq!(places(&drawn), rng.sample(40, 25));
        }
    }

    #[test]
    fn a_spare_shot_is_drawn_and_stands_in_for_the_question() {
        let pool = pool(40);
        let mut rng = PythonRandom::new(1234);
        let [first, second, third, expected] = [(); 4].map(|()| rng.sample(40, 11));
        let mut asked = vec![question("x", "another"); 3];
        asked.push(pool[expected[4]].clone());
        let shots = per_question(&asked, &pool, 10, 1234, true).unwrap();
        for (drawn, expected) in shots.iter().zip([first, second, third]) {
            assert_eq!(places(drawn), expected[..10]);
        }
        let rest: Vec<usize> = expected
            .iter()
            .copied()
            .filter(|place| *place != expected[4])
            .collect();
        assert_eq!(places(&shots[3]), rest);
    }

    /// Where the harness would not look, the shots of the other questions stay as they are.
    #[test]
    fn a_copy_of_the_question_is_replaced_and_moves_nothing() {
        let pool = pool(6);
        let mut rng = PythonRandom::new(7);
        let first = rng.sample(6, 5);
        let asked = [pool[first[2]].clone(), question("x", "another")];
        let shots = per_question(&asked, &pool, 5, 7, false).unwrap();
        let found = places(&shots[0]);
        assert_eq!(found.len(), 5);
        assert!(!found.contains(&first[2]), "{found:?}");
        assert_eq!(places(&shots[1]), rng.sample(6, 5));
    }

    /// To the harness, a question in another row is another one: it does not draw anew, though two of five are copies.
    #[test]
    fn copies_in_other_rows_move_nothing_where_one_is_spare() {
        let mut pool = pool(6);
        let mut rng = PythonRandom::new(7);
        let [first, second] = [(); 2].map(|()| rng.sample(6, 5));
        pool[first[1]].context = pool[first[0]].context.clone();
        pool[first[1]].choices = pool[first[0]].choices.clone();
        let copy = Question {
            id: "x".into(),
            doc: Doc("x".into()),
            ..pool[first[0]].clone()
        };
        let asked = [copy, question("y", "another")];
        let shots = per_question(&asked, &pool, 4, 7, true).unwrap();
        assert!(shots[0].iter().all(|shot| !shot.is_same(&asked[0])));
        assert_eq!(places(&shots[1]), second[..4]);
    }

    #[test]
    fn fixed_shots_make_room_for_the_next() {
        let pool = pool(4);
        for seed in [None, Some(3)] {
            let shots = fixed(&pool, 3, seed).unwrap();
            let found = without(shots[1], &shots, 3).unwrap();
            assert_eq!(places(&found)[..2], [places(&shots)[0], places(&shots)[2]]);
            assert!(!places(&found).contains(&places(&shots)[1]) && found.len() == 3);
        }
        let all = fixed(&pool, 4, None).unwrap();
        let error = without(&pool[1], &all, 4).unwrap_err().to_string();
        assert!(
            error.starts_with("question `1` is among its own 4 shots"),
            "{error}"
        );
    }

    #[test]
    fn without_shots_no_spare_is_needed() {
        let none = per_question(&[question("x", "?")], &[], 0, 1, true);
        assert_eq!(none.unwrap(), [Vec::<&Question>::new()]);
    }

    #[test]
    fn shots_are_found_by_id_in_the_order_asked() {
        let pool = pool(5);
        assert_eq!(
            places(&by_id(&pool, &["3", "0"].map(String::from)).unwrap()),
            [3, 0]
        );
        let error = by_id(&pool, &["3", "x"].map(String::from)).unwrap_err();
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
        let refused = |count, spare| {
            let shots = per_question(&[], &pool, count, 1, spare);
            shots.unwrap_err().to_string()
        };
        assert_eq!(refused(6, false), expected);
        assert_eq!(refused(6, true), expected);
        assert_eq!(
            refused(5, true),
            "5 shots asked for, and one more is drawn to spare, but the pool has 5 questions"
        );
    }
}
