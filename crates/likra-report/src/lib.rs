#![doc = include_str!("../README.md")]

mod charts;
mod comparison;
mod error;
mod exhibits;
mod humantime;
mod page;
mod plot;
mod questions;
mod report;
mod table;

pub use comparison::{ComparisonRow, write_comparison};
pub use error::{Error, Result};
pub use humantime::humantime;
pub use page::{CostRow, Facts};
pub use report::write_report;
