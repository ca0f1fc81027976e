//! The runs that are part of the project: drawn again from their scores, their reports have the same
//! numbers and the same curves. Words and style may differ.

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

/// What a file says in numbers: of a table all cells but sentences, of sentences the numbers in them, of a
/// picture all elements but the texts between them.
fn numbers(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    if path.extension() == Some("svg".as_ref()) {
        let elements = text.lines().filter(|line| line.starts_with('<'));
        return elements.map(String::from).collect();
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_path(path)
        .unwrap();
    let rows = reader.records().map(Result::unwrap);
    let cells: Vec<String> = rows
        .flat_map(|row| row.iter().map(String::from).collect::<Vec<_>>())
        .collect();
    let in_sentence = |cell: &String| -> Vec<String> {
        let digits = |c: char| c.is_ascii_digit() || c == '.';
        let words = cell.split(|c: char| !digits(c) && c != '-' && c != '+');
        let numbers = words.filter(|word| word.contains(|c: char| c.is_ascii_digit()));
        numbers
            .map(|word| word.trim_matches('.').to_owned())
            .collect()
    };
    cells
        .iter()
        .flat_map(|cell| match cell.contains(' ') {
            true => in_sentence(cell),
            false => vec![cell.clone()],
        })
        .collect()
}

#[test]
fn committed_runs_are_redrawn_with_the_same_numbers() {
    // Alone, or in a study's folder.
    let inside = |dir: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect()
    };
    let folders = inside(&results());
    let nested = folders.iter().flat_map(|folder| inside(folder));
    let mut runs: Vec<PathBuf> = folders.iter().cloned().chain(nested).collect();
    runs.retain(|path| path.join("run.toml").exists());
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
            let [committed, drawn] =
                [run.join("report"), report.clone()].map(|dir| dir.join(&name));
            assert!(drawn.exists(), "{}", drawn.display());
            if drawn.extension() != Some("html".as_ref()) {
                let [committed, drawn] = [committed, drawn].map(|path| numbers(&path));
                let place = committed.iter().zip(&drawn).position(|(a, b)| a != b);
                let differ = place.map(|place| (&committed[place], &drawn[place]));
                assert!(
                    committed == drawn,
                    "{}: {name:?} differs: {differ:?}",
                    run.display()
                );
            }
            count += 1;
        }
        // Of some runs there are tables alone. A page has its figures in it.
        let is_left_out = |name: &Path| !run.join("report").join(name).exists();
        let drawn = fs::read_dir(&report).unwrap();
        let names = drawn.map(|entry| PathBuf::from(entry.unwrap().file_name()));
        let left_out: Vec<PathBuf> = names.filter(|name| is_left_out(name)).collect();
        let is_figure = |name: &PathBuf| name.extension() == Some("svg".as_ref());
        let is_whole = run.join("report/index.html").exists();
        assert!(
            count > 0 && (!is_whole || left_out.iter().all(is_figure)),
            "{}: {left_out:?}",
            run.display()
        );
    }
}
