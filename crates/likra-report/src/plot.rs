//! Line charts with 95% bands, as SVG; [`dots`] has the other kind.
//!
//! Lines carry their names at their ends rather than in a legend. Text is laid out by fixed margins,
//! since without the system's fonts nothing knows how wide it is; so the same chart has the same
//! bytes on every machine.

mod axis;
mod dots;
mod labels;

use std::io;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use axis::Tick;
pub(crate) use axis::{Axis, ExamplesAxis, linear};
pub(crate) use dots::{Dots, Row};

use likra_analysis::Estimate;

use crate::{Error, Result};

/// Width and height, in pixels.
const SIZE: (i32, i32) = (790, 480);
/// The edges of what the axes span, in pixels from the top left.
const LEFT: i32 = 70;
const RIGHT: i32 = SIZE.0 - 146;
const TOP: i32 = 68;
const BOTTOM: i32 = SIZE.1 - 64;

/// The least distance between the middles of two line labels, in pixels.
const LABEL_GAP: f64 = 18.0;

const INK: RGBColor = RGBColor(38, 38, 38);
const AXIS: RGBColor = RGBColor(110, 110, 110);
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

type DrawError = DrawingAreaErrorKind<io::Error>;
type Drawn = std::result::Result<(), DrawError>;
type Page<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Canvas<'a> = DrawingArea<SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

impl Chart<'_> {
    /// The chart as an SVG document.
    pub(crate) fn svg(&self) -> Result<String> {
        document(self.title, |svg| self.draw(svg))
    }

    #[expect(
        clippy::reversed_empty_ranges,
        reason = "pixels count downwards, accuracy upwards"
    )]
    fn draw(&self, svg: &mut String) -> Drawn {
        let texts = [self.title, self.note, &self.x.label];
        let page = page(svg, SIZE, LEFT..RIGHT, texts)?;
        let upright = text(14.0, INK)
            .pos(AROUND)
            .transform(FontTransform::Rotate270);
        page.draw_text(&self.y.label, &upright, (22, i32::midpoint(TOP, BOTTOM)))?;
        let upwards = BOTTOM..TOP;
        let (x, y) = (self.x.range.clone(), self.y.range.clone());
        let canvas = page.apply_coord_spec(Cartesian2d::new(x, y, (LEFT..RIGHT, upwards)));
        self.draw_y_axis(&canvas)?;
        self.draw_x_axis(&canvas)?;
        if let Some((level, _)) = self.level {
            dashed(&canvas, self.across(level))?;
        }
        for line in &self.lines {
            line.draw_band(&canvas)?;
        }
        for line in &self.lines {
            line.draw(&canvas)?;
        }
        self.draw_labels(&canvas)?;
        canvas.present()
    }

    /// A faint line across for each mark.
    fn draw_y_axis(&self, canvas: &Canvas) -> Drawn {
        let style = text(12.0, INK).pos(BEFORE);
        for Tick { at, label } in &self.y.ticks {
            canvas.draw(&PathElement::new(self.across(*at), GRID))?;
            beside(canvas, (self.x.range.start, *at), (-9, 0), label, &style)?;
        }
        Ok(())
    }

    fn draw_x_axis(&self, canvas: &Canvas) -> Drawn {
        let bottom = self.y.range.start;
        canvas.draw(&PathElement::new(self.across(bottom), AXIS))?;
        let style = text(12.0, INK).pos(AROUND);
        for Tick { at, label } in &self.x.ticks {
            let mark = PathElement::new(vec![(0, 0), (0, 6)], AXIS);
            canvas.draw(&(EmptyElement::at((*at, bottom)) + mark))?;
            beside(canvas, (*at, bottom), (0, 19), label, &style)?;
        }
        match self.x.gap {
            Some(gap) => draw_gap(canvas, (gap, bottom)),
            None => Ok(()),
        }
    }

    /// The names of the lines and of the level, after their ends.
    fn draw_labels(&self, canvas: &Canvas) -> Drawn {
        let ends = self.lines.iter().filter_map(|line| {
            let (_, last) = line.points.last()?;
            Some((last.value, line.label, bold(14.0, line.colour)))
        });
        let level = self.level.map(|(at, name)| (at, name, text(14.0, AXIS)));
        let labels: Vec<_> = ends.chain(level).collect();
        let pixel = |value: f64| f64::from(canvas.map_coordinate(&(0.0, value)).1);
        let pixels: Vec<f64> = labels.iter().map(|&(value, ..)| pixel(value)).collect();
        let moved = labels::spread(&pixels, LABEL_GAP).into_iter().zip(pixels);
        for ((value, name, style), (to, from)) in labels.into_iter().zip(moved) {
            let (at, shift) = ((self.x.range.end, value), (to - from).round() as i32);
            beside(canvas, at, (10, shift), name, &style.pos(AFTER))?;
        }
        Ok(())
    }

    /// From the left to the right at this level.
    fn across(&self, level: f64) -> [(f64, f64); 2] {
        let Range { start, end } = self.x.range;
        [(start, level), (end, level)]
    }
}

impl Line<'_> {
    fn draw_band(&self, canvas: &Canvas) -> Drawn {
        let lows = self.points.iter().map(|(x, estimate)| (*x, estimate.low));
        let highs = self.points.iter().map(|(x, estimate)| (*x, estimate.high));
        let outline: Vec<_> = lows.chain(highs.rev()).collect();
        canvas.draw(&Polygon::new(outline, self.colour.mix(0.14)))
    }

    fn draw(&self, canvas: &Canvas) -> Drawn {
        let values = self.points.iter().map(|(x, estimate)| (*x, estimate.value));
        let stroke = self.colour.stroke_width(2);
        canvas.draw(&PathElement::new(
            values.clone().collect::<Vec<_>>(),
            stroke,
        ))?;
        for value in values {
            dot(canvas, value, 4, self.colour)?;
        }
        Ok(())
    }
}

/// What `draw` leaves, or an error that names the figure.
fn document(title: &str, draw: impl FnOnce(&mut String) -> Drawn) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg).map_err(|source| Error::Draw {
        figure: title.into(),
        source,
    })?;
    Ok(svg)
}

/// A page with a title, a note below it, and the name of the axis at its foot, which spans these pixels.
fn page<'a>(
    svg: &'a mut String,
    (width, height): (i32, i32),
    axis: Range<i32>,
    [title, note, name]: [&str; 3],
) -> std::result::Result<Page<'a>, DrawError> {
    let page = SVGBackend::with_string(svg, (width as u32, height as u32)).into_drawing_area();
    page.fill(&WHITE)?;
    page.draw_text(title, &bold(16.0, INK).pos(AFTER), (axis.start, 24))?;
    page.draw_text(note, &text(12.0, AXIS).pos(AFTER), (axis.start, 46))?;
    let middle = (i32::midpoint(axis.start, axis.end), height - 18);
    page.draw_text(name, &text(14.0, INK).pos(AROUND), middle)?;
    Ok(page)
}

/// A text so many pixels from a point.
fn beside(
    canvas: &Canvas,
    at: (f64, f64),
    shift: (i32, i32),
    text: &str,
    style: &TextStyle,
) -> Drawn {
    canvas.draw(&(EmptyElement::at(at) + Text::new(text.to_owned(), shift, style.clone())))
}

/// A dot in a white ring.
fn dot(canvas: &Canvas, at: (f64, f64), radius: i32, colour: RGBColor) -> Drawn {
    canvas.draw(&Circle::new(at, radius + 1, WHITE.filled()))?;
    canvas.draw(&Circle::new(at, radius, colour.filled()))
}

fn dashed(canvas: &Canvas, ends: [(f64, f64); 2]) -> Drawn {
    canvas.draw(&DashedPathElement::new(ends, 5, 4, AXIS))
}

/// Two strokes through the axis, with nothing between them.
fn draw_gap(canvas: &Canvas, at: (f64, f64)) -> Drawn {
    let stroke = |x: i32| PathElement::new(vec![(x - 2, 5), (x + 2, -5)], AXIS);
    let between = Polygon::new(vec![(-5, 5), (-1, -5), (5, -5), (1, 5)], WHITE.filled());
    canvas.draw(&(EmptyElement::at(at) + between + stroke(-3) + stroke(3)))
}

/// Where a text stands: to the left of a point, around it, or to its right.
const BEFORE: Pos = middle(HPos::Right);
const AROUND: Pos = middle(HPos::Center);
const AFTER: Pos = middle(HPos::Left);

const fn middle(h_pos: HPos) -> Pos {
    let v_pos = VPos::Center;
    Pos { h_pos, v_pos }
}

/// Text of this size in pixels.
fn text(pixels: f64, colour: RGBColor) -> TextStyle<'static> {
    // The SVG backend divides sizes by this factor.
    ("sans-serif", pixels * 1.24).into_font().color(&colour)
}

fn bold(pixels: f64, colour: RGBColor) -> TextStyle<'static> {
    let text = text(pixels, colour);
    TextStyle {
        font: text.font.style(FontStyle::Bold),
        ..text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// To accept new bytes, run the test with this variable set, and look at the picture.
    fn is_these_bytes(svg: &str, name: &str) {
        let path = format!("{}/src/plot/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("LIKRA_BLESS").is_some() {
            std::fs::write(&path, svg).unwrap();
        }
        assert_eq!(svg, std::fs::read_to_string(path).unwrap());
    }

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
        is_these_bytes(&chart.svg().unwrap(), "chart.svg");
    }

    #[test]
    fn rows_of_dots_are_these_bytes() {
        let (blue, grey) = (RGBColor(0, 114, 178), RGBColor(0, 0, 0));
        let dot = |value: f64, width| {
            let (low, high) = (value - width, value + width);
            Estimate { value, low, high }
        };
        let row = |label: &str, own, base, sft| Row {
            label: label.into(),
            own,
            dots: vec![(grey, base), (blue, sft)],
        };
        let chart = Dots {
            title: "Models",
            note: "bars: 95% intervals",
            x: linear("acc (%)", [20.0, 70.0]),
            key: vec![("Base", grey), ("SFT", blue)],
            rows: vec![
                row("this run", true, dot(30.0, 3.0), dot(34.0, 3.0)),
                row("a < b", false, dot(60.0, 0.0), dot(66.0, 0.0)),
            ],
            level: (25.0, "chance"),
        };
        is_these_bytes(&chart.svg().unwrap(), "dots.svg");
    }
}
