//! Steps of a run that are done once: each is stamped with a key of everything that decides its
//! result, and skipped as long as the key is the same.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What is kept of a finished step.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// The hash of what decided its result.
    pub(crate) key: String,
    /// How long it took, in seconds; the last stretch only if it was interrupted.
    pub(crate) seconds: f64,
}

/// Builds a key, part by part; parts are kept apart by their lengths.
#[derive(Debug, Clone, Default)]
pub(crate) struct Key(Sha256);

impl Key {
    /// Adds a named part.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for part in [name.as_bytes(), value.as_ref()] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// The key in hexadecimal.
    pub(crate) fn finish(self) -> String {
        let hash = self.0.finalize();
        hash.iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}

/// Whether the step stamped at `stamp` is done with this key and its `product` is there.
pub(crate) fn is_done(stamp: &Path, key: &str, product: &Path) -> bool {
    let read = || toml::from_str::<Stamp>(&std::fs::read_to_string(stamp).ok()?).ok();
    product.exists() && read().is_some_and(|found| found.key == key)
}

/// Does the work of a step, then stamps it.
pub(crate) fn done(stamp: &Path, key: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let started = Instant::now();
    work()?;
    let done = Stamp {
        key: key.into(),
        seconds: started.elapsed().as_secs_f64(),
    };
    let text = toml::to_string(&done).context("step stamp")?;
    likra_results::write_atomically(stamp, |file| file.write_all(text.as_bytes()))?;
    Ok(())
}

/// How long the step stamped at `stamp` took, in seconds, if it is done.
pub(crate) fn seconds(stamp: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(stamp).ok()?;
    Some(toml::from_str::<Stamp>(&text).ok()?.seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_key_do_not_run_together() {
        let key = |a: &str, b: &str| Key::default().with("x", a).with("y", b).finish();
        assert_ne!(key("ab", "c"), key("a", "bc"));
        assert_eq!(key("ab", "c"), key("ab", "c"));
        assert_eq!(key("", "").len(), 64);
    }

    #[test]
    fn a_step_is_done_again_when_its_key_or_product_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (stamp, product) = (dir.path().join("steps/a.toml"), dir.path().join("a.csv"));
        let work = |key: &str| {
            done(&stamp, key, || Ok(std::fs::write(&product, "done")?)).unwrap();
        };
        assert!(!is_done(&stamp, "one", &product));
        assert_eq!(seconds(&stamp), None);
        work("one");
        assert!(is_done(&stamp, "one", &product));
        assert!(!is_done(&stamp, "two", &product));
        work("two");
        assert!(is_done(&stamp, "two", &product));
        assert!(seconds(&stamp).unwrap() >= 0.0);
        std::fs::remove_file(&product).unwrap();
        assert!(!is_done(&stamp, "two", &product));
    }
}
