//! What a head learns: each training question with an answer of one kind, and in which order.
//!
//! Draws follow a rule that a Python program can repeat. A run with the seed `s` has four generators
//! `random.Random(4 * s + k)`, so that no two of them, of this or another seed, are the same: `k` = 0
//! orders the examples; 1, 2 and 3 draw incorrect, irrelevant and unrelated answers. A fifth,
//! `random.Random(2**40 + s)`, draws which negatives are contaminated.
//! Answers are drawn for all questions in the data's order and only then put into the order of
//! training. So a question's answer does not depend on how many examples a run sees, a longer run
//! continues a shorter one, and heads of one seed see the questions in the same order.

use std::collections::HashMap;

use likra_results::AnswerRecord;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AnswerKind, Error, PythonRandom, Question, Result};

/// Which of a question's wrong choices a negative head learns.
///
/// Written in lower case, in files and on command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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
    /// Which of the question's choices the answer is, if it is one.
    pub choice: Option<usize>,
    /// The answer's text: what continues the context.
    pub answer: &'a str,
    /// What the answer is to the question.
    pub kind: AnswerKind,
}

impl<'a> TrainingPair<'a> {
    fn of_choice(question: &'a Question, choice: usize, kind: AnswerKind) -> Self {
        Self {
            question,
            choice: Some(choice),
            answer: question.answer(choice),
            kind,
        }
    }

    fn of_text(question: &'a Question, answer: &'a str, kind: AnswerKind) -> Self {
        Self {
            question,
            choice: None,
            answer,
            kind,
        }
    }

    /// What stands before the answer.
    #[must_use]
    pub fn context(&self) -> &'a str {
        match self.choice {
            Some(choice) => self.question.context(choice),
            None => self.question.context_of_others(),
        }
    }
}

impl From<&TrainingPair<'_>> for AnswerRecord {
    fn from(pair: &TrainingPair) -> Self {
        let choice = pair.choice.map(|choice| &pair.question.choices()[choice]);
        Self {
            question_id: pair.question.id().into(),
            kind: pair.kind,
            answer: choice.map_or(pair.answer, String::as_str).into(),
        }
    }
}

/// The answers that a head learns.
///
/// Written in lower case, in files and on command lines.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// The right answer.
    Correct,
    /// A wrong choice of the same question.
    Incorrect,
    /// A wrong choice of another question.
    Irrelevant,
    /// An answer of another benchmark.
    Unrelated,
    /// Of the wrong choices the one that the base finds likeliest, per character: what the authors'
    /// code calls the second best.
    Hardest,
    /// Of the wrong choices the one that the base finds least likely, per character: what the authors'
    /// code calls the worst.
    Easiest,
}

impl Answers {
    /// The name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hardest => "hardest",
            Self::Easiest => "easiest",
            _ => self.kind().name(),
        }
    }

    /// What such an answer is to its question.
    #[must_use]
    pub fn kind(self) -> AnswerKind {
        match self {
            Self::Correct => AnswerKind::Correct,
            Self::Incorrect | Self::Hardest | Self::Easiest => AnswerKind::Incorrect,
            Self::Irrelevant => AnswerKind::Irrelevant,
            Self::Unrelated => AnswerKind::Unrelated,
        }
    }

    /// Whether the base has to say which they are.
    #[must_use]
    pub fn is_ranked(self) -> bool {
        matches!(self, Self::Hardest | Self::Easiest)
    }
}

/// What the base thinks of the choices of training questions: log-likelihoods per character.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranking(HashMap<String, Vec<f64>>);

impl Ranking {
    /// From the ids of questions and what the base thinks of each of their choices, in order.
    pub fn new(scores: impl IntoIterator<Item = (String, f64)>) -> Self {
        let mut by_question: HashMap<String, Vec<f64>> = HashMap::new();
        for (id, score) in scores {
            by_question.entry(id).or_default().push(score);
        }
        Self(by_question)
    }
}

/// What decides which answer each question gets.
#[derive(Debug, Clone, Copy)]
pub struct Draw<'a> {
    /// Which answers they are.
    pub answers: Answers,
    /// Which wrong choice a wrong answer is.
    pub wrong: WrongAnswer,
    /// The share of the answers that are replaced by right ones.
    pub contamination: f64,
    /// The seed of all draws.
    pub seed: u32,
    /// Texts of another benchmark, for unrelated answers.
    pub unrelated: &'a [String],
    /// What the base thinks of the choices, for ranked answers.
    pub ranking: Option<&'a Ranking>,
}

impl Draw<'_> {
    /// Answers of the benchmark itself, unmixed.
    #[must_use]
    pub fn new(answers: Answers, wrong: WrongAnswer, seed: u32) -> Self {
        Self {
            answers,
            wrong,
            contamination: 0.0,
            seed,
            unrelated: &[],
            ranking: None,
        }
    }
}

/// What a head learns: the first `count` questions of `train` in the order of training, each with an
/// answer (paper, section 4.3).
///
/// - Correct: the right answer.
/// - Incorrect: `choice` of the question's wrong choices; with [`WrongAnswer::First`] the first of them.
/// - Irrelevant: another question, as `randrange(n - 1)` of the others in order, then one of its wrong
///   choices in the same way; both again while that text is one of the question's own choices (59 of
///   132,300 draws from ARC).
/// - Unrelated: `choice` of the texts of another benchmark; again in the same case.
/// - Hardest, easiest: the wrong choice with the highest or lowest score, of equal ones the first.
///
/// Then the right answer takes the place of a share of the answers, drawn by `random() < rate` for each
/// question: what a smaller rate contaminates, a larger one does, too.
///
/// # Errors
///
/// If there is no such answer to a question, or the base has not ranked it.
pub fn training_pairs<'a>(
    train: &'a [Question],
    draw: &Draw<'a>,
    count: usize,
) -> Result<Vec<TrainingPair<'a>>> {
    let mut order = training_order(train.len(), draw.seed);
    order.truncate(count);
    if draw.answers.is_ranked() {
        // Only these questions are ranked, so they are contaminated in the order of training.
        let ranked = order.into_iter().map(|place| ranked(&train[place], draw));
        return contaminated(ranked.collect::<Result<_>>()?, draw);
    }
    // Answers are drawn for all questions, so that a head's examples begin as those of a longer run.
    let pairs = drawn(train, draw)?;
    let pairs = contaminated(pairs, draw)?;
    Ok(order.into_iter().map(|place| pairs[place]).collect())
}

/// An irrelevant answer to each question, and an unrelated one if there are texts for it, in the data's
/// order: what is scored beside a test question's choices. The same for all heads, whatever they learn.
///
/// # Errors
///
/// If there is no such answer to a question.
pub fn other_answers<'a>(
    test: &'a [Question],
    unrelated: Option<&'a [String]>,
) -> Result<Vec<Vec<(AnswerKind, &'a str)>>> {
    const SEED: u32 = 0;
    let mut others = vec![Vec::new(); test.len()];
    let mut add = |answers, unrelated| -> Result<()> {
        let draw = Draw {
            unrelated,
            ..Draw::new(answers, WrongAnswer::Random, SEED)
        };
        for (others, pair) in others.iter_mut().zip(drawn(test, &draw)?) {
            others.push((pair.kind, pair.answer));
        }
        Ok(())
    };
    // A single question has no other to take an answer of, and some tasks have the same answers to all.
    match add(Answers::Irrelevant, &[]) {
        Ok(()) | Err(Error::NothingToDraw { .. }) => {}
        Err(error) => return Err(error),
    }
    if let Some(texts) = unrelated {
        add(Answers::Unrelated, texts)?;
    }
    Ok(others)
}

/// Pairs each question, in order, with an answer that needs no ranking.
fn drawn<'a>(train: &'a [Question], draw: &Draw<'a>) -> Result<Vec<TrainingPair<'a>>> {
    let (kind, wrong) = (draw.answers.kind(), draw.wrong);
    if kind == AnswerKind::Unrelated && draw.unrelated.is_empty() {
        return Err(Error::NoUnrelated);
    }
    let mut rng = generator(draw.seed, stream(kind));
    let pair = |(place, question): (usize, &'a Question)| {
        let choice = |choice| TrainingPair::of_choice(question, choice, kind);
        let text = |text| TrainingPair::of_text(question, text, kind);
        let pair = match kind {
            AnswerKind::Correct => return right(question),
            AnswerKind::Incorrect => wrong.of(question, &mut rng).map(choice),
            AnswerKind::Irrelevant => draw_irrelevant(train, place, wrong, &mut rng).map(text),
            AnswerKind::Unrelated => draw_unrelated(question, draw.unrelated, &mut rng).map(text),
        };
        pair.ok_or_else(|| nothing(question, kind))
    };
    train.iter().enumerate().map(pair).collect()
}

/// A question with the wrong choice that stands first or last by the base's scores; a choice with the
/// right answer's text never.
fn ranked<'a>(question: &'a Question, draw: &Draw) -> Result<TrainingPair<'a>> {
    let scores = draw
        .ranking
        .and_then(|ranking| ranking.0.get(question.id()));
    let scores = scores.map_or(&[][..], Vec::as_slice);
    if scores.len() != question.choices().len() {
        return Err(Error::Scores {
            id: question.id().into(),
            found: scores.len(),
            expected: question.choices().len(),
        });
    }
    let better = |a: f64, b: f64| match draw.answers {
        Answers::Easiest => a < b,
        _ => a > b,
    };
    let wrong = question.wrong().map(|place| (place, scores[place]));
    let first = wrong.reduce(|best, next| if better(next.1, best.1) { next } else { best });
    let pair =
        first.map(|(choice, _)| TrainingPair::of_choice(question, choice, AnswerKind::Incorrect));
    pair.ok_or_else(|| nothing(question, AnswerKind::Incorrect))
}

/// A question with its right answer.
fn right(question: &Question) -> Result<TrainingPair<'_>> {
    let missing = || Error::NoRight {
        id: question.id().into(),
    };
    let gold = question.gold().ok_or_else(missing)?;
    Ok(TrainingPair::of_choice(question, gold, AnswerKind::Correct))
}

fn nothing(question: &Question, kind: AnswerKind) -> Error {
    Error::NothingToDraw {
        id: question.id().into(),
        kind,
    }
}

/// Puts the right answer in place of a share of the answers.
fn contaminated<'a>(
    mut pairs: Vec<TrainingPair<'a>>,
    draw: &Draw,
) -> Result<Vec<TrainingPair<'a>>> {
    let mut rng = PythonRandom::new((1 << 40) + u64::from(draw.seed));
    for pair in &mut pairs {
        if draw.contamination > 0.0 && rng.random() < draw.contamination {
            *pair = right(pair.question)?;
        }
    }
    Ok(pairs)
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
    fn among(self, question: &Question) -> impl Iterator<Item = usize> {
        let count = match self {
            Self::Random => usize::MAX,
            Self::First => 1,
        };
        question.wrong().take(count)
    }

    /// One of them.
    fn of(self, question: &Question, rng: &mut PythonRandom) -> Option<usize> {
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
        .flat_map(|other| wrong.among(other).map(|place| other.text(place)))
        .find(|text| !question.has_text(text))?;
    loop {
        let drawn = rng.randbelow(train.len() - 1);
        let other = before.get(drawn).unwrap_or_else(|| &after[drawn - place]);
        let text = wrong.of(other, rng).map(|place| other.text(place));
        if let Some(text) = text.filter(|text| !question.has_text(text)) {
            return Some(text);
        }
    }
}

fn draw_unrelated<'a>(
    question: &Question,
    texts: &'a [String],
    rng: &mut PythonRandom,
) -> Option<&'a str> {
    texts.iter().find(|text| !question.has_text(text))?;
    loop {
        let text = rng.choice(texts)?;
        if !question.has_text(text) {
            return Some(text);
        }
    }
}

#[cfg(test)]
mod tests;
