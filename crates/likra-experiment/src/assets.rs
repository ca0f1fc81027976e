//! The small model and benchmark that the program carries, so that it runs anywhere.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use likra_files::write_atomically;

use crate::error::Result;

/// What an experiment writes for `model` or `data` to mean what is here.
pub(crate) const TINY: &str = "embedded:tiny";

static FILES: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../fixtures/tiny");

/// Writes the embedded model and benchmark into `dir`, unless they are there already.
pub(crate) fn unpack(dir: &Path) -> Result<PathBuf> {
    for file in FILES.files() {
        let (path, bytes) = (dir.join(file.path()), file.contents());
        if !fs_err::read(&path).is_ok_and(|found| found == bytes) {
            write_atomically(&path, |to| to.write_all(bytes))?;
        }
    }
    Ok(dir.into())
}
