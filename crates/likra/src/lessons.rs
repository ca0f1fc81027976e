//! What a head learns: training questions with the answers that its experiment gives them, in order.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use likra_data::{
    AnswerKind, Question, Rank, Tokenizer, TrainingExample, TrainingPair, Unrelated, WrongAnswer,
    contaminated, ranked_pairs, training_order, training_pairs,
};
use likra_results::{AnswerRecord, ScoreRecord};
use rayon::prelude::*;

use crate::experiment::{Answers, Trained};

/// What a head learns, in the order of training.
#[derive(Debug)]
pub(crate) struct Lessons {
    pub(crate) examples: Vec<TrainingExample>,
    pub(crate) answers: Vec<AnswerRecord>,
}

/// Where answers are taken from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) train: &'a [Question],
    pub(crate) wrong: WrongAnswer,
    pub(crate) unrelated: Option<&'a Unrelated>,
    /// The base's scores of the questions whose wrong choices are ranked.
    pub(crate) ranking: Option<&'a Ranking>,
}

/// What the base thinks of the choices of training questions, per character.
#[derive(Debug)]
pub(crate) struct Ranking(HashMap<String, Vec<f64>>);

impl Ranking {
    /// From the base's scores of those questions.
    pub(crate) fn new(records: &[ScoreRecord]) -> Self {
        let mut scores: HashMap<String, Vec<f64>> = HashMap::new();
        for record in records {
            let of_question = scores.entry(record.question_id.clone()).or_default();
            of_question.push(record.log_likelihood / record.chars.max(1) as f64);
        }
        Self(scores)
    }
}

/// The places among the training questions of those that `head` sees, in order.
pub(crate) fn seen(train: &[Question], head: &Trained) -> Vec<usize> {
    let mut order = training_order(train.len(), head.seed);
    order.truncate(head.examples);
    order
}

/// What `head` learns from all training questions; of ranked answers, from those that it sees.
///
/// Right, wrong and other answers are drawn for all questions, so that a head's examples begin as
/// those of a longer run.
pub(crate) fn lessons(tokenizer: &Tokenizer, sources: &Sources, head: &Trained) -> Result<Lessons> {
    let Sources { train, ranking, .. } = *sources;
    let chosen: Vec<Question> = if head.answers.are_ranked() {
        seen(train, head)
            .into_iter()
            .map(|place| train[place].clone())
            .collect()
    } else {
        train.to_vec()
    };
    let pairs = match (head.answers.are_ranked(), ranking) {
        (true, Some(ranking)) => ranked(&chosen, ranking, head.answers)?,
        (true, None) => Vec::new(),
        (false, _) => drawn(&chosen, sources, head)?,
    };
    // Ranked questions stand in the order of training already.
    let order = if head.answers.are_ranked() {
        (0..pairs.len()).collect()
    } else {
        training_order(pairs.len(), head.seed)
    };
    let pairs = match head.contamination {
        0.0 => pairs,
        rate => contaminated(pairs, rate, head.seed),
    };
    let ordered: Vec<TrainingPair> = order.into_iter().map(|place| pairs[place]).collect();
    let examples = ordered
        .par_iter()
        .map(|pair| TrainingExample::new(tokenizer, pair));
    Ok(Lessons {
        examples: examples.collect::<Result<_, _>>()?,
        answers: ordered.iter().map(record).collect(),
    })
}

fn drawn<'a>(
    train: &'a [Question],
    sources: &Sources<'a>,
    head: &Trained,
) -> Result<Vec<TrainingPair<'a>>> {
    let kind = match head.answers {
        Answers::Correct => AnswerKind::Correct,
        Answers::Irrelevant => AnswerKind::Irrelevant,
        Answers::Unrelated => AnswerKind::Unrelated,
        Answers::Incorrect | Answers::Hardest | Answers::Easiest => AnswerKind::Incorrect,
    };
    let texts = sources
        .unrelated
        .map_or(&[][..], |unrelated| &unrelated.train);
    Ok(training_pairs(
        train,
        kind,
        sources.wrong,
        head.seed,
        texts,
    )?)
}

fn ranked<'a>(
    questions: &'a [Question],
    ranking: &Ranking,
    answers: Answers,
) -> Result<Vec<TrainingPair<'a>>> {
    let scores = questions.iter().map(|question| {
        let scores = ranking.0.get(question.id()).cloned();
        scores.with_context(|| format!("question `{}`: the base has not scored it", question.id()))
    });
    let scores: Vec<Vec<f64>> = scores.collect::<Result<_>>()?;
    let rank = match answers {
        Answers::Easiest => Rank::Easiest,
        _ => Rank::Hardest,
    };
    Ok(ranked_pairs(questions, &scores, rank)?)
}

fn record(pair: &TrainingPair) -> AnswerRecord {
    AnswerRecord {
        question_id: pair.question.id().into(),
        kind: pair.kind,
        answer: pair.answer.into(),
    }
}
