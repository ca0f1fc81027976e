//! Rows as line charts.

use likra_analysis::{AccuracyRow, Estimate, Findings, LikelihoodRow, Method};
use likra_results::AnswerKind;
use plotters::style::RGBColor;

use crate::Result;
use crate::plot::{Axis, Chart, ExamplesAxis, Level, Line, linear};

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

/// The pictures of an exhibit: none of no rows.
pub(crate) type Pictures = Result<Vec<String>>;

/// Accuracy over examples, without methods that have no training, which are one point.
pub(crate) fn curves(findings: &Findings, title: &str, rows: &[AccuracyRow]) -> Pictures {
    let rows = rows.iter().filter(|row| !row.method.is_untrained());
    let x = ExamplesAxis::new([0].into_iter().chain(rows.clone().map(|row| row.examples)));
    let points = rows.map(|row| (&row.method, x.position(row.examples), row.acc_norm));
    accuracies(findings, (title, OVER_QUESTIONS), x.axis(), points)
}

/// Accuracy over the weight of the negative head.
pub(crate) fn weights(findings: &Findings, title: &str) -> Pictures {
    let rows = findings.figure4.iter();
    let points = rows.filter_map(|row| Some((&row.method, row.weight?, row.acc_norm)));
    let weights = points.clone().map(|(_, weight, _)| weight);
    let x = linear("weight of the negative head", weights);
    accuracies(findings, (title, OVER_QUESTIONS), x, points)
}

/// Mean accuracy of several seeds over examples.
pub(crate) fn seeds(findings: &Findings, title: &str) -> Pictures {
    let rows = findings.seeds.iter();
    let x = ExamplesAxis::new(rows.clone().map(|row| row.examples));
    let points = rows.map(|row| (&row.method, x.position(row.examples), row.mean));
    accuracies(findings, (title, OVER_SEEDS), x.axis(), points)
}

/// A chart of shares of one, in percent, beside that of a guess.
fn accuracies<'a>(
    findings: &Findings,
    texts: (&str, &str),
    x: Axis,
    points: impl Iterator<Item = (&'a Method, f64, Estimate)>,
) -> Pictures {
    let points = points.map(|(method, at, share)| {
        let colour = colour(method.name());
        (method.label(), colour, at, share.percent())
    });
    let y = format!("{} (%)", findings.norm.label());
    let chance = (findings.chance * 100.0, "chance");
    lines(texts, x, (&y, Some(chance)), points.collect())
}

/// A panel for each head.
pub(crate) fn changes(rows: &[LikelihoodRow]) -> Pictures {
    let y = "change of log-likelihood (nats per character)";
    let panels = rows.chunk_by(|a, b| a.head == b.head).map(|panel| {
        let title = format!("Under the {} head", panel[0].head);
        kinds(&title, (y, Some((0.0, "no change"))), panel)
    });
    Ok(panels.collect::<Result<Vec<_>>>()?.concat())
}

/// A line for each kind of answer over examples.
pub(crate) fn kinds(title: &str, y: (&str, Option<Level>), rows: &[LikelihoodRow]) -> Pictures {
    let x = ExamplesAxis::new(rows.iter().map(|row| row.examples));
    let points = rows.iter().map(|row| {
        let colour = match row.kind {
            AnswerKind::Correct => BLUE,
            AnswerKind::Incorrect => VERMILION,
            AnswerKind::Irrelevant => GREEN,
            AnswerKind::Unrelated => PURPLE,
        };
        (row.kind.name(), colour, x.position(row.examples), row.mean)
    });
    lines((title, OVER_MEANS), x.axis(), y, points.collect())
}

/// A chart with a line for each name, in the order of `points`.
fn lines<'a>(
    (title, note): (&str, &str),
    x: Axis,
    (y, level): (&str, Option<Level>),
    points: Vec<Point<'a>>,
) -> Pictures {
    let values = points.iter().map(|(.., value)| value);
    let ends = values.flat_map(|value| [value.low, value.high]);
    let line = |points: &[Point<'a>]| Line {
        label: points[0].0,
        colour: points[0].1,
        points: points.iter().map(|&(.., at, value)| (at, value)).collect(),
    };
    let chart = Chart {
        title,
        note,
        x,
        y: linear(y, ends.chain(level.map(|(at, _)| at))),
        lines: points.chunk_by(|a, b| a.0 == b.0).map(line).collect(),
        level,
    };
    let drawn = (!points.is_empty()).then(|| chart.svg());
    drawn.into_iter().collect()
}

/// The same colour for a method in all figures: that of the kind of answer that its last head learned.
pub(crate) fn colour(method: &str) -> RGBColor {
    match method {
        "sft" => BLUE,
        "sft-likra" | "sft-incorrect" => VERMILION,
        "base-likra" | "sft-irrelevant" | "sft-pmi" => GREEN,
        "sft-unrelated" | "base-sft" => PURPLE,
        "sft-hardest" => ORANGE,
        "sft-easiest" | "sft-base" => SKY,
        name if name.starts_with("dpo") => PURPLE,
        name if name.starts_with("kto") => SKY,
        name if name.starts_with("choice") => ORANGE,
        _ => BLACK,
    }
}
