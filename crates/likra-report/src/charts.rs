//! Rows as line charts.

use likra_analysis::paper::Reference;
use likra_analysis::{
    AccuracyRow, Estimate, Findings, LikelihoodRow, Method, Norm, POSITIVE, WeightRow,
};
use likra_results::AnswerKind;
use plotters::style::RGBColor;

use crate::Result;
use crate::plot::{Axis, Chart, Dots, ExamplesAxis, Line, Row, linear};

const OVER_QUESTIONS: &str = "bands: 95% bootstrap intervals over questions";
const OVER_MEANS: &str = "bands: 95% intervals of the mean over questions";
const OVER_SEEDS: &str = "bands: 95% intervals of the mean over seeds";

// What colour-blind eyes tell apart, too (Okabe and Ito 2008).
const BLACK: RGBColor = RGBColor(0, 0, 0);
const ORANGE: RGBColor = RGBColor(230, 159, 0);
const SKY: RGBColor = RGBColor(86, 180, 233);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const BLUE: RGBColor = RGBColor(0, 114, 178);
const VERMILION: RGBColor = RGBColor(213, 94, 0);
const PURPLE: RGBColor = RGBColor(204, 121, 167);

/// A point of a line: the line's name and colour, where it stands, and its value.
type Point<'a> = (&'a str, RGBColor, f64, Estimate);

/// The last accuracies of all methods, beside the paper's; `None` without trained heads.
pub(crate) fn last(findings: &Findings, title: &str) -> Result<Option<String>> {
    let last = findings.table1.chunk_by(|a, b| a.method == b.method);
    let last: Vec<&AccuracyRow> = last.filter_map(<[_]>::last).collect();
    if last.len() < 2 {
        return Ok(None);
    }
    let own = |label: &str, of: &dyn Fn(&AccuracyRow) -> Estimate| Row {
        label: label.into(),
        own: true,
        dots: last
            .iter()
            .map(|row| (colour(&row.method), of(row).percent()))
            .collect(),
    };
    let of_paper = |paper: &Reference| {
        let dots = last.iter().filter_map(|row| {
            let share = Estimate::exact(paper.of(&row.method)?);
            Some((colour(&row.method), share.percent()))
        });
        Row {
            label: paper.model.into(),
            own: false,
            dots: dots.collect(),
        }
    };
    let mut rows = vec![own("this run", &|row| row.acc_norm)];
    if findings.norm != Norm::None {
        rows.push(own("by whole scores (acc)", &|row| row.acc));
    }
    rows.extend(findings.references.iter().copied().map(of_paper));
    let dots = rows.iter().flat_map(|row| &row.dots);
    let ends = dots.flat_map(|(_, value)| [value.low, value.high]);
    let chance = findings.chance * 100.0;
    let chart = Dots {
        title: title.into(),
        note: "bars: 95% intervals; names in grey: the paper's models",
        x: linear(&percent(findings.norm), ends.chain([chance])),
        key: last
            .iter()
            .map(|row| (row.method.label().into(), colour(&row.method)))
            .collect(),
        level: Some((chance, "chance")),
        rows,
    };
    chart.svg().map(Some)
}

/// Accuracy over examples; `None` without rows.
pub(crate) fn curves(
    findings: &Findings,
    title: &str,
    rows: &[AccuracyRow],
) -> Result<Option<String>> {
    coloured(findings, title, rows, colour)
}

/// The same with the colours of controls, of which several are SFT minus something.
pub(crate) fn controls(
    findings: &Findings,
    title: &str,
    rows: &[AccuracyRow],
) -> Result<Option<String>> {
    let colour = |method: &Method| match method.name() {
        "sft-base" => SKY,
        "base-sft" => PURPLE,
        "sft-pmi" => GREEN,
        "sft" | "sft-likra" => colour(method),
        _ => ORANGE,
    };
    coloured(findings, title, rows, colour)
}

fn coloured(
    findings: &Findings,
    title: &str,
    rows: &[AccuracyRow],
    colour: impl Fn(&Method) -> RGBColor,
) -> Result<Option<String>> {
    let x = ExamplesAxis::new([0].into_iter().chain(rows.iter().map(|row| row.examples)));
    let points = rows.iter().map(|row| {
        let method = &row.method;
        let percent = row.acc_norm.percent();
        (
            method.label(),
            colour(method),
            x.position(row.examples),
            percent,
        )
    });
    let level = Some((findings.chance * 100.0, "chance"));
    let chart = Design {
        title,
        note: OVER_QUESTIONS,
        y: &percent(findings.norm),
        level,
    };
    chart.svg(x.axis(), points.collect())
}

pub(crate) fn weights(
    findings: &Findings,
    title: &str,
    rows: &[WeightRow],
) -> Result<Option<String>> {
    let x = linear(
        "weight of the negative head",
        rows.iter().map(|row| row.weight),
    );
    let points = rows.iter().map(|row| {
        let method = &row.accuracy.method;
        let percent = row.accuracy.acc_norm.percent();
        (method.label(), colour(method), row.weight, percent)
    });
    let chart = Design {
        title,
        note: OVER_QUESTIONS,
        y: &percent(findings.norm),
        level: Some((findings.chance * 100.0, "chance")),
    };
    chart.svg(x, points.collect())
}

pub(crate) fn seeds(findings: &Findings, title: &str) -> Result<Option<String>> {
    let rows = &findings.seeds;
    let x = ExamplesAxis::new(rows.iter().map(|row| row.examples));
    let points = rows.iter().map(|row| {
        let method = &row.method;
        let percent = row.mean.percent();
        (
            method.label(),
            colour(method),
            x.position(row.examples),
            percent,
        )
    });
    let chart = Design {
        title,
        note: OVER_SEEDS,
        y: &percent(findings.norm),
        level: Some((findings.chance * 100.0, "chance")),
    };
    // No point stands at 0, so that the axis needs no gap.
    let axis = Axis {
        gap: None,
        ..x.axis()
    };
    chart.svg(axis, points.collect())
}

/// Likelihoods per character of right and wrong answers.
pub(crate) fn likelihoods(title: &str, rows: &[LikelihoodRow]) -> Result<Option<String>> {
    let x = ExamplesAxis::new(rows.iter().map(|row| row.examples));
    let points = rows.iter().map(|row| {
        let label = match row.kind {
            AnswerKind::Correct => "right",
            _ => "likeliest wrong",
        };
        (label, of_kind(row.kind), x.position(row.examples), row.mean)
    });
    let chart = Design {
        title,
        note: OVER_MEANS,
        y: "likelihood per character",
        level: None,
    };
    chart.svg(x.axis(), points.collect())
}

/// A panel for each head.
pub(crate) fn changes(rows: &[LikelihoodRow]) -> Result<Vec<String>> {
    let panels = rows.chunk_by(|a, b| a.head == b.head);
    let mut svgs = Vec::new();
    for panel in panels {
        let head = panel.first().map_or("", |row| row.head);
        let title = if head == POSITIVE {
            "The positive head, which learns right answers"
        } else {
            "The negative head, which learns incorrect answers"
        };
        let x = ExamplesAxis::new(panel.iter().map(|row| row.examples));
        let point = |row: &LikelihoodRow| -> Point<'static> {
            (
                row.kind.name(),
                of_kind(row.kind),
                x.position(row.examples),
                row.mean,
            )
        };
        let chart = Design {
            title,
            note: OVER_MEANS,
            y: "change of log-likelihood (nats per character)",
            level: Some((0.0, "no change")),
        };
        svgs.extend(chart.svg(x.axis(), panel.iter().map(point).collect())?);
    }
    Ok(svgs)
}

/// What a chart says beside its lines.
struct Design<'a> {
    title: &'a str,
    note: &'static str,
    y: &'a str,
    level: Option<(f64, &'static str)>,
}

impl Design<'_> {
    /// A chart with a line for each name, in the order of `points`.
    fn svg(&self, x: Axis, points: Vec<Point>) -> Result<Option<String>> {
        if points.is_empty() {
            return Ok(None);
        }
        let ends = points
            .iter()
            .flat_map(|(.., value)| [value.low, value.high]);
        let y = linear(self.y, ends.chain(self.level.map(|(at, _)| at)));
        let mut lines: Vec<Line> = Vec::new();
        for (label, colour, at, value) in points {
            match lines.last_mut() {
                Some(line) if line.label == label => line.points.push((at, value)),
                _ => lines.push(Line {
                    label: label.into(),
                    colour,
                    points: vec![(at, value)],
                }),
            }
        }
        let chart = Chart {
            title: self.title.into(),
            note: self.note,
            x,
            y,
            lines,
            level: self.level,
        };
        chart.svg().map(Some)
    }
}

/// By what accuracies in figures go, for an axis.
fn percent(norm: Norm) -> String {
    format!("{} (%)", norm.label())
}

/// The same colour for a method in all figures.
fn colour(method: &Method) -> RGBColor {
    match method.name() {
        "sft" => BLUE,
        "sft-likra" | "sft-incorrect" => VERMILION,
        "base-likra" | "sft-irrelevant" => GREEN,
        "sft-unrelated" => PURPLE,
        "sft-hardest" => ORANGE,
        "sft-easiest" => SKY,
        _ => BLACK,
    }
}

/// The same colour for a kind of answer in all figures: that of the head which learns it.
fn of_kind(kind: AnswerKind) -> RGBColor {
    match kind {
        AnswerKind::Correct => BLUE,
        AnswerKind::Incorrect => VERMILION,
        AnswerKind::Irrelevant => GREEN,
        AnswerKind::Unrelated => PURPLE,
    }
}
