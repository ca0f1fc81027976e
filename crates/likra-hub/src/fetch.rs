//! Files of a repository, in the cache.

use std::env;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use hf_hub::api::Progress;
use hf_hub::api::RepoInfo;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use likra_results::sha256_file;

use crate::{Error, Event, Listener, Name, Result};

/// The folder with the files of a commit of a repository, as far as they are in the cache, and the commit.
pub type Snapshot = (PathBuf, String);

/// Where the public hub is.
const HUB: &str = "https://huggingface.co";

/// Downloads the files of a repository that `wanted` accepts, unless they are in the cache; `expected` says
/// in words what they are.
///
/// # Errors
///
/// If the repository or the network refuses, nothing is wanted, or a file is not what the hub says.
pub fn fetch(
    kind: RepoType,
    name: &Name,
    expected: &'static str,
    wanted: &dyn Fn(&str) -> bool,
    listener: &Listener,
) -> Result<Snapshot> {
    let hub = Hub::new(kind, name, listener);
    if hub.is_offline {
        let offline =
            "HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE, HF_DATASETS_OFFLINE) forbids to download it";
        let cache = hub.cache.path().display();
        let message = format!("{name}: not in the cache {cache}, and {offline}");
        return hub.cached(wanted)?.ok_or(Error::Refused(message));
    }
    let api = hub.api()?;
    let error = match retried(|| api.info()).map_err(|error| hub.failed(error)) {
        Err(error @ Error::Transfer(..)) => error,
        info => return hub.download(&api, info?, expected, wanted),
    };
    let Some((folder, commit)) = hub.cached(wanted)? else {
        return Err(error);
    };
    let message = format!("{error}; the cache's commit {commit} is taken");
    listener(Event::Said(message));
    Ok((folder, commit))
}

struct Hub<'a> {
    name: &'a Name,
    listener: &'a Listener<'a>,
    repo: Repo,
    cache: Cache,
    endpoint: String,
    kind: &'static str,
    /// Whether only the cache may be read.
    is_offline: bool,
}

impl<'a> Hub<'a> {
    fn new(of: RepoType, name: &'a Name, listener: &'a Listener<'a>) -> Self {
        let (kind, offline) = match of {
            RepoType::Dataset => ("data set", "HF_DATASETS_OFFLINE"),
            _ => ("model", "TRANSFORMERS_OFFLINE"),
        };
        let is_set = |name: &str| {
            let value = env::var(name).unwrap_or_default().to_uppercase();
            ["1", "ON", "YES", "TRUE"].contains(&value.as_str())
        };
        let cache = env::var_os("HF_HUB_CACHE").filter(|path| !path.is_empty());
        let cache = cache.map_or_else(Cache::from_env, |path| Cache::new(path.into()));
        let endpoint = env::var("HF_ENDPOINT").unwrap_or_default();
        let endpoint = if endpoint.is_empty() { HUB } else { &endpoint };
        Self {
            name,
            listener,
            repo: Repo::with_revision(name.repo.clone(), of, name.revision.clone()),
            cache,
            endpoint: endpoint.trim_end_matches('/').into(),
            kind,
            is_offline: is_set("HF_HUB_OFFLINE") || is_set(offline),
        }
    }

    /// The commit that the cache has for the revision, unless a download of it was broken off.
    fn cached(&self, wanted: &dyn Fn(&str) -> bool) -> Result<Option<Snapshot>> {
        let folder = self.cache.path().join(self.repo.folder_name());
        let reference = folder.join("refs").join(self.repo.revision());
        let commit = match reference.is_file() {
            true => fs_err::read_to_string(reference)?.trim().to_owned(),
            // A commit stands for itself.
            false => self.repo.revision().to_owned(),
        };
        let (folder, commit) = self.snapshot(commit);
        // Other programs leave no list: what they have downloaded counts as all.
        let list = fs_err::read_to_string(self.list(&commit)).unwrap_or_default();
        let mut wanted = list.lines().filter(|file| wanted(file));
        match wanted.find(|file| !folder.join(file).exists()) {
            Some(file) => Err(Error::Refused(format!(
                "{}: {file} is not in the cache {} yet; let the hub be reached once more",
                self.name,
                self.cache.path().display()
            ))),
            None => Ok(Some((folder, commit)).filter(|(folder, _)| folder.is_dir())),
        }
    }

    /// The names of all files of a commit.
    fn list(&self, commit: &str) -> PathBuf {
        let folder = self.cache.path().join(self.repo.folder_name());
        folder.join(".likra").join(commit)
    }

    fn snapshot(&self, commit: String) -> Snapshot {
        let cache = self.cache.repo(self.repo.clone());
        (cache.pointer_path(&commit), commit)
    }

    /// Who asks.
    fn token(&self) -> Option<String> {
        let stored = || {
            let home = env::var_os("HF_HOME")?;
            fs_err::read_to_string(Path::new(&home).join("token")).ok()
        };
        let token = env::var("HF_TOKEN").ok().or_else(stored);
        let token = token.or_else(|| self.cache.token())?;
        Some(token.trim().to_owned()).filter(|token| !token.is_empty())
    }

    fn api(&self) -> Result<ApiRepo> {
        let api = ApiBuilder::from_cache(self.cache.clone())
            .with_endpoint(self.endpoint.clone())
            .with_token(self.token())
            .with_retries(RETRIES)
            .with_progress(false);
        let api = api.build().map_err(|error| self.failed(error))?;
        Ok(api.repo(self.repo.clone()))
    }

    /// Downloads what is wanted of a commit's files and is not in the cache.
    fn download(
        &self,
        api: &ApiRepo,
        info: RepoInfo,
        expected: &'static str,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Snapshot> {
        let files = info.siblings.into_iter().map(|file| file.rfilename);
        let files: Vec<String> = files.collect();
        let (folder, commit) = self.snapshot(info.sha);
        let wanted: Vec<&String> = files.iter().filter(|file| wanted(file)).collect();
        if wanted.is_empty() {
            return Err(Error::Nothing(self.name.to_string(), expected));
        }
        let missing = wanted.iter().any(|file| !folder.join(file).exists());
        // A cache that has everything may be one that cannot be written.
        if missing
            || self
                .cached(&|_| false)?
                .is_none_or(|known| known.1 != commit)
        {
            let list = self.list(&commit);
            fs_err::create_dir_all(list.with_file_name(""))?;
            fs_err::write(&list, files.join("\n"))?;
            for file in wanted.iter().filter(|file| !folder.join(file).exists()) {
                self.file(api, file, &folder)?;
            }
            self.cache.repo(self.repo.clone()).create_ref(&commit)?;
        }
        Ok((folder, commit))
    }

    /// Downloads a file and compares its hash, if it is a large one, with the hub's.
    fn file(&self, api: &ApiRepo, file: &str, folder: &Path) -> Result<()> {
        let name = self.name;
        let place = retried(|| api.download_with_progress(file, News(self.listener)));
        let place = place.map_err(|error| self.failed(error))?;
        let blob = place.canonicalize()?;
        let expected = blob.file_name().unwrap_or_default().to_string_lossy();
        // The hub calls large files by their SHA-256, and small ones by git's own hash.
        let is_large = expected.len() == 64;
        let found = is_large.then(|| sha256_file(&blob)).transpose()?;
        if let Some(found) = found.filter(|found| *found != expected) {
            fs_err::remove_file(&place)?;
            fs_err::remove_file(&blob)?;
            let removed = "it was removed from the cache, try again";
            let message = format!("SHA-256 {found}, but the hub says {expected}; {removed}");
            return Err(Error::Refused(format!("{name}: {file}: {message}")));
        }
        let changed = format!("{name}: changed while it was downloaded; try again");
        let same = place.starts_with(folder).then_some(());
        same.ok_or(Error::Refused(changed))
    }

    /// What the library's error means.
    fn failed(&self, error: ApiError) -> Error {
        let Self { name, endpoint, .. } = self;
        let message = error.to_string();
        // The library has no variant for an answer's status.
        let status = |code: &str| {
            let says = |word| message.contains(&format!("{word}: {code}"));
            says("status") || says("code")
        };
        if status("401") || status("403") {
            let token = "then set HF_TOKEN to a token of your account";
            let remedy = format!("accept its conditions at {endpoint}/{name}, {token}");
            Error::Refused(format!("{name}: the hub refuses access; {remedy}"))
        } else if status("404") {
            let what = format!("no such {} or revision", self.kind);
            let remedy = "a private one needs a token in HF_TOKEN";
            Error::Refused(format!("{name}: the hub has {what}; {remedy}"))
        } else {
            Error::Transfer(name.to_string(), message)
        }
    }
}

/// How often a request that was broken off is made again.
const RETRIES: usize = 4;
/// What a server answers that may do so later.
const BUSY: [&str; 5] = ["500", "502", "503", "504", "429"];

/// The library tries again in the middle of a file only: not where a request begins.
fn retried<T, E: Display>(request: impl Fn() -> Result<T, E>) -> Result<T, E> {
    let passes = |error: &E| BUSY.iter().any(|code| error.to_string().contains(code));
    for tries in 1..=RETRIES {
        match request() {
            Err(error) if passes(&error) => sleep(Duration::from_millis(300 << tries)),
            other => return other,
        }
    }
    request()
}

/// Tells a listener how far a file is.
struct News<'a>(&'a Listener<'a>);

impl Progress for News<'_> {
    fn init(&mut self, size: usize, file: &str) {
        let title = format!("download {file}");
        (self.0)(Event::Begun(title, size, "bytes"));
    }

    fn update(&mut self, size: usize) {
        (self.0)(Event::Advanced(size, String::new()));
    }

    fn finish(&mut self) {
        (self.0)(Event::Ended(String::new()));
    }
}
