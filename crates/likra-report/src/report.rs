//! A report as files: a page, and the tables and figures on it.

use std::iter;
use std::path::{Path, PathBuf};

use likra_analysis::{Claim, Findings, Part};
use likra_files::write_atomically;

use crate::Result;
use crate::exhibits::exhibits;
use crate::page::{Facts, QUESTIONS, render};
use crate::questions;
use crate::table::Table;

/// Writes `index.html`, `questions.html`, `claims.csv`, and each table and figure as `NAME.csv` and `NAME.svg` (`NAME-1.svg`,
/// `NAME-2.svg` of several panels) into the folder `dir`, which is made if need be, and returns their paths.
///
/// Accuracies are shares of one in tables, and percent in figures. What the findings have no rows for is left
/// out.
///
/// # Errors
///
/// If a figure cannot be drawn or a file cannot be written.
pub fn write_report(dir: &Path, findings: &Findings, facts: &Facts) -> Result<Vec<PathBuf>> {
    let exhibits = exhibits(findings)?;
    let mut files = Vec::new();
    for exhibit in &exhibits {
        files.push((format!("{}.csv", exhibit.name), exhibit.table.csv()?));
        files.extend(exhibit.pictures().zip(exhibit.svgs.clone()));
    }
    let claims = findings.claims.iter();
    let parts = claims.flat_map(|claim| iter::repeat(claim).zip(&claim.parts));
    let parts: Vec<(&Claim, &Part)> = parts.collect();
    files.push(("claims.csv".into(), Table::new(&parts).csv()?));
    let single = questions::render(findings, &facts.title);
    files.push((QUESTIONS.into(), single));
    files.push(("index.html".into(), render(findings, &exhibits, facts)));
    let mut written = Vec::new();
    for (name, content) in files {
        let path = dir.join(name);
        write_atomically(&path, |to| to.write_all(content.as_bytes()))?;
        written.push(path);
    }
    Ok(written)
}
