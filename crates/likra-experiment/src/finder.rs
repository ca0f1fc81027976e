//! Where models and rows lie: at a path, in the program itself, or on the hub and in its cache.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use include_dir::{Dir, include_dir};
use likra_data::{Source, datasets};
use likra_files::write_atomically;
use likra_hub::{Listener, Name, RepoType, fetch};

use crate::{Base, Spec};

/// What an experiment writes for `model` or `data` to mean the small model and benchmark that the program carries, so
/// that it runs anywhere.
const TINY: &str = "embedded:tiny";

static FILES: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../fixtures/tiny");

/// Finds models and rows.
pub struct Finder<'a> {
    /// Where what the program carries is unpacked, if it may be asked for.
    embedded: Option<&'a Path>,
    listener: &'a Listener<'a>,
    /// What was found by name on the hub: `OWNER/NAME@COMMIT`.
    pub(crate) hub: Vec<String>,
}

impl<'a> Finder<'a> {
    /// Nothing is found yet; what the program carries will be unpacked into `embedded`, or cannot be named.
    pub fn new(embedded: Option<&'a Path>, listener: &'a Listener<'a>) -> Self {
        Self {
            embedded,
            listener,
            hub: Vec::new(),
        }
    }

    /// The model of an experiment: at a path, or called `OWNER/NAME[@REVISION]`. A path that exists is never
    /// taken for a name.
    ///
    /// # Errors
    ///
    /// If none is named, it or the device is refused, or for what [`fetch`] refuses.
    pub fn base(&mut self, spec: &Spec) -> Result<Base> {
        let placement = spec.device.place(spec.dtype, spec.batch_tokens);
        let none = "--model DIR: this experiment names no model; expected a folder or OWNER/NAME";
        let text = spec.model.as_deref().context(none)?;
        let name = Name::parse(text).filter(|_| !Path::new(text).exists());
        let folder = match (self.embedded, name) {
            (Some(dir), _) if text == TINY => unpack(dir)?,
            (_, None) => return Base::open(text.into(), placement),
            (_, Some(name)) => {
                let expected = "config.json, safetensors or tokenizer.json";
                let found = self.fetch(RepoType::Model, &name, expected, &is_of_model);
                found.with_context(|| {
                    format!("{text}: no such folder here, and not found on the hub")
                })?
            }
        };
        let mut base = Base::open(folder, placement)?;
        // A name stays a name, by which PEFT finds it, too.
        base.name = text.into();
        Ok(base)
    }

    /// A task's rows: in the folder that is named, else in its data sets on the hub.
    ///
    /// # Errors
    ///
    /// If there is no such task, or for what [`fetch`] refuses.
    pub fn rows(&mut self, task: &str, folder: Option<&str>) -> Result<Source> {
        match (folder, self.embedded) {
            (Some(TINY), Some(dir)) => return Ok(Source::folder(unpack(dir)?)),
            (Some(folder), _) => {
                let found = std::fs::metadata(folder);
                let found = found.with_context(|| format!("data: {folder}"))?;
                ensure!(
                    found.is_dir(),
                    "data: {folder} is a file; expected the folder that it is in"
                );
                return Ok(Source::folder(folder));
            }
            (None, _) => {}
        }
        let mut source = Source::default();
        for (path, dataset) in datasets(task)? {
            // A task may have its rows in files that it names.
            let Some(name) = Name::parse(&path) else {
                continue;
            };
            let wanted = |file: &str| dataset.has(file);
            let expected = "a file of rows; download the data set and give its folder as --data";
            let folder = match self.fetch(RepoType::Dataset, &name, expected, &wanted) {
                // The hub converts most data sets to parquet by itself.
                Err(likra_hub::Error::Nothing(..)) => {
                    let revision = "refs/convert/parquet".into();
                    let name = Name { revision, ..name };
                    self.fetch(RepoType::Dataset, &name, expected, &wanted)
                }
                found => found,
            }?;
            source.repos.insert(path, folder);
        }
        Ok(source)
    }

    fn fetch(
        &mut self,
        kind: RepoType,
        name: &Name,
        expected: &'static str,
        wanted: &dyn Fn(&str) -> bool,
    ) -> likra_hub::Result<PathBuf> {
        let (folder, commit) = fetch(kind, name, expected, wanted, self.listener)?;
        self.hub.push(format!("{}@{}", name.repo, commit));
        Ok(folder)
    }
}

/// Writes what the program carries into `dir`, unless it is there already.
fn unpack(dir: &Path) -> Result<PathBuf> {
    for file in FILES.files() {
        let (path, bytes) = (dir.join(file.path()), file.contents());
        if !fs_err::read(&path).is_ok_and(|found| found == bytes) {
            write_atomically(&path, |to| to.write_all(bytes))?;
        }
    }
    Ok(dir.into())
}

/// What is read of a model or an adapter: no weights in other formats, and nothing in folders.
fn is_of_model(file: &str) -> bool {
    let known = [
        "config.json",
        "generation_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "model.safetensors.index.json",
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "additional_chat_templates/default.jinja",
    ];
    let weights = file.starts_with("model") && file.ends_with(".safetensors");
    let tokenizer = file.starts_with("tokenizer") && !file.contains(".bin");
    known.contains(&file) || !file.contains('/') && (weights || tokenizer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_read_is_downloaded() {
        let files = [
            "config.json",
            "model-00001-of-00002.safetensors",
            "tokenizer.model",
            "tokenizer_config.json",
        ];
        assert!(files.into_iter().all(is_of_model));
        let others = [
            "pytorch_model.bin",
            "consolidated.safetensors",
            "original/model.safetensors",
            "model.gguf",
            "README.md",
        ];
        assert!(!others.into_iter().any(is_of_model));
    }
}
