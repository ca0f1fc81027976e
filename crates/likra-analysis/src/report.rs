//! Tables and figures as files.

use std::path::{Path, PathBuf};

use likra_results::write_atomically;
use plotters::style::RGBColor;

use crate::plot::{Axis, Chart, ExamplesAxis, Line, linear};
use crate::{
    AccuracyRow, Estimate, Method, Norm, Result, ScoreTable, WeightRow, control, csv, figure1,
    figure3, figure4, table1,
};

/// Writes `table1.csv`, `control.csv`, and `figure1`, `figure3` and `figure4` as `.csv` and `.svg`
/// into the folder `dir`, which is made if need be, and returns their paths.
///
/// Accuracies are shares of one in tables, and percent in figures. `weights` are those of figure 4.
/// Figures and the columns `acc_norm` go by scores that are normalised by `norm`.
/// What the table has no scores for is left out.
///
/// # Errors
///
/// If a weight is not finite, or a file cannot be written.
pub fn write_report(
    dir: &Path,
    table: &ScoreTable,
    weights: &[f64],
    norm: Norm,
) -> Result<Vec<PathBuf>> {
    let sweep = figure4(table, weights, norm)?;
    let mut report = Report {
        dir,
        norm,
        written: Vec::new(),
    };
    report.file("table1.csv", &csv::accuracies(&table1(table, norm)))?;
    report.file("control.csv", &csv::accuracies(&control(table, norm)))?;
    let title = "SFT and Likra over training examples";
    report.curves("figure1", title, &figure1(table, norm), table.chance())?;
    let title = "Likra with (SFT) and without (Base) positive examples";
    report.curves("figure3", title, &figure3(table, norm), table.chance())?;
    report.sweep("figure4", &sweep, table.chance())?;
    Ok(report.written)
}

/// A folder that is being filled.
struct Report<'a> {
    dir: &'a Path,
    norm: Norm,
    written: Vec<PathBuf>,
}

impl Report<'_> {
    fn curves(&mut self, name: &str, title: &str, rows: &[AccuracyRow], chance: f64) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let x = ExamplesAxis::new(rows.iter().map(|row| row.examples));
        let point = |row: &AccuracyRow| (row.method, x.position(row.examples), row.acc_norm);
        let points: Vec<_> = rows.iter().map(point).collect();
        let chart = self.chart(title.into(), x.axis(), &points, chance);
        self.figure(name, &csv::accuracies(rows), &chart)
    }

    fn sweep(&mut self, name: &str, rows: &[WeightRow], chance: f64) -> Result<()> {
        let Some(first) = rows.first() else {
            return Ok(());
        };
        let examples = first.accuracy.examples;
        let title = format!("Weight of the negative head ({examples} examples per head)");
        let x = linear(
            "weight of the negative head",
            rows.iter().map(|row| row.weight),
        );
        let point = |row: &WeightRow| (row.accuracy.method, row.weight, row.accuracy.acc_norm);
        let points: Vec<_> = rows.iter().map(point).collect();
        let chart = self.chart(title, x, &points, chance);
        self.figure(name, &csv::weights(rows), &chart)
    }

    /// A chart with a line for each method, in the order of `points`.
    fn chart(
        &self,
        title: String,
        x: Axis,
        points: &[(Method, f64, Estimate)],
        chance: f64,
    ) -> Chart {
        let points = points
            .iter()
            .map(|&(method, at, share)| (method, at, share.percent()));
        let chance = chance * 100.0;
        let ends = points
            .clone()
            .flat_map(|(_, _, percent)| [percent.low, percent.high]);
        let y = linear(&format!("{} (%)", self.norm.label()), ends.chain([chance]));
        let mut lines: Vec<Line> = Vec::new();
        for (method, at, percent) in points {
            match lines.last_mut() {
                Some(line) if line.label == method.label() => line.points.push((at, percent)),
                _ => lines.push(Line {
                    label: method.label(),
                    colour: colour(method),
                    points: vec![(at, percent)],
                }),
            }
        }
        Chart {
            title,
            x,
            y,
            lines,
            level: (chance, "chance"),
        }
    }

    fn figure(&mut self, name: &str, rows: &str, chart: &Chart) -> Result<()> {
        self.file(&format!("{name}.csv"), rows)?;
        self.file(&format!("{name}.svg"), &chart.svg()?)
    }

    fn file(&mut self, name: &str, content: &str) -> Result<()> {
        let path = self.dir.join(name);
        write_atomically(&path, |to| to.write_all(content.as_bytes()))?;
        self.written.push(path);
        Ok(())
    }
}

/// The same colour for a method in all figures, told apart by colour-blind eyes too (Okabe and Ito
/// 2008).
fn colour(method: Method) -> RGBColor {
    match method {
        Method::Base => RGBColor(0, 0, 0),
        Method::Sft => RGBColor(0, 114, 178),
        Method::SftLikra => RGBColor(213, 94, 0),
        Method::BaseLikra => RGBColor(0, 158, 115),
        Method::Control => RGBColor(204, 121, 167),
    }
}
