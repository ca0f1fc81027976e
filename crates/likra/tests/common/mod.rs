//! Running the program that was just built.

#![allow(dead_code, reason = "each program of tests uses some of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(crate) fn likra(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_likra"));
    command.args(arguments).stdin(Stdio::null());
    // No test goes to the hub.
    command
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", "/nonexistent/home");
    command
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(name)
}

/// Runs to the end and returns what it printed.
pub(crate) fn succeed(arguments: &[&str]) -> String {
    let output = likra(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs into an error and returns the message.
pub(crate) fn fail(arguments: &[&str], code: i32) -> String {
    let Output { status, stderr, .. } = likra(arguments).output().unwrap();
    let message = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{arguments:?}: {message}");
    assert!(!message.contains("panicked"), "{message}");
    message
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Every file of a run with the hash of its bytes, but for the times that its steps took.
pub(crate) fn files(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("steps") => {}
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(dir).unwrap().to_owned();
                    found.insert(name, likra_results::sha256_file(&path).unwrap());
                }
            }
        }
    }
    found
}

/// A small run of all kinds of heads, with replicates.
pub(crate) const SMALL: &str = "reproduce tiny --examples 64 --limit 40 --device cpu --set heads.irrelevant.examples=32 \
                     --set heads.unrelated.examples=32 --set heads.easiest.examples=32 \
                     --set replicates.seeds=[2] --set replicates.examples=32 --out";

pub(crate) fn small(out: &Path) -> Vec<String> {
    let words = SMALL.split_whitespace().map(String::from);
    words.chain([out.to_str().unwrap().to_owned()]).collect()
}

/// The page without what it says of the time that was spent.
pub(crate) fn without_cost(page: &str) -> String {
    let (before, rest) = page.split_once("<section id=\"cost\">").unwrap();
    let (_, after) = rest.split_once("</section>").unwrap();
    [before, after].concat()
}
