#![doc = include_str!("../README.md")]

mod accuracy;
mod bootstrap;
mod csv;
mod error;
mod figures;
pub mod html;
pub mod paper;
mod plot;
mod report;
mod rule;
mod summary;
mod table;

pub use accuracy::{AccuracyRow, Method, control, table1};
pub use bootstrap::Estimate;
pub use error::{Error, Place, Result};
pub use figures::{WeightRow, figure1, figure3, figure4};
pub use report::write_report;
pub use rule::{Norm, Rule};
pub use summary::{Gain, gain, summary};
pub use table::{Candidate, Question, ScoreTable};

#[cfg(test)]
mod fixture;
