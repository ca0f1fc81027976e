//! Fingerprints of files.

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err::File;
use likra_files::write_atomically;
use sha2::{Digest, Sha256};

/// How much of a file is in memory at a time, in bytes.
const CHUNK: u64 = 1 << 20;

/// The SHA-256 of a file in lower-case hexadecimal, read piece by piece.
///
/// # Errors
///
/// If the file cannot be read.
pub fn sha256_file(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher, mut chunk) = (File::open(path)?, Sha256::new(), Vec::new());
    while file.by_ref().take(CHUNK).read_to_end(&mut chunk)? > 0 {
        hasher.update(&chunk);
        chunk.clear();
    }
    Ok(hex(&hasher.finalize()))
}

/// A file whose hash is kept has at least so many bytes.
const LARGE: u64 = 16 << 20;

/// The same, but of a large file what was found before, if it has not changed since then: weights of a model take
/// longer to hash than all else that a start does.
///
/// Hashes are kept in the user's cache folder, a file each. What tells a change is the file's place, size, and the time
/// of its last change of any kind, which no program can set.
///
/// # Errors
///
/// If the file cannot be read.
pub fn sha256_kept(path: &Path) -> io::Result<String> {
    let found = fs_err::metadata(path)?;
    let kept = (found.len() >= LARGE).then(|| kept(path)).flatten();
    let Some(kept) = kept else {
        return sha256_file(path);
    };
    let (file, length, changed) = (found.ino(), found.len(), found.ctime());
    let state = format!("{file} {length} {changed}.{:09}", found.ctime_nsec());
    let before = fs_err::read_to_string(&kept).unwrap_or_default();
    if let Some((hash, _)) = before.split_once(' ').filter(|(_, of)| *of == state) {
        return Ok(hash.into());
    }
    let hash = sha256_file(path)?;
    let line = format!("{hash} {state}");
    // That it cannot be kept is no reason to stop.
    let folder = kept.parent().map_or(Ok(()), fs_err::create_dir_all);
    let write = |()| write_atomically(&kept, |to| to.write_all(line.as_bytes()));
    if let Err(error) = folder.and_then(write) {
        tracing::info!(%error, "a hash is not kept");
    }
    Ok(hash)
}

/// Where the hash of a file is kept, if there is a place for such things.
fn kept(path: &Path) -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty());
    let folder = folder.map(PathBuf::from);
    let folder = folder.or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
    let path = fs_err::canonicalize(path).ok()?;
    let name = sha256(path.as_os_str().as_encoded_bytes());
    Some(folder.join("likra/hashes").join(name))
}

/// The SHA-256 of bytes in memory, in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        // FIPS 180-2, appendix B.1 and B.3, and the empty message.
        let million = vec![b'a'; 1_000_000];
        let cases: [(&[u8], &str); 3] = [
            (
                b"",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                b"abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                &million,
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
            ),
        ];
        for (content, expected) in cases {
            std::fs::write(&path, content).unwrap();
            assert_eq!(sha256_file(&path).unwrap(), expected);
        }
    }

    #[test]
    fn the_hash_of_a_large_file_is_kept_until_it_changes() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("weights");
        let mut content = vec![1; LARGE as usize];
        std::fs::write(&path, &content).unwrap();
        let place = kept(&path).unwrap();
        assert_eq!(sha256_kept(&path).unwrap(), sha256(&content));
        let line = std::fs::read_to_string(&place).unwrap();
        // What stands there is believed.
        std::fs::write(&place, line.replace(&sha256(&content), "kept")).unwrap();
        assert_eq!(sha256_kept(&path).unwrap(), "kept");
        content[5] = 2;
        std::fs::write(&path, &content).unwrap();
        assert_eq!(sha256_kept(&path).unwrap(), sha256(&content));
        std::fs::remove_file(place).unwrap();
        // A small one is not.
        std::fs::write(&path, b"abc").unwrap();
        assert_eq!(sha256_kept(&path).unwrap(), sha256(b"abc"));
        assert!(!kept(&path).unwrap().exists());
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = sha256_file(Path::new("no/such/file")).unwrap_err();
        assert!(error.to_string().contains("no/such/file"), "{error}");
    }
}
