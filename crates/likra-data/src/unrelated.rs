//! Answers from another benchmark, which have nothing to do with a question (paper, section 4.3).

use std::path::{Path, PathBuf};

use crate::files::Files;
use crate::{Layout, Question, Result, read_questions};

/// The texts of another benchmark's choices, right and wrong ones, in the order of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrelated {
    /// Those that heads may learn: the benchmark's training set; of MMLU `test/`.
    pub train: Vec<String>,
    /// Those that are scored beside a test question's own choices, and that no head has learned: the
    /// benchmark's test set; of MMLU `val/`.
    pub test: Vec<String>,
    /// The files that they are from.
    pub files: Vec<PathBuf>,
}

impl Unrelated {
    /// Reads them from a benchmark in `dir`. Of MMLU the subjects of
    /// [`MMLU_SCIENCE`](crate::MMLU_SCIENCE) are left out, as in the paper.
    ///
    /// # Errors
    ///
    /// If files are missing, or hold what is no question.
    pub fn open(layout: Layout, dir: &Path) -> Result<Self> {
        let Files { train, test, .. } = layout.files(dir)?;
        let texts = |files: &[PathBuf]| -> Result<Vec<String>> {
            let mut texts = Vec::new();
            for path in files {
                let questions = read_questions(layout, path)?;
                texts.extend(questions.iter().flat_map(Question::texts).cloned());
            }
            Ok(texts)
        };
        Ok(Self {
            train: texts(&train)?,
            test: texts(&test)?,
            files: [train, test].concat(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = include_str!("../../../fixtures/data/philosophy_test.csv");

    #[test]
    fn answers_of_mmlu_are_of_other_subjects_than_science() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("test/philosophy_test.csv", TABLE);
        write("test/college_physics_test.csv", "What?,p,q,r,s,A\n");
        write("val/anatomy_val.csv", "What?,a,b,c,d,A\n");
        let found = Unrelated::open(Layout::Mmlu, dir.path()).unwrap();
        assert_eq!(found.test, ["a", "b", "c", "d"]);
        assert_eq!(found.files.len(), 2);
        let philosophy = dir.path().join("test/philosophy_test.csv");
        let expected = read_questions(Layout::Mmlu, &philosophy).unwrap();
        let expected = expected.iter().flat_map(Question::texts);
        assert!(found.train.iter().eq(expected));

        std::fs::remove_dir_all(dir.path().join("val")).unwrap();
        let error = Unrelated::open(Layout::Mmlu, dir.path()).unwrap_err();
        assert!(error.to_string().contains("val"), "{error}");
    }

    #[test]
    fn what_is_learned_and_what_is_scored_are_of_two_files() {
        let dir = tempfile::tempdir().unwrap();
        let sample = include_str!("../../../fixtures/data/hellaswag-sample.jsonl");
        let (train, test) = sample.split_at(sample.match_indices('\n').nth(3).unwrap().0 + 1);
        std::fs::write(dir.path().join("hellaswag_train.jsonl"), train).unwrap();
        std::fs::write(dir.path().join("hellaswag_val.jsonl"), test).unwrap();
        let found = Unrelated::open(Layout::Hellaswag, dir.path()).unwrap();
        assert_eq!(found.train.len(), 4 * train.lines().count());
        assert_eq!(found.test.len(), 4 * test.lines().count());
    }
}
