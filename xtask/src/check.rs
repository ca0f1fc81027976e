//! What has to hold of the repository beside its tests, cheapest first.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::likra::{cargo, ok};

/// The crates in rows, as in ARCHITECTURE.md from the bottom up: a crate may depend on those of lower rows. Those with
/// a star may see Burn. The others build anywhere, and their tests take seconds.
const ROWS: [&str; 8] = [
    "xtask likra-files",
    "likra-results",
    "likra-kernels* likra-data likra-hub",
    "likra-lora* likra-tokenizer",
    "likra-model* likra-analysis",
    "likra-train* likra-score* likra-report likra-judge",
    "likra-experiment* likra-serve",
    "likra*",
];

/// Runs every check and stops at the first that fails.
pub(crate) fn run() -> Result<ExitCode> {
    let started = Instant::now();
    step("formatting", || cargo_ok("fmt --all --check"))?;
    step("dependencies between crates", dependencies)?;
    step("lints", || {
        cargo_ok("clippy --workspace --all-targets --quiet -- -D warnings")
    })?;
    step("documentation", || {
        let words = "doc --workspace --no-deps --document-private-items --quiet".split(' ');
        ok(cargo().args(words).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    step("build with CUDA", || {
        // Type-checks it, which needs neither a GPU nor a toolkit nor (thanks to the stub) LLVM. cudarc asks
        // which CUDA to bind to when no `nvcc` can say.
        let words = "check --package likra --features cuda --quiet".split(' ');
        ok(cargo().args(words).env("CUDARC_CUDA_VERSION", "13000"))
    })?;
    step("licences and sources", licences)?;
    let seconds = started.elapsed().as_secs();
    eprintln!("check: everything holds, in {seconds} s");
    Ok(ExitCode::SUCCESS)
}

fn step(name: &str, check: impl FnOnce() -> Result<()>) -> Result<()> {
    eprintln!("check: {name} ...");
    check().with_context(|| format!("check: {name}"))
}

fn cargo_ok(words: &str) -> Result<()> {
    ok(cargo().args(words.split(' ')))
}

/// What `cargo tree` says of a crate.
fn tree(name: &str, words: &str) -> Result<String> {
    let mut tree = cargo();
    tree.args(["tree", "--package", name, "--edges", "normal,build"]);
    let output = tree.args(words.split(' ')).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Every crate, whether it may see Burn, and the place of its row.
fn crates() -> impl Iterator<Item = (&'static str, bool, usize)> {
    let rows = ROWS.iter().enumerate();
    rows.flat_map(|(place, row)| {
        let names = row.split(' ');
        names.map(move |name| (name.trim_end_matches('*'), name.ends_with('*'), place))
    })
}

fn dependencies() -> Result<()> {
    for (name, burn, row) in crates() {
        let direct = tree(name, "--depth 1 --prefix none --format {p}")?;
        ensure!(!direct.is_empty(), "cargo tree says nothing of {name}");
        for line in direct.lines().skip(1) {
            let found = line.split(' ').next().unwrap_or_default();
            if crates().any(|(other, _, place)| other == found && place >= row) {
                bail!("{name} depends on {found}, which is in no lower row");
            }
        }
        let sees_burn = tree(name, "--invert burn-tensor")?.contains("burn-tensor");
        ensure!(burn || !sees_burn, "{name} depends on burn-tensor");
    }
    Ok(())
}

/// By `deny.toml`, where cargo-deny is installed.
fn licences() -> Result<()> {
    let version = cargo().args(["deny", "--version"]).output();
    if !version.is_ok_and(|version| version.status.success()) {
        eprintln!("  skipped: `cargo install cargo-deny` brings what this needs");
        return Ok(());
    }
    cargo_ok("deny check bans licenses sources")
}
