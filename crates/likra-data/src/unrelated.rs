//! Answers from another benchmark, which have nothing to do with a question (paper, section 4.3).

use std::collections::HashSet;
use std::path::PathBuf;

use crate::benchmark::{Needs, Test};
use crate::{Benchmark, Error, Question, Result, Source};

/// The texts of another benchmark's choices, right and wrong ones, in the order of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrelated {
    /// Those that heads may learn: of the benchmark's training set.
    pub train: Vec<String>,
    /// Those that are scored beside a test question's own choices, and that no head has learned: of the
    /// benchmark's test set.
    pub test: Vec<String>,
    /// The files that they are from.
    pub files: Vec<PathBuf>,
    /// All that the task files say, as JSON.
    pub definition: String,
}

impl Unrelated {
    /// Reads them from the files of a task.
    ///
    /// # Errors
    ///
    /// If files are missing or refused, or all questions have the same answers.
    pub fn open(task: &str, source: &Source) -> Result<Self> {
        let needs = Needs {
            train: true,
            test: Some(Test::Own(None)),
            shots: false,
        };
        let benchmark = Benchmark::open(task, source, &needs)?;
        let texts = |questions: &[Question]| -> Vec<String> {
            let texts = questions.iter().flat_map(|question| {
                (0..question.choices().len()).map(|place| question.text(place).to_owned())
            });
            texts.collect()
        };
        let found = Self {
            train: texts(benchmark.train()),
            test: texts(benchmark.test()),
            files: benchmark.files().to_vec(),
            definition: benchmark.definition(),
        };
        let distinct: HashSet<&String> = found.train.iter().collect();
        // Letters, or yes and no, are no answers to another question.
        match distinct.len() < 10 && benchmark.train().len() > 10 {
            true => Err(Error::SameAnswers { task: task.into() }),
            false => Ok(found),
        }
    }
}
