//! Every table and figure of a report: its numbers, its pictures, and how to read it.

use likra_analysis::{AccuracyRow, Cells, Findings, LikelihoodRow};

use crate::Result;
use crate::charts::{self, Pictures};
use crate::table::Table;

/// Of each exhibit, in the order of the page, the name, the title, what it shows, and what the paper has in its
/// place, if it has something. Words in braces stand for what [`words`] says.
const TEXTS: &str = include_str!("exhibits.txt");

/// A table, or a figure with the table behind it.
pub(crate) struct Exhibit {
    /// The name of its files.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) caption: String,
    pub(crate) table: Table,
    pub(crate) svgs: Vec<String>,
    /// What the paper has in its place.
    pub(crate) paper: Option<String>,
}

impl Exhibit {
    /// The names of the picture files.
    pub(crate) fn pictures(&self) -> impl Iterator<Item = String> {
        let (name, count) = (self.name, self.svgs.len());
        (1..=count).map(move |number| match count {
            1 => format!("{name}.svg"),
            _ => format!("{name}-{number}.svg"),
        })
    }
}

/// All that there are rows for, in the order of the page.
pub(crate) fn exhibits(findings: &Findings) -> Result<Vec<Exhibit>> {
    let words = words(findings);
    let filled = |text: &str| {
        let fill = |text: String, (word, value): &(_, String)| text.replace(word, value);
        words.iter().fold(text.to_owned(), fill)
    };
    let mut exhibits = Vec::new();
    let lines: Vec<&str> = TEXTS.lines().collect();
    for text in lines.split(|line| line.is_empty()) {
        let mut lines = text.iter().copied();
        let mut line = || lines.next().unwrap_or_default();
        let (name, title, caption, paper) = (line(), line(), filled(line()), filled(line()));
        let (table, svgs) = drawn(findings, name, title)?;
        exhibits.push(Exhibit {
            name,
            title,
            caption,
            table,
            svgs,
            paper: (!paper.is_empty()).then_some(paper),
        });
    }
    exhibits.retain(|exhibit| {
        let is_table = matches!(exhibit.name, "table1" | "measures" | "comparisons");
        exhibit.table.len() > 0 && (is_table || !exhibit.svgs.is_empty())
    });
    Ok(exhibits)
}

/// What words in braces stand for.
fn words(findings: &Findings) -> [(&'static str, String); 9] {
    let percent = |share: f64| format!("{:.1}", share * 100.0);
    let references = findings.references.iter().map(|row| {
        let [base, sft, likra] = row.acc_norm.map(percent);
        format!("{}: base {base}%, SFT {sft}%, Likra {likra}%. ", row.model)
    });
    let swept = findings.figure4.first().map_or(0, |row| row.examples);
    let seeds = findings.seeds.first();
    let (seeds, asked) = seeds.map_or((0, 0), |row| (row.acc_norm.len(), row.questions));
    [
        ("{questions}", findings.questions.to_string()),
        ("{chance}", percent(findings.chance)),
        ("{by}", findings.norm.describe().into()),
        ("{norm}", findings.norm.label().into()),
        ("{references}", references.collect()),
        ("{examples}", swept.to_string()),
        ("{comparisons}", findings.comparisons.len().to_string()),
        ("{seeds}", seeds.to_string()),
        ("{asked}", asked.to_string()),
    ]
}

/// The numbers of an exhibit and its pictures.
fn drawn(findings: &Findings, name: &str, title: &str) -> Result<(Table, Vec<String>)> {
    let curves = |rows: &[AccuracyRow]| with(rows, charts::curves(findings, title, rows));
    let y = ("likelihood per character", None);
    let kinds = |rows: &[LikelihoodRow]| with(rows, charts::kinds(title, y, rows));
    let none = Ok(Vec::new());
    match name {
        "table1" => with(&findings.table1, none),
        "figure1" => curves(&findings.figure1),
        "figure2" => kinds(&findings.figure2),
        "figure3" => curves(&findings.figure3),
        "figure4" => with(&findings.figure4, charts::weights(findings, title)),
        "figure5" => curves(&findings.figure5),
        "figure6" => with(&findings.figure6, charts::changes(&findings.figure6)),
        "controls" => curves(&findings.controls),
        "rivals" => curves(&findings.rivals),
        "measures" => with(&findings.measures, none),
        "comparisons" => with(&findings.comparisons, none),
        _ => with(&findings.seeds, charts::seeds(findings, title)),
    }
}

fn with(rows: &[impl Cells], pictures: Pictures) -> Result<(Table, Vec<String>)> {
    Ok((Table::new(rows), pictures?))
}
