//! Builds `likra` in release with the features that its device needs, and runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};

/// The `cargo` that runs this.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Builds `likra`, then runs it with `arguments` in the caller's folder.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    exit_code(Command::new(build(arguments, &[])?).args(arguments))
}

/// Runs a program to its end.
pub(crate) fn exit_code(program: &mut Command) -> Result<ExitCode> {
    let status = program.status().with_context(|| format!("{program:?}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Runs a program that has to succeed.
pub(crate) fn ok(program: &mut Command) -> Result<()> {
    let status = program.status().with_context(|| format!("{program:?}"))?;
    ensure!(status.success(), "{program:?} failed: {status}");
    Ok(())
}

/// Builds `likra`, and what `more` says, with what the device that `arguments` name needs; returns where
/// `likra` lies.
pub(crate) fn build(arguments: &[String], more: &[&str]) -> Result<PathBuf> {
    eprintln!("Building likra in release (minutes the first time, seconds after that) ...");
    let mut build = cargo();
    let words = "build --quiet --release --package likra --bin likra".split(' ');
    build.args(words).args(more);
    let gpu = || Path::new("/dev/nvidiactl").exists();
    if let Some(feature) = feature(arguments, gpu) {
        build.args(["--features", feature]);
    }
    ok(&mut build)?;
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("release/likra"))
}

/// The feature that the device which `arguments` name needs: if none is named, that of a GPU that is there.
fn feature(arguments: &[String], gpu_present: impl Fn() -> bool) -> Option<&'static str> {
    let words = arguments.join("=");
    let device = words.split_once("--device=");
    match device.and_then(|(_, rest)| rest.split('=').next()) {
        Some("cpu") => None,
        Some("wgpu") => Some("wgpu"),
        Some(device) if device.starts_with("cuda") => Some("cuda"),
        _ => gpu_present().then_some("cuda"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_decides_the_feature() {
        let found = |line: &str, gpu: bool| {
            let arguments: Vec<String> = line.split(' ').map(String::from).collect();
            feature(&arguments, || gpu)
        };
        assert_eq!(found("train --device cuda:1", false), Some("cuda"));
        assert_eq!(found("train --device=cuda", false), Some("cuda"));
        assert_eq!(found("train --device wgpu", true), Some("wgpu"));
        assert_eq!(found("train --device cpu", true), None);
        assert_eq!(found("train --device auto", true), Some("cuda"));
        assert_eq!(found("train", false), None);
    }
}
