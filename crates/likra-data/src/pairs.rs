//! What a head learns: each training question with an answer of one kind, and in which order.
//!
//! Draws follow a rule that a Python program can repeat. A run with the seed `s` has four generators
//! `random.Random(4 * s + k)`, so that no two of them, of this or another seed, are the same: `k` = 0
//! orders the examples; 1, 2 and 3 draw incorrect, irrelevant and unrelated answers. A fifth,
//! `random.Random(2**40 + s)`, draws which negatives are contaminated. The pass `p` over the questions, from 1 if
//! the first is 0, is the one before it shuffled by `random.Random(4 * (2**32 * p + s))`.
//! Answers are drawn for all questions in the data's order and only then put into the order of
//! training. So a question's answer does not depend on how many examples a run sees, a longer run
//! continues a shorter one, and heads of one seed see the questions in the same order. With several epochs, the number of
//! examples decides which questions come again.

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

    /// A question with its right answer.
    ///
    /// # Errors
    ///
    /// If no choice is the right one.
    pub fn right(question: &'a Question) -> Result<Self> {
        let gold = question.gold();
        let missing = "has no right choice; expected one, to train on it";
        let gold = gold.ok_or_else(|| Error::question(&question.id, missing))?;
        Ok(Self::of_choice(question, gold, AnswerKind::Correct))
    }

    /// A question with each of its wrong choices.
    pub fn wrong(question: &'a Question) -> impl Iterator<Item = Self> {
        let of = |choice| Self::of_choice(question, choice, AnswerKind::Incorrect);
        question.wrong().map(of)
    }

    /// What stands before the answer.
    pub fn context(&self) -> &'a str {
        // An answer that is none of the choices stands where the right one would.
        let choice = self.choice.or(self.question.gold());
        self.question.context(choice.unwrap_or(0))
    }
}

impl From<&TrainingPair<'_>> for AnswerRecord {
    fn from(pair: &TrainingPair) -> Self {
        let choice = pair.choice.map(|choice| &pair.question.choices[choice]);
        Self {
            question_id: pair.question.id.clone(),
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
    pub fn name(self) -> &'static str {
        match self {
            Self::Hardest => "hardest",
            Self::Easiest => "easiest",
            _ => self.kind().name(),
        }
    }

    /// What such an answer is to its question.
    pub fn kind(self) -> AnswerKind {
        match self {
            Self::Correct => AnswerKind::Correct,
            Self::Incorrect | Self::Hardest | Self::Easiest => AnswerKind::Incorrect,
            Self::Irrelevant => AnswerKind::Irrelevant,
            Self::Unrelated => AnswerKind::Unrelated,
        }
    }

    /// Whether the base has to say which they are.
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
    /// In how many passes the questions come.
    pub epochs: usize,
    /// Questions of another benchmark, for unrelated answers.
    pub unrelated: &'a [Question],
    /// What the base thinks of the choices, for ranked answers.
    pub ranking: Option<&'a Ranking>,
}

impl Draw<'_> {
    /// Answers of the benchmark itself, unmixed.
    pub fn new(answers: Answers, wrong: WrongAnswer, seed: u32) -> Self {
        Self {
            answers,
            wrong,
            contamination: 0.0,
            seed,
            epochs: 1,
            unrelated: &[],
            ranking: None,
        }
    }
}

/// What a head learns: `count` examples, the first questions of `train` in the order of training, each with an answer
/// (paper, section 4.3), which is the same in all passes.
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
    let order = training_passes(train.len(), draw.seed, count, draw.epochs);
    // Answers are drawn for all questions, so that a head's examples begin as those of a longer run. Only those
    // of the run are ranked, so they are contaminated in the order of training.
    let is_ranked = draw.answers.is_ranked();
    let ranked = || order.iter().map(|place| ranked(&train[*place], draw));
    let mut pairs: Vec<TrainingPair> = match is_ranked {
        true => ranked().collect::<Result<_>>()?,
        false => drawn(train, draw)?,
    };
    let mut rng = PythonRandom::new((1 << 40) + u64::from(draw.seed));
    for pair in &mut pairs {
        if draw.contamination > 0.0 && rng.random() < draw.contamination {
            *pair = TrainingPair::right(pair.question)?;
        }
    }
    Ok(match is_ranked {
        true => pairs,
        false => order.into_iter().map(|place| pairs[place]).collect(),
    })
}

/// An irrelevant answer to each question, and an unrelated one if there are other questions for it, in the data's
/// order: what is scored beside a test question's choices. The same for all heads, whatever they learn.
///
/// # Errors
///
/// If there is no such answer to a question.
pub fn other_answers<'a>(
    test: &'a [Question],
    unrelated: &'a [Question],
) -> Result<Vec<Vec<(AnswerKind, &'a str)>>> {
    const SEED: u32 = 0;
    let pairs = |answers| {
        let draw = Draw::new(answers, WrongAnswer::Random, SEED);
        drawn(test, &Draw { unrelated, ..draw })
    };
    // A single question has no other to take an answer of, and some tasks have the same answers to all.
    let irrelevant = match pairs(Answers::Irrelevant) {
        Err(Error::NothingToDraw(..)) => Vec::new(),
        pairs => pairs?,
    };
    let unrelated = match unrelated.is_empty() {
        true => Vec::new(),
        false => pairs(Answers::Unrelated)?,
    };
    let mut others = vec![Vec::new(); test.len()];
    for pairs in [irrelevant, unrelated] {
        for (others, pair) in others.iter_mut().zip(pairs) {
            others.push((pair.kind, pair.answer));
        }
    }
    Ok(others)
}

/// Pairs each question, in order, with an answer that needs no ranking.
fn drawn<'a>(train: &'a [Question], draw: &Draw<'a>) -> Result<Vec<TrainingPair<'a>>> {
    let (kind, wrong) = (draw.answers.kind(), draw.wrong);
    if kind == AnswerKind::Unrelated && draw.unrelated.is_empty() {
        let message = "no texts of another benchmark are given to draw unrelated answers from";
        return Err(Error::Refused(message.into()));
    }
    let texts: Vec<&str> = draw.unrelated.iter().flat_map(Question::texts).collect();
    let mut rng = generator(draw.seed.into(), draw.answers as u64);
    let pair = |(place, question): (usize, &'a Question)| {
        let choice = |choice| TrainingPair::of_choice(question, choice, kind);
        let text = |answer| TrainingPair {
            question,
            choice: None,
            answer,
            kind,
        };
        let pair = match kind {
            AnswerKind::Correct => return TrainingPair::right(question),
            AnswerKind::Incorrect => wrong.of(question, &mut rng).map(choice),
            AnswerKind::Irrelevant => {
                let others = train[..place].iter().chain(&train[place + 1..]);
                let texts = others.flat_map(|other| wrong.among(other).map(|at| other.text(at)));
                let drawn = || {
                    let drawn = rng.randbelow(train.len() - 1);
                    let other = &train[drawn + usize::from(drawn >= place)];
                    wrong.of(other, &mut rng).map(|choice| other.text(choice))
                };
                draw_foreign(question, texts, drawn).map(text)
            }
            AnswerKind::Unrelated => {
                let drawn = || rng.choice(&texts).copied();
                draw_foreign(question, texts.iter().copied(), drawn).map(text)
            }
        };
        pair.ok_or_else(|| Error::NothingToDraw(question.id.clone(), kind))
    };
    train.iter().enumerate().map(pair).collect()
}

/// A question with the wrong choice that stands first or last by the base's scores; a choice with the
/// right answer's text never.
fn ranked<'a>(question: &'a Question, draw: &Draw) -> Result<TrainingPair<'a>> {
    let ranking = draw.ranking.map(|ranking| &ranking.0);
    let scores = ranking.and_then(|scores| scores.get(&question.id));
    let scores = scores.map_or(&[][..], Vec::as_slice);
    let (id, found, choices) = (&question.id, scores.len(), question.choices.len());
    if found != choices {
        let expected = format!("expected one for each of its {choices} choices");
        let message = format!("question `{id}`: {found} scores found, {expected}");
        return Err(Error::Refused(message));
    }
    let easiest = draw.answers == Answers::Easiest;
    let sign = if easiest { -1.0 } else { 1.0 };
    let is_better = |choice: usize, than: usize| sign * scores[choice] > sign * scores[than];
    let wrong = question.wrong();
    let best = wrong.reduce(|best, next| if is_better(next, best) { next } else { best });
    let kind = AnswerKind::Incorrect;
    let pair = best.map(|choice| TrainingPair::of_choice(question, choice, kind));
    pair.ok_or_else(|| Error::NothingToDraw(id.into(), kind))
}

/// In which order a run sees `n` pairs: `list(range(n))`, shuffled. A run of fewer examples takes the
/// first of them.
pub fn training_order(n: usize, seed: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    generator(seed.into(), ORDER).shuffle(&mut order);
    order
}

/// The same for `count` examples in several passes: as many of the first pairs as they need, shuffled anew for each pass
/// after the first.
pub fn training_passes(n: usize, seed: u32, count: usize, epochs: usize) -> Vec<usize> {
    let mut order = training_order(n, seed);
    order.truncate(count.div_ceil(epochs.max(1)));
    let mut all = order.clone();
    for pass in 1..epochs as u64 {
        generator(pass << 32 | u64::from(seed), ORDER).shuffle(&mut order);
        all.extend(&order);
    }
    all.truncate(count);
    all
}

/// The `k` of the examples' order. The `k` of drawn answers is their place in [`Answers`].
const ORDER: u64 = 0;

fn generator(seed: u64, stream: u64) -> PythonRandom {
    PythonRandom::new(4 * seed + stream)
}

impl WrongAnswer {
    /// The wrong choices of `question` that can be its answer.
    fn among(self, question: &Question) -> impl Iterator<Item = usize> {
        let count = if self == Self::First { 1 } else { usize::MAX };
        question.wrong().take(count)
    }

    /// One of them.
    fn of(self, question: &Question, rng: &mut PythonRandom) -> Option<usize> {
        let mut wrong = self.among(question);
        match self {
            Self::Random => rng.choice(&wrong.collect::<Vec<_>>()).copied(),
            // Python's `choice` of a single element would move the generator on.
            Self::First => wrong.next(),
        }
    }
}

/// Draws until a text is none of the question's own, if there is one among `texts`.
fn draw_foreign<'a>(
    question: &Question,
    mut texts: impl Iterator<Item = &'a str>,
    draw: impl FnMut() -> Option<&'a str>,
) -> Option<&'a str> {
    let is_foreign = |text: &&str| !question.has_text(text);
    // Without this the next line could have nothing to find; the first text nearly always does.
    texts.find(is_foreign)?;
    std::iter::repeat_with(draw).flatten().find(is_foreign)
}

#[cfg(test)]
mod tests;
