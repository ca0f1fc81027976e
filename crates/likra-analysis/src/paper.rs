//! What the paper reports, to set beside what a run finds.

use crate::Method;

/// A benchmark of a model in the paper, with accuracies as shares of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reference {
    /// The model's name on Hugging Face, without its owner.
    pub model: &'static str,
    /// The benchmark.
    pub benchmark: &'static str,
    /// The base model; the positive head alone, superscript + in the paper; SFT-Likra, superscript -.
    pub acc_norm: [f64; 3],
}

impl Reference {
    /// What the paper has for a method, if it does.
    pub fn of(&self, method: &Method) -> Option<f64> {
        let methods = [Method::BASE, Method::SFT, Method::SFT_LIKRA];
        let place = methods.iter().position(|of_paper| of_paper == method)?;
        Some(self.acc_norm[place])
    }
}

/// The paper's rows for a benchmark, that of `model` first.
pub(crate) fn references(benchmark: Option<&str>, model: Option<&str>) -> Vec<&'static Reference> {
    let of_benchmark = |row: &&Reference| benchmark == Some(row.benchmark);
    let mut rows: Vec<&Reference> = TABLE1.iter().filter(of_benchmark).collect();
    rows.sort_by_key(|row| model != Some(row.model));
    rows
}

/// Table 1 of "What do LLMs learn from negative examples?": final accuracy on ARC-Challenge (25
/// shots, 6615 training and 1172 test questions) and `HellaSwag` (10 shots, 39905 and 10042).
pub const TABLE1: [Reference; 6] = [
    row("Mistral-7B-v0.1", ARC, [0.5998, 0.6630, 0.8123]),
    row("Mistral-7B-v0.1", HELLASWAG, [0.8323, 0.8468, 0.9633]),
    row(INSTRUCT, ARC, [0.6365, 0.6408, 0.8063]),
    row(INSTRUCT, HELLASWAG, [0.8463, 0.8360, 0.9569]),
    row("Llama-3.2-3B-Instruct", ARC, [0.5222, 0.5486, 0.7321]),
    row("Llama-3.2-3B-Instruct", HELLASWAG, [0.7312, 0.7254, 0.9071]),
];

const INSTRUCT: &str = "Mistral-7B-Instruct-v0.3";
const ARC: &str = "ARC-Challenge";
const HELLASWAG: &str = "HellaSwag";

const fn row(model: &'static str, benchmark: &'static str, acc_norm: [f64; 3]) -> Reference {
    Reference {
        model,
        benchmark,
        acc_norm,
    }
}
