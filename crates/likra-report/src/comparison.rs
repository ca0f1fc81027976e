//! A study of several runs: one table and one figure over their models and benchmarks.

use std::path::Path;

use likra_analysis::{Cells, Columns, Estimate};
use likra_files::write_atomically;
use maud::{PreEscaped, html};

use crate::Result;
use crate::charts::colour;
use crate::page::document;
use crate::plot::{AXIS, Forest, linear};
use crate::table::Table;

const NOTE: &str = "95% bootstrap intervals over questions; of several seeds, means of both";

/// A method on one model and benchmark, over the seeds that it was run with.
#[derive(Debug, Clone)]
pub struct ComparisonRow {
    /// What tells this group of runs from others, by key.
    pub axes: Vec<(String, String)>,
    /// The method, as the runs' table `rivals` calls it.
    pub method: String,
    /// How many examples its heads have seen.
    pub examples: usize,
    /// The accuracy for each seed.
    pub seeds: Vec<Estimate>,
    /// How many questions were asked.
    pub questions: usize,
}

impl ComparisonRow {
    /// The mean over seeds of accuracies, and of the ends of their intervals.
    fn mean(&self) -> Estimate {
        let mean = |of: fn(&Estimate) -> f64| {
            self.seeds.iter().map(of).sum::<f64>() / self.seeds.len() as f64
        };
        let (low, high) = (mean(|seed| seed.low), mean(|seed| seed.high));
        let value = mean(|seed| seed.value);
        Estimate { value, low, high }
    }

    /// The standard deviation over seeds; none of one.
    fn spread(&self) -> Option<f64> {
        let (mean, count) = (self.mean().value, self.seeds.len() as f64);
        let squares = self.seeds.iter().map(|seed| (seed.value - mean).powi(2));
        (count > 1.0).then(|| (squares.sum::<f64>() / (count - 1.0)).sqrt())
    }

    /// What tells its group from those of `all`; of the only one, everything.
    fn group(&self, all: &[Self]) -> String {
        let part = |(key, value): &(String, String)| match key.as_str() {
            "experiment" | "model" | "task" => value.clone(),
            key => format!("{} {value}", key.rsplit('.').next().unwrap_or(key)),
        };
        let is_only = all.iter().all(|row| row.axes == self.axes);
        let axes = self
            .axes
            .iter()
            .filter(|axis| is_only || !all.iter().all(|row| row.axes.contains(axis)));
        axes.map(part).collect::<Vec<_>>().join(", ")
    }
}

impl Cells for ComparisonRow {
    fn cells(&self) -> Columns {
        let axes = self.axes.iter();
        let axes = axes.fold(Columns::default(), |columns, (key, value)| {
            columns.text(key, value)
        });
        let columns = axes
            .text("method", &self.method)
            .count("examples", self.examples)
            .estimate(["acc_norm", "acc_norm_low", "acc_norm_high"], self.mean())
            .count("seeds", self.seeds.len());
        let columns = match self.spread() {
            Some(spread) => columns.number("spread", spread, 5),
            None => columns.text("spread", ""),
        };
        columns.count("questions", self.questions)
    }
}

/// Writes `index.html`, `comparison.csv` and `comparison.svg` into the folder `dir`, which is made if need be.
///
/// # Errors
///
/// If the figure cannot be drawn or a file cannot be written.
pub fn write_comparison(
    dir: &Path,
    title: &str,
    rows: &[ComparisonRow],
    missing: usize,
) -> Result<()> {
    let groups = rows.chunk_by(|a, b| a.axes == b.axes).map(|group| {
        let estimates = group.iter().map(|row| {
            // The paper's methods have colours of their own; others are grey.
            let colour = match &*row.method {
                own @ ("base" | "sft" | "base-likra" | "sft-likra") => colour(own),
                _ => AXIS,
            };
            (&*row.method, colour, row.mean().percent())
        });
        (group[0].group(rows), estimates.collect())
    });
    let ends = rows.iter().map(|row| row.mean().percent());
    let ends = ends.flat_map(|estimate| [estimate.low, estimate.high]);
    let figure = Forest {
        title,
        note: NOTE,
        x: linear("acc_norm (%)", ends),
        groups: groups.collect(),
    };
    let (svg, table) = (figure.svg()?, Table::new(rows));
    let body = html! {
        header {
            h1 { (title) }
            @if missing > 0 {
                p.lead { "The study is not finished: " (missing) " of its runs have no report yet." }
            }
        }
        main { section {
            figure { (PreEscaped(&svg)) }
            p { "acc_norm after the last examples: " (NOTE) ". Spread is the standard deviation over seeds." }
            (table.html())
        } }
    };
    let page = document(title, &body);
    for (name, content) in [
        ("comparison.csv", table.csv()?),
        ("comparison.svg", svg),
        ("index.html", page),
    ] {
        write_atomically(&dir.join(name), |to| to.write_all(content.as_bytes()))?;
    }
    Ok(())
}
