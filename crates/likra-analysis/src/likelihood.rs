//! What heads think of each kind of answer: the rows of the paper's figures 2 and 6.

use likra_results::{AnswerKind, BASE, ScoreRecord};

use crate::method::{NEGATIVE, POSITIVE};
use crate::rule::highest;
use crate::{Cells, Columns, Estimate, Question, ScoreTable, mean};

/// A mean over questions for one kind of answer under a head after so many examples.
#[derive(Debug, Clone, PartialEq)]
pub struct LikelihoodRow {
    /// The head; at 0 examples it is the base.
    pub head: &'static str,
    /// The kind of answer. Of the incorrect ones it is one a question: see the function that makes the row.
    pub kind: AnswerKind,
    /// How many training examples the head has seen.
    pub examples: usize,
    /// The mean.
    pub mean: Estimate,
    /// How many questions have such an answer.
    pub questions: usize,
}

impl Cells for LikelihoodRow {
    fn cells(&self) -> Columns {
        Columns::default()
            .text("head", self.head)
            .text("answer", self.kind)
            .count("examples", self.examples)
            .estimate(["mean", "low", "high"], self.mean)
            .count("questions", self.questions)
    }
}

/// The per-character likelihood, exp(log p(a|q) / characters), of the right and of the most likely wrong choice
/// over the training of the positive head (paper, figure 2): mean over questions, with an interval of 1.96
/// standard errors to either side. Which wrong choice is the most likely is asked anew after every number of
/// examples.
pub(crate) fn figure2(table: &ScoreTable) -> Vec<LikelihoodRow> {
    use AnswerKind::{Correct, Incorrect};
    let both = |column: &[Vec<f64>]| likelihoods(table, column);
    let correct = rows(table, POSITIVE, Correct, |column| both(column).0);
    let wrong = rows(table, POSITIVE, Incorrect, |column| both(column).1);
    [correct, wrong].concat()
}

/// The per-character likelihoods of the right and of the most likely wrong choice of every question that has
/// both, under one column of log-likelihoods.
pub(crate) fn likelihoods(table: &ScoreTable, column: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
    let questions = table.questions().iter().zip(column);
    let both = questions.filter_map(|(question, values)| {
        let correct = answer(question, AnswerKind::Correct, values)?;
        let wrong = answer(question, AnswerKind::Incorrect, values)?;
        let likelihood = |place: usize| per_char(&question.candidates[place], values[place]).exp();
        Some((likelihood(correct), likelihood(wrong)))
    });
    both.unzip()
}

/// The change from the base of log p(a|q) per character, in nats, for each kind of answer, under the positive
/// and the negative head (paper, figure 6): mean over questions, with an interval as in [`figure2`]. The
/// incorrect answer of a question is the wrong choice that the base finds the most likely per character, the
/// same throughout, so that one text is followed.
pub(crate) fn figure6(table: &ScoreTable) -> Vec<LikelihoodRow> {
    let heads = [POSITIVE, NEGATIVE].into_iter();
    let kinds = heads.flat_map(|head| AnswerKind::ALL.map(|kind| (head, kind)));
    let curve = |(head, kind)| rows(table, head, kind, |column| changes(table, column, kind));
    kinds.flat_map(curve).collect()
}

/// The means of what `values` finds for each question, over the training of a head.
fn rows(
    table: &ScoreTable,
    head: &'static str,
    kind: AnswerKind,
    values: impl Fn(&[Vec<f64>]) -> Vec<f64>,
) -> Vec<LikelihoodRow> {
    let row = |(examples, column)| {
        let values = values(column);
        LikelihoodRow {
            head,
            kind,
            examples,
            mean: mean::over_questions(&values),
            questions: values.len(),
        }
    };
    let rows = columns(table, head).into_iter().map(row);
    rows.filter(|row| row.questions > 0).collect()
}

/// The change from the base for the answer of this kind of every question that has one, in nats per character.
pub(crate) fn changes(table: &ScoreTable, column: &[Vec<f64>], kind: AnswerKind) -> Vec<f64> {
    let base = table.log_likelihoods(BASE, 0).unwrap_or_default();
    let questions = table.questions().iter().zip(base.iter().zip(column));
    let changes = questions.filter_map(|(question, (base, now))| {
        let place = answer(question, kind, base)?;
        let change = now[place] - base[place];
        Some(per_char(&question.candidates[place], change))
    });
    changes.collect()
}

/// The place of the answer of a kind; of several the one that `values` say is the likeliest per character, and
/// of equals the first.
fn answer(question: &Question, kind: AnswerKind, values: &[f64]) -> Option<usize> {
    let candidates = question.candidates.iter().enumerate();
    let fitting = candidates.filter(|(_, c)| c.kind == kind && c.chars > 0);
    highest(fitting.map(|(place, c)| (per_char(c, values[place]), place)))
}

fn per_char(candidate: &ScoreRecord, value: f64) -> f64 {
    value / candidate.chars as f64
}

/// The base, as 0 examples, and a head after every number of examples; nothing if the head was never trained.
pub(crate) fn columns<'a>(table: &'a ScoreTable, head: &str) -> Vec<(usize, &'a [Vec<f64>])> {
    let column = |examples| {
        let head = if examples == 0 { BASE } else { head };
        Some((examples, table.log_likelihoods(head, examples)?))
    };
    let mut columns: Vec<_> = table.examples().into_iter().filter_map(column).collect();
    if columns.len() == 1 {
        columns.clear();
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture_tests::{score, table};

    fn found(rows: &[LikelihoodRow]) -> Vec<(&str, AnswerKind, usize, f64)> {
        let row = |row: &LikelihoodRow| (row.head, row.kind, row.examples, row.mean.value);
        rows.iter().map(row).collect()
    }

    #[test]
    fn the_most_likely_wrong_choice_is_asked_anew() {
        // Lengths 2, 3 and 4.
        let table = table(&[
            ("base", 0, &[&[-2.0, -3.0, -8.0]]),
            ("positive", 32, &[&[-1.0, -6.0, -2.0]]),
        ]);
        let likelihood = |per_char: f64| per_char.exp();
        let expected = [
            (POSITIVE, AnswerKind::Correct, 0, likelihood(-1.0)),
            (POSITIVE, AnswerKind::Correct, 32, likelihood(-0.5)),
            (POSITIVE, AnswerKind::Incorrect, 0, likelihood(-1.0)),
            (POSITIVE, AnswerKind::Incorrect, 32, likelihood(-0.5)),
        ];
        assert_eq!(found(&figure2(&table)), expected);
        assert!(
            figure2(&crate::fixture_tests::table(&[(
                "base",
                0,
                &[&[-1.0, -2.0]]
            )]))
            .is_empty()
        );
    }

    #[test]
    fn changes_follow_the_text_that_the_base_finds_likeliest() {
        let mut records = crate::fixture_tests::records("base", 0, &[&[-2.0, -3.0, -8.0]]);
        let other = |head: &str, examples, value| ScoreRecord {
            kind: AnswerKind::Unrelated,
            ..score(head, examples, 0, 3, value)
        };
        records.push(other("base", 0, -10.0));
        records.extend(crate::fixture_tests::records(
            "incorrect",
            32,
            &[&[-4.0, -1.5, 0.0]],
        ));
        records.push(other("incorrect", 32, -15.0));
        let table = ScoreTable::new(&records).unwrap();
        let expected = [
            (NEGATIVE, AnswerKind::Correct, 0, 0.0),
            (NEGATIVE, AnswerKind::Correct, 32, -1.0),
            (NEGATIVE, AnswerKind::Incorrect, 0, 0.0),
            (NEGATIVE, AnswerKind::Incorrect, 32, 0.5),
            (NEGATIVE, AnswerKind::Unrelated, 0, 0.0),
            (NEGATIVE, AnswerKind::Unrelated, 32, -1.0),
        ];
        assert_eq!(found(&figure6(&table)), expected);
    }
}
