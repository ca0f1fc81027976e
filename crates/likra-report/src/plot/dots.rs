//! Rows of dots on one axis, as SVG: the same few numbers of several models below each other.

use likra_analysis::Estimate;
use plotters::coord::cartesian::Cartesian2d;
use plotters::prelude::*;

use super::{AFTER, AROUND, AXIS, BEFORE, Canvas, Drawn, GRID, INK, Level, bold, text};
use super::{Axis, Tick, beside, dashed, document, dot, page};
use crate::Result;

/// The width, and the edges of what the axis spans, in pixels.
const WIDTH: i32 = 790;
const LEFT: i32 = 228;
const RIGHT: i32 = WIDTH - 40;
/// The height of all that stands above the rows, of a row, and of all below.
const ABOVE: i32 = 110;
const ROW: i32 = 46;
const BELOW: i32 = 62;
/// How far apart the names of colours stand.
const KEY: i32 = 112;

/// A chart of rows.
pub(crate) struct Dots<'a> {
    pub(crate) title: &'a str,
    /// What the bars are.
    pub(crate) note: &'a str,
    pub(crate) x: Axis,
    /// What a colour stands for.
    pub(crate) key: Vec<(&'a str, RGBColor)>,
    pub(crate) rows: Vec<Row>,
    /// A value that is marked from top to bottom.
    pub(crate) level: Level,
}

/// A row of dots.
pub(crate) struct Row {
    pub(crate) label: String,
    /// Whether the row is what the chart is about, beside what it is compared with.
    pub(crate) own: bool,
    /// With a bar from the lowest to the highest.
    pub(crate) dots: Vec<(RGBColor, Estimate)>,
}

impl Dots<'_> {
    /// The chart as an SVG document.
    pub(crate) fn svg(&self) -> Result<String> {
        document(self.title, |svg| self.draw(svg))
    }

    fn draw(&self, svg: &mut String) -> Drawn {
        let bottom = ABOVE + ROW * self.rows.len() as i32;
        let texts = [self.title, self.note, &self.x.label];
        let page = page(svg, (WIDTH, bottom + BELOW), LEFT..RIGHT, texts)?;
        for (place, (name, colour)) in (0..).zip(&self.key) {
            let at = (LEFT + 5 + place * KEY, 74);
            page.draw(&Circle::new(at, 4, colour.filled()))?;
            let style = bold(13.0, *colour).pos(AFTER);
            page.draw_text(name, &style, (at.0 + 10, at.1))?;
        }
        // Rows count from the top.
        let rows = 0.0..self.rows.len() as f64;
        let spans = Cartesian2d::new(self.x.range.clone(), rows, (LEFT..RIGHT, ABOVE..bottom));
        let canvas = page.apply_coord_spec(spans);
        self.draw_axis(&canvas, self.rows.len() as f64)?;
        for (place, row) in (0..).zip(&self.rows) {
            row.draw(&canvas, self.x.range.start, f64::from(place) + 0.5)?;
        }
        canvas.present()
    }

    fn draw_axis(&self, canvas: &Canvas, bottom: f64) -> Drawn {
        let style = text(12.0, INK).pos(AROUND);
        for Tick { at, label } in &self.x.ticks {
            canvas.draw(&PathElement::new([(*at, 0.0), (*at, bottom)], GRID))?;
            beside(canvas, (*at, bottom), (0, 16), label, &style)?;
        }
        let (level, name) = self.level;
        dashed(canvas, [(level, 0.0), (level, bottom)])?;
        let style = text(12.0, AXIS).pos(AROUND);
        beside(canvas, (level, 0.0), (0, -9), name, &style)
    }
}

impl Row {
    fn draw(&self, canvas: &Canvas, left: f64, at: f64) -> Drawn {
        let style = match self.own {
            true => bold(14.0, INK),
            false => text(14.0, AXIS),
        };
        beside(
            canvas,
            (left, at),
            (-14, 0),
            &self.label,
            &style.pos(BEFORE),
        )?;
        for (colour, Estimate { low, high, .. }) in &self.dots {
            let stroke = colour.mix(0.3).stroke_width(8);
            canvas.draw(&PathElement::new([(*low, at), (*high, at)], stroke))?;
        }
        for (colour, Estimate { value, .. }) in &self.dots {
            dot(canvas, (*value, at), 5, *colour)?;
        }
        Ok(())
    }
}
