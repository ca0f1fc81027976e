//! Line charts with 95% bands, as SVG.
//!
//! Lines carry their names beside their ends, in the order of these. Text is laid out by fixed margins,
//! since without the system's fonts nothing knows how wide it is; so the same chart has the same
//! bytes on every machine.

mod axis;
mod forest;

use std::io;

use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub(crate) use axis::{Axis, ExamplesAxis, linear};
pub(crate) use forest::Forest;

use likra_analysis::Estimate;

use crate::{Error, Result};

/// The height of a chart, in pixels.
const HEIGHT: i32 = 480;
/// The edges of what the axes span, in pixels from the top left.
const LEFT: i32 = 70;
const RIGHT: i32 = 644;
const TOP: i32 = 68;
const BOTTOM: i32 = HEIGHT - 64;

/// The distance between the names of two lines, in pixels.
const NAME: i32 = 20;

const INK: RGBColor = RGBColor(38, 38, 38);
pub(crate) const AXIS: RGBColor = RGBColor(110, 110, 110);
const GRID: RGBColor = RGBColor(230, 230, 230);

/// A value that is marked, and its name.
pub(crate) type Level = (f64, &'static str);

/// A line chart.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    /// What the bands are.
    pub(crate) note: &'a str,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line<'a>>,
    /// A level that is marked across the chart.
    pub(crate) level: Option<Level>,
}

/// A line with its band, in the coordinates of the axes.
pub(crate) struct Line<'a> {
    pub(crate) label: &'a str,
    pub(crate) colour: RGBColor,
    pub(crate) points: Vec<(f64, Estimate)>,
}

type Drawn<T = ()> = std::result::Result<T, DrawingAreaErrorKind<io::Error>>;
type Page<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Canvas<'a> = DrawingArea<SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// What `draw` writes.
fn written(title: &str, draw: impl FnOnce(&mut String) -> Drawn) -> Result<String> {
    let (mut svg, figure) = (String::new(), title.into());
    match draw(&mut svg) {
        Ok(()) => Ok(svg),
        Err(source) => Err(Error::Draw { figure, source }),
    }
}

/// An empty page with a title and a note, both so far from the left.
fn page<'a>(svg: &'a mut String, size: (i32, i32), left: i32, texts: [&str; 2]) -> Drawn<Page<'a>> {
    let size = (size.0 as u32, size.1 as u32);
    let page = SVGBackend::with_string(svg, size).into_drawing_area();
    page.fill(&WHITE)?;
    page.draw_text(texts[0], &bold(16.0, INK), (left, 24))?;
    page.draw_text(texts[1], &text(12.0, AXIS, HPos::Left), (left, 46))?;
    Ok(page)
}

impl Chart<'_> {
    /// The chart as an SVG document.
    pub(crate) fn svg(&self) -> Result<String> {
        written(self.title, |svg| self.draw(svg))
    }

    #[expect(
        clippy::reversed_empty_ranges,
        reason = "pixels count downwards, accuracy upwards"
    )]
    fn draw(&self, svg: &mut String) -> Drawn {
        // To the right of the axes stand the names, of which a letter takes about 8 pixels.
        let names = self.lines.iter().map(|line| line.label.chars().count());
        let width = RIGHT + 18 + 8 * names.fold(16, usize::max) as i32;
        let page = page(svg, (width, HEIGHT), LEFT, [self.title, self.note])?;
        let style = text(14.0, INK, HPos::Center);
        let middle = (i32::midpoint(LEFT, RIGHT), HEIGHT - 18);
        page.draw_text(&self.x.label, &style, middle)?;
        let upright = style.transform(FontTransform::Rotate270);
        page.draw_text(&self.y.label, &upright, (22, i32::midpoint(TOP, BOTTOM)))?;
        let upwards = BOTTOM..TOP;
        let (x, y) = (self.x.range.clone(), self.y.range.clone());
        let canvas = page.apply_coord_spec(Cartesian2d::new(x, y, (LEFT..RIGHT, upwards)));
        self.draw_axes(&page, &canvas)?;
        for line in &self.lines {
            line.draw_band(&canvas)?;
        }
        for line in &self.lines {
            line.draw(&canvas)?;
        }
        self.draw_names(&page)?;
        page.present()
    }

    /// Marks below, and a faint line across for each mark to the left.
    fn draw_axes(&self, page: &Page, canvas: &Canvas) -> Drawn {
        let across = |level| [(self.x.range.start, level), (self.x.range.end, level)];
        let (start, bottom) = (self.x.range.start, self.y.range.start);
        let style = text(12.0, INK, HPos::Right);
        for (at, label) in &self.y.ticks {
            canvas.draw(&PathElement::new(across(*at), GRID))?;
            let (x, y) = canvas.map_coordinate(&(start, *at));
            page.draw_text(label, &style, (x - 9, y))?;
        }
        canvas.draw(&PathElement::new(across(bottom), AXIS))?;
        let style = text(12.0, INK, HPos::Center);
        for (at, label) in &self.x.ticks {
            let (x, y) = canvas.map_coordinate(&(*at, bottom));
            page.draw(&PathElement::new([(x, y), (x, y + 6)], AXIS))?;
            page.draw_text(label, &style, (x, y + 19))?;
        }
        match self.level {
            Some((level, _)) => canvas.draw(&DashedPathElement::new(across(level), 5, 4, AXIS)),
            None => Ok(()),
        }
    }

    /// The names of the lines and of the level, to the right, as they end from top to bottom.
    fn draw_names(&self, page: &Page) -> Drawn {
        let ends = self.lines.iter().filter_map(|line| {
            let (_, last) = line.points.last()?;
            Some((last.value, line.label, bold(14.0, line.colour)))
        });
        let level = self.level.iter();
        let level = level.map(|&(at, name)| (at, name, text(14.0, AXIS, HPos::Left)));
        let mut names: Vec<_> = ends.chain(level).collect();
        names.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (place, (_, name, style)) in (0..).zip(names) {
            page.draw_text(name, &style, (RIGHT + 10, TOP + NAME * place))?;
        }
        Ok(())
    }
}

impl Line<'_> {
    fn draw_band(&self, canvas: &Canvas) -> Drawn {
        let lows = self.points.iter().map(|(x, estimate)| (*x, estimate.low));
        let highs = self.points.iter().map(|(x, estimate)| (*x, estimate.high));
        let outline: Vec<_> = lows.chain(highs.rev()).collect();
        canvas.draw(&Polygon::new(outline, self.colour.mix(0.14)))
    }

    /// The line, with a dot in a white ring at each point.
    fn draw(&self, canvas: &Canvas) -> Drawn {
        let values = self.points.iter().map(|(x, estimate)| (*x, estimate.value));
        let values: Vec<_> = values.collect();
        let style = self.colour.stroke_width(2);
        canvas.draw(&PathElement::new(values.clone(), style))?;
        for value in values {
            canvas.draw(&Circle::new(value, 5, WHITE.filled()))?;
            canvas.draw(&Circle::new(value, 4, self.colour.filled()))?;
        }
        Ok(())
    }
}

/// Text of this size in pixels, which begins, is centred or ends where it is put.
fn text(pixels: f64, colour: RGBColor, side: HPos) -> TextStyle<'static> {
    // The SVG backend divides sizes by this factor.
    let text = ("sans-serif", pixels * 1.24).into_font().color(&colour);
    text.pos(Pos::new(side, VPos::Center))
}

fn bold(pixels: f64, colour: RGBColor) -> TextStyle<'static> {
    let text = text(pixels, colour, HPos::Left);
    let font = text.font.style(FontStyle::Bold);
    TextStyle { font, ..text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// To accept new bytes, run the test with `LIKRA_BLESS` set, and look at the picture.
    #[test]
    fn a_small_chart_is_these_bytes() {
        let point = |x, value: f64| {
            let (low, high) = (value - 5.0, value + 5.0);
            (x, Estimate { value, low, high })
        };
        let chart = Chart {
            title: "A < B & \"C\"",
            note: "bands: 95% intervals",
            x: ExamplesAxis::new([0, 32, 64]).axis(),
            y: linear("acc (%)", [20.0, 60.0]),
            lines: vec![Line {
                label: "SFT",
                colour: RGBColor(0, 114, 178),
                points: vec![point(4.0, 30.0), point(5.0, 40.0), point(6.0, 55.0)],
            }],
            level: Some((25.0, "chance")),
        };
        let (svg, path) = (
            chart.svg().unwrap(),
            concat!(env!("CARGO_MANIFEST_DIR"), "/src/plot/chart.svg"),
        );
        if std::env::var_os("LIKRA_BLESS").is_some() {
            std::fs::write(path, &svg).unwrap();
        }
        assert_eq!(svg, std::fs::read_to_string(path).unwrap());
    }
}
