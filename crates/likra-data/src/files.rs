//! Where the files of each benchmark are, and what they are for.

use std::path::{Path, PathBuf};

use crate::{Error, Layout, MMLU_SCIENCE, Result, mmlu};

/// The files of a benchmark on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) train: Vec<PathBuf>,
    pub(crate) test: Vec<PathBuf>,
    /// Which of the training files shots come from.
    pub(crate) shots: usize,
}

impl Files {
    /// Finds the files in `dir`:
    ///
    /// | layout | training | test | shots |
    /// |---|---|---|---|
    /// | ARC | all but Challenge-Test, as the paper divides it (section 3.1) | Challenge-Test | Challenge-Train |
    /// | ARC's format | `train.jsonl` | `test.jsonl` | `train.jsonl` |
    /// | `HellaSwag` | the training file | the validation file (the test's labels are secret) | the training file |
    /// | MMLU, without the subjects of [`MMLU_SCIENCE`] | `test/` | `val/` | |
    pub(crate) fn find(layout: Layout, dir: &Path) -> Result<Self> {
        let found = |train, test, shots| Ok(Self { train, test, shots });
        match layout {
            Layout::Arc => {
                let sets = [
                    ("ARC-Easy", "Train"),
                    ("ARC-Easy", "Dev"),
                    ("ARC-Easy", "Test"),
                    ("ARC-Challenge", "Train"),
                    ("ARC-Challenge", "Dev"),
                ];
                let train = sets.iter().map(|(set, split)| arc(dir, set, split));
                let train = train.collect::<Result<_>>()?;
                found(train, vec![arc(dir, "ARC-Challenge", "Test")?], 3)
            }
            Layout::ArcFormat => {
                let [train, test] = ["train.jsonl", "test.jsonl"].map(|name| dir.join(name));
                found(vec![train], vec![test], 0)
            }
            Layout::Hellaswag => {
                let train = hellaswag(dir, &["hellaswag_train"], "train")?;
                let names = ["hellaswag_val", "hellaswag_validation"];
                found(vec![train], vec![hellaswag(dir, &names, "validation")?], 0)
            }
            Layout::Mmlu => {
                let wanted = |subject: &str| !MMLU_SCIENCE.lines().any(|name| name == subject);
                let split = |name: &str| mmlu::subject_files(&dir.join(name), wanted);
                found(split("test")?, split("val")?, 0)
            }
        }
    }
}

/// A file of ARC under AI2's name (`ARC-Easy-Train.jsonl`; `.csv`, `.json` or `.parquet` instead) in
/// `dir`, or as in AI2's archive in `dir/ARC-Easy`; or under the hub's
/// (`dir/ARC-Easy/train-00000-of-00001.parquet`).
fn arc(dir: &Path, set: &str, split: &str) -> Result<PathBuf> {
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
    first(&format!("{set}-{split}.jsonl"), looked)
}

/// A file of `HellaSwag`: `STEM.jsonl` in `dir`, or the hub's
/// `data/train-00000-of-00001.parquet`, or one file whose name has more before `.jsonl`, such as
/// `hellaswag_train.partial3368.jsonl`.
fn hellaswag(dir: &Path, stems: &[&str], hub: &str) -> Result<PathBuf> {
    let file = format!("{}.jsonl", stems[0]);
    let mut looked: Vec<PathBuf> = stems
        .iter()
        .map(|stem| dir.join(format!("{stem}.jsonl")))
        .collect();
    looked.push(dir.join(format!("data/{hub}-00000-of-00001.parquet")));
    let starts = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        let is_file = path.extension() == Some("jsonl".as_ref()) && path.is_file();
        is_file && name.is_some_and(|name| name.starts_with(stems[0]))
    };
    let mut more = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        more.push(entry?.path());
    }
    more.retain(|path| starts(path));
    more.sort();
    match (first(&file, looked.clone()), more.len()) {
        (Ok(path), _) => Ok(path),
        (_, 1) => Ok(more.remove(0)),
        (_, 0) => {
            looked.push(dir.join(format!("{}*.jsonl", stems[0])));
            Err(Error::MissingFile { file, looked })
        }
        _ => Err(Error::SeveralFiles { file, found: more }),
    }
}

/// The first of these files that is there.
fn first(file: &str, looked: Vec<PathBuf>) -> Result<PathBuf> {
    match looked.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(Error::MissingFile {
            file: file.into(),
            looked,
        }),
    }
}
