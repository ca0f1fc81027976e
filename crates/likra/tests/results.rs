//! The runs in `results/` are what their reports say: drawn again from their scores, every file is the same.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::succeed;

fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

#[test]
fn committed_runs_are_redrawn_byte_for_byte() {
    let runs = fs::read_dir(results()).unwrap();
    let runs = runs.map(|entry| entry.unwrap().path());
    let runs: Vec<PathBuf> = runs.filter(|path| path.join("run.toml").exists()).collect();
    assert!(!runs.is_empty());
    for run in runs {
        let dir = tempfile::tempdir().unwrap();
        copy(&run, dir.path());
        let report = dir.path().join("report");
        fs::remove_dir_all(&report).unwrap();
        succeed(&["report", dir.path().to_str().unwrap()]);
        let mut count = 0;
        for entry in fs::read_dir(run.join("report")).unwrap() {
            let name = entry.unwrap().file_name();
            let [committed, drawn] = [run.join("report"), report.clone()]
                .map(|folder| fs::read(folder.join(&name)).unwrap());
            assert!(committed == drawn, "{}: {name:?} differs", run.display());
            count += 1;
        }
        assert_eq!(
            fs::read_dir(&report).unwrap().count(),
            count,
            "{}",
            run.display()
        );
    }
}
