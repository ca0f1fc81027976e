//! Files that are whole or absent, however a run ends.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes the file at `path` in one piece: `content` goes to a temporary file in the same folder,
/// which is made if need be. The file takes its name only when all of it is on disk.
///
/// # Errors
///
/// Names `path` if the folder cannot be made, `content` fails, or the disk is full. What stood at
/// `path` before then still stands.
pub fn write_atomically(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    replace(path, content)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn replace(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(io::Error::from(io::ErrorKind::InvalidInput)),
    };
    std::fs::create_dir_all(folder)?;
    // `File::create_new` gives the file the permissions of any new file; a temporary file's own
    // would be for its owner alone.
    let mut temporary = tempfile::Builder::new()
        .prefix(".likra-")
        .suffix(".partial")
        .make_in(folder, |path| File::create_new(path))?;
    let mut buffer = BufWriter::new(temporary.as_file_mut());
    content(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

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
}
