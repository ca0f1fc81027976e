//! Answers from another benchmark, which have nothing to do with a question (paper, section 4.3).

use std::collections::HashSet;
use std::path::PathBuf;

use crate::{Benchmark, Error, Needs, Question, Result, Source};

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

const SAME_ANSWERS: &str = "all its questions have the same few answers, which say nothing by themselves; name \
    their texts in the key likra.answers of its file, or take another task for unrelated answers";

impl Unrelated {
    /// Reads them from the files of a task.
    ///
    /// # Errors
    ///
    /// If files are missing or refused, or all questions have the same answers.
    pub fn open(task: &str, source: &Source) -> Result<Self> {
        let needs = Needs {
            shots: false,
            ..Needs::all()
        };
        let benchmark = Benchmark::open(task, source, &needs)?;
        let texts = |questions: &[Question]| questions.iter().flat_map(Question::texts).collect();
        let train: Vec<String> = texts(benchmark.train());
        // Letters, or yes and no, are no answers to another question.
        if train.iter().collect::<HashSet<_>>().len() < 10 && benchmark.train().len() > 10 {
            return Err(Error::Rows(task.into(), SAME_ANSWERS.into()));
        }
        Ok(Self {
            train,
            test: texts(benchmark.test()),
            files: benchmark.files().to_vec(),
            definition: benchmark.definition(),
        })
    }
}
