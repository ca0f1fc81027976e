//! Rows as a table: as CSV to compute with, and as HTML to read.

use std::io;

use likra_analysis::{Cell, Cells};
use maud::{Markup, html};

/// The most decimals on the page; the CSV has more.
const DECIMALS: usize = 4;

/// Rows under a header.
pub(crate) struct Table(Vec<Vec<(String, Cell)>>);

impl Table {
    pub(crate) fn new(rows: &[impl Cells]) -> Self {
        Self(rows.iter().map(|row| row.cells().0).collect())
    }

    /// The names of the columns, each with its first cell.
    fn header(&self) -> &[(String, Cell)] {
        self.0.first().map_or(&[], Vec::as_slice)
    }

    /// As CSV, with as many decimals as the cells have.
    pub(crate) fn csv(&self) -> io::Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.header().iter().map(|(name, _)| name))?;
        for row in &self.0 {
            writer.write_record(row.iter().map(|(_, cell)| fixed(cell, usize::MAX)))?;
        }
        let bytes = writer.into_inner().map_err(io::Error::other)?;
        String::from_utf8(bytes).map_err(io::Error::other)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// As HTML; rows that begin with another name than the one before start a group.
    pub(crate) fn html(&self) -> Markup {
        let class = |name: &str, cell: &Cell| match cell {
            Cell::Text(_) => None,
            _ if name.ends_with("_low") || name.ends_with("_high") => Some("n bound"),
            _ => Some("n"),
        };
        let starts = |row: usize| row > 0 && self.0[row].first() != self.0[row - 1].first();
        html! {
            table.data {
                thead { tr {
                    @for (name, cell) in self.header() {
                        th scope="col" class=[class(name, cell).map(|_| "n")] { (name) }
                    }
                } }
                tbody {
                    @for (number, row) in self.0.iter().enumerate() {
                        tr class=[starts(number).then_some("start")] {
                            @for (name, cell) in row { td class=[class(name, cell)] { (shown(cell)) } }
                        }
                    }
                }
            }
        }
    }
}

/// A cell with at most so many decimals.
fn fixed(cell: &Cell, most: usize) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Count(count) => count.to_string(),
        Cell::Number(value, _) if value.is_nan() => String::new(),
        // Plus zero, so that nothing is a negative zero.
        Cell::Number(value, decimals) => format!("{:.*}", most.min(*decimals), value + 0.0),
    }
}

/// A cell for people.
fn shown(cell: &Cell) -> String {
    let fixed = fixed(cell, DECIMALS);
    match cell {
        // A small number is not shown as 0.
        Cell::Number(value, _) if *value != 0.0 && fixed.parse() == Ok(0.0) => {
            format!("{value:.1e}").replace('-', "−")
        }
        Cell::Number(..) => fixed.replace('-', "−"),
        _ => fixed,
    }
}

#[cfg(test)]
mod tests {
    use likra_analysis::Columns;

    use super::*;

    struct Row(&'static str, f64);

    impl Cells for Row {
        fn cells(&self) -> Columns {
            let number = |decimals| Cell::Number(self.1, decimals);
            Columns(vec![
                ("method".into(), Cell::Text(self.0.into())),
                ("examples".into(), Cell::Count(32)),
                ("acc_norm_low".into(), number(5)),
                ("p".into(), number(6)),
            ])
        }
    }

    #[test]
    fn rows_are_csv_with_quotes_where_they_are_needed() {
        let table = Table::new(&[Row("a, \"b\"", 0.5), Row("c", -0.0), Row("c", 1.25e-7)]);
        let expected = "method,examples,acc_norm_low,p\n\"a, \"\"b\"\"\",32,0.50000,0.500000\n\
                        c,32,0.00000,0.000000\nc,32,0.00000,0.000000\n";
        assert_eq!(table.csv().unwrap(), expected);
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn a_page_rounds_escapes_and_groups() {
        let table = Table::new(&[Row("a<b", 0.123_456), Row("c", -0.5), Row("c", 1.25e-7)]);
        let html = table.html().into_string();
        for expected in [
            "<th scope=\"col\" class=\"n\">acc_norm_low</th>",
            "<td>a&lt;b</td><td class=\"n\">32</td><td class=\"n bound\">0.1235</td>",
            "<tr class=\"start\"><td>c</td>",
            "−0.5000",
            "1.2e−7",
        ] {
            assert!(html.contains(expected), "{expected} in {html}");
        }
        assert_eq!(html.matches("class=\"start\"").count(), 1);
    }
}
