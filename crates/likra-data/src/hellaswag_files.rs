//! Where `HellaSwag`'s files are, and what they are for.

use std::path::{Path, PathBuf};

use crate::{Benchmark, Error, Result, Source, read_questions};

/// The two files of `HellaSwag` on this machine that have labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HellaswagFiles {
    /// The training set.
    pub train: PathBuf,
    /// The validation set, which serves as the test: the test set's labels are secret.
    pub test: PathBuf,
}

impl HellaswagFiles {
    /// Finds `hellaswag_train.jsonl` and `hellaswag_val.jsonl` in `dir`. In place of either may stand the
    /// hub's `data/train-00000-of-00001.parquet` or `data/validation-00000-of-00001.parquet`, or one file
    /// whose name has more before `.jsonl`, such as `hellaswag_train.partial3368.jsonl`.
    ///
    /// # Errors
    ///
    /// If one is missing, with what was tried, if several files could stand in its place, or if `dir`
    /// cannot be listed.
    pub fn find(dir: &Path) -> Result<Self> {
        Ok(Self {
            train: find(dir, "hellaswag_train", "train")?,
            test: find(dir, "hellaswag_val", "validation")?,
        })
    }

    /// Reads them: shots come from the training set, as lm-evaluation-harness 0.4.13 has it.
    ///
    /// # Errors
    ///
    /// If a file cannot be read ([`read_questions`]) or a test question, by id, is in the training file.
    pub fn read(&self) -> Result<Benchmark> {
        let train = read_questions(Source::Hellaswag, &self.train)?;
        let test = read_questions(Source::Hellaswag, &self.test)?;
        let benchmark = Benchmark::new(train.clone(), test, train)?;
        Ok(benchmark.with_spare_shot())
    }
}

/// Finds and reads `HellaSwag` in `dir`: [`HellaswagFiles::find`], then [`HellaswagFiles::read`].
///
/// # Errors
///
/// If a file is missing or refused.
pub fn read_hellaswag_benchmark(dir: &Path) -> Result<Benchmark> {
    HellaswagFiles::find(dir)?.read()
}

fn find(dir: &Path, stem: &str, hub: &str) -> Result<PathBuf> {
    let exact = dir.join(format!("{stem}.jsonl"));
    let hub = dir.join(format!("data/{hub}-00000-of-00001.parquet"));
    if let Some(path) = [&exact, &hub].into_iter().find(|path| path.is_file()) {
        return Ok(path.clone());
    }
    let mut found = with_more_in_the_name(dir, stem)?;
    match found.len() {
        0 => Err(Error::MissingFile {
            file: format!("{stem}.jsonl"),
            looked: vec![exact, hub, dir.join(format!("{stem}*.jsonl"))],
        }),
        1 => Ok(found.remove(0)),
        _ => Err(Error::SeveralFiles {
            file: format!("{stem}.jsonl"),
            found,
        }),
    }
}

/// The files `{stem}*.jsonl`, by name.
fn with_more_in_the_name(dir: &Path, stem: &str) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::Io {
        path: dir.into(),
        source,
    };
    let fits = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(stem))
            && path.extension() == Some("jsonl".as_ref())
            && path.is_file()
    };
    let mut found = Vec::new();
    for entry in dir.read_dir().map_err(failed)? {
        found.push(entry.map_err(failed)?.path());
    }
    found.retain(fits);
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shots::PerQuestion;

    const SAMPLE: &str = include_str!("../../../fixtures/data/hellaswag-sample.jsonl");
    const STRIPPED: &str = include_str!("../../../fixtures/data/hellaswag-stripped.jsonl");

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn training_files_give_the_shots_and_validation_the_test() {
        let sample = crate::parse_hellaswag(SAMPLE.as_bytes(), Path::new("sample")).unwrap();
        for (train, val) in [
            ("hellaswag_train.jsonl", "hellaswag_val.jsonl"),
            ("hellaswag_train.part.jsonl", "hellaswag_validation.jsonl"),
        ] {
            let dir = folder(&[(train, SAMPLE), (val, STRIPPED)]);
            let benchmark = read_hellaswag_benchmark(dir.path()).unwrap();
            assert_eq!(benchmark.train(), sample);
            assert_eq!(benchmark.shots(), sample);
            let ids: Vec<_> = benchmark.test().iter().map(crate::Question::id).collect();
            assert_eq!(ids, ["row#0", "row#1828", "row#1692", "row#4041"]);
        }
    }

    #[test]
    fn shots_are_drawn_with_one_to_spare() {
        let dir = folder(&[
            ("hellaswag_train.jsonl", SAMPLE),
            ("hellaswag_val.jsonl", STRIPPED),
        ]);
        let benchmark = read_hellaswag_benchmark(dir.path()).unwrap();
        let drawn: Vec<_> = benchmark
            .shots_per_question(2, 1234)
            .unwrap()
            .take(4)
            .collect();
        let with = PerQuestion::with_spare(benchmark.shots(), 2, 1234).unwrap();
        let without = PerQuestion::new(benchmark.shots(), 2, 1234).unwrap();
        assert_eq!(drawn, with.take(4).collect::<Vec<_>>());
        assert_ne!(drawn, without.take(4).collect::<Vec<_>>());
    }

    #[test]
    fn the_plain_name_comes_first() {
        let dir = folder(&[
            ("hellaswag_train.jsonl", SAMPLE),
            ("hellaswag_train.old.jsonl", "?"),
            ("hellaswag_val.jsonl", STRIPPED),
            ("hellaswag_val.jsonl.bak", "?"),
        ]);
        assert!(read_hellaswag_benchmark(dir.path()).is_ok());
    }

    #[test]
    fn a_missing_or_ambiguous_file_is_named() {
        let dir = folder(&[("hellaswag_train.jsonl", SAMPLE)]);
        let expected = format!(
            "hellaswag_val.jsonl not found; looked for {0}/hellaswag_val.jsonl, \
             {0}/data/validation-00000-of-00001.parquet, {0}/hellaswag_val*.jsonl",
            dir.path().display()
        );
        let error = HellaswagFiles::find(dir.path()).unwrap_err();
        assert_eq!(error.to_string(), expected);

        let dir = folder(&[
            ("hellaswag_train.b.jsonl", ""),
            ("hellaswag_train.a.jsonl", ""),
        ]);
        let expected = format!(
            "more than one file could be hellaswag_train.jsonl: {0}/hellaswag_train.a.jsonl, \
             {0}/hellaswag_train.b.jsonl; expected one",
            dir.path().display()
        );
        let error = HellaswagFiles::find(dir.path()).unwrap_err();
        assert_eq!(error.to_string(), expected);

        let error = HellaswagFiles::find(Path::new("nowhere")).unwrap_err();
        assert!(error.to_string().starts_with("nowhere: "), "{error}");
    }

    #[test]
    fn a_test_question_in_the_training_file_is_refused() {
        let line = SAMPLE.lines().nth(3).unwrap();
        let dir = folder(&[
            ("hellaswag_train.jsonl", SAMPLE),
            ("hellaswag_val.jsonl", line),
        ]);
        let error = read_hellaswag_benchmark(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Leak { .. }), "{error}");
    }
}
