//! The table that `parity` prints.

use std::fmt::Write as _;

use super::checks;

/// One quantity on one checkpoint.
pub(super) struct Row {
    pub(super) quantity: &'static str,
    /// The checkpoint, or what else tells it from other rows of the quantity.
    pub(super) case: String,
    pub(super) against: &'static str,
    pub(super) compared: Compared,
}

/// What a comparison found, in words, and whether its bound holds.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) peer: String,
    pub(super) ours: String,
    pub(super) difference: String,
    pub(super) bound: String,
    pub(super) holds: bool,
}

/// All rows.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Row>,
}

const TITLES: [&str; 8] = [
    "quantity",
    "of",
    "against",
    "peer",
    "ours",
    "largest difference",
    "bound",
    "verdict",
];

impl Table {
    pub(super) fn extend(&mut self, rows: impl IntoIterator<Item = Row>) {
        self.rows.extend(rows);
    }

    /// How many bounds are broken.
    pub(super) fn broken(&self) -> usize {
        self.rows.iter().filter(|row| !row.compared.holds).count()
    }

    /// A page with the versions and the table, quantity by quantity.
    pub(super) fn markdown(&self, versions: &[(String, String)]) -> String {
        let versions: Vec<String> = versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        let mut text = format!(
            "# Parity\n\nlikra {}, on a CPU in f32 where nothing else is said, against {}.\n\n",
            env!("CARGO_PKG_VERSION"),
            versions.join(", ")
        );
        let mut line = |cells: [&str; 8]| _ = writeln!(text, "| {} |", cells.join(" | "));
        line(TITLES);
        line(["---"; 8]);
        for quantity in checks::quantities() {
            for row in self.rows.iter().filter(|row| row.quantity == quantity) {
                let verdict = if row.compared.holds {
                    "holds"
                } else {
                    "**BROKEN**"
                };
                line([
                    row.quantity,
                    &row.case,
                    row.against,
                    &row.compared.peer,
                    &row.compared.ours,
                    &row.compared.difference,
                    &row.compared.bound,
                    verdict,
                ]);
            }
        }
        text
    }
}
