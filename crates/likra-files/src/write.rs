//! Files that are whole or absent, however a run ends.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::error_at;

/// Writes the file at `path` in one piece: `content` goes to a temporary file in the same folder,
/// which is made if need be. The file takes its name only when all of it is on disk.
///
/// A link stays a link: the file that it points to is written. What is no file, such as a pipe or
/// `/dev/stdout`, is written into; `-` is the standard output.
///
/// # Errors
///
/// Names `path` if the folder cannot be made, `content` fails, or the disk is full. What stood at
/// `path` before then still stands.
pub fn write_atomically(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let write = || match place(path)? {
        Place::File(path) => {
            let mut temporary = temporary(&path)?;
            into(temporary.as_file_mut(), content)?.sync_all()?;
            temporary
                .persist(&path)
                .map(drop)
                .map_err(|error| error.error)
        }
        // From its end: `>> FILE` makes /dev/stdout a file that holds something already.
        Place::Stream => into(File::options().append(true).open(path)?, content).map(drop),
        Place::Output => into(io::stdout().lock(), content)?.flush(),
    };
    write().map_err(|error| error_at(path, error.kind(), error))
}

/// Checks, before work is done for it, that a file of so many bytes can be written at `path`. The folder is
/// made if need be.
///
/// # Errors
///
/// Names `path` if it cannot be written, or too little room is left.
pub fn check_room(path: &Path, bytes: u64) -> io::Result<()> {
    let check = || {
        let Place::File(file) = place(path)? else {
            return Ok(());
        };
        drop(temporary(&file)?);
        let found = rustix::fs::statvfs(folder(&file)?)?;
        let left = found.f_bavail.saturating_mul(found.f_frsize);
        if left < bytes {
            let [left, bytes] = [left, bytes].map(|bytes| bytes >> 20);
            let message = format!("{left} MiB are left there, and about {bytes} MiB are needed");
            return Err(io::Error::new(ErrorKind::StorageFull, message));
        }
        Ok(())
    };
    check().map_err(|error| error_at(path, error.kind(), error))
}

/// What is written to.
enum Place {
    /// A file, which may not be there yet; no link.
    File(PathBuf),
    /// What must never be replaced.
    Stream,
    /// The standard output.
    Output,
}

/// How many links may lead to a file, as on Linux.
const MOST_LINKS: usize = 40;

fn place(path: &Path) -> io::Result<Place> {
    if path.as_os_str() == "-" {
        return Ok(Place::Output);
    }
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let folder = path.parent().unwrap_or(Path::new(""));
        let real = folder.canonicalize();
        match path.symlink_metadata() {
            // The links there lead to open files, which need no name.
            Ok(_) if real.is_ok_and(|real| real.starts_with("/proc")) => return Ok(Place::Stream),
            Ok(found) if found.is_symlink() => path = folder.join(path.read_link()?),
            Ok(found) if found.is_dir() => return Err(ErrorKind::IsADirectory.into()),
            Ok(found) if !found.is_file() => return Ok(Place::Stream),
            _ => return Ok(Place::File(path)),
        }
    }
    Err(io::Error::other("too many links"))
}

/// The folder that a file is in.
fn folder(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(parent) => Ok(parent),
        None => Err(ErrorKind::InvalidInput.into()),
    }
}

/// A file beside its place, which is removed unless it gets its name.
fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    // `File::create_new` gives the file the permissions of any new file; a temporary file's own
    // would be for its owner alone.
    let create = |path: &Path| File::create_new(path);
    beside(path, |builder, folder| builder.make_in(folder, create))
}

/// Makes a file or a folder beside its place `path`, in a folder that is made if need be.
fn beside<T>(
    path: &Path,
    make: impl FnOnce(&mut Builder, &Path) -> io::Result<T>,
) -> io::Result<T> {
    let folder = folder(path)?;
    std::fs::create_dir_all(folder)?;
    let prefix = partial_prefix(path);
    make(Builder::new().prefix(&prefix).suffix(PARTIAL), folder)
}

/// How the name of what is half-written begins, until it gets the name at the end of `path`.
fn partial_prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(".likra-{name}.")
}

/// How it ends.
const PARTIAL: &str = ".partial";

/// Makes the folder at `path` in one piece: `content` fills a folder beside it, which then takes its name. If another
/// process has made one meanwhile, every file takes the place of the other's.
///
/// # Errors
///
/// Those of `content`; if the folder cannot be made, names `path`.
pub fn write_folder<E: From<io::Error>>(
    path: &Path,
    content: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let named = |error: io::Error| error_at(path, error.kind(), error);
    // As for any new folder, and not for its owner alone.
    let rights = Permissions::from_mode(0o777);
    let beside = beside(path, |builder, folder| {
        builder.permissions(rights).tempdir_in(folder)
    });
    let beside = beside.map_err(named)?;
    content(beside.path())?;
    let rename = || {
        if std::fs::rename(beside.path(), path).is_ok() {
            return Ok(());
        }
        for file in std::fs::read_dir(beside.path())? {
            let file = file?;
            std::fs::rename(file.path(), path.join(file.file_name()))?;
        }
        Ok(())
    };
    Ok(rename().map_err(named)?)
}

/// Removes what killed processes have left half-written of the file or folder at `path`, and below it. What other
/// processes write beside it stays.
///
/// # Errors
///
/// If a folder cannot be listed, or something not be removed.
pub fn sweep(path: &Path) -> io::Result<()> {
    sweep_folder(folder(path)?, &partial_prefix(path), false)?;
    match path.is_symlink() {
        true => Ok(()),
        false => sweep_folder(path, ".likra-", true),
    }
}

/// Removes what begins with `prefix` and is half-written, and what is in the folders below, if `is_deep`.
fn sweep_folder(folder: &Path, prefix: &str, is_deep: bool) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for found in fs_err::read_dir(folder)? {
        let found = found?;
        let name = found.file_name().to_string_lossy().into_owned();
        let is_partial = name.starts_with(prefix) && name.ends_with(PARTIAL);
        let swept = match (is_partial, found.file_type()?.is_dir()) {
            (true, true) => fs_err::remove_dir_all(found.path()),
            (true, false) => fs_err::remove_file(found.path()),
            (false, true) if is_deep => sweep_folder(&found.path(), prefix, true),
            (false, _) => Ok(()),
        };
        // Another process may have swept it, or have given it its name.
        swept.or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
    }
    Ok(())
}

/// Writes all of `content` and gives the writer back.
fn into<W: Write>(to: W, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<W> {
    let mut buffer = BufWriter::new(to);
    content(&mut buffer)?;
    buffer.into_inner().map_err(io::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[cfg(target_os = "linux")]
    fn is_stream(path: &Path) -> bool {
        matches!(place(path), Ok(Place::Stream))
    }

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn makes_folders_and_replaces_what_was_there() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b/file.txt");
        for text in ["first", "second"] {
            write_atomically(&path, |to| to.write_all(text.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(names(path.parent().unwrap()), ["file.txt"]);
    }

    #[test]
    fn failure_leaves_the_old_file_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file.txt");
        write_atomically(&path, |to| to.write_all(b"old")).unwrap();
        let error = write_atomically(&path, |to| {
            to.write_all(b"half")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert!(error.to_string().contains("file.txt"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(root.path()), ["file.txt"]);
    }

    #[test]
    fn a_folder_that_is_a_file_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        write_atomically(&file, |_| Ok(())).unwrap();
        let error = write_atomically(&file.join("below"), |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }

    #[test]
    fn the_root_is_not_a_file() {
        assert!(write_atomically(Path::new("/"), |_| Ok(())).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let root = tempfile::tempdir().unwrap();
        let (link, target) = (root.path().join("link"), root.path().join("a/target"));
        std::os::unix::fs::symlink("a/target", &link).unwrap();
        // What it points to is not there yet, and then it is.
        for text in ["first", "second"] {
            write_atomically(&link, |to| to.write_all(text.as_bytes())).unwrap();
            assert!(link.is_symlink() && !target.is_symlink());
            assert_eq!(fs::read_to_string(&target).unwrap(), text);
        }
        let circle = root.path().join("circle");
        std::os::unix::fs::symlink("circle", &circle).unwrap();
        assert!(write_atomically(&circle, |_| Ok(())).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_no_file_is_written_into() {
        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        write_atomically(&pipe, |to| to.write_all(b"table")).unwrap();
        assert_eq!(reader.join().unwrap(), "table");
        assert!(is_stream(&pipe) && is_stream(Path::new("/dev/null")));
        // An open file by its number: what it holds stays.
        let path = root.path().join("log");
        fs::write(&path, "before ").unwrap();
        let open = File::options().append(true).open(&path).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        let by_number = PathBuf::from(format!("/dev/fd/{number}"));
        assert!(is_stream(&by_number) && !is_stream(&path));
        write_atomically(&by_number, |to| to.write_all(b"after")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before after");
    }

    #[test]
    fn room_is_checked_before_work() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/scores.csv");
        check_room(&path, 1000).unwrap();
        assert!(names(&root.path().join("a")).is_empty());
        let error = check_room(&path, u64::MAX / 2).unwrap_err().to_string();
        assert!(
            error.contains("scores.csv") && error.contains("MiB are left"),
            "{error}"
        );
        fs::write(root.path().join("file"), "").unwrap();
        let error = check_room(&root.path().join("file/scores.csv"), 0).unwrap_err();
        assert!(error.to_string().contains("file/scores.csv"), "{error}");
    }

    #[test]
    fn only_what_is_half_written_of_a_path_or_below_it_is_swept() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("head");
        fs::create_dir_all(dir.join("below/.likra-n1.x.partial")).unwrap();
        std::os::unix::fs::symlink(root.path(), dir.join("link")).unwrap();
        for name in [
            ".likra-head.x.partial",
            ".likra-other.x.partial",
            "head/.likra-log.csv.x.partial",
            "head/below/.likra-n1.x.partial/half",
            "head/below/whole.partial",
        ] {
            fs::write(root.path().join(name), "").unwrap();
        }
        sweep(&dir).unwrap();
        sweep(&root.path().join("none/there")).unwrap();
        let sorted = |folder: &Path| {
            let mut names = names(folder);
            names.sort();
            names
        };
        assert_eq!(sorted(root.path()), [".likra-other.x.partial", "head"]);
        assert_eq!(sorted(&dir), ["below", "link"]);
        assert_eq!(names(&dir.join("below")), ["whole.partial"]);
    }
}
