//! Estimates beside their intervals, a group of them below another: what is compared has no order to draw a line along.

use likra_analysis::Estimate;
use plotters::coord::CoordTranslate as _;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::{Axis, Drawn, GRID, INK, bold, page, text, written};
use crate::Result;

/// The distance between two estimates, and between two groups more than that, in pixels.
const ROW: i32 = 20;
const GAP: i32 = 16;
const TOP: i32 = 68;
const WIDTH: i32 = 480;

/// An estimate with its name and its colour.
pub(crate) type Named<'a> = (&'a str, RGBColor, Estimate);

/// A chart of groups of estimates, each with a name.
pub(crate) struct Forest<'a> {
    pub(crate) title: &'a str,
    /// What the intervals are.
    pub(crate) note: &'a str,
    pub(crate) x: Axis,
    pub(crate) groups: Vec<(String, Vec<Named<'a>>)>,
}

impl Forest<'_> {
    /// The chart as an SVG document.
    pub(crate) fn svg(&self) -> Result<String> {
        written(self.title, |svg| self.draw(svg))
    }

    fn draw(&self, svg: &mut String) -> Drawn {
        let names = self.groups.iter().map(|(name, _)| name.chars().count());
        let left = 24 + 8 * names.fold(16, usize::max) as i32;
        let names = self.groups.iter().flat_map(|(_, all)| all);
        let names = names.map(|(name, ..)| name.chars().count());
        // A letter takes about 8 pixels.
        let right = 18 + 8 * names.fold(14, usize::max) as i32;
        let sizes = self.groups.iter().map(|(_, all)| all.len() as i32);
        let heights = sizes.map(|size| size * ROW + GAP);
        let bottom = TOP + heights.sum::<i32>();
        let size = (left + WIDTH + right, bottom + 64);
        let page = page(svg, size, 24, [self.title, self.note])?;
        let middle = (left + WIDTH / 2, bottom + 46);
        page.draw_text(&self.x.label, &text(14.0, INK, HPos::Center), middle)?;
        let (range, pixels) = (self.x.range.clone(), (left..left + WIDTH, TOP..bottom));
        let canvas = Cartesian2d::<RangedCoordf64, RangedCoordf64>::new(range, 0.0..1.0, pixels);
        let at = |value: f64| canvas.translate(&(value, 0.0)).0;
        let style = text(12.0, INK, HPos::Center);
        for (value, label) in &self.x.ticks {
            let x = at(*value);
            page.draw(&PathElement::new([(x, TOP), (x, bottom)], GRID))?;
            page.draw_text(label, &style, (x, bottom + 19))?;
        }
        let mut y = TOP + ROW / 2;
        for (name, estimates) in &self.groups {
            page.draw_text(name, &text(14.0, INK, HPos::Left), (24, y))?;
            for (method, colour, Estimate { value, low, high }) in estimates {
                let (ends, style) = ([(at(*low), y), (at(*high), y)], colour.stroke_width(2));
                page.draw(&PathElement::new(ends, style))?;
                page.draw(&Circle::new((at(*value), y), 4, colour.filled()))?;
                page.draw_text(method, &bold(12.0, *colour), (left + WIDTH + 10, y))?;
                y += ROW;
            }
            y += GAP;
        }
        page.present()
    }
}
