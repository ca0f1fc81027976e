//! Running the program that was just built.

#![allow(dead_code, reason = "each program of tests uses some of it")]

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
