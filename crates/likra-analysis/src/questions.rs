//! Single questions: what the heads make of each choice, and which choice each method takes.

use likra_results::{AnswerKind, BASE};

use crate::method::NEGATIVE;
use crate::rule::highest;
use crate::{Method, Norm, POSITIVE, Question, Rule, Study};

/// Every question of a study, under the heads and by the methods that it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Questions {
    /// The base, the positive and the negative head, each with the most examples that it has seen.
    pub heads: Vec<(&'static str, usize)>,
    /// The methods of the table of rivals, each with its most examples.
    pub methods: Vec<(Method, usize)>,
    /// The questions, in the order of the scores.
    pub rows: Vec<QuestionRow>,
}

/// What heads and methods make of a question. A choice is named by its place among the choices.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestionRow {
    /// The question's id.
    pub id: String,
    /// The choices that are right.
    pub right: Vec<usize>,
    /// The length of each choice in characters.
    pub chars: Vec<usize>,
    /// The log-likelihoods in nats, by head and then by choice.
    pub log_likelihoods: Vec<Vec<f64>>,
    /// The choice that each method takes.
    pub taken: Vec<usize>,
    /// By method, the normalised score of the best right choice less that of the best wrong one; nothing if none is
    /// wrong.
    pub margins: Vec<Option<f64>>,
}

/// All questions of a study with what these methods take, as their accuracies are counted.
pub(crate) fn questions(study: &Study, methods: &[Method]) -> Questions {
    let table = &study.table;
    let column = |head: &'static str| {
        let scored = |examples| Some(((head, examples), table.log_likelihoods(head, examples)?));
        table.examples().into_iter().rev().find_map(scored)
    };
    let columns = [BASE, POSITIVE, NEGATIVE].into_iter().filter_map(column);
    let (heads, columns): (Vec<_>, Vec<_>) = columns.unzip();
    let taken = methods.iter().filter_map(|method| {
        let examples = method.last(table)?;
        let rule = method.rule(table, examples, 1.0)?;
        Some(((method.clone(), examples), rule.taken(study.norm)))
    });
    let (methods, by_method): (Vec<_>, Vec<_>) = taken.unzip();
    let row = |(at, question): (usize, &Question)| {
        let choices = question.choices().enumerate();
        let right = choices.filter(|(_, choice)| choice.kind == AnswerKind::Correct);
        let nats = |column: &&[Vec<f64>]| {
            let scored = question.scored(&column[at]);
            scored.map(|(_, nats)| nats).collect()
        };
        let (taken, margins) = by_method.iter().map(|taken| taken[at]).unzip();
        QuestionRow {
            id: question.id.clone(),
            right: right.map(|(place, _)| place).collect(),
            chars: question.choices().map(|choice| choice.chars).collect(),
            log_likelihoods: columns.iter().map(nats).collect(),
            taken,
            margins,
        }
    };
    let rows = table.questions().iter().enumerate().map(row).collect();
    Questions {
        heads,
        methods,
        rows,
    }
}

impl Rule<'_> {
    /// Of each question the choice that [`right`](Self::right) is about, and the margin of the right one.
    fn taken(&self, norm: Norm) -> Vec<(usize, Option<f64>)> {
        let taken = |choices: Vec<(f64, bool)>| {
            let best = |wanted: bool| {
                let some = choices.iter().filter(|(_, right)| *right == wanted);
                some.map(|(score, _)| *score).reduce(f64::max)
            };
            let margin = || Some(best(true)? - best(false)?);
            let places = choices.iter().zip(0..);
            let taken = highest(places.map(|((score, _), place)| (score, place)));
            (taken.unwrap_or(0), margin())
        };
        self.choices(norm).into_iter().map(taken).collect()
    }
}

#[cfg(test)]
mod tests {
    use likra_results::ScoreRecord;

    use super::*;
    use crate::fixture_tests::{records, score, study, table};
    use crate::{ScoreTable, findings};

    /// Three questions of two choices of 2 and 3 characters, of which the first is right.
    fn three() -> Study {
        study(table(&[
            ("base", 0, &[&[-2.0, -3.0], &[-4.0, -3.0], &[-2.0, -2.5]]),
            (
                "positive",
                32,
                &[&[-9.0, -1.0], &[-9.0, -1.0], &[-9.0, -1.0]],
            ),
            (
                "positive",
                64,
                &[&[-2.0, -2.5], &[-3.0, -4.0], &[-1.0, -3.0]],
            ),
            (
                "incorrect",
                64,
                &[&[-3.0, -2.0], &[-6.0, -2.0], &[-1.0, -4.0]],
            ),
        ]))
    }

    #[test]
    fn choices_by_hand() {
        let mut study = three();
        study.norm = Norm::Chars;
        let methods = [
            Method::SFT_LIKRA,
            Method::SFT,
            Method::BASE_PMI,
            Method::BASE,
        ];
        let found = questions(&study, &methods);
        assert_eq!(
            found.heads,
            [("base", 0), ("positive", 64), ("incorrect", 64)]
        );
        // The answer alone was not scored.
        let named = found.methods.iter().map(|(method, n)| (method.name(), *n));
        let named: Vec<_> = named.collect();
        assert_eq!(named, [("sft-likra", 64), ("sft", 64), ("base", 0)]);
        let ids: Vec<_> = found.rows.iter().map(|row| &*row.id).collect();
        assert_eq!(ids, ["q0", "q1", "q2"]);
        let QuestionRow {
            right,
            chars,
            log_likelihoods,
            ..
        } = &found.rows[1];
        assert_eq!((&right[..], &chars[..]), (&[0][..], &[2, 3][..]));
        assert_eq!(
            log_likelihoods[..],
            [[-4.0, -3.0], [-3.0, -4.0], [-6.0, -2.0]]
        );

        let taken = |row: &QuestionRow| {
            let margins = row.margins.iter().map(|margin| margin.unwrap());
            row.taken.iter().copied().zip(margins).collect::<Vec<_>>()
        };
        // Ratios 1 and -0.5; alone -2 and -2.5, -2 and -3, over 2 and 3 characters. Of equals the first is taken.
        let expected = [(0, 0.5 + 0.5 / 3.0), (1, -1.0 + 2.5 / 3.0), (0, 0.0)];
        assert_eq!(taken(&found.rows[0]), expected);
        // Ratios 3 and -2; -3 and -4; -4 and -3.
        let expected = [(0, 1.5 + 2.0 / 3.0), (1, -1.5 + 4.0 / 3.0), (1, -1.0)];
        assert_eq!(taken(&found.rows[1]), expected);
        // Ratios 0 and 1.
        assert_eq!(taken(&found.rows[2])[0], (1, -1.0 / 3.0));
    }

    /// Every way to score, also with several right choices, none wrong, and candidates that are no choices.
    #[test]
    fn as_many_are_right_as_the_table_of_rivals_says() {
        let mut study = three();
        study.rivals = vec![Method::reward("dpo")];
        let scores: [&[f64]; 3] = [&[-2.0, -2.5], &[-1.0, -0.5], &[3.0, 4.0]];
        let mut all = records("answer-only", 0, &scores);
        all.extend(records("dpo", 64, &scores));
        for (head, examples) in [("base", 0), ("positive", 64), ("incorrect", 64)] {
            let column = study.table.log_likelihoods(head, examples).unwrap();
            let column: Vec<&[f64]> = column.iter().map(Vec::as_slice).collect();
            all.extend(records(head, examples, &column));
        }
        let further = all.iter().filter(|record| record.candidate == 0);
        let further = further.map(|record| ScoreRecord {
            kind: AnswerKind::Irrelevant,
            ..score(&record.head, record.examples, 0, 2, 9.0)
        });
        let further: Vec<_> = further.collect();
        all.extend(further.into_iter().step_by(3));
        for record in &mut all {
            if record.question_id == "q2" {
                record.kind = AnswerKind::Correct;
            }
        }
        study.table = ScoreTable::new(&all).unwrap();
        for norm in Norm::ALL {
            study.norm = norm;
            let findings = findings(&study);
            let Questions { methods, rows, .. } = findings.single;
            assert_eq!(methods.len(), findings.rivals.len());
            for (at, accuracy) in findings.rivals.iter().enumerate() {
                assert_eq!(methods[at], (accuracy.method.clone(), accuracy.examples));
                let right = |row: &&QuestionRow| row.right.contains(&row.taken[at]);
                let right = rows.iter().filter(right).count();
                assert_eq!(right as f64 / 3.0, accuracy.acc_norm.value, "{norm:?} {at}");
            }
            assert_eq!(rows[0].chars.len(), 2);
            assert!(rows[2].margins.iter().all(Option::is_none));
        }
    }
}
