//! Where the files of a task's splits lie.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::rows::without_compression;
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
        let refused = |message: String| Error::rows(&task.name, message);
        let repo = || self.repos.get(task.keys.dataset_path.as_deref()?);
        let Some(folder) = self.folder.as_ref().or_else(repo) else {
            let missing = format!("no folder with the rows of split `{split}` is given");
            let missing = || refused(format!("{missing}; expected --data DIR"));
            return task.data_files(split).ok_or_else(missing);
        };
        let listed = |paths: &[PathBuf]| {
            let paths = paths.iter().map(|path| path.display().to_string());
            paths.collect::<Vec<_>>().join(", ")
        };
        let stems = stems(task, split).into_iter().map(|stem| folder.join(stem));
        let stems: Vec<PathBuf> = stems.collect();
        for stem in &stems {
            let found = matching(stem)?;
            if found.len() > 1 && !are_shards(&found) {
                let several = format!("more than one file could be split `{split}`");
                let expected = format!("{}; expected one, or all parts of one", listed(&found));
                return Err(refused(format!("{several}: {expected}")));
            } else if !found.is_empty() {
                return Ok(found);
            }
        }
        let looked = listed(&stems);
        let forms = "(.jsonl, .json, .csv or .parquet, also compressed)";
        let missing = format!("no file of split `{split}` found; looked for {looked} {forms}");
        Err(refused(missing))
    }
}

/// The paths in a folder that a split may have, without their endings; the likeliest first. `*` stands for
/// anything.
fn stems(task: &Task, split: &str) -> Vec<String> {
    let mut stems = task.own.files.get(split).cloned().unwrap_or_default();
    let folders = task.keys.dataset_name.iter().chain([&task.name]);
    let folders = folders.map(|name| format!("{name}/"));
    let names = match split {
        "validation" => &["validation", "val", "valid"][..],
        _ => &[split],
    };
    for folder in folders.chain(["", "data/", "default/", "all/"].map(String::from)) {
        for name in names {
            // A file; shards; and the hub's own conversion, a folder a split.
            stems.extend(["", "-*", "/*"].map(|part| format!("{folder}{name}{part}")));
        }
    }
    stems
}

/// A data set of the hub, as far as a task needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dataset {
    /// The files of the splits that are needed, without their endings.
    stems: Vec<String>,
}

impl Dataset {
    /// Whether a file of the repository holds one of the splits.
    pub fn has(&self, file: &str) -> bool {
        self.stems.iter().any(|stem| is_named(file, stem))
    }
}

/// The data sets of the hub that a task is read from, by their names there.
///
/// # Errors
///
/// If there is no such task.
pub fn datasets(name: &str) -> Result<BTreeMap<String, Dataset>> {
    let mut found: BTreeMap<String, Dataset> = BTreeMap::new();
    for task in task::open(name)? {
        let mut splits = task.training()?;
        let own = task.splits().map(String::as_str).chain(task.pool());
        splits.extend(own.map(|split| (task.clone(), split.to_owned())));
        for (task, split) in splits {
            if let Some(path) = &task.keys.dataset_path {
                let dataset = found.entry(path.clone()).or_default();
                dataset.stems.extend(stems(&task, &split));
            }
        }
    }
    Ok(found)
}

const ENDINGS: [&str; 4] = ["jsonl", "json", "csv", "parquet"];

/// The files that `stem` names; `*` in its last part stands for anything.
fn matching(stem: &Path) -> Result<Vec<PathBuf>> {
    let name = stem.file_name().unwrap_or_default().to_string_lossy();
    let mut found = Vec::new();
    if let Some(folder) = stem.parent().filter(|folder| folder.is_dir()) {
        for entry in fs_err::read_dir(folder)? {
            let entry = entry?;
            if is_named(&entry.file_name().to_string_lossy(), &name) && entry.path().is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a file's name or path is `stem` with an ending; `*` stands for anything but a folder.
fn is_named(file: &str, stem: &str) -> bool {
    let is_named = |name: &str| match stem.split_once('*') {
        Some((start, end)) => {
            let rest = name.strip_prefix(start);
            rest.is_some_and(|rest| rest.ends_with(end) && !rest.contains('/'))
        }
        None => name == stem,
    };
    let parts = without_compression(file).rsplit_once('.');
    parts.is_some_and(|(name, ending)| ENDINGS.contains(&ending) && is_named(name))
}

/// Whether files are the parts of one: `train-00000-of-00002.parquet`, or `0000.parquet` and so on.
fn are_shards(files: &[PathBuf]) -> bool {
    let count = files.len();
    let is_shard = |(place, path): (usize, &PathBuf)| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        stem.ends_with(&format!("-{place:05}-of-{count:05}")) || stem == format!("{place:04}")
    };
    files.iter().enumerate().all(is_shard)
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
