//! What has to hold of the repository beside its tests, cheapest first.

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::bench;
use crate::likra::{cargo, root};

/// Crates that stay free of tensors: their tests take seconds, and they build anywhere.
const BURN_FREE: [&str; 4] = ["likra-data", "likra-results", "likra-analysis", "xtask"];
/// Who may depend on whom, by direct dependencies inside of the workspace.
const ARROWS: [(&str, &[&str]); 10] = [
    ("likra-data", &[]),
    ("likra-kernels", &[]),
    ("likra-lora", &["likra-kernels"]),
    ("likra-results", &[]),
    ("likra-model", &["likra-kernels", "likra-lora"]),
    ("likra-analysis", &["likra-results"]),
    (
        "likra-train",
        &["likra-data", "likra-lora", "likra-model", "likra-results"],
    ),
    (
        "likra-score",
        &["likra-data", "likra-lora", "likra-model", "likra-results"],
    ),
    (
        "likra",
        &[
            "likra-analysis",
            "likra-data",
            "likra-lora",
            "likra-model",
            "likra-results",
            "likra-score",
            "likra-train",
        ],
    ),
    ("xtask", &[]),
];

/// Runs every check and stops at the first that fails.
pub(crate) fn run() -> Result<ExitCode> {
    let started = Instant::now();
    step("formatting", || cargo_ok(&["fmt", "--all", "--check"]))?;
    step("the README's table of speed", bench::readme_agrees)?;
    step("dependency arrows", arrows)?;
    step("no Burn where there are no tensors", burn_free)?;
    step("lints", || {
        cargo_ok(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ])
    })?;
    step("documentation", documentation)?;
    step("build with CUDA", cuda)?;
    eprintln!("check: all is well, in {} s", started.elapsed().as_secs());
    Ok(ExitCode::SUCCESS)
}

fn step(name: &str, check: impl FnOnce() -> Result<()>) -> Result<()> {
    eprintln!("check: {name} ...");
    check().with_context(|| format!("check: {name}"))
}

fn cargo_ok(arguments: &[&str]) -> Result<()> {
    ok(cargo().args(arguments))
}

fn ok(command: &mut Command) -> Result<()> {
    let status = command
        .current_dir(root())
        .status()
        .with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}

/// A crate's direct dependencies inside of the workspace are those of [`ARROWS`].
fn arrows() -> Result<()> {
    for (name, allowed) in ARROWS {
        let tree = cargo()
            .args([
                "tree",
                "--package",
                name,
                "--depth",
                "1",
                "--edges",
                "normal,build",
            ])
            .args(["--prefix", "none", "--format", "{p}"])
            .current_dir(root())
            .output()
            .context("cargo tree")?;
        ensure!(
            tree.status.success(),
            "cargo tree: {}",
            String::from_utf8_lossy(&tree.stderr)
        );
        let text = String::from_utf8_lossy(&tree.stdout);
        let names = text
            .lines()
            .skip(1)
            .filter_map(|line| line.split(' ').next());
        for found in names.filter(|found| *found == "likra" || found.starts_with("likra-")) {
            ensure!(
                allowed.contains(&found),
                "{name} depends on {found}; it may depend on {allowed:?}"
            );
        }
    }
    Ok(())
}

/// `cargo tree -i burn-tensor` finds nothing for the crates without tensors.
fn burn_free() -> Result<()> {
    for name in BURN_FREE {
        let tree = cargo()
            .args([
                "tree",
                "--package",
                name,
                "--invert",
                "burn-tensor",
                "--edges",
                "normal,build",
            ])
            .current_dir(root())
            .stderr(Stdio::piped())
            .output()
            .context("cargo tree")?;
        let found = String::from_utf8_lossy(&tree.stdout).contains("burn-tensor");
        if found {
            bail!(
                "{name} depends on burn-tensor:\n{}",
                String::from_utf8_lossy(&tree.stdout)
            );
        }
    }
    Ok(())
}

fn documentation() -> Result<()> {
    let arguments = [
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--quiet",
    ];
    ok(cargo().args(arguments).env("RUSTDOCFLAGS", "-D warnings"))
}

/// Type-checks the CUDA build, which needs neither a GPU nor a toolkit nor (thanks to the stub) LLVM.
/// cudarc asks which CUDA to bind to when no `nvcc` can say.
fn cuda() -> Result<()> {
    let arguments = [
        "check",
        "--package",
        "likra",
        "--features",
        "cuda",
        "--quiet",
    ];
    ok(cargo().args(arguments).env("CUDARC_CUDA_VERSION", "13000"))
}
