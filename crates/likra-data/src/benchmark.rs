//! A benchmark's three sets of questions: to train on, to test on, and to take shots from.

use std::collections::HashSet;
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
        let drawn: Vec<Vec<&Question>> = match (shots.rule, &shots.ids) {
            (ShotRule::PerQuestion, _) => self.shots_per_question(shots)?.take(count).collect(),
            (_, Some(ids)) => {
                vec![shots::by_id(&self.shots, &ids[..shots.count.min(ids.len())])?; count]
            }
            (_, None) => vec![shots::fixed(&self.shots, shots.count, shots.seed)?; count],
        };
        let text = |(question, shots): (&Question, Vec<&Question>)| {
            prompt::description(question) + &prompt::few_shot_prefix(shots)
        };
        Ok(self.test.iter().zip(drawn).map(text).collect())
    }

    fn shots_per_question(&self, shots: &Shots) -> Result<PerQuestion<'_>> {
        let seed = shots.seed.unwrap_or(shots::HARNESS_SEED);
        match self.layout {
            Layout::Hellaswag => PerQuestion::with_spare(&self.shots, shots.count, seed),
            _ => PerQuestion::new(&self.shots, shots.count, seed),
        }
    }
}

#[cfg(test)]
mod tests;
