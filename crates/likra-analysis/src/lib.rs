#![doc = include_str!("../README.md")]

mod accuracy;
mod bootstrap;
mod claims;
mod comparisons;
mod controls;
mod csv;
mod error;
mod exhibits;
mod figures;
pub mod html;
mod likelihood;
mod mean;
mod method;
pub mod paper;
mod plot;
mod report;
mod rule;
mod seeds;
mod study;
mod summary;
mod table;

pub use accuracy::{AccuracyRow, table1};
pub use bootstrap::Estimate;
pub use claims::claims;
pub use comparisons::{Comparison, comparisons};
pub use controls::controls;
pub use error::{Error, Place, Result};
pub use figures::{WeightRow, figure1, figure3, figure4, figure5};
pub use likelihood::{LikelihoodRow, figure2, figure6};
pub use method::Method;
pub use report::write_report;
pub use rule::{Norm, Rule};
pub use seeds::{SeedsRow, seeds};
pub use study::{Facts, Negative, Replicate, Study};
pub use summary::{Gain, gain, summary};
pub use table::{Candidate, Question, ScoreTable};

#[cfg(test)]
mod fixture;
