//! Fingerprints of files.

use std::io::{self, Read as _};
use std::path::Path;

use fs_err::File;
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

/// The SHA-256 of bytes in memory, in lower-case hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
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
    fn a_missing_file_is_named() {
        let error = sha256_file(Path::new("no/such/file")).unwrap_err();
        assert!(error.to_string().contains("no/such/file"), "{error}");
    }
}
