//! What a file is, if it is not what its name promises.

use std::fmt::Display;
use std::io::{self, Error, ErrorKind};
use std::path::Path;

/// Reads a file whole.
///
/// # Errors
///
/// If it cannot be read, or for what [`check_kind`] refuses. The message names the file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = fs_err::read(path)?;
    check_kind(path, &bytes)?;
    Ok(bytes)
}

/// Refuses what downloads leave in place of a file.
///
/// `head` is how the file begins: a hundred bytes are enough.
///
/// # Errors
///
/// If it is empty, a Git LFS pointer, or a web page.
pub fn check_kind(path: &Path, head: &[u8]) -> io::Result<()> {
    let start = head.trim_ascii_start();
    let begins = |with: &str| {
        let start = start.get(..with.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    let found = if head.is_empty() {
        "the file is empty; download or copy it again"
    } else if begins("version https://git-lfs.github.com/spec/") {
        "a Git LFS pointer, not the file itself; get the file with `git lfs pull`"
    } else if begins("<!doctype html") || begins("<html") {
        "a web page, such as a server sends with an error; download the file again"
    } else {
        return Ok(());
    };
    Err(error_at(path, ErrorKind::InvalidData, found))
}

/// The text of a file in UTF-8, without a byte order mark.
///
/// # Errors
///
/// If it is in another encoding. The message names the file and the encoding that it seems to have.
pub fn decode_text<'a>(path: &Path, bytes: &'a [u8]) -> io::Result<&'a str> {
    let zeros = |odd| bytes.iter().skip(odd).step_by(2).take(64);
    let half = |odd| bytes.len() > 3 && zeros(odd).all(|&byte| byte == 0);
    let marks: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];
    if marks.iter().any(|mark| bytes.starts_with(mark)) || half(0) || half(1) {
        let message = "UTF-16 text, expected UTF-8; convert it with `iconv -f UTF-16 -t UTF-8`";
        return Err(error_at(path, ErrorKind::InvalidData, message));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let line = bytes[..at].split(|&byte| byte == b'\n').count();
        let byte = bytes[at];
        let remedy = "a file in Latin-1 is converted with `iconv -f LATIN1 -t UTF-8`";
        let message = format!("line {line}: byte 0x{byte:02x} is not UTF-8; {remedy}");
        error_at(path, ErrorKind::InvalidData, message)
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Whether an error says that a file is not what it was written as: it is gone, cut off or something else.
/// All others (a full disk, no permission) may be gone tomorrow.
pub fn is_damage(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidData | ErrorKind::NotFound | ErrorKind::UnexpectedEof
    )
}

/// An error whose message names the file.
pub fn error_at(path: &Path, kind: ErrorKind, message: impl Display) -> Error {
    Error::new(kind, format!("{}: {message}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_downloads_leave_is_named() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
        for (bytes, word) in [
            (&b""[..], "empty"),
            (pointer, "Git LFS pointer"),
            (b"\n<!DOCTYPE html><html>", "web page"),
            (b"<html><title>401</title>", "web page"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("config.json");
            std::fs::write(&path, bytes).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(
                error.contains("config.json: ") && error.contains(word),
                "{error}"
            );
        }
        assert!(check_kind(Path::new("a"), b"{}").is_ok());
    }

    #[test]
    fn other_encodings_are_named() {
        let path = Path::new("test.jsonl");
        let decode = |bytes| decode_text(path, bytes).map_err(|error| error.to_string());
        assert_eq!(decode("\u{feff}caf\u{e9}".as_bytes()).unwrap(), "caf\u{e9}");
        assert!(decode(b"\xff\xfec\0a\0").unwrap_err().contains("UTF-16"));
        assert!(decode(b"\0c\0a\0f\0e").unwrap_err().contains("UTF-16"));
        let error = decode(b"ca\ncaf\xe9\n").unwrap_err();
        assert!(error.contains("test.jsonl: line 2: byte 0xe9") && error.contains("Latin-1"));
    }
}
