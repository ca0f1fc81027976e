//! Score records, checked and laid out so that heads can be compared.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use likra_results::{ANSWER_ONLY, AnswerKind, BASE, P_TRUE, ScoreRecord};

use crate::{Error, Result};

/// The log-likelihoods of one head, in nats: by question, then by candidate.
type Column = Vec<Vec<f64>>;

/// A question and its candidate answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Its id.
    pub id: String,
    /// Its candidates as the base has scored them, by place: the choices, and possibly irrelevant and unrelated
    /// answers. All heads have the same.
    pub candidates: Vec<ScoreRecord>,
}

impl Question {
    /// The choices with their scores, of which there is one for each candidate.
    pub(crate) fn scored(&self, scores: &[f64]) -> impl Iterator<Item = (&ScoreRecord, f64)> {
        let scored = self.candidates.iter().zip(scores.iter().copied());
        scored.filter(|(candidate, _)| candidate.kind.is_choice())
    }

    /// Those of its candidates among which a model chooses.
    pub fn choices(&self) -> impl Iterator<Item = &ScoreRecord> {
        let candidates = self.candidates.iter();
        candidates.filter(|candidate| candidate.kind.is_choice())
    }
}

/// The column of a head that likes short answers: minus the characters.
pub(crate) const SHORTEST: &str = "shortest answer";

/// The scores of all heads over the same candidates of the same questions.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreTable {
    questions: Vec<Question>,
    /// By the head's name and the number of examples that it has seen.
    heads: BTreeMap<(String, usize), Column>,
}

impl ScoreTable {
    /// Groups records by head and number of examples.
    ///
    /// # Errors
    ///
    /// If there are none of the base, a group has other candidates than the base (one missing, one
    /// more, or one of another kind, length or correctness) or the same one twice, a log-likelihood
    /// is not finite, or a question does not have a right answer.
    pub fn new<'a>(records: impl IntoIterator<Item = &'a ScoreRecord>) -> Result<Self> {
        let mut groups: BTreeMap<(&str, usize), Vec<&ScoreRecord>> = BTreeMap::new();
        for record in records {
            let key = (record.head.as_str(), record.examples);
            groups.entry(key).or_default().push(record);
        }
        let base = groups.get(&(BASE, 0)).ok_or_else(|| Error::NoBase {
            found: groups.values().map(Vec::len).sum(),
        })?;
        let questions = questions(base)?;
        let mut heads = BTreeMap::new();
        for (head, records) in groups {
            let column = column(&questions, head, &records)?;
            heads.insert((head.0.to_owned(), head.1), column);
        }
        let length = |answer: &ScoreRecord| -(answer.chars as f64);
        let of = |question: &Question| question.candidates.iter().map(length).collect();
        heads.insert((SHORTEST.to_owned(), 0), questions.iter().map(of).collect());
        Ok(Self { questions, heads })
    }

    /// The questions, in the order of the base's records.
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// The log-likelihoods of a head after so many examples, in nats, in the order of
    /// [`questions`](Self::questions) and of their candidates.
    pub(crate) fn log_likelihoods(&self, head: &str, examples: usize) -> Option<&[Vec<f64>]> {
        let column = self.heads.get(&(head.to_owned(), examples));
        column.map(Vec::as_slice)
    }

    /// All numbers of examples after which some head was scored.
    pub(crate) fn examples(&self) -> BTreeSet<usize> {
        self.heads.keys().map(|(_, examples)| *examples).collect()
    }

    /// Leaves out all questions but those with these ids.
    pub(crate) fn keep(&mut self, ids: &HashSet<&str>) {
        let kept = self.questions.iter().map(|one| ids.contains(&*one.id));
        let kept: Vec<bool> = kept.collect();
        self.questions.retain(|one| ids.contains(&*one.id));
        for column in self.heads.values_mut() {
            let mut kept = kept.iter();
            column.retain(|_| kept.next() == Some(&true));
        }
    }

    /// The accuracy of a guess: the mean over questions of the share of their choices that are right.
    pub fn chance(&self) -> f64 {
        let guess = |question: &Question| {
            let right = |choice: &&ScoreRecord| choice.kind == AnswerKind::Correct;
            question.choices().filter(right).count() as f64 / question.choices().count() as f64
        };
        self.questions.iter().map(guess).sum::<f64>() / self.questions.len() as f64
    }
}

/// The questions of the base's records, in order of appearance.
fn questions(base: &[&ScoreRecord]) -> Result<Vec<Question>> {
    let mut questions: Vec<Question> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for record in base {
        let place = *places.entry(&record.question_id).or_insert(questions.len());
        if place == questions.len() {
            let (id, candidates) = (record.question_id.clone(), Vec::new());
            questions.push(Question { id, candidates });
        }
        questions[place].candidates.push((*record).clone());
        if record.kind.is_choice() {
            check_length(record)?;
        }
    }
    for question in &mut questions {
        let candidates = &mut question.candidates;
        candidates.sort_by_key(|candidate| candidate.candidate);
        // What is dropped here is found, and refused, when the base's own column is filled.
        candidates.dedup_by_key(|candidate| candidate.candidate);
        let mut choices = question.choices();
        if !choices.any(|choice| choice.kind == AnswerKind::Correct) {
            let question = question.id.clone();
            return Err(Error::Gold { question });
        }
    }
    Ok(questions)
}

/// Scores are divided by lengths.
fn check_length(record: &ScoreRecord) -> Result<()> {
    let unit = match (record.tokens, record.chars, record.bytes) {
        (0, ..) => "token",
        (_, 0, _) => "character",
        (.., 0) => "byte",
        _ => return Ok(()),
    };
    let message = format!("expected an answer of at least one {unit}, found none");
    Err(refused((BASE, 0), record, message))
}

/// The log-likelihoods of one head's records, which have to be those of `questions`.
fn column(questions: &[Question], head: (&str, usize), records: &[&ScoreRecord]) -> Result<Column> {
    let mut left: BTreeMap<(&str, usize), &ScoreRecord> = BTreeMap::new();
    for &record in records {
        let place = (record.question_id.as_str(), record.candidate);
        if left.insert(place, record).is_some() {
            return Err(refused(head, record, "scored twice"));
        }
    }
    let unscored = "not scored, but the base has scored it";
    let mut column = Column::new();
    for question in questions {
        let values = question.candidates.iter().map(|candidate| {
            match left.remove(&(question.id.as_str(), candidate.candidate)) {
                Some(record) => value(head, record, candidate),
                // It is asked of the choices alone.
                None if head.0 == P_TRUE && !candidate.kind.is_choice() => Ok(f64::NAN),
                None => Err(refused(head, candidate, unscored)),
            }
        });
        column.push(values.collect::<Result<_>>()?);
    }
    match left.into_values().next() {
        Some(record) => Err(refused(head, record, "the base has no such candidate")),
        None => Ok(column),
    }
}

/// The log-likelihood of a record, which has to be of the candidate that the base has scored.
fn value(head: (&str, usize), record: &ScoreRecord, of_base: &ScoreRecord) -> Result<f64> {
    let shape = |record: &ScoreRecord| {
        // Without a question, there is no chat that an answer could be a part of.
        let tokens = if head.0 == ANSWER_ONLY {
            0
        } else {
            record.tokens
        };
        (record.kind, tokens, record.chars, record.bytes)
    };
    let [expected, found] = [of_base, record].map(shape);
    // Whether an answer is true is another answer.
    if found != expected && head.0 != P_TRUE {
        let [expected, found] = [expected, found].map(|(kind, tokens, chars, bytes)| {
            format!("kind {kind}, {tokens} tokens, {chars} chars, {bytes} bytes")
        });
        let message = format!("expected {expected} as for the base, found {found}");
        return Err(refused(head, record, message));
    }
    let value = record.log_likelihood;
    if !value.is_finite() {
        let message = format!("expected a finite log-likelihood, found {value}");
        return Err(refused(head, record, message));
    }
    Ok(value)
}

/// About a candidate under a head after so many examples.
fn refused((head, examples): (&str, usize), of: &ScoreRecord, message: impl Into<String>) -> Error {
    let (question, candidate) = (&of.question_id, of.candidate);
    let at = format!(
        "head `{head}` after {examples} examples, question `{question}`, candidate {candidate}"
    );
    let message = message.into();
    Error::Record { at, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture_tests::{records, score};

    fn two_heads() -> Vec<ScoreRecord> {
        let mut all = records("base", 0, &[&[-1.0, -2.0], &[-3.0, -1.0, -2.0]]);
        all.extend(records(
            "positive",
            64,
            &[&[-1.5, -2.5], &[-3.5, -1.5, -2.5]],
        ));
        all
    }

    #[test]
    fn columns_follow_the_base_whatever_the_order_of_records() {
        let forward = ScoreTable::new(&two_heads()).unwrap();
        assert_eq!(forward.questions().len(), 2);
        let column = [vec![-1.5, -2.5], vec![-3.5, -1.5, -2.5]];
        assert_eq!(forward.log_likelihoods("positive", 64).unwrap(), column);
        assert_eq!(forward.examples(), BTreeSet::from([0, 64]));
        assert_eq!(forward.chance(), f64::midpoint(1.0 / 2.0, 1.0 / 3.0));

        let mut second = forward.clone();
        second.keep(&HashSet::from(["q1", "q9"]));
        assert_eq!(second.questions(), &forward.questions()[1..]);
        assert_eq!(
            second.log_likelihoods("positive", 64).unwrap(),
            &column[1..]
        );

        let mut shuffled = two_heads();
        shuffled[5..].reverse();
        assert_eq!(ScoreTable::new(&shuffled).unwrap(), forward);
    }

    #[test]
    fn only_choices_are_choices() {
        let mut all = records("base", 0, &[&[-1.0, -2.0]]);
        all.push(ScoreRecord {
            kind: AnswerKind::Irrelevant,
            ..score("base", 0, 0, 2, -0.5)
        });
        let table = ScoreTable::new(&all).unwrap();
        assert_eq!(table.questions()[0].candidates.len(), 3);
        assert_eq!(table.questions()[0].choices().count(), 2);
        assert_eq!(table.chance(), 0.5);
    }

    #[test]
    fn a_guess_finds_any_of_several_right_answers() {
        let mut all = records("base", 0, &[&[-1.0, -2.0, -3.0, -4.0]]);
        all[2].kind = AnswerKind::Correct;
        assert_eq!(ScoreTable::new(&all).unwrap().chance(), 0.5);
    }

    #[test]
    fn whether_answers_are_true_is_asked_of_choices_alone() {
        let mut all = records("base", 0, &[&[-1.0, -2.0]]);
        all.push(ScoreRecord {
            kind: AnswerKind::Irrelevant,
            ..score("base", 0, 0, 2, -0.5)
        });
        let asked = records(P_TRUE, 0, &[&[-4.0, -3.0]]);
        all.extend(asked.into_iter().map(|record| ScoreRecord {
            tokens: 9,
            chars: 99,
            ..record
        }));
        let table = ScoreTable::new(&all).unwrap();
        let rule = crate::Method::P_TRUE.rule(&table, 0, 1.0).unwrap();
        assert_eq!(rule.right(crate::Norm::Chars), [false]);
    }

    #[test]
    fn answers_alone_may_have_other_tokens() {
        let mut all = records("base", 0, &[&[-1.0, -2.0]]);
        let alone = records(ANSWER_ONLY, 0, &[&[-4.0, -3.0]]);
        all.extend(alone.into_iter().map(|record| ScoreRecord {
            tokens: record.tokens + 1,
            ..record
        }));
        assert!(ScoreTable::new(&all).is_ok());
        all[3].chars += 1;
        assert!(ScoreTable::new(&all).is_err());
    }

    #[test]
    fn without_the_base_there_is_no_table() {
        let found = ScoreTable::new(&records("positive", 64, &[&[-1.0]])).unwrap_err();
        assert!(matches!(found, Error::NoBase { found: 1 }), "{found}");
        assert!(ScoreTable::new(&[]).is_err());
    }

    #[test]
    fn a_head_that_differs_from_the_base_is_named() {
        type Change = fn(&mut Vec<ScoreRecord>);
        let cases: [(Change, &str); 9] = [
            (
                |all| drop(all.pop()),
                "question `q1`, candidate 2: not scored",
            ),
            (
                |all| all.push(all[5].clone()),
                "question `q0`, candidate 0: scored twice",
            ),
            (
                |all| all.push(score("positive", 64, 1, 3, -1.0)),
                "candidate 3: the base has no",
            ),
            (
                |all| all.push(score("positive", 64, 7, 0, -1.0)),
                "question `q7`, candidate 0: the",
            ),
            (
                |all| all[6].chars += 1,
                "candidate 1: expected kind incorrect, ",
            ),
            (|all| all[6].bytes += 1, "3 chars, 6 bytes as for the base"),
            (
                |all| all[6].kind = AnswerKind::Correct,
                "found kind correct",
            ),
            (
                |all| all[6].kind = AnswerKind::Unrelated,
                "found kind unrelated",
            ),
            (
                |all| all[6].log_likelihood = f64::NAN,
                "candidate 1: expected a finite",
            ),
        ];
        for (change, expected) in cases {
            let mut all = two_heads();
            change(&mut all);
            let message = ScoreTable::new(&all).unwrap_err().to_string();
            assert!(
                message.starts_with("head `positive` after 64 examples, "),
                "{message}"
            );
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn the_base_itself_is_checked() {
        type Change = fn(&mut Vec<ScoreRecord>);
        let cases: [(Change, &str); 7] = [
            (|all| all.push(all[0].clone()), "scored twice"),
            (|all| all[0].kind = AnswerKind::Incorrect, "found none"),
            (|all| all[0].kind = AnswerKind::Irrelevant, "found none"),
            (|all| all[1].tokens = 0, "at least one token"),
            (|all| all[1].chars = 0, "at least one character"),
            (|all| all[1].bytes = 0, "at least one byte"),
            (
                |all| all[1].log_likelihood = f64::NEG_INFINITY,
                "found -inf",
            ),
        ];
        for (change, expected) in cases {
            let mut all = records("base", 0, &[&[-1.0, -2.0]]);
            change(&mut all);
            let message = ScoreTable::new(&all).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
