//! Where the files of a task's splits lie.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::task::{Keys, Pool};
use crate::{Error, Result, Task, task};

/// Where a benchmark's rows are read from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// A folder with the files of all splits, as the hub has them or one a split.
    pub folder: Option<PathBuf>,
    /// Folders of data sets, by their names on the hub, where there is no such folder.
    pub repos: BTreeMap<String, PathBuf>,
    /// Files to train on, in place of the folder's.
    pub train: Vec<PathBuf>,
    /// Files to test on, likewise.
    pub test: Vec<PathBuf>,
    /// Files to take shots from, likewise.
    pub shots: Vec<PathBuf>,
}

impl Source {
    /// A folder with the files of all splits.
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: Some(folder.into()),
            ..Self::default()
        }
    }

    /// The files of a task's split.
    pub(crate) fn files(&self, task: &Task, split: &str) -> Result<Vec<PathBuf>> {
        let repo = || self.repos.get(task.keys.dataset_path.as_deref()?);
        let Some(folder) = self.folder.as_ref().or_else(repo) else {
            return task
                .data_files()
                .remove(split)
                .ok_or_else(|| Error::NoData {
                    task: task.name.clone(),
                    split: split.into(),
                });
        };
        let mut looked = Vec::new();
        for stem in stems(task, split) {
            let found = matching(&folder.join(&stem))?;
            match found.as_slice() {
                [] => looked.push(folder.join(&stem)),
                [_] => return Ok(found),
                _ if are_shards(&found) => return Ok(found),
                _ => {
                    return Err(Error::SeveralFiles {
                        split: split.into(),
                        found,
                    });
                }
            }
        }
        Err(Error::MissingFile {
            task: task.name.clone(),
            split: split.into(),
            looked,
        })
    }
}

/// The paths in a folder that a split may have, without their endings; the likeliest first.
fn stems(task: &Task, split: &str) -> Vec<String> {
    let mut stems = task.own().files.remove(split).unwrap_or_default();
    let mut folders = Vec::new();
    folders.extend(task.keys.dataset_name.clone());
    folders.extend([
        task.name.clone(),
        String::new(),
        "data".into(),
        "default".into(),
        "all".into(),
    ]);
    let names = match split {
        "validation" => vec!["validation", "val", "valid"],
        _ => vec![split],
    };
    for folder in folders {
        let before = if folder.is_empty() {
            folder
        } else {
            folder + "/"
        };
        for name in &names {
            // A file; shards; and the hub's own conversion, a folder a split.
            stems.extend([
                format!("{before}{name}"),
                format!("{before}{name}-*"),
                format!("{before}{name}/*"),
            ]);
        }
    }
    stems
}

/// A data set of the hub, as far as a task needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The repository.
    pub path: String,
    /// Its splits' files, without their endings.
    stems: Vec<String>,
}

impl Dataset {
    pub(crate) fn new(task: &Task, splits: &BTreeSet<String>) -> Option<Self> {
        let path = task.keys.dataset_path.clone()?;
        let stems = splits.iter().flat_map(|split| stems(task, split)).collect();
        Some(Self { path, stems })
    }

    /// Whether a file of the repository holds one of the splits.
    #[must_use]
    pub fn has(&self, file: &str) -> bool {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        let fits = |stem: &String| {
            let (of, stem) = stem.rsplit_once('/').unwrap_or(("", stem));
            of == folder && is_named(name, stem)
        };
        self.stems.iter().any(fits)
    }
}

/// The data sets of the hub that a task is read from.
///
/// # Errors
///
/// If there is no such task.
pub fn datasets(name: &str) -> Result<Vec<Dataset>> {
    let found: Vec<Vec<Dataset>> = task::open(name)?
        .iter()
        .map(of_task)
        .collect::<Result<_>>()?;
    Ok(found.concat())
}

/// The data sets that it, or what it trains on, is read from.
fn of_task(task: &Task) -> Result<Vec<Dataset>> {
    let Keys {
        training_split,
        validation_split,
        test_split,
        ..
    } = &task.keys;
    let named = [training_split, validation_split, test_split]
        .into_iter()
        .flatten()
        .cloned();
    let mut splits: BTreeSet<String> = named.collect();
    if let Pool::Split(split) = task.pool() {
        splits.insert(split);
    }
    let mut found = Vec::new();
    for part in task.own().training.unwrap_or_default() {
        match part.task {
            None => drop(splits.insert(part.split)),
            Some(name) => {
                let tasks = task::open(&name)?;
                let splits = BTreeSet::from([part.split]);
                found.extend(
                    tasks
                        .iter()
                        .filter_map(|other| Dataset::new(other, &splits)),
                );
            }
        }
    }
    found.extend(Dataset::new(task, &splits));
    Ok(found)
}

const ENDINGS: [&str; 4] = ["jsonl", "json", "csv", "parquet"];
const COMPRESSED: [&str; 4] = ["", ".gz", ".xz", ".zst"];

/// The files that `stem` names; `*` in its last part stands for anything.
fn matching(stem: &Path) -> Result<Vec<PathBuf>> {
    let (Some(folder), Some(name)) = (
        stem.parent(),
        stem.file_name().and_then(|name| name.to_str()),
    ) else {
        return Ok(Vec::new());
    };
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let matches = is_named(file, name);
        if matches && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a file's name is `stem` with an ending; `*` stands for anything.
fn is_named(file: &str, stem: &str) -> bool {
    ENDINGS.iter().any(|ending| {
        COMPRESSED.iter().any(|compressed| {
            let found = file.strip_suffix(&format!(".{ending}{compressed}"));
            found.is_some_and(|found| match stem.split_once('*') {
                Some((start, end)) => {
                    found.len() >= start.len() + end.len()
                        && found.starts_with(start)
                        && found.ends_with(end)
                }
                None => found == stem,
            })
        })
    })
}

/// Whether files are the parts of one: `train-00000-of-00002.parquet`, or `0000.parquet` and so on.
fn are_shards(files: &[PathBuf]) -> bool {
    let stem = |path: &PathBuf| {
        path.file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default()
            .to_owned()
    };
    let count = files.len();
    (0..)
        .zip(files.iter().map(stem))
        .all(|(place, stem): (usize, String)| {
            stem.ends_with(&format!("-{place:05}-of-{count:05}")) || stem == format!("{place:04}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_found_where_people_have_them() {
        let task = crate::open_task("arc_challenge").unwrap().remove(0);
        for (files, split, expected) in [
            (&["test.jsonl"][..], "test", Ok(1)),
            (&["data/test.csv.gz"], "test", Ok(1)),
            (
                &["ARC-Challenge/test-00000-of-00001.parquet", "test.json"],
                "test",
                Ok(1),
            ),
            (
                &["test-00000-of-00002.parquet", "test-00001-of-00002.parquet"],
                "test",
                Ok(2),
            ),
            (
                &["test-00000-of-00003.parquet", "test-00001-of-00003.parquet"],
                "test",
                Err("more than one file"),
            ),
            (
                &[
                    "ARC-Challenge/test/0000.parquet",
                    "ARC-Challenge/test/0001.parquet",
                ],
                "test",
                Ok(2),
            ),
            (&["ARC-Challenge-Dev.jsonl"], "validation", Ok(1)),
            (
                &["test.jsonl", "test.csv"],
                "test",
                Err("more than one file"),
            ),
            (&["testing.jsonl"], "test", Err("no file of split")),
        ] {
            let dir = tempfile::tempdir().unwrap();
            for file in files {
                let path = dir.path().join(file);
                fs_err::create_dir_all(path.parent().unwrap()).unwrap();
                fs_err::write(path, "").unwrap();
            }
            let found = Source::folder(dir.path()).files(&task, split);
            match (found, expected) {
                (Ok(found), Ok(count)) => assert_eq!(found.len(), count, "{files:?}"),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
                (found, _) => panic!("{files:?}: {found:?}"),
            }
        }
    }
}
