//! Models and rows that are given by name: found on the hub, or in its cache.

use std::collections::BTreeMap;
use std::path::PathBuf;

use likra_data::{Dataset, Source, datasets};
use likra_hub::{Kind, Name, Snapshot, fetch};

use crate::error::Result;
use crate::event::{Event, Listener};

/// A folder of a model or an adapter, and where it is from if it has a name on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The folder.
    pub folder: PathBuf,
    /// Repository and commit.
    pub origin: Option<Snapshot>,
}

/// The folder at a path, or the files of a model or adapter called `OWNER/NAME[@REVISION]`. A path that
/// exists is never taken for a name.
///
/// # Errors
///
/// For what [`fetch`] refuses.
pub fn find_model(text: &str, listener: &Listener) -> Result<Found> {
    let path = PathBuf::from(text);
    let Some(name) = Name::parse(text).filter(|_| !path.exists()) else {
        return Ok(Found {
            folder: path,
            origin: None,
        });
    };
    let expected = "config.json, safetensors or tokenizer.json";
    let told = |event| tell(event, listener);
    let found = fetch(Kind::Model, &name, expected, &is_of_model, &told)?;
    Ok(Found {
        folder: found.folder.clone(),
        origin: Some(found),
    })
}

/// What is read of a model or an adapter: no weights in other formats, and nothing in folders.
fn is_of_model(file: &str) -> bool {
    let known = [
        "config.json",
        "generation_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "chat_template.jinja",
        "model.safetensors.index.json",
        "adapter_config.json",
        "adapter_model.safetensors",
    ];
    let weights = file.starts_with("model") && file.ends_with(".safetensors");
    let tokenizer = file.starts_with("tokenizer") && !file.contains(".bin");
    !file.contains('/') && (known.contains(&file) || weights || tokenizer)
}

/// The folder with a task's rows, if one is named; else those of its data set on the hub.
///
/// # Errors
///
/// If there is no such task, or for what [`fetch`] refuses.
pub fn find_data(
    task: &str,
    folder: Option<PathBuf>,
    listener: &Listener,
) -> Result<(Source, Vec<Snapshot>)> {
    if let Some(folder) = folder {
        return Ok((Source::folder(folder), Vec::new()));
    }
    let mut by_repo: BTreeMap<String, Vec<Dataset>> = BTreeMap::new();
    for dataset in datasets(task)? {
        by_repo
            .entry(dataset.path.clone())
            .or_default()
            .push(dataset);
    }
    let (mut source, mut found) = (Source::default(), Vec::new());
    for (path, datasets) in by_repo {
        // A task may have its rows in files that it names.
        let Some(name) = Name::parse(&path) else {
            continue;
        };
        let wanted = |file: &str| datasets.iter().any(|dataset| dataset.has(file));
        let expected = "a file of rows; download the data set and give its folder as --data";
        let get = |name: &Name| {
            fetch(Kind::Dataset, name, expected, &wanted, &|event| {
                tell(event, listener);
            })
        };
        let snapshot = match get(&name) {
            // The hub converts most data sets to parquet by itself.
            Err(likra_hub::Error::Nothing { .. }) => get(&Name {
                revision: "refs/convert/parquet".into(),
                ..name
            })?,
            other => other?,
        };
        source.repos.insert(path, snapshot.folder.clone());
        found.push(snapshot);
    }
    Ok((source, found))
}

fn tell(event: likra_hub::Event, listener: &Listener) {
    listener(match event {
        likra_hub::Event::Begun(file, size) => {
            Event::Begun(format!("download {file}"), size, "bytes")
        }
        likra_hub::Event::Advanced(size) => Event::Advanced(size, String::new()),
        likra_hub::Event::Ended => Event::Ended(String::new()),
        likra_hub::Event::Cached(message) => Event::Said(message),
    });
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
