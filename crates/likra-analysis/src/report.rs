//! A report as files: a page, and the tables and figures on it.

use std::path::{Path, PathBuf};

use likra_results::write_atomically;

use crate::exhibits::{Exhibit, exhibits, references};
use crate::html::{ExhibitView, Headline, Page, render};
use crate::{Facts, Method, Result, Study, claims, csv};

/// Writes `index.html`, `claims.csv`, and each table and figure as `NAME.csv` and `NAME.svg` (`NAME-1.svg`,
/// `NAME-2.svg` of several panels) into the folder `dir`, which is made if need be, and returns their paths.
///
/// Accuracies are shares of one in tables, and percent in figures. Figures, claims and the columns `acc_norm` go
/// by scores that are normalised by the study's norm. What the study has no scores for is left out.
///
/// # Errors
///
/// If a weight is not finite, or a file cannot be written.
pub fn write_report(dir: &Path, study: &Study, facts: &Facts) -> Result<Vec<PathBuf>> {
    let (exhibits, claims) = (exhibits(study)?, claims(study));
    let mut files = Vec::new();
    for exhibit in &exhibits {
        files.push((format!("{}.csv", exhibit.name), exhibit.csv.clone()));
        for (number, svg) in (1..).zip(&exhibit.svgs) {
            let name = match exhibit.svgs.len() {
                1 => format!("{}.svg", exhibit.name),
                _ => format!("{}-{number}.svg", exhibit.name),
            };
            files.push((name, svg.clone()));
        }
    }
    files.push(("claims.csv".into(), csv::claims(&claims)));
    let views: Vec<ExhibitView> = exhibits.iter().map(view).collect();
    let page = Page {
        title: &facts.title,
        lead: &facts.lead,
        headline: headline(study),
        headline_note: headline_note(study),
        claims: &claims,
        exhibits: &views,
        settings: facts.settings.clone(),
        versions: facts.versions.clone(),
        inputs: facts.inputs.clone(),
        cost: facts.cost.clone(),
        command: facts.command.clone(),
    };
    files.push(("index.html".into(), render(&page)));
    let mut written = Vec::new();
    for (name, content) in files {
        let path = dir.join(name);
        write_atomically(&path, |to| to.write_all(content.as_bytes()))?;
        written.push(path);
    }
    Ok(written)
}

fn view(exhibit: &Exhibit) -> ExhibitView<'_> {
    ExhibitView {
        name: exhibit.name,
        title: &exhibit.title,
        caption: &exhibit.caption,
        svgs: &exhibit.svgs,
        csv: &exhibit.csv,
        paper: exhibit.paper.as_deref(),
    }
}

/// The methods of table 1, each after the most examples that it has seen, beside the paper's for its model or
/// else its first.
fn headline(study: &Study) -> Vec<Headline> {
    let paper = references(study).first().copied();
    let methods = [
        Method::base(),
        Method::sft(),
        Method::sft_likra(),
        Method::base_likra(),
    ];
    let number = |method: Method| {
        let share = paper.and_then(|paper| paper.of(&method));
        let row = method.rows(&study.table, study.norm).pop()?;
        let percent = row.acc_norm.percent();
        Some(Headline {
            label: method.label().into(),
            value: percent.value,
            low: percent.low,
            high: percent.high,
            paper: share.map(|share| format!("{:.1}", share * 100.0)),
        })
    };
    methods.into_iter().filter_map(number).collect()
}

fn headline_note(study: &Study) -> String {
    let methods = [Method::sft(), Method::sft_likra(), Method::base_likra()];
    let last = methods.iter().filter_map(|method| {
        let last = method.last(&study.table)?;
        Some((method.label(), last))
    });
    let last: Vec<(&str, usize)> = last.collect();
    let seen = match last.first() {
        None => String::new(),
        Some((_, examples)) if last.iter().all(|(_, other)| other == examples) => {
            format!(" Each head has seen {examples} examples.")
        }
        Some(_) => {
            let each = last.iter();
            let each = each.map(|(method, examples)| format!("{method} after {examples}"));
            let each: Vec<String> = each.collect();
            format!(" {} examples per head.", each.join(", "))
        }
    };
    let paper = references(study).first().map_or_else(String::new, |row| {
        format!(" The paper's numbers are for {}.", row.model)
    });
    let label = study.norm.label();
    format!("By {label}, below each number its 95% interval.{seen}{paper}")
}
