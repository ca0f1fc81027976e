//! Folders that a user names, and files that are whole or absent.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// A folder's place, however it was named.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    ensure!(path.is_dir(), "{}: no such folder", path.display());
    path.canonicalize()
        .with_context(|| path.display().to_string())
}

/// Writes a file beside its place, then renames it.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let named = || path.display().to_string();
    let beside = path.with_extension("partial");
    std::fs::write(&beside, text).with_context(named)?;
    std::fs::rename(&beside, path).with_context(named)
}
