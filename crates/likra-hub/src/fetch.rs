//! Files of a repository, in the cache.

use std::env;
use std::path::{Path, PathBuf};

use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiBuilder, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use likra_results::sha256_file;

use crate::{Error, Name, Result};

/// What a repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A model or an adapter.
    Model,
    /// A data set.
    Dataset,
}

/// A commit of a repository, as far as it is in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The folder with its files.
    pub folder: PathBuf,
    /// The repository.
    pub repo: String,
    /// The commit.
    pub commit: String,
}

/// News of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A file of so many bytes is downloaded, or the rest of it.
    Begun(String, usize),
    /// So many bytes more are there.
    Advanced(usize),
    /// The file is there.
    Ended,
    /// The hub cannot be reached, and the cache stands in.
    Cached(String),
}

/// Who hears of downloads.
pub type Listener<'a> = dyn Fn(Event) + 'a;

/// Where the public hub is.
const HUB: &str = "https://huggingface.co";

/// Downloads the files of a repository that `wanted` accepts, unless they are in the cache; `expected` says
/// in words what they are.
///
/// # Errors
///
/// If the repository or the network refuses, nothing is wanted, or a file is not what the hub says.
pub fn fetch(
    kind: Kind,
    name: &Name,
    expected: &'static str,
    wanted: &dyn Fn(&str) -> bool,
    listener: &Listener,
) -> Result<Snapshot> {
    let hub = Hub::new(kind, name);
    if is_offline(kind) {
        return hub.cached()?.ok_or_else(|| Error::Offline {
            name: name.to_string(),
            cache: hub.cache.path().clone(),
        });
    }
    match hub.download(expected, wanted, listener) {
        Err(error) if error.is_transfer() => match hub.cached()? {
            Some(snapshot) if snapshot.folder.exists() => {
                listener(Event::Cached(format!(
                    "{error}; the cache's commit {} is taken",
                    snapshot.commit
                )));
                Ok(snapshot)
            }
            _ => Err(error),
        },
        other => other,
    }
}

/// Whether only the cache may be read.
fn is_offline(kind: Kind) -> bool {
    let set = |name: &str| {
        let value = env::var(name).unwrap_or_default().to_uppercase();
        ["1", "ON", "YES", "TRUE"].contains(&value.as_str())
    };
    let own = match kind {
        Kind::Model => "TRANSFORMERS_OFFLINE",
        Kind::Dataset => "HF_DATASETS_OFFLINE",
    };
    set("HF_HUB_OFFLINE") || set(own)
}

struct Hub<'a> {
    name: &'a Name,
    repo: Repo,
    cache: Cache,
    endpoint: String,
    kind: &'static str,
}

impl<'a> Hub<'a> {
    fn new(kind: Kind, name: &'a Name) -> Self {
        let (of, word) = match kind {
            Kind::Model => (RepoType::Model, "model"),
            Kind::Dataset => (RepoType::Dataset, "data set"),
        };
        let cache = match env::var_os("HF_HUB_CACHE").filter(|path| !path.is_empty()) {
            Some(path) => Cache::new(path.into()),
            None => Cache::from_env(),
        };
        let endpoint = env::var("HF_ENDPOINT")
            .ok()
            .filter(|endpoint| !endpoint.is_empty());
        Self {
            name,
            repo: Repo::with_revision(name.repo.clone(), of, name.revision.clone()),
            cache,
            endpoint: endpoint.map_or_else(
                || HUB.into(),
                |endpoint| endpoint.trim_end_matches('/').to_owned(),
            ),
            kind: word,
        }
    }

    /// The commit that the cache has for the revision.
    fn cached(&self) -> Result<Option<Snapshot>> {
        let folder = self.cache.path().join(self.repo.folder_name());
        let reference = folder.join("refs").join(self.repo.revision());
        let commit = match reference.is_file() {
            true => fs_err::read_to_string(reference)?.trim().to_owned(),
            // A commit stands for itself.
            false => self.repo.revision().to_owned(),
        };
        let snapshot = folder.join("snapshots").join(&commit);
        Ok(snapshot.is_dir().then(|| self.snapshot(snapshot, commit)))
    }

    fn snapshot(&self, folder: PathBuf, commit: String) -> Snapshot {
        Snapshot {
            folder,
            repo: self.name.repo.clone(),
            commit,
        }
    }

    fn download(
        &self,
        expected: &'static str,
        wanted: &dyn Fn(&str) -> bool,
        listener: &Listener,
    ) -> Result<Snapshot> {
        let failed = |error| Error::of(&self.name.to_string(), self.kind, &self.endpoint, &error);
        let given = env::var("HF_TOKEN")
            .ok()
            .map(|token| token.trim().to_owned());
        let home = env::var_os("HF_HOME").map(|home| Path::new(&home).join("token"));
        let stored = || {
            home.and_then(|path| fs_err::read_to_string(path).ok())
                .map(|token| token.trim().to_owned())
        };
        let token = given
            .or_else(stored)
            .or_else(|| self.cache.token())
            .filter(|token| !token.is_empty());
        let api = ApiBuilder::from_cache(self.cache.clone()).with_endpoint(self.endpoint.clone());
        let api = api
            .with_token(token)
            .with_retries(RETRIES)
            .with_progress(false);
        let api = api.build().map_err(failed)?.repo(self.repo.clone());
        let info = retried(|| api.info()).map_err(failed)?;
        let files: Vec<String> = info
            .siblings
            .into_iter()
            .map(|file| file.rfilename)
            .filter(|file| wanted(file))
            .collect();
        if files.is_empty() {
            return Err(Error::Nothing {
                name: self.name.to_string(),
                expected,
            });
        }
        let repo = self.cache.repo(self.repo.clone());
        let folder = repo.pointer_path(&info.sha);
        for file in &files {
            if !folder.join(file).exists() {
                self.file(&api, file, &folder, listener)?;
            }
        }
        repo.create_ref(&info.sha)?;
        Ok(self.snapshot(folder, info.sha))
    }

    /// Downloads a file and compares its hash, if it is a large one, with the hub's.
    fn file(&self, api: &ApiRepo, file: &str, folder: &Path, listener: &Listener) -> Result<()> {
        let failed = |error| Error::of(&self.name.to_string(), self.kind, &self.endpoint, &error);
        let place = retried(|| api.download_with_progress(file, News(listener))).map_err(failed)?;
        let blob = place.canonicalize()?;
        let expected = blob
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // The hub calls large files by their SHA-256, and small ones by git's own hash.
        if expected.len() == 64 {
            let found = sha256_file(&blob)?;
            if found != expected {
                fs_err::remove_file(&place)?;
                fs_err::remove_file(&blob)?;
                return Err(Error::Damaged {
                    name: self.name.to_string(),
                    file: file.into(),
                    found,
                    expected,
                });
            }
        }
        match place.starts_with(folder) {
            true => Ok(()),
            false => Err(Error::Changed {
                name: self.name.to_string(),
            }),
        }
    }
}

/// How often a request that was broken off is made again.
const RETRIES: usize = 4;

/// The library tries again in the middle of a file only: not where a request begins.
fn retried<T, E: std::fmt::Display>(request: impl Fn() -> Result<T, E>) -> Result<T, E> {
    let mut tries = 0;
    loop {
        match request() {
            Err(error)
                if tries < RETRIES
                    && ["500", "502", "503", "504", "429"]
                        .iter()
                        .any(|code| error.to_string().contains(code)) =>
            {
                tries += 1;
                std::thread::sleep(std::time::Duration::from_millis(300 << tries));
            }
            other => return other,
        }
    }
}

/// Tells a listener how far a file is.
struct News<'a>(&'a Listener<'a>);

impl Progress for News<'_> {
    fn init(&mut self, size: usize, file: &str) {
        (self.0)(Event::Begun(file.into(), size));
    }

    fn update(&mut self, size: usize) {
        (self.0)(Event::Advanced(size));
    }

    fn finish(&mut self) {
        (self.0)(Event::Ended);
    }
}
