//! Rows of dots on one axis, as SVG: the same few numbers of several models below each other.

use likra_analysis::Estimate;
use plotters::element::{DashedPathElement, EmptyElement};
use plotters::prelude::*;

use super::{AFTER, AROUND, AXIS, BEFORE, Canvas, Drawn, GRID, INK, bold, text};
use super::{Axis, Tick, document, spanning};
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
#[derive(Debug, Clone)]
pub(crate) struct Dots {
    pub(crate) title: String,
    /// What the bars are.
    pub(crate) note: &'static str,
    pub(crate) x: Axis,
    /// What a colour stands for.
    pub(crate) key: Vec<(String, RGBColor)>,
    pub(crate) rows: Vec<Row>,
    /// A value that is marked from top to bottom, and its name.
    pub(crate) level: Option<(f64, &'static str)>,
}

/// A row of dots.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) label: String,
    /// Whether the row is what the chart is about, beside what it is compared with.
    pub(crate) own: bool,
    /// With a bar from the lowest to the highest.
    pub(crate) dots: Vec<(RGBColor, Estimate)>,
}

impl Dots {
    /// The chart as an SVG document.
    pub(crate) fn svg(&self) -> Result<String> {
        document(&self.title, |svg| self.draw(svg))
    }

    fn draw(&self, svg: &mut String) -> Drawn {
        let bottom = ABOVE + ROW * self.rows.len() as i32;
        let size = (WIDTH as u32, (bottom + BELOW) as u32);
        let page = SVGBackend::with_string(svg, size).into_drawing_area();
        page.fill(&WHITE)?;
        let title = bold(16.0, INK).pos(AFTER);
        page.draw_text(&self.title, &title, (LEFT, 24))?;
        page.draw_text(self.note, &text(12.0, AXIS).pos(AFTER), (LEFT, 46))?;
        let name = text(14.0, INK).pos(AROUND);
        let middle = i32::midpoint(LEFT, RIGHT);
        page.draw_text(&self.x.label, &name, (middle, bottom + BELOW - 18))?;
        for (place, (name, colour)) in (0..).zip(&self.key) {
            let at = (LEFT + 5 + place * KEY, 74);
            page.draw(&Circle::new(at, 4, colour.filled()))?;
            let name_style = bold(13.0, *colour).pos(AFTER);
            page.draw_text(name, &name_style, (at.0 + 10, at.1))?;
        }
        // Rows count from the top.
        let rows = 0.0..self.rows.len() as f64;
        let canvas = spanning(&page, (&self.x.range, &rows), (LEFT..RIGHT, ABOVE..bottom));
        self.draw_axis(&canvas, rows.end)?;
        for (place, row) in (0..).zip(&self.rows) {
            row.draw(&canvas, self.x.range.start, f64::from(place) + 0.5)?;
        }
        canvas.present()
    }

    fn draw_axis(&self, canvas: &Canvas, bottom: f64) -> Drawn {
        let style = text(12.0, INK).pos(AROUND);
        for Tick { at, label } in &self.x.ticks {
            canvas.draw(&PathElement::new(vec![(*at, 0.0), (*at, bottom)], GRID))?;
            let text = Text::new(label.clone(), (0, 16), style.clone());
            canvas.draw(&(EmptyElement::at((*at, bottom)) + text))?;
        }
        let Some((level, name)) = self.level else {
            return Ok(());
        };
        let ends = [(level, 0.0), (level, bottom)];
        canvas.draw(&DashedPathElement::new(ends, 5, 4, AXIS))?;
        let name = Text::new(name, (0, -9), text(12.0, AXIS).pos(AROUND));
        canvas.draw(&(EmptyElement::at((level, 0.0)) + name))
    }
}

impl Row {
    fn draw(&self, canvas: &Canvas, left: f64, at: f64) -> Drawn {
        let style = if self.own {
            bold(14.0, INK)
        } else {
            text(14.0, AXIS)
        };
        let label = Text::new(self.label.clone(), (-14, 0), style.pos(BEFORE));
        canvas.draw(&(EmptyElement::at((left, at)) + label))?;
        for (colour, Estimate { low, high, .. }) in &self.dots {
            let bar = PathElement::new(
                vec![(*low, at), (*high, at)],
                colour.mix(0.3).stroke_width(8),
            );
            canvas.draw(&bar)?;
        }
        for (colour, Estimate { value, .. }) in &self.dots {
            canvas.draw(&Circle::new((*value, at), 6, WHITE.filled()))?;
            canvas.draw(&Circle::new((*value, at), 5, colour.filled()))?;
        }
        Ok(())
    }
}
