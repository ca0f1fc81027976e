//! A benchmark's three sets of questions: to train on, to test on, and to take shots from.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::shots::PerQuestion;
use crate::{Error, Question, Result, Source, read_questions};

/// What a benchmark's files give to training and evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Benchmark {
    train: Vec<Question>,
    test: Vec<Question>,
    shots: Vec<Question>,
    spare_shot: bool,
}

impl Benchmark {
    /// A benchmark of these sets.
    ///
    /// # Errors
    ///
    /// If a question of `test`, by id, is in `train` as well.
    pub fn new(train: Vec<Question>, test: Vec<Question>, shots: Vec<Question>) -> Result<Self> {
        let seen: HashSet<&str> = train.iter().map(Question::id).collect();
        match test.iter().find(|question| seen.contains(question.id())) {
            Some(question) => Err(Error::Leak {
                id: question.id().to_owned(),
            }),
            None => Ok(Self {
                train,
                test,
                shots,
                spare_shot: false,
            }),
        }
    }

    /// The same benchmark, of which the harness draws one shot more than it shows
    /// ([`PerQuestion::with_spare`]).
    #[must_use]
    pub fn with_spare_shot(self) -> Self {
        Self {
            spare_shot: true,
            ..self
        }
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

    /// `count` shots drawn anew for each test question, in order, as lm-evaluation-harness does.
    ///
    /// # Errors
    ///
    /// If there are fewer questions than are drawn.
    pub fn shots_per_question(&self, count: usize, seed: u64) -> Result<PerQuestion<'_>> {
        if self.spare_shot {
            PerQuestion::with_spare(&self.shots, count, seed)
        } else {
            PerQuestion::new(&self.shots, count, seed)
        }
    }
}

/// The six files of ARC on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArcFiles {
    /// Easy-Train, Easy-Dev, Easy-Test, Challenge-Train, Challenge-Dev.
    pub train: [PathBuf; 5],
    /// Challenge-Test.
    pub test: PathBuf,
}

/// Where Challenge-Train stands among the training files.
const CHALLENGE_TRAIN: usize = 3;

impl ArcFiles {
    /// Finds ARC's files: under AI2's names (`ARC-Easy-Train.jsonl`; `.csv`, `.json` or `.parquet` instead)
    /// in `dir`, or as in AI2's archive in `dir/ARC-Easy` and `dir/ARC-Challenge`; or under the hub's
    /// (`dir/ARC-Easy/train-00000-of-00001.parquet`).
    ///
    /// # Errors
    ///
    /// If one is missing, with every place that was tried.
    pub fn find(dir: &Path) -> Result<Self> {
        Ok(Self {
            train: [
                find(dir, "ARC-Easy", "Train")?,
                find(dir, "ARC-Easy", "Dev")?,
                find(dir, "ARC-Easy", "Test")?,
                find(dir, "ARC-Challenge", "Train")?,
                find(dir, "ARC-Challenge", "Dev")?,
            ],
            test: find(dir, "ARC-Challenge", "Test")?,
        })
    }

    /// Reads them as the paper divides them: all but Challenge-Test is trained on (6615 questions),
    /// Challenge-Test is the test (1172), and shots come from Challenge-Train (1119).
    ///
    /// # Errors
    ///
    /// If a file cannot be read ([`read_questions`]) or a test question is in a training file.
    pub fn read(&self) -> Result<Benchmark> {
        let train: Vec<_> = self
            .train
            .iter()
            .map(|path| read_questions(Source::Arc, path))
            .collect::<Result<_>>()?;
        let shots = train[CHALLENGE_TRAIN].clone();
        let test = read_questions(Source::Arc, &self.test)?;
        Benchmark::new(train.concat(), test, shots)
    }
}

fn find(dir: &Path, set: &str, split: &str) -> Result<PathBuf> {
    let mut looked = Vec::new();
    for ending in ["jsonl", "csv", "json", "parquet"] {
        let file = format!("{set}-{split}.{ending}");
        looked.extend([dir.join(&file), dir.join(set).join(file)]);
    }
    let hub = match split {
        "Train" => "train",
        "Dev" => "validation",
        _ => "test",
    };
    looked.push(dir.join(set).join(format!("{hub}-00000-of-00001.parquet")));
    match looked.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(Error::MissingFile {
            file: format!("{set}-{split}.jsonl"),
            looked,
        }),
    }
}

/// Finds and reads ARC in `dir`: [`ArcFiles::find`], then [`ArcFiles::read`].
///
/// # Errors
///
/// If a file is missing or refused.
pub fn read_arc_benchmark(dir: &Path) -> Result<Benchmark> {
    ArcFiles::find(dir)?.read()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &str); 6] = [
        ("ARC-Easy", "Train"),
        ("ARC-Easy", "Dev"),
        ("ARC-Easy", "Test"),
        ("ARC-Challenge", "Train"),
        ("ARC-Challenge", "Dev"),
        ("ARC-Challenge", "Test"),
    ];

    /// One line of the sample in each file: flat, or in a folder for each set.
    fn write(dir: &Path, nested: bool) {
        let sample = include_str!("../../../fixtures/data/arc-sample.jsonl");
        for ((set, split), line) in FILES.into_iter().zip(sample.lines()) {
            let folder = if nested { dir.join(set) } else { dir.into() };
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("{set}-{split}.jsonl")), line).unwrap();
        }
    }

    #[test]
    fn both_layouts_give_the_papers_division_in_order() {
        let sample = include_bytes!("../../../fixtures/data/arc-sample.jsonl");
        let sample = crate::parse_arc(sample, Path::new("sample")).unwrap();
        for nested in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), nested);
            let benchmark = read_arc_benchmark(dir.path()).unwrap();
            assert_eq!(benchmark.train(), &sample[..5]);
            assert_eq!(benchmark.test(), &sample[5..6]);
            assert_eq!(benchmark.shots(), &sample[3..4]);
        }
    }

    #[test]
    fn the_hubs_folders_are_found() {
        let dir = tempfile::tempdir().unwrap();
        for (set, split) in FILES {
            let hub = match split {
                "Train" => "train",
                "Dev" => "validation",
                _ => "test",
            };
            let folder = dir.path().join(set);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("{hub}-00000-of-00001.parquet")), "").unwrap();
        }
        let files = ArcFiles::find(dir.path()).unwrap();
        let test = "ARC-Challenge/test-00000-of-00001.parquet";
        assert_eq!(files.test, dir.path().join(test));
        let dev = "ARC-Easy/validation-00000-of-00001.parquet";
        assert_eq!(files.train[1], dir.path().join(dev));
    }

    #[test]
    fn a_missing_file_is_reported_with_every_place() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), false);
        std::fs::remove_file(dir.path().join("ARC-Challenge-Dev.jsonl")).unwrap();
        let dir = dir.path();
        let error = read_arc_benchmark(dir).unwrap_err().to_string();
        let begins = format!(
            "ARC-Challenge-Dev.jsonl not found; looked for {0}/ARC-Challenge-Dev.jsonl, \
             {0}/ARC-Challenge/ARC-Challenge-Dev.jsonl, {0}/ARC-Challenge-Dev.csv, ",
            dir.display()
        );
        assert!(error.starts_with(&begins), "{error}");
        let ends = "ARC-Challenge/validation-00000-of-00001.parquet";
        assert!(error.ends_with(ends), "{error}");
    }

    #[test]
    fn a_test_question_in_a_training_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), false);
        let train = dir.path().join("ARC-Easy-Dev.jsonl");
        std::fs::copy(train, dir.path().join("ARC-Challenge-Test.jsonl")).unwrap();
        let error = read_arc_benchmark(dir.path()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("in the training set and in the test set"),
            "{error}"
        );
    }
}
