//! Protocols: settings that belong together because somebody has run them together.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use toml::map::Entry;
use toml::{Table, Value};

/// Whose settings stand in for those that an experiment does not make itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    /// The paper's text.
    Paper,
    /// The authors' public code, where it departs from the paper.
    Authors,
    /// lm-evaluation-harness 0.4.13.
    #[serde(rename = "harness-0.4.13")]
    Harness0413,
}

impl Protocol {
    /// Its file, which gives the source of each value.
    fn text(self) -> &'static str {
        match self {
            Self::Paper => include_str!("../protocols/paper.toml"),
            Self::Authors => include_str!("../protocols/authors.toml"),
            Self::Harness0413 => include_str!("../protocols/harness-0.4.13.toml"),
        }
    }

    /// Adds to an experiment what it does not say and the protocol does.
    pub(crate) fn fill(self, experiment: &mut Table) -> Result<()> {
        let settings: Table = toml::from_str(self.text()).with_context(|| format!("{self:?}"))?;
        fill(experiment, settings);
        Ok(())
    }
}

/// A key that `own` has stays as it is; tables are filled key by key.
fn fill(own: &mut Table, other: Table) {
    for (key, value) in other {
        match own.entry(key) {
            Entry::Vacant(place) => {
                place.insert(value);
            }
            Entry::Occupied(mut place) => {
                if let (Value::Table(own), Value::Table(other)) = (place.get_mut(), value) {
                    fill(own, other);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_keys_stay_and_missing_ones_are_added() {
        let table = |text: &str| text.parse::<Table>().unwrap();
        let mut own = table("a = 1\n[t]\nb = [2]\n[t.u]\nc = 3");
        let other = table("a = 9\nd = 4\n[t]\nb = [8, 9]\ne = 5\n[t.u]\nf = 6\n[v]\ng = 7");
        fill(&mut own, other);
        let all = "a = 1\nd = 4\n[t]\nb = [2]\ne = 5\n[t.u]\nc = 3\nf = 6\n[v]\ng = 7";
        assert_eq!(own, table(all));
    }
}
