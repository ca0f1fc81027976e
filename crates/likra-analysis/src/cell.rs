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
    /// The names of the columns, in order, each with its cell. All rows of a table have the same columns.
    fn cells(&self) -> Vec<(String, Cell)>;
}

/// Builds a row, column by column.
#[derive(Default)]
pub(crate) struct RowBuilder(Vec<(String, Cell)>);

impl RowBuilder {
    pub(crate) fn text(mut self, name: &str, text: impl ToString) -> Self {
        self.0.push((name.into(), Cell::Text(text.to_string())));
        self
    }

    pub(crate) fn count(mut self, name: &str, count: usize) -> Self {
        self.0.push((name.into(), Cell::Count(count)));
        self
    }

    pub(crate) fn number(mut self, name: &str, value: f64, decimals: usize) -> Self {
        self.0.push((name.into(), Cell::Number(value, decimals)));
        self
    }

    /// A mean and the ends of its interval, as shares of one or likelihoods.
    pub(crate) fn estimate(self, [value, low, high]: [&str; 3], estimate: Estimate) -> Self {
        self.number(value, estimate.value, 5)
            .number(low, estimate.low, 5)
            .number(high, estimate.high, 5)
    }

    pub(crate) fn cells(self) -> Vec<(String, Cell)> {
        self.0
    }
}
