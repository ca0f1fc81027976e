//! Rows and models by name, from a hub on this machine that has what a download needs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common::{fixture, likra};

const COMMIT: &str = "0123456789012345678901234567890123456789";

/// What the hub does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The files have another byte than the hub says.
    Flip,
    /// Only those with a token get something.
    Gated,
    /// The first file breaks off after ten bytes.
    Cut,
    /// There is no such repository.
    Missing,
    /// The training rows are not given.
    Half,
}

/// The hub: `OpenBookQA`'s made-up rows. Its address, its fault, and the requests so far.
struct Hub {
    address: String,
    fault: Arc<Mutex<Fault>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (fault, requests) = (Arc::new(Mutex::new(Fault::None)), Arc::default());
        let hub = Self {
            address,
            fault: Arc::clone(&fault),
            requests: Arc::clone(&requests),
        };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (fault, requests) = (Arc::clone(&fault), Arc::clone(&requests));
                thread::spawn(move || answer(stream.unwrap(), &fault, &requests));
            }
        });
        hub
    }

    /// Runs `likra prompts openbookqa`: whether it succeeded, and what it said.
    fn prompts(&self, home: &Path, more: &[(&str, &str)]) -> (bool, String) {
        let mut command = likra(&["prompts", "openbookqa", "--limit", "2", "--num-shots", "1"]);
        for name in [
            "HF_TOKEN",
            "HF_HUB_CACHE",
            "HF_HUB_OFFLINE",
            "HF_DATASETS_OFFLINE",
        ] {
            command.env_remove(name);
        }
        command
            .env("HF_ENDPOINT", &self.address)
            .env("HF_HOME", home);
        let output = command.envs(more.iter().copied()).output().unwrap();
        let said = if output.status.success() {
            output.stdout
        } else {
            output.stderr
        };
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }
}

fn answer(stream: TcpStream, fault: &Mutex<Fault>, requests: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map(Result::unwrap);
    let request = lines.next().unwrap_or_default();
    let headers: Vec<String> = lines
        .take_while(|line| !line.is_empty())
        .map(|line| line.to_lowercase())
        .collect();
    let header = |name: &str| {
        headers
            .iter()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    requests.lock().unwrap().push(request.clone());
    let path = request.split(' ').nth(1).unwrap_or_default();
    let now = *fault.lock().unwrap();
    let (mut status, mut more, mut body) = ("200 OK", String::new(), Vec::new());
    let file = path.strip_prefix("/datasets/allenai/openbookqa/resolve/main/main/");
    if now == Fault::Missing {
        status = "404 Not Found";
    } else if now == Fault::Gated && header("authorization:").is_none() {
        status = "401 Unauthorized";
    } else if path.starts_with("/api/datasets/allenai/openbookqa") {
        let files = [
            "README.md",
            "additional/test.jsonl",
            "main/test.jsonl",
            "main/train.jsonl",
        ];
        let siblings: Vec<_> = files
            .map(|file| serde_json::json!({"rfilename": file}))
            .into();
        body = serde_json::json!({"sha": COMMIT, "siblings": siblings})
            .to_string()
            .into_bytes();
    } else if let Some(file) = file {
        body = std::fs::read(fixture("tasks/rows/openbookqa").join(file)).unwrap();
        let (hash, size) = (likra_results::sha256(&body), body.len());
        if now == Fault::Flip {
            body[0] ^= 1;
        }
        let range = header("range: bytes=").unwrap_or("0-");
        let (start, end) = range.split_once('-').unwrap();
        let start: usize = start.parse().unwrap();
        let end = end.parse().map_or(size, |end: usize| end + 1);
        status = match (now, file) {
            (Fault::Half, "train.jsonl") => "416 Range Not Satisfiable",
            _ => "206 Partial Content",
        };
        write!(more, "etag: \"{hash}\"\r\nx-repo-commit: {COMMIT}\r\ncontent-range: bytes {start}-{}/{size}\r\n", end - 1).unwrap();
        body = body[start..end].to_vec();
    }
    let length = body.len();
    if now == Fault::Cut && length > 10 && file.is_some() {
        *fault.lock().unwrap() = Fault::None;
        body.truncate(10);
    }
    let head =
        format!("HTTP/1.1 {status}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n");
    let mut stream = stream;
    // Who asked may have gone.
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}

#[test]
fn rows_are_found_by_name_and_stay_in_the_cache() {
    let (hub, dir) = (Hub::start(), tempfile::tempdir().unwrap());
    let (found, first) = hub.prompts(dir.path(), &[]);
    assert!(found && first.lines().count() == 8, "{first}");
    let requests = || {
        hub.requests
            .lock()
            .unwrap()
            .iter()
            .filter(|request| request.contains("/resolve/"))
            .count()
    };
    let needed = requests();
    assert!(
        !hub.requests
            .lock()
            .unwrap()
            .iter()
            .any(|request| request.contains("additional") || request.contains("README"))
    );
    // Again, without the network, and without the hub.
    assert_eq!(hub.prompts(dir.path(), &[]), (true, first.clone()));
    assert_eq!(
        hub.prompts(dir.path(), &[("HF_HUB_OFFLINE", "1")]),
        (true, first.clone())
    );
    assert_eq!(
        hub.prompts(dir.path(), &[("HF_ENDPOINT", "http://127.0.0.1:9")]),
        (true, first.clone())
    );
    assert_eq!(requests(), needed);
    // The layout that every other tool shares.
    let repo = dir.path().join("hub/datasets--allenai--openbookqa");
    assert_eq!(
        std::fs::read_to_string(repo.join("refs/main")).unwrap(),
        COMMIT
    );
    let link = repo.join("snapshots").join(COMMIT).join("main/test.jsonl");
    let blob = std::fs::read_link(&link).unwrap();
    assert!(
        blob.is_relative() && blob.to_string_lossy().contains("blobs/"),
        "{}",
        blob.display()
    );
    assert_eq!(
        likra_results::sha256_file(&link).unwrap(),
        blob.file_name().unwrap().to_str().unwrap()
    );

    let other = tempfile::tempdir().unwrap();
    hub.set(Fault::Cut);
    assert_eq!(hub.prompts(other.path(), &[]), (true, first.clone()));

    // A part of the files is not taken for all of them.
    let other = tempfile::tempdir().unwrap();
    hub.set(Fault::Half);
    let (found, said) = hub.prompts(other.path(), &[]);
    assert!(!found && said.contains("416"), "{said}");
    let (found, said) = hub.prompts(other.path(), &[("HF_HUB_OFFLINE", "1")]);
    assert!(
        !found && said.contains("main/train.jsonl is not in the cache"),
        "{said}"
    );
    hub.set(Fault::None);
    assert_eq!(hub.prompts(other.path(), &[]), (true, first));
}

#[test]
fn what_the_hub_refuses_or_spoils_is_named() {
    let (hub, dir) = (Hub::start(), tempfile::tempdir().unwrap());
    let refused = |more: &[(&str, &str)], words: &str| {
        let (found, said) = hub.prompts(dir.path(), more);
        assert!(
            !found && said.contains(words) && said.contains("allenai/openbookqa"),
            "{said}"
        );
    };
    refused(&[("HF_HUB_OFFLINE", "1")], "not in the cache");
    hub.set(Fault::Gated);
    refused(&[], "accept its conditions at");
    hub.set(Fault::Missing);
    refused(&[], "no such data set or revision");
    refused(&[("HF_ENDPOINT", "http://127.0.0.1:9")], "refused");
    hub.set(Fault::Flip);
    refused(&[], "SHA-256");
    hub.set(Fault::Gated);
    let (found, said) = hub.prompts(dir.path(), &[("HF_TOKEN", "hf_x")]);
    assert!(found && said.lines().count() == 8, "{said}");
}
