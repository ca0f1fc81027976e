//! Rows as line charts.

use likra_analysis::{AccuracyRow, Estimate, Findings, LikelihoodRow, Method, Norm, POSITIVE};
use likra_results::AnswerKind;
use plotters::style::RGBColor;

use crate::Result;
use crate::plot::{Axis, Chart, Dots, ExamplesAxis, Level, Line, Row, linear};

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
    let last: Vec<&AccuracyRow> = findings.last().collect();
    if last.len() < 2 {
        return Ok(None);
    }
    let row = |label: &str, own, of: &dyn Fn(&AccuracyRow) -> Option<Estimate>| {
        let dot = |row: &&AccuracyRow| Some((colour(&row.method), of(row)?.percent()));
        let label = label.into();
        let dots = last.iter().filter_map(dot).collect();
        Row { label, own, dots }
    };
    let mut rows = vec![row("this run", true, &|row| Some(row.acc_norm))];
    if findings.norm != Norm::None {
        rows.push(row("by whole scores (acc)", true, &|row| Some(row.acc)));
    }
    for paper in &findings.references {
        let of_paper = |row: &AccuracyRow| paper.of(&row.method).map(Estimate::exact);
        rows.push(row(paper.model, false, &of_paper));
    }
    let (chance, name) = level(findings);
    let dots = rows.iter().flat_map(|row| &row.dots);
    let ends = dots.flat_map(|(_, value)| [value.low, value.high]);
    let key = last.iter().map(|row| &row.method);
    let chart = Dots {
        title,
        note: "bars: 95% intervals; names in grey: the paper's models",
        x: linear(&percent(findings.norm), ends.chain([chance])),
        key: key.map(|method| (method.label(), colour(method))).collect(),
        level: (chance, name),
        rows,
    };
    chart.svg().map(Some)
}

/// Accuracy over examples, in the colours that `colour` gives to methods; `None` without rows.
pub(crate) fn curves(
    findings: &Findings,
    title: &str,
    rows: &[AccuracyRow],
    colour: impl Fn(&Method) -> RGBColor,
) -> Result<Option<String>> {
    let x = ExamplesAxis::new([0].into_iter().chain(rows.iter().map(|row| row.examples)));
    let points = rows.iter();
    let points = points.map(|row| (&row.method, x.position(row.examples), row.acc_norm));
    accuracies(findings, (title, OVER_QUESTIONS), x.axis(), points, colour)
}

/// Accuracy over the weight of the negative head.
pub(crate) fn weights(findings: &Findings, title: &str) -> Result<Option<String>> {
    let rows = &findings.figure4;
    let weights = rows.iter().map(|row| row.weight);
    let x = linear("weight of the negative head", weights);
    let points = rows.iter().map(|row| (&row.accuracy, row.weight));
    let points = points.map(|(row, weight)| (&row.method, weight, row.acc_norm));
    accuracies(findings, (title, OVER_QUESTIONS), x, points, colour)
}

/// Mean accuracy of several seeds over examples.
pub(crate) fn seeds(findings: &Findings, title: &str) -> Result<Option<String>> {
    let rows = &findings.seeds;
    let x = ExamplesAxis::new(rows.iter().map(|row| row.examples));
    let points = rows.iter();
    let points = points.map(|row| (&row.method, x.position(row.examples), row.mean));
    // No point stands at 0, so that the axis needs no gap.
    let axis = Axis {
        gap: None,
        ..x.axis()
    };
    accuracies(findings, (title, OVER_SEEDS), axis, points, colour)
}

/// A chart of shares of one, in percent, beside that of a guess.
fn accuracies<'a>(
    findings: &Findings,
    texts: (&str, &str),
    x: Axis,
    points: impl Iterator<Item = (&'a Method, f64, Estimate)>,
    colour: impl Fn(&Method) -> RGBColor,
) -> Result<Option<String>> {
    let points =
        points.map(|(method, at, share)| (method.label(), colour(method), at, share.percent()));
    let y = percent(findings.norm);
    lines(texts, x, (&y, Some(level(findings))), points)
}

/// Likelihoods per character of right and wrong answers.
pub(crate) fn likelihoods(title: &str, rows: &[LikelihoodRow]) -> Result<Option<String>> {
    let name = |kind| match kind {
        AnswerKind::Correct => "right",
        _ => "likeliest wrong",
    };
    let y = ("likelihood per character", None);
    kinds(title, y, rows, name)
}

/// A panel for each head.
pub(crate) fn changes(rows: &[LikelihoodRow]) -> Result<Vec<String>> {
    let panels = rows.chunk_by(|a, b| a.head == b.head);
    let panels = panels.map(|panel| {
        let title = match panel[0].head {
            POSITIVE => "The positive head, which learns right answers",
            _ => "The negative head, which learns incorrect answers",
        };
        let level = Some((0.0, "no change"));
        let y = ("change of log-likelihood (nats per character)", level);
        kinds(title, y, panel, AnswerKind::name)
    });
    panels.filter_map(Result::transpose).collect()
}

/// A line for each kind of answer over examples.
fn kinds(
    title: &str,
    y: (&str, Option<Level>),
    rows: &[LikelihoodRow],
    name: impl Fn(AnswerKind) -> &'static str,
) -> Result<Option<String>> {
    let x = ExamplesAxis::new(rows.iter().map(|row| row.examples));
    let points = rows.iter().map(|row| {
        let (label, colour) = (name(row.kind), of_kind(row.kind));
        (label, colour, x.position(row.examples), row.mean)
    });
    lines((title, OVER_MEANS), x.axis(), y, points)
}

/// A chart with a line for each name, in the order of `points`; `None` without points.
fn lines<'a>(
    (title, note): (&str, &str),
    x: Axis,
    (y, level): (&str, Option<Level>),
    points: impl Iterator<Item = Point<'a>>,
) -> Result<Option<String>> {
    let points: Vec<Point> = points.collect();
    let values = points.iter().map(|(.., value)| value);
    let ends = values.flat_map(|value| [value.low, value.high]);
    let y = linear(y, ends.chain(level.map(|(at, _)| at)));
    let line = |points: &[Point<'a>]| Line {
        label: points[0].0,
        colour: points[0].1,
        points: points.iter().map(|&(.., at, value)| (at, value)).collect(),
    };
    let lines = points.chunk_by(|a, b| a.0 == b.0).map(line).collect();
    let chart = Chart {
        title,
        note,
        x,
        y,
        lines,
        level,
    };
    (!points.is_empty()).then(|| chart.svg()).transpose()
}

/// What a guess would be right in, in percent.
fn level(findings: &Findings) -> Level {
    (findings.chance * 100.0, "chance")
}

/// By what accuracies in figures go, for an axis.
fn percent(norm: Norm) -> String {
    format!("{} (%)", norm.label())
}

/// The same colour for a method in all figures of the paper's.
pub(crate) fn colour(method: &Method) -> RGBColor {
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

/// The colours of controls, of which several are SFT minus something.
pub(crate) fn of_control(method: &Method) -> RGBColor {
    match method.name() {
        "sft-base" => SKY,
        "base-sft" => PURPLE,
        "sft-pmi" => GREEN,
        "sft" | "sft-likra" => colour(method),
        _ => ORANGE,
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
