//! Rows as cells under named columns, for whoever writes or draws them.

use crate::Estimate;

/// What stands in a column of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A name or a sentence.
    Text(String),
    /// A whole number.
    Count(usize),
    /// A number to so many decimals.
    Number(f64, usize),
}

/// A row that says what stands in each of its columns.
pub trait Cells {
    /// The columns in order. All rows of a table have the same.
    fn cells(&self) -> Columns;
}

/// The names of columns, each with a cell.
#[derive(Debug, Clone, Default)]
pub struct Columns(pub Vec<(String, Cell)>);

impl Columns {
    fn with(mut self, name: &str, cell: Cell) -> Self {
        self.0.push((name.into(), cell));
        self
    }

    /// With a name or a sentence.
    pub fn text(self, name: &str, text: impl ToString) -> Self {
        self.with(name, Cell::Text(text.to_string()))
    }

    /// With a whole number.
    pub fn count(self, name: &str, count: usize) -> Self {
        self.with(name, Cell::Count(count))
    }

    /// With a number to so many decimals.
    pub fn number(self, name: &str, value: f64, decimals: usize) -> Self {
        self.with(name, Cell::Number(value, decimals))
    }

    /// With a mean and the ends of its interval, as shares of one or likelihoods.
    pub fn estimate(self, [value, low, high]: [&str; 3], estimate: Estimate) -> Self {
        self.number(value, estimate.value, 5)
            .number(low, estimate.low, 5)
            .number(high, estimate.high, 5)
    }
}
