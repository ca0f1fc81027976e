//! CSV as a table to read: numbers are rounded, and aligned at their point.

use std::fmt::Write;

use super::escape::Text;

/// More decimals are for the CSV itself.
const DECIMALS: usize = 4;

/// A CSV with its header, which may have quotes in it.
pub(super) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    columns: Vec<Column>,
}

/// How the cells of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Text,
    /// With so many decimals.
    Number(usize),
}

impl Table {
    pub(super) fn parse(csv: &str) -> Self {
        let mut reader = ::csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(csv.as_bytes());
        // What is UTF-8, in memory and of any width has no errors.
        let records = reader.records().filter_map(Result::ok);
        let mut rows = records.map(|record| record.iter().map(String::from).collect());
        let header: Vec<String> = rows.next().unwrap_or_default();
        let rows: Vec<Vec<String>> = rows.collect();
        let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
        let columns = (0..header.len()).map(|column| Column::of(cells(column)));
        let columns = columns.collect();
        Self {
            header,
            rows,
            columns,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn html(&self) -> String {
        let mut html = String::from("<table class=\"data\">\n<thead><tr>");
        for (name, column) in self.header.iter().zip(&self.columns) {
            push(
                &mut html,
                "th scope=\"col\"",
                "th",
                column.class(),
                &heading(name),
            );
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        let mut group = None;
        for row in &self.rows {
            let first = self.group(row);
            let starts = group.is_some_and(|group| group != first);
            html.push_str(if starts {
                "<tr class=\"start\">"
            } else {
                "<tr>"
            });
            self.push_row(&mut html, row);
            html.push_str("</tr>\n");
            group = Some(first);
        }
        html.push_str("</tbody>\n</table>\n");
        html
    }

    fn push_row(&self, html: &mut String, row: &[String]) {
        for (at, column) in self.columns.iter().enumerate() {
            let cell = row.get(at).map_or("", String::as_str);
            let class = match column {
                Column::Number(_) if is_bound(&self.header[at]) => "n bound",
                _ => column.class(),
            };
            push(
                html,
                "td",
                "td",
                class,
                &Text(&column.cell(cell)).to_string(),
            );
        }
    }

    /// What rows that belong together have in common: the name that they begin with.
    fn group<'a>(&self, row: &'a [String]) -> Option<&'a str> {
        let named = self.columns.first() == Some(&Column::Text);
        row.first().filter(|_| named).map(String::as_str)
    }
}

impl Column {
    fn of<'a>(cells: impl Iterator<Item = &'a String>) -> Self {
        let mut decimals = None;
        for cell in cells.filter(|cell| !cell.is_empty()) {
            if cell.parse::<f64>().is_err() {
                return Self::Text;
            }
            decimals = decimals.max(Some(decimals_of(cell).min(DECIMALS)));
        }
        decimals.map_or(Self::Text, Self::Number)
    }

    fn class(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::Number(_) => "n",
        }
    }

    fn cell(self, cell: &str) -> String {
        match (self, cell.parse::<f64>()) {
            (Self::Number(decimals), Ok(number)) => rounded(number, decimals),
            _ => cell.into(),
        }
    }
}

/// How many decimals a number needs: `0.0500` needs two.
fn decimals_of(number: &str) -> usize {
    if number.contains(['e', 'E']) {
        return DECIMALS;
    }
    let decimals = number.split_once('.').map_or("", |(_, decimals)| decimals);
    decimals.trim_end_matches('0').len()
}

/// The number with so many decimals, but never a zero that is none.
fn rounded(number: f64, decimals: usize) -> String {
    let fixed = format!("{number:.decimals$}");
    let vanishes = number != 0.0 && fixed.parse() == Ok(0.0);
    let text = match number {
        _ if vanishes => format!("{number:.1e}"),
        0.0 => fixed.trim_start_matches('-').into(),
        _ => fixed,
    };
    text.replace('-', "−")
}

/// The name of a column, which may break before its last word.
fn heading(name: &str) -> String {
    match name.rsplit_once('_') {
        Some((name, last)) => format!("{}_<wbr>{}", Text(name), Text(last)),
        None => Text(name).to_string(),
    }
}

/// Whether a column is an end of the interval of another one.
fn is_bound(name: &str) -> bool {
    name.ends_with("_low") || name.ends_with("_high")
}

fn push(html: &mut String, opening: &str, name: &str, class: &str, content: &str) {
    let class = if class.is_empty() {
        String::new()
    } else {
        format!(" class=\"{class}\"")
    };
    // Writing to a string does not fail.
    let _ = write!(html, "<{opening}{class}>{content}</{name}>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_cell_may_hold_commas_quotes_and_tags() {
        let table = Table::parse("name,\"a, b\"\n\"x \"\"y\"\", <z>\",1.5\nplain,2\n");
        assert_eq!(table.len(), 2);
        let html = table.html();
        assert!(html.contains("<th scope=\"col\" class=\"n\">a, b</th>"));
        assert!(html.contains("<td>x &quot;y&quot;, &lt;z&gt;</td><td class=\"n\">1.5</td>"));
        assert!(html.contains("<tr class=\"start\"><td>plain</td><td class=\"n\">2.0</td></tr>"));
    }

    #[test]
    fn the_cells_of_a_column_have_as_many_decimals() {
        let table = Table::parse("w,a_c_low,n\n0.0500,0.25597,64\n1.0000,-1,128\n");
        let html = table.html();
        assert!(html.contains("<th scope=\"col\" class=\"n\">a_c_<wbr>low</th>"));
        let first =
            "<td class=\"n\">0.05</td><td class=\"n bound\">0.2560</td><td class=\"n\">64</td>";
        assert!(html.contains(first), "{html}");
        let second =
            "<td class=\"n\">1.00</td><td class=\"n bound\">−1.0000</td><td class=\"n\">128</td>";
        assert!(html.contains(second), "{html}");
    }

    #[test]
    fn rounding_makes_no_zero_and_no_minus_zero() {
        assert_eq!(rounded(0.00001, 4), "1.0e−5");
        assert_eq!(rounded(-0.00001, 4), "−1.0e−5");
        assert_eq!(rounded(-0.0, 2), "0.00");
        assert_eq!(rounded(-0.5, 2), "−0.50");
        assert_eq!(rounded(f64::NAN, 2), "NaN");
    }

    #[test]
    fn odd_tables_have_a_form_too() {
        assert_eq!(Table::parse("").len(), 0);
        let html = Table::parse("a,b\nx\ny,1,2\n").html();
        assert!(
            html.contains("<tr><td>x</td><td class=\"n\"></td></tr>"),
            "{html}"
        );
        assert!(
            html.contains("<td>y</td><td class=\"n\">1</td></tr>"),
            "{html}"
        );
    }
}
