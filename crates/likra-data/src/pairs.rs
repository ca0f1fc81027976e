//! What a head learns: each training question with an answer of one kind, and in which order.
//!
//! Draws follow a rule that a Python program can repeat. A run with the seed `s` has four generators
//! `random.Random(4 * s + k)`, so that no two of them, of this or another seed, are the same: `k` = 0
//! orders the examples; 1, 2 and 3 draw incorrect, irrelevant and unrelated answers. A fifth,
//! `random.Random(2**40 + s)`, draws which negatives are contaminated.
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
    /// What the answer is to the question.
    pub kind: AnswerKind,
}

/// A place among a question's wrong choices by how likely a model finds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// The likeliest: what the authors' code calls the second best.
    Hardest,
    /// The least likely: what the authors' code calls the worst.
    Easiest,
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
            kind,
        })
    };
    train.iter().enumerate().map(pair).collect()
}

/// Pairs each question of `train`, in order, with the wrong choice that stands at `rank` by `scores`: of each
/// question one for each of its choices, such as per-character log-likelihoods under the base. Of equal
/// scores the first is taken; a choice with the right answer's text never.
///
/// # Errors
///
/// If a question has another number of scores than choices, or no wrong choice.
pub fn ranked_pairs<'a>(
    train: &'a [Question],
    scores: &[Vec<f64>],
    rank: Rank,
) -> Result<Vec<TrainingPair<'a>>> {
    let kind = AnswerKind::Incorrect;
    let pair = |(place, question): (usize, &'a Question)| {
        let scores = scores.get(place).map_or(&[][..], Vec::as_slice);
        if scores.len() != question.choices().len() {
            return Err(Error::Scores {
                id: question.id().into(),
                found: scores.len(),
                expected: question.choices().len(),
            });
        }
        let answer = rank
            .of(question, scores)
            .ok_or_else(|| Error::NothingToDraw {
                id: question.id().into(),
                kind,
            })?;
        Ok(TrainingPair {
            question,
            answer,
            kind,
        })
    };
    train.iter().enumerate().map(pair).collect()
}

impl Rank {
    fn of<'a>(self, question: &'a Question, scores: &[f64]) -> Option<&'a str> {
        let right = question.gold_choice();
        let wrong = question.choices().iter().zip(scores);
        let wrong = wrong.filter(|(choice, _)| choice.as_str() != right);
        let better = |a: f64, b: f64| match self {
            Self::Hardest => a > b,
            Self::Easiest => a < b,
        };
        let first = wrong.reduce(|best, next| if better(*next.1, *best.1) { next } else { best });
        first.map(|(choice, _)| choice.as_str())
    }
}

/// Puts the right answer in place of a share of the answers, drawn by `random() < rate` for each question
/// in the data's order: what a smaller rate contaminates, a larger one does, too.
#[must_use]
pub fn contaminated(pairs: Vec<TrainingPair>, rate: f64, seed: u32) -> Vec<TrainingPair> {
    let mut rng = PythonRandom::new((1 << 40) + u64::from(seed));
    let contaminate = |pair| {
        if rng.random() < rate {
            right(pair)
        } else {
            pair
        }
    };
    pairs.into_iter().map(contaminate).collect()
}

/// The same question with its right answer.
fn right(pair: TrainingPair) -> TrainingPair {
    TrainingPair {
        answer: pair.question.gold_choice(),
        kind: AnswerKind::Correct,
        ..pair
    }
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
mod tests;
