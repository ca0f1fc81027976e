//! What a head learns: each training question with an answer of one kind, and in which order.
//!
//! Draws follow a rule that a Python program can repeat. A run with the seed `s` has four generators
//! `random.Random(4 * s + k)`, so that no two of them, of this or another seed, are the same: `k` = 0
//! orders the examples; 1, 2 and 3 draw incorrect, irrelevant and unrelated answers.
//! Answers are drawn for all questions in the data's order and only then put into the order of
//! training. So a question's answer does not depend on how many examples a run sees, a longer run
//! continues a shorter one, and heads of one seed see the questions in the same order.

use serde::{Deserialize, Serialize};

use crate::{AnswerKind, Error, PythonRandom, Question, Result};

/// Which of a question's wrong choices a negative head learns.
///
/// Written in lower case, in files and on command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WrongAnswer {
    /// One drawn at random (paper, section 3.2).
    #[default]
    Random,
    /// The first in order, as the authors' code takes it under `--balanced`. Nothing is drawn for it.
    First,
}

/// A question and an answer to learn for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainingPair<'a> {
    /// The question.
    pub question: &'a Question,
    /// The answer's text, as its benchmark has it.
    pub answer: &'a str,
}

/// Pairs each question of `train`, in order, with an answer of this kind (paper, section 4.3).
///
/// - Correct: the right answer.
/// - Incorrect: `choice` of the question's wrong choices; with [`WrongAnswer::First`] the first of them.
/// - Irrelevant: another question, as `randrange(n - 1)` of the others in order, then one of its wrong
///   choices in the same way; both again while that text is one of the question's own choices (59 of
///   132,300 draws from ARC).
/// - Unrelated: `choice` of `unrelated`, texts of another benchmark; again in the same case.
///
/// `wrong` and `unrelated` are not looked at for other kinds.
///
/// # Errors
///
/// If there is no such answer to a question.
pub fn training_pairs<'a>(
    train: &'a [Question],
    kind: AnswerKind,
    wrong: WrongAnswer,
    seed: u32,
    unrelated: &'a [String],
) -> Result<Vec<TrainingPair<'a>>> {
    if kind == AnswerKind::Unrelated && unrelated.is_empty() {
        return Err(Error::NoUnrelated);
    }
    let mut rng = generator(seed, stream(kind));
    let pair = |(place, question): (usize, &'a Question)| {
        let answer = match kind {
            AnswerKind::Correct => Some(question.gold_choice()),
            AnswerKind::Incorrect => wrong.of(question, &mut rng),
            AnswerKind::Irrelevant => draw_irrelevant(train, place, wrong, &mut rng),
            AnswerKind::Unrelated => draw_unrelated(question, unrelated, &mut rng),
        };
        let nothing = || Error::NothingToDraw {
            id: question.id().into(),
            kind,
        };
        Ok(TrainingPair {
            question,
            answer: answer.ok_or_else(nothing)?,
        })
    };
    train.iter().enumerate().map(pair).collect()
}

/// In which order a run sees `n` pairs: `list(range(n))`, shuffled. A run of fewer examples takes the
/// first of them.
#[must_use]
pub fn training_order(n: usize, seed: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    generator(seed, ORDER).shuffle(&mut order);
    order
}

/// The `k` of a kind, by the module's rule; a correct answer is not drawn.
fn stream(kind: AnswerKind) -> u64 {
    match kind {
        AnswerKind::Correct => ORDER,
        AnswerKind::Incorrect => 1,
        AnswerKind::Irrelevant => 2,
        AnswerKind::Unrelated => 3,
    }
}

/// The `k` of the examples' order.
const ORDER: u64 = 0;

fn generator(seed: u32, stream: u64) -> PythonRandom {
    PythonRandom::new(4 * u64::from(seed) + stream)
}

impl WrongAnswer {
    /// The wrong choices of `question` that can be its answer.
    fn among(self, question: &Question) -> impl Iterator<Item = &str> {
        let count = match self {
            Self::Random => usize::MAX,
            Self::First => 1,
        };
        question.wrong_choices().take(count)
    }

    /// One of them.
    fn of<'a>(self, question: &'a Question, rng: &mut PythonRandom) -> Option<&'a str> {
        match self {
            Self::Random => rng
                .choice(&self.among(question).collect::<Vec<_>>())
                .copied(),
            // Python's `choice` of a single element would move the generator on.
            Self::First => self.among(question).next(),
        }
    }
}

fn draw_irrelevant<'a>(
    train: &'a [Question],
    place: usize,
    wrong: WrongAnswer,
    rng: &mut PythonRandom,
) -> Option<&'a str> {
    let question = &train[place];
    let (before, after) = (&train[..place], &train[place + 1..]);
    // Without this the loop could have nothing to find; the first other question nearly always does.
    before
        .iter()
        .chain(after)
        .flat_map(|other| wrong.among(other))
        .find(|text| foreign(text, question))?;
    loop {
        let drawn = rng.randbelow(train.len() - 1);
        let other = before.get(drawn).unwrap_or_else(|| &after[drawn - place]);
        if let Some(text) = wrong.of(other, rng)
            && foreign(text, question)
        {
            return Some(text);
        }
    }
}

fn draw_unrelated<'a>(
    question: &Question,
    texts: &'a [String],
    rng: &mut PythonRandom,
) -> Option<&'a str> {
    texts.iter().find(|text| foreign(text, question))?;
    loop {
        let text = rng.choice(texts)?;
        if foreign(text, question) {
            return Some(text);
        }
    }
}

/// Whether `text` is none of the question's own choices.
fn foreign(text: &str, question: &Question) -> bool {
    question.choices().iter().all(|choice| choice != text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DRAWN: [AnswerKind; 3] = [
        AnswerKind::Incorrect,
        AnswerKind::Irrelevant,
        AnswerKind::Unrelated,
    ];

    const WRONG: [WrongAnswer; 2] = [WrongAnswer::Random, WrongAnswer::First];

    fn question(choices: &[&str], gold: usize) -> Question {
        let choices = choices.iter().map(ToString::to_string).collect();
        Question::new("q".into(), "?".into(), choices, gold).unwrap()
    }

    fn answers(
        train: &[Question],
        kind: AnswerKind,
        seed: u32,
        unrelated: &[String],
    ) -> Vec<String> {
        let pairs = training_pairs(train, kind, WrongAnswer::Random, seed, unrelated).unwrap();
        assert!(
            pairs
                .iter()
                .zip(train)
                .all(|(pair, question)| pair.question == question)
        );
        pairs
            .into_iter()
            .map(|pair| pair.answer.to_owned())
            .collect()
    }

    /// Questions whose choices come from few texts, so that copies of the right answer turn up
    /// everywhere; each has one wrong choice at least.
    fn questions() -> impl Strategy<Value = Vec<Question>> {
        let choices = prop::collection::vec("[a-h]", 2..6);
        let question = (choices, any::<prop::sample::Index>()).prop_map(|(mut choices, gold)| {
            let gold = gold.index(choices.len());
            let own = choices.len();
            choices.push("z".into());
            choices.swap(own, gold);
            Question::new("q".into(), "?".into(), choices, own).unwrap()
        });
        prop::collection::vec(question, 1..20)
    }

    proptest! {
        #[test]
        fn no_negative_is_the_right_answer(train in questions(), seed: u32) {
            let unrelated: Vec<String> = ('a'..='k').map(String::from).collect();
            for (kind, wrong) in DRAWN.into_iter().flat_map(|kind| WRONG.map(|wrong| (kind, wrong))) {
                let Ok(pairs) = training_pairs(&train, kind, wrong, seed, &unrelated) else {
                    prop_assert_eq!(kind, AnswerKind::Irrelevant);
                    continue;
                };
                for pair in pairs {
                    prop_assert_ne!(pair.answer, pair.question.gold_choice());
                    let own = pair.question.choices().iter().any(|choice| choice == pair.answer);
                    prop_assert_eq!(own, kind == AnswerKind::Incorrect);
                }
            }
        }

        #[test]
        fn an_order_holds_every_place_once(n in 0_usize..3000, seed: u32) {
            let mut order = training_order(n, seed);
            prop_assert_eq!(&order, &training_order(n, seed));
            order.sort_unstable();
            prop_assert_eq!(order, (0..n).collect::<Vec<_>>());
        }

        #[test]
        fn an_incorrect_answer_depends_on_the_questions_up_to_it(train in questions(), seed: u32) {
            let all = answers(&train, AnswerKind::Incorrect, seed, &[]);
            for count in 0..train.len() {
                prop_assert_eq!(&answers(&train[..count], AnswerKind::Incorrect, seed, &[]), &all[..count]);
            }
        }
    }

    /// The rule in the module's documentation, followed by hand.
    #[test]
    fn draws_are_those_of_the_documented_generators() {
        let train = [
            question(&["a", "b", "c", "d"], 1),
            question(&["e", "f", "g"], 0),
            question(&["h", "i"], 1),
        ];
        let seed = 7;
        assert_eq!(
            answers(&train, AnswerKind::Correct, seed, &[]),
            ["b", "e", "i"]
        );

        let mut rng = PythonRandom::new(29);
        let expected = [["a", "c", "d"].as_slice(), &["f", "g"], &["h"]]
            .map(|wrong| *rng.choice(wrong).unwrap());
        assert_eq!(answers(&train, AnswerKind::Incorrect, seed, &[]), expected);

        let mut rng = PythonRandom::new(30);
        let wrong = [["a", "c", "d"].as_slice(), &["f", "g"], &["h"]];
        let expected = [[1, 2], [0, 2], [0, 1]].map(|others| {
            let other = others[rng.randbelow(2)];
            *rng.choice(wrong[other]).unwrap()
        });
        assert_eq!(answers(&train, AnswerKind::Irrelevant, seed, &[]), expected);

        let texts: Vec<String> = ('p'..='w').map(String::from).collect();
        let mut rng = PythonRandom::new(31);
        let expected = [(); 3].map(|()| rng.choice(&texts).unwrap().clone());
        assert_eq!(
            answers(&train, AnswerKind::Unrelated, seed, &texts),
            expected
        );

        let mut order = [0, 1, 2, 3, 4];
        PythonRandom::new(28).shuffle(&mut order);
        assert_eq!(training_order(5, seed), order);
    }

    #[test]
    fn the_first_wrong_answer_is_taken_without_a_draw() {
        let train = [
            question(&["a", "b", "c", "d"], 0),
            question(&["e", "f", "g"], 1),
            question(&["h", "i", "j"], 0),
        ];
        let first = |kind| -> Vec<&str> {
            let pairs = training_pairs(&train, kind, WrongAnswer::First, 7, &[]).unwrap();
            pairs.into_iter().map(|pair| pair.answer).collect()
        };
        assert_eq!(first(AnswerKind::Incorrect), ["b", "e", "i"]);
        // Only the other question is drawn; all first wrong choices are foreign here.
        let mut rng = PythonRandom::new(30);
        let expected = [["e", "i"], ["b", "i"], ["b", "e"]].map(|others| others[rng.randbelow(2)]);
        assert_eq!(first(AnswerKind::Irrelevant), expected);
        assert_eq!(first(AnswerKind::Correct), ["a", "f", "h"]);

        // The second wrong choice of either would do for the other, but is not looked at.
        let train = [question(&["a", "b", "e"], 0), question(&["c", "b", "d"], 0)];
        let pairs = |wrong| training_pairs(&train, AnswerKind::Irrelevant, wrong, 0, &[]);
        let message = pairs(WrongAnswer::First).unwrap_err().to_string();
        assert!(message.contains("question `q`"), "{message}");
        assert_eq!(pairs(WrongAnswer::Random).unwrap()[0].answer, "d");
    }

    #[test]
    fn a_question_that_no_answer_is_left_for_is_named() {
        let alike = question(&["a", "a"], 0);
        let train = [question(&["a", "b"], 0), question(&["c", "b"], 0), alike];
        let error = |kind, texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            training_pairs(&train, kind, WrongAnswer::Random, 0, &texts)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error(AnswerKind::Incorrect, &[]),
            "question `q`: every incorrect answer that could be drawn has the text of its right answer"
        );
        let own = "question `q`: every irrelevant answer that could be drawn has the text of one of its choices";
        assert_eq!(error(AnswerKind::Irrelevant, &[]), own);
        assert_eq!(
            error(AnswerKind::Unrelated, &["b", "a"]),
            own.replace("irrelevant", "unrelated")
        );
        assert_eq!(
            error(AnswerKind::Unrelated, &[]),
            "no texts of another benchmark are given to draw unrelated answers from"
        );
        assert!(
            training_pairs(
                &train[..1],
                AnswerKind::Irrelevant,
                WrongAnswer::Random,
                0,
                &[]
            )
            .is_err()
        );
        assert_eq!(
            training_pairs(&[], AnswerKind::Irrelevant, WrongAnswer::Random, 0, &[]).unwrap(),
            []
        );
    }
}
