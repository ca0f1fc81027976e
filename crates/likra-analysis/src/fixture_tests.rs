//! Small score records for this crate's tests.

use likra_results::{AnswerKind, ScoreRecord};

use crate::{Negative, Norm, ScoreTable, Study};

/// A record of candidate `candidate` of question `q{question}`, which has 2 + `candidate` characters,
/// twice as many bytes and one token; candidate 0 is the right answer.
pub(crate) fn score(
    head: &str,
    examples: usize,
    question: usize,
    candidate: usize,
    log_likelihood: f64,
) -> ScoreRecord {
    let gold = candidate == 0;
    ScoreRecord {
        question_id: format!("q{question}"),
        candidate,
        kind: if gold {
            AnswerKind::Correct
        } else {
            AnswerKind::Incorrect
        },
        head: head.into(),
        examples,
        log_likelihood,
        tokens: 1,
        chars: 2 + candidate,
        bytes: 2 * (2 + candidate),
        greedy: None,
    }
}

/// The records of a head: log-likelihoods by question, then by candidate.
pub(crate) fn records(head: &str, examples: usize, scores: &[&[f64]]) -> Vec<ScoreRecord> {
    let by_question = scores.iter().enumerate();
    by_question
        .flat_map(|(question, scores)| {
            let by_candidate = scores.iter().enumerate();
            by_candidate
                .map(move |(candidate, &value)| score(head, examples, question, candidate, value))
        })
        .collect()
}

/// The table of several heads.
pub(crate) fn table(columns: &[(&str, usize, &[&[f64]])]) -> ScoreTable {
    let all: Vec<ScoreRecord> = columns
        .iter()
        .flat_map(|(head, examples, scores)| records(head, *examples, scores))
        .collect();
    ScoreTable::new(&all).unwrap()
}

/// A study of seed 1 with the paper's negatives, by whole log-likelihoods.
pub(crate) fn study(table: ScoreTable) -> Study {
    let negative = |head: &str, contamination| Negative {
        head: head.into(),
        label: head.into(),
        contamination,
    };
    Study {
        table,
        seed: 1,
        aside: None,
        replicates: Vec::new(),
        negatives: ["incorrect", "irrelevant", "unrelated"]
            .map(|head| negative(head, 0.0))
            .into(),
        rivals: Vec::new(),
        variants: Vec::new(),
        weights: vec![0.0, 0.5, 0.9, 1.0, 1.5],
        norm: Norm::None,
        benchmark: None,
        model: None,
    }
}
