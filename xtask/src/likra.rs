//! Builds `likra` in release with the features that its device needs, and runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};

/// The `cargo` that runs this.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The repository's root. `cargo` says at run time, too, where this crate lies; a carried program is
/// told by whoever runs it.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map_or_else(|| here.clone(), Path::to_owned)
}

/// A `likra` that is to be used in place of building one: machines that it is carried to have no `cargo`.
fn given() -> Option<PathBuf> {
    std::env::var_os("LIKRA_BIN").map(PathBuf::from)
}

/// Builds `likra`, then runs it with `arguments` in the caller's folder.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let mut run = cargo();
    run.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "likra",
        "--manifest-path",
    ])
    .arg(root().join("Cargo.toml"));
    if wants_cuda(arguments, gpu_present) {
        run.args(["--features", "cuda"]);
    }
    keep_pages(&mut run);
    eprintln!("Building likra in release (minutes the first time, seconds after that) ...");
    let status = run
        .arg("--")
        .args(arguments)
        .status()
        .context("cargo run")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Builds `likra` for a CPU, and for a GPU if asked.
pub(crate) fn build(cuda: bool) -> Result<()> {
    if let Some(program) = given() {
        ensure!(
            program.is_file(),
            "LIKRA_BIN: {} is no file",
            program.display()
        );
        return Ok(());
    }
    eprintln!("Building likra in release (minutes the first time, seconds after that) ...");
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--package", "likra"]);
    if cuda {
        build.args(["--features", "cuda"]);
    }
    let status = build.current_dir(root()).status().context("cargo build")?;
    ensure!(status.success(), "{build:?} failed");
    Ok(())
}

/// Where a build leaves `likra`, or the one that was given.
pub(crate) fn built() -> PathBuf {
    if let Some(program) = given() {
        return program;
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("release/likra")
}

/// A built `likra`, to be run.
pub(crate) fn command(program: &Path) -> Command {
    let mut likra = Command::new(program);
    keep_pages(&mut likra);
    likra
}

/// Has the allocator of `likra` keep pages rather than give them back and fault them in anew: a quarter
/// less processor time when scoring on a CPU.
fn keep_pages(likra: &mut Command) {
    likra.env("MIMALLOC_PURGE_DELAY", "-1");
}

/// Has a built `likra` do the jobs of a file.
pub(crate) fn probe(jobs: &Path, out: &Path) -> Result<()> {
    let mut probe = command(&built());
    probe.arg("probe").arg(jobs).arg("--out").arg(out);
    probe.args(["--device", "cpu"]);
    let status = probe.status().with_context(|| format!("{probe:?}"))?;
    ensure!(status.success(), "{probe:?} failed");
    Ok(())
}

/// Whether the device that `arguments` name needs the CUDA build: if it is a GPU, or may be one and
/// the machine has one.
pub(crate) fn wants_cuda(arguments: &[String], gpu_present: impl Fn() -> bool) -> bool {
    let after = arguments.iter().position(|argument| argument == "--device");
    let device = after
        .and_then(|place| arguments.get(place + 1).map(String::as_str))
        .or_else(|| {
            arguments
                .iter()
                .find_map(|argument| argument.strip_prefix("--device="))
        });
    match device {
        Some(device) if device.starts_with("cuda") => true,
        Some("cpu") => false,
        _ => gpu_present(),
    }
}

/// Whether the NVIDIA driver shows a GPU.
pub(crate) fn gpu_present() -> bool {
    Path::new("/dev/nvidiactl").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_decides_the_features() {
        let wants = |line: &str, gpu: bool| {
            let arguments: Vec<String> = line.split(' ').map(String::from).collect();
            wants_cuda(&arguments, || gpu)
        };
        assert!(wants("train --device cuda:1", false));
        assert!(wants("train --device=cuda", false));
        assert!(!wants("train --device cpu", true));
        assert!(wants("train --device auto", true));
        assert!(!wants("train", false));
    }
}
