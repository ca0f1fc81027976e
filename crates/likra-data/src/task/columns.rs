//! The rows of a task as it wants them: those that it keeps, with the columns that it makes.

use minijinja::Value;
use rayon::prelude::*;

use super::Task;
use crate::Result;
use crate::rows::{Row, Rows};
use crate::template::Templates;
use crate::values::pairs;

/// What `process_docs` does in the harness.
pub(crate) fn prepare(task: &Task, rows: &Rows) -> Result<Rows> {
    let keep = pairs(&task.own.keep);
    let (mut templates, mut names) = (Templates::new(), Vec::new());
    for (name, source) in pairs(&task.own.columns) {
        let key = format!("likra.columns.{name}");
        let added = templates.add(&key, &source.to_string());
        added.map_err(|message| task.refused(&key, message))?;
        names.push((name.to_string(), key));
    }
    // A column that is made is looked at once it is.
    let (later, first): (Vec<_>, Vec<_>) = keep
        .into_iter()
        .partition(|(column, _)| names.iter().any(|(name, _)| *name == column.to_string()));
    let is_kept = |row: &Row, keep: &[(Value, Value)]| {
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
    let kept = rows.all.par_iter().filter(|row| is_kept(row, &first));
    let mut made: Vec<Row> = kept.map(made).collect::<Result<_>>()?;
    made.retain(|row| is_kept(row, &later));
    Ok(Rows::new(&rows.files, made))
}
