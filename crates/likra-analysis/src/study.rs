//! The scores of a run, and how to read them.

use crate::{Norm, ScoreTable};

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
