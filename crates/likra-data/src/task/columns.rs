//! The rows of a task as it wants them: those that it keeps, with the columns that it makes.

use rayon::prelude::*;

use super::Task;
use crate::Result;
use crate::rows::{Row, Rows, pairs};
use crate::template::Templates;

/// What `process_docs` does in the harness.
pub(crate) fn prepare(task: &Task, rows: &Rows) -> Result<Rows> {
    let own = task.own();
    let keep = pairs(&own.keep.unwrap_or_default());
    let (mut templates, mut names) = (Templates::new(), Vec::new());
    for (name, source) in pairs(&own.columns.unwrap_or_default()) {
        let key = format!("likra.columns.{name}");
        let added = templates.add(&key, &source.to_string());
        added.map_err(|message| task.refused(&key, message))?;
        names.push((name.to_string(), key));
    }
    let is_kept = |row: &&Row| {
        keep.iter().all(|(column, wanted)| {
            let found = row.value.get_item(column).unwrap_or_default();
            found.is_undefined() || found == *wanted
        })
    };
    let made = |row: &Row| -> Result<Row> {
        let mut row = row.clone();
        for (name, key) in &names {
            let value = templates.value(key, &row.value);
            row.set(name, value.map_err(|source| row.refused(source))?);
        }
        Ok(row)
    };
    let kept: Vec<&Row> = rows.all.iter().filter(is_kept).collect();
    let made = kept
        .par_iter()
        .map(|row| made(row))
        .collect::<Result<_>>()?;
    Ok(Rows::new(&rows.files, made))
}
