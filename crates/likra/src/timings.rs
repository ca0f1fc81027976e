//! `--timings FILE`: how long the parts of a command took, for comparisons with other programs.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use likra_experiment::{Dtype, Placement, peak_memory};
use likra_results::write_atomically;
use serde::Serialize;

/// What a command measures of itself.
#[derive(Debug, Serialize)]
pub(crate) struct Timings {
    program: &'static str,
    device: String,
    dtype: Dtype,
    /// Seconds to open the model.
    opened: f64,
    parts: Vec<Part>,
    peak_memory_mib: Option<u64>,
}

/// One head's training or scoring.
#[derive(Debug, Serialize)]
struct Part {
    name: String,
    seconds: f64,
    /// Examples learnt or questions answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    examples: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    questions: Option<usize>,
    tokens: usize,
}

/// What a part counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Count {
    Examples(usize),
    Questions(usize),
}

impl Timings {
    pub(crate) fn new(placement: &Placement, opening: Instant) -> Self {
        Self {
            program: concat!("likra ", env!("CARGO_PKG_VERSION")),
            device: placement.name.clone(),
            dtype: placement.dtype,
            opened: opening.elapsed().as_secs_f64(),
            parts: Vec::new(),
            peak_memory_mib: None,
        }
    }

    pub(crate) fn add(&mut self, name: &str, began: Instant, count: Count, tokens: usize) {
        let (examples, questions) = match count {
            Count::Examples(examples) => (Some(examples), None),
            Count::Questions(questions) => (None, Some(questions)),
        };
        self.parts.push(Part {
            name: name.into(),
            seconds: began.elapsed().as_secs_f64(),
            examples,
            questions,
            tokens,
        });
    }

    /// Writes them as JSON, if a file was asked for.
    pub(crate) fn write(mut self, path: Option<&Path>) -> Result<()> {
        let Some(path) = path else {
            return Ok(());
        };
        self.peak_memory_mib = peak_memory();
        let text = serde_json::to_vec_pretty(&self)?;
        write_atomically(path, |to| to.write_all(&text))?;
        Ok(())
    }
}
