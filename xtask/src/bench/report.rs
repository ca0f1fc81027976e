//! What one process of either side writes.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// The file, as `likra bench` and `xtask/peers/bench.py` write it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Report {
    pub(super) program: String,
    pub(super) device: String,
    pub(super) dtype: String,
    pub(super) threads: usize,
    pub(super) versions: BTreeMap<String, String>,
    pub(super) peak_memory_mib: Option<f64>,
    pub(super) results: BTreeMap<String, Measured>,
}

/// What a job took and what it found; what a job does not measure is 0 or empty.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Measured {
    /// Every sample.
    pub(super) seconds: Vec<f64>,
    /// How many tokens ran in a sample, padding left out.
    pub(super) tokens: usize,
    /// How many questions were learnt or scored in a sample.
    pub(super) questions: usize,
    /// Floating-point operations that a sample needs.
    pub(super) operations: f64,
    /// How many tokens the shared shots are.
    pub(super) shared: usize,
    /// For each head its seconds.
    pub(super) heads: Vec<f64>,
    /// Losses, or log-likelihoods.
    pub(super) values: Vec<f64>,
    /// Operations a second of products of square matrices, by their size.
    pub(super) rates: BTreeMap<usize, f64>,
    /// When the first score was there, in seconds since 1970.
    pub(super) at: f64,
}

impl Report {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the two programs wrote them, shortened.
    #[test]
    fn both_sides_are_read() {
        let ours = r#"{"program": "likra 0.1.0", "device": "cpu", "dtype": "f32", "threads": 2,
            "versions": {"burn": "0.22.1"}, "peak-memory-mib": 65, "results": {
            "anew": {"seconds": [0.02], "median": 0.02, "tokens": 290, "questions": 3, "operations": 3.7e8,
                "shared": 0, "heads": [0.019], "values": [-1.5, -2.5], "rates": {}, "at": 0.0},
            "peak": {"seconds": [], "median": 0.0, "tokens": 0, "questions": 0, "operations": 0.0, "shared": 0,
                "heads": [], "values": [], "rates": {"256": 6.4e10}, "at": 0.0}}}"#;
        let peer = r#"{"program": "transformers", "device": "cpu", "dtype": "bf16", "threads": 2,
            "peak-memory-mib": 945, "versions": {"torch": "2.15.0"}, "results": {
            "anew": {"seconds": [1.29], "median": 1.29, "questions": 3, "values": [-1.5, -2.5]},
            "first": {"at": 1795433220.5, "values": [-7.0]}}}"#;
        let read = |text: &str| serde_json::from_str::<Report>(text).unwrap();
        let (ours, peer) = (read(ours), read(peer));
        assert_eq!(ours.results["anew"].values, peer.results["anew"].values);
        assert_eq!(ours.results["peak"].rates[&256], 6.4e10);
        assert_eq!(
            (peer.results["anew"].tokens, peer.results["first"].at),
            (0, 1_795_433_220.5)
        );
        assert_eq!(
            (ours.peak_memory_mib, peer.dtype.as_str()),
            (Some(65.0), "bf16")
        );
    }
}
