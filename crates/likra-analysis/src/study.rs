//! The scores of a run, and how to read them.

use crate::{Method, Norm, ScoreTable};

/// The scores of a run, and how to read them.
#[derive(Debug, Clone)]
pub struct Study {
    /// The scores of the experiment's own seed.
    pub table: ScoreTable,
    /// That seed.
    pub seed: u32,
    /// The same heads from other seeds.
    pub replicates: Vec<Replicate>,
    /// The heads that can be subtracted, in the order to show them.
    pub negatives: Vec<Negative>,
    /// The weights of figure 4.
    pub weights: Vec<f64>,
    /// What scores are divided by in columns `acc_norm`, figures and claims.
    pub norm: Norm,
    /// The benchmark's name in [`paper::TABLE1`](crate::paper::TABLE1); `None` if the paper does not have it.
    pub benchmark: Option<String>,
    /// The model's name there, likewise: the paper's numbers for it come first.
    pub model: Option<String>,
}

impl Study {
    /// SFT-Likra with this negative head, if the study has it.
    pub(crate) fn likra_with(&self, head: &str) -> Option<Method> {
        let found = self.negatives.iter().find(|found| found.head == head)?;
        Some(found.method())
    }
}

/// Heads from another seed, under the names that they have in the study's own table.
#[derive(Debug, Clone)]
pub struct Replicate {
    /// The seed.
    pub seed: u32,
    /// Their scores and the base's, over the first questions of the study or all of them.
    pub table: ScoreTable,
}

/// A head that can be subtracted.
#[derive(Debug, Clone, PartialEq)]
pub struct Negative {
    /// Its name in the table.
    pub head: String,
    /// Its name in figures.
    pub label: String,
    /// The share of right answers among those that it has learned; at 1 it is a control.
    pub contamination: f64,
}

impl Negative {
    /// SFT-Likra with it.
    pub(crate) fn method(&self) -> Method {
        Method::likra_with(&self.head, &self.label)
    }

    /// Whether it has learned no right answers.
    pub(crate) fn is_pure(&self) -> bool {
        self.contamination == 0.0
    }
}
