#![doc = include_str!("../README.md")]

mod accuracy;
mod bootstrap;
mod cell;
mod claims;
mod comparisons;
mod error;
mod findings;
mod harness;
mod likelihood;
mod logistic;
mod mean;
mod measures;
mod method;
mod norm;
pub mod paper;
mod questions;
mod rule;
mod seeds;
mod study;
mod summary;
mod table;

pub use accuracy::AccuracyRow;
pub use bootstrap::{Estimate, accuracy};
pub use cell::{Cell, Cells, Columns};
pub use claims::{Claim, Part, Verdict};
pub use comparisons::Comparison;
pub use error::{Error, Result};
pub use findings::{Findings, findings};
pub use harness::HarnessMetric;
pub use likelihood::LikelihoodRow;
pub use logistic::logistic_regression;
pub use mean::standard_error;
pub use measures::{MeasureRow, trust};
pub use method::{Method, NEGATIVE, POSITIVE};
pub use norm::Norm;
pub use questions::{QuestionRow, Questions};
pub use rule::{Rule, highest};
pub use seeds::SeedsRow;
pub use study::{Negative, Replicate, Study};
pub use summary::{accuracies, summary};
pub use table::{Question, ScoreTable};

#[cfg(test)]
mod fixture_tests;
