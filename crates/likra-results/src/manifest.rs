//! The manifest of a run: what was computed, from what, with what.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use fs_err as fs;
use likra_files::{error_at, write_atomically};
use serde::{Deserialize, Serialize};

use crate::{Result, sha256, sha256_kept};

/// What a run was made of. The same run has the same manifest, byte for byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of Likra.
    pub likra: String,
    /// The machine's part that ran the model, in words.
    pub device: String,
    /// The command that was given, with names in place of paths.
    pub command: String,
    /// How many questions the benchmark's files have, however many are used.
    pub questions: Questions,
    /// The experiment with every default resolved.
    pub experiment: toml::Table,
    /// The versions of what decides the numbers, by name.
    pub versions: BTreeMap<String, String>,
    /// How many numbers the adapter of each head has; runs of earlier versions do not say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub adapter_parameters: BTreeMap<String, usize>,
    /// What was longer than the model can run; runs of earlier versions say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub too_long: Option<TooLong>,
    /// The files that were read.
    #[serde(default)]
    pub inputs: Vec<Input>,
    /// What was found by name on the Hugging Face hub: `OWNER/NAME@COMMIT`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hub: Vec<String>,
}

/// What was longer than the model can run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TooLong {
    /// How many positions the model has.
    pub positions: usize,
    /// How many texts of candidates lost tokens at their beginning.
    pub truncated: usize,
    /// How many examples were not learned, by head; heads that learned all are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, usize>,
}

/// What there was to train on and to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Questions {
    /// Questions to train on.
    pub training: usize,
    /// Questions to test on.
    pub test: usize,
}

/// A file that a run has read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What the file is to the run, not where it lay.
    pub name: String,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub bytes: u64,
}

impl Input {
    /// The file at `path`, under its own name.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn of_file(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default();
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            sha256: sha256_kept(path)?,
            bytes: fs::metadata(path)?.len(),
        })
    }

    /// The file at `path`, of which `bytes` have been read: a pipe is read but once.
    pub fn of_bytes(path: &Path, bytes: &[u8]) -> Self {
        let name = path.file_name().unwrap_or_default();
        Self {
            name: name.to_string_lossy().into_owned(),
            sha256: sha256(bytes),
            bytes: bytes.len() as u64,
        }
    }
}

impl Manifest {
    /// Writes the manifest as TOML.
    ///
    /// # Errors
    ///
    /// If a value has no place in TOML, or the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_toml(path, self)
    }

    /// Reads a manifest.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not TOML, or has missing or unknown keys.
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            let message = "not found, so that this is not the folder of a run; expected one that `likra reproduce` has made";
            return Err(error_at(path, ErrorKind::NotFound, message).into());
        }
        let text = fs::read_to_string(path)?;
        Ok(toml::from_str(&text).map_err(|error| error_at(path, ErrorKind::InvalidData, error))?)
    }
}

/// Writes a value as TOML, whole or not at all.
pub(crate) fn write_toml(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = toml::to_string_pretty(value);
    let text = text.map_err(|error| error_at(path, ErrorKind::InvalidData, error))?;
    Ok(write_atomically(path, |to| to.write_all(text.as_bytes()))?)
}

/// The versions of the libraries that decide numbers, as this program was built with them.
pub fn versions() -> BTreeMap<String, String> {
    const DECIDE: [&str; 3] = ["burn", "tokenizers", "safetensors"];
    let packages = include_str!("../../../Cargo.lock").split("[[package]]");
    let version = |package: &str| {
        let mut values = package.split('"').skip(1).step_by(2).map(String::from);
        let (name, version) = (values.next()?, values.next()?);
        DECIDE.contains(&&*name).then_some((name, version))
    };
    // Of several the last, which is the newest and ours: older ones are others' dependencies.
    packages.filter_map(version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let experiment = "seed = 42\n[train]\nlr = 1e-3\ntargets = [\"up_proj\"]\n";
        Manifest {
            likra: "0.1.0".into(),
            device: "CPU (flex)".into(),
            command: "likra reproduce tiny".into(),
            questions: Questions {
                training: 7,
                test: 3,
            },
            experiment: experiment.parse().unwrap(),
            versions: BTreeMap::from([("burn".into(), "0.22.1".into())]),
            adapter_parameters: BTreeMap::new(),
            too_long: Some(TooLong {
                positions: 512,
                truncated: 2,
                skipped: BTreeMap::from([("positive".into(), 1)]),
            }),
            hub: Vec::new(),
            inputs: vec![Input {
                name: "model.safetensors".into(),
                sha256: "e3b0".into(),
                bytes: 12,
            }],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run.toml");
        manifest().write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), manifest());
        let first = fs::read(&path).unwrap();
        manifest().write(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
        assert!(first.starts_with(b"likra = \"0.1.0\"\n"));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run.toml");
        fs::write(&path, "likra = \"0.1.0\"\nmachine = \"x\"\n").unwrap();
        let error = Manifest::read(&path).unwrap_err().to_string();
        assert!(error.contains("run.toml"), "{error}");
        assert!(error.contains("line 2"), "{error}");
        assert!(error.contains("machine"), "{error}");
    }

    #[test]
    fn an_input_is_what_the_file_is() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        fs::write(&path, "abc").unwrap();
        let input = Input::of_file(&path).unwrap();
        assert_eq!((input.name.as_str(), input.bytes), ("file", 3));
        assert!(input.sha256.starts_with("ba7816bf"));
        assert!(Input::of_file(&root.path().join("missing")).is_err());
    }

    #[test]
    fn versions_are_those_of_the_lockfile() {
        let versions = versions();
        assert_eq!(versions.len(), 3, "{versions:?}");
        assert_eq!(versions["burn"], "0.22.1");
        assert!(versions["safetensors"].starts_with("0.8."), "{versions:?}");
    }
}
