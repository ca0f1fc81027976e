//! Rows as a table: as CSV to compute with, and as HTML to read.

use std::io;

use likra_analysis::{Cell, Cells};
use maud::{Markup, PreEscaped, html};

/// The most decimals on the page; the CSV has more.
const DECIMALS: usize = 4;

/// Rows under a header.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(rows: &[impl Cells]) -> Self {
        let rows: Vec<Vec<(String, Cell)>> = rows.iter().map(Cells::cells).collect();
        let header = rows.first().into_iter().flatten();
        let header = header.map(|(name, _)| name.clone()).collect();
        let cells = |row: Vec<(String, Cell)>| row.into_iter().map(|(_, cell)| cell).collect();
        Self {
            header,
            rows: rows.into_iter().map(cells).collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As CSV, with as many decimals as the cells have.
    pub(crate) fn csv(&self) -> io::Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.header)?;
        for row in &self.rows {
            writer.write_record(row.iter().map(|cell| match cell {
                Cell::Text(text) => text.clone(),
                Cell::Count(count) => count.to_string(),
                // Plus zero, so that nothing is a negative zero.
                Cell::Number(value, decimals) => format!("{:.decimals$}", value + 0.0),
            }))?;
        }
        let bytes = writer
            .into_inner()
            .map_err(csv::IntoInnerError::into_error)?;
        String::from_utf8(bytes).map_err(io::Error::other)
    }

    /// `1 row`, `12 rows`.
    pub(crate) fn size(&self) -> String {
        match self.rows.len() {
            1 => "1 row".into(),
            rows => format!("{rows} rows"),
        }
    }

    /// As HTML; rows that begin with another name than the one before start a group.
    pub(crate) fn html(&self) -> Markup {
        let class = |place: usize| {
            let name = &self.header[place];
            let is_bound = name.ends_with("_low") || name.ends_with("_high");
            match self.rows.first().and_then(|row| row.get(place)) {
                Some(Cell::Count(_) | Cell::Number(..)) if is_bound => Some("n bound"),
                Some(Cell::Count(_) | Cell::Number(..)) => Some("n"),
                _ => None,
            }
        };
        let starts = |row: usize| row > 0 && self.rows[row].first() != self.rows[row - 1].first();
        html! {
            table.data {
                thead { tr {
                    @for (place, name) in self.header.iter().enumerate() {
                        th scope="col" class=[class(place).map(|_| "n")] { (heading(name)) }
                    }
                } }
                tbody {
                    @for (number, row) in self.rows.iter().enumerate() {
                        tr class=[starts(number).then_some("start")] {
                            @for (place, cell) in row.iter().enumerate() {
                                td class=[class(place)] { (shown(cell)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A cell for people.
fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Count(count) => count.to_string(),
        Cell::Number(value, decimals) => {
            let decimals = DECIMALS.min(*decimals);
            let fixed = format!("{:.decimals$}", value + 0.0);
            // A small number is not shown as 0.
            let vanishes = *value != 0.0 && fixed.parse() == Ok(0.0);
            let text = if vanishes {
                format!("{value:.1e}")
            } else {
                fixed
            };
            text.replace('-', "−")
        }
    }
}

/// The name of a column, which may break before its last word.
fn heading(name: &str) -> Markup {
    name.rsplit_once('_').map_or_else(
        || html! { (name) },
        |(first, last)| html! { (first) "_" (PreEscaped("<wbr>")) (last) },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row(&'static str, f64);

    impl Cells for Row {
        fn cells(&self) -> Vec<(String, Cell)> {
            let number = |decimals| Cell::Number(self.1, decimals);
            vec![
                ("method".into(), Cell::Text(self.0.into())),
                ("examples".into(), Cell::Count(32)),
                ("acc_norm_low".into(), number(5)),
                ("p".into(), number(6)),
            ]
        }
    }

    #[test]
    fn rows_are_csv_with_quotes_where_they_are_needed() {
        let table = Table::new(&[Row("a, \"b\"", 0.5), Row("c", -0.0), Row("c", 1.25e-7)]);
        let expected = "method,examples,acc_norm_low,p\n\"a, \"\"b\"\"\",32,0.50000,0.500000\n\
                        c,32,0.00000,0.000000\nc,32,0.00000,0.000000\n";
        assert_eq!(table.csv().unwrap(), expected);
        assert_eq!(table.size(), "3 rows");
    }

    #[test]
    fn a_page_rounds_escapes_and_groups() {
        let table = Table::new(&[Row("a<b", 0.123_456), Row("c", -0.5), Row("c", 1.25e-7)]);
        let html = table.html().into_string();
        for expected in [
            "<th scope=\"col\" class=\"n\">acc_norm_<wbr>low</th>",
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
