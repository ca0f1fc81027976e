//! A benchmark's three sets of questions: to train on, to test on, and to take shots from.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::files::Files;
use crate::shots::{PerQuestion, ShotRule, Shots};
use crate::{Error, Layout, Question, Result, prompt, read_questions, shots};

/// What a benchmark's files give to training and evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Benchmark {
    layout: Layout,
    train: Vec<Question>,
    test: Vec<Question>,
    shots: Vec<Question>,
    files: Vec<PathBuf>,
}

impl Benchmark {
    /// A benchmark of these sets.
    ///
    /// # Errors
    ///
    /// If a question of `test`, by id, is in `train` as well.
    pub fn new(
        layout: Layout,
        train: Vec<Question>,
        test: Vec<Question>,
        shots: Vec<Question>,
    ) -> Result<Self> {
        let seen: HashSet<&str> = train.iter().map(Question::id).collect();
        match test.iter().find(|question| seen.contains(question.id())) {
            Some(question) => Err(Error::Leak {
                id: question.id().to_owned(),
            }),
            None => Ok(Self {
                layout,
                train,
                test,
                shots,
                files: Vec::new(),
            }),
        }
    }

    /// Finds and reads the files of a benchmark in `dir`, as the paper and lm-evaluation-harness
    /// divide them.
    ///
    /// # Errors
    ///
    /// If a file is missing or refused, or a test question is in a training file.
    pub fn open(layout: Layout, dir: &Path) -> Result<Self> {
        if layout == Layout::Mmlu {
            return Err(Error::NoTrainingSet);
        }
        let Files { train, test, shots } = layout.files(dir)?;
        let read = |paths: &[PathBuf]| -> Result<Vec<Vec<Question>>> {
            let paths = paths.iter();
            paths.map(|path| read_questions(layout, path)).collect()
        };
        let sets = read(&train)?;
        let pool = sets[shots].clone();
        let benchmark = Self::new(layout, sets.concat(), read(&test)?.concat(), pool)?;
        Ok(Self {
            files: [train, test].concat(),
            ..benchmark
        })
    }

    /// The files that it was read from.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The questions that heads are trained on, in order.
    #[must_use]
    pub fn train(&self) -> &[Question] {
        &self.train
    }

    /// The questions that are scored, in order.
    #[must_use]
    pub fn test(&self) -> &[Question] {
        &self.test
    }

    /// The questions that few-shot examples are taken from.
    #[must_use]
    pub fn shots(&self) -> &[Question] {
        &self.shots
    }

    /// The text before each of the first `count` test questions: the task's description, if it has one,
    /// and the solved questions.
    ///
    /// # Errors
    ///
    /// If the pool has fewer questions than are drawn, or lacks one that is named.
    pub fn prefixes(&self, shots: &Shots, count: usize) -> Result<Vec<String>> {
        let asked = &self.test[..count.min(self.test.len())];
        let drawn: Vec<Vec<&Question>> = if shots.rule == ShotRule::PerQuestion {
            let seed = shots.seed.unwrap_or(shots::HARNESS_SEED);
            let mut shots = PerQuestion::new(&self.shots, shots.count, seed, self.draws_spare())?;
            asked
                .iter()
                .map(|question| shots.next(question))
                .collect::<Result<_>>()?
        } else {
            let (first, spare) = match &shots.ids {
                Some(ids) => {
                    let mut named = shots::by_id(&self.shots, ids)?;
                    let spare = named.split_off(shots.count.min(ids.len()));
                    (named, spare)
                }
                None => shots::fixed(&self.shots, shots.count, shots.seed)?,
            };
            let shots = |question| shots::without(question, &first, &spare, first.len());
            asked.iter().map(shots).collect::<Result<_>>()?
        };
        let text = |(question, shots): (&Question, Vec<&Question>)| {
            prompt::description(question) + &prompt::few_shot_prefix(shots)
        };
        Ok(asked.iter().zip(drawn).map(text).collect())
    }

    /// Whether one shot more is drawn for each question, in case that the question itself is among them.
    fn draws_spare(&self) -> bool {
        let pool: HashMap<&str, &Question> =
            self.shots.iter().map(|shot| (shot.id(), shot)).collect();
        let shared = |question: &Question| {
            let shot = pool.get(question.id());
            shot.is_some_and(|shot| shot.is_same(question))
        };
        self.layout == Layout::Hellaswag || self.test.iter().any(shared)
    }
}

#[cfg(test)]
mod tests;
