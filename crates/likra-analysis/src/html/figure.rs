//! Pictures inside the page.
//!
//! A picture keeps its bytes but for its outermost tag: the style sheet maps its colours by their
//! attributes, so that the same picture fits a light and a dark ground.

use super::escape::Text;

/// The SVG document as an element of the page, as wide as the place it is given.
///
/// If the picture begins with a text that is the `heading` above it, the style sheet hides that.
pub(super) fn inline(svg: &str, heading: &str, label: &str) -> String {
    let (tag, content) = opening(svg);
    let named = first_text(content) == Some(&Text(heading).to_string());
    let class = if named { " class=\"named\"" } else { "" };
    format!(
        "<svg viewBox=\"{view}\"{class} role=\"img\" aria-label=\"{label}\">{content}\n",
        view = Text(&view_box(tag)),
        label = Text(label),
        content = content.trim_end(),
    )
}

fn first_text(content: &str) -> Option<&str> {
    let (_, rest) = content.split_once("<text")?;
    let (text, _) = rest.split_once('>')?.1.split_once("</text>")?;
    Some(text.trim())
}

/// The inside of the document's outermost tag, and everything after it.
fn opening(svg: &str) -> (&str, &str) {
    let start = svg.find("<svg").map_or(svg.len(), |at| at + "<svg".len());
    svg[start..].split_once('>').unwrap_or_default()
}

fn view_box(tag: &str) -> String {
    let sides = || {
        Some(format!(
            "0 0 {} {}",
            attribute(tag, "width")?,
            attribute(tag, "height")?
        ))
    };
    let view = attribute(tag, "viewBox").map(String::from);
    view.or_else(sides).unwrap_or_default()
}

/// The value of an attribute in double quotes.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHART: &str = include_str!("../plot/chart.svg");

    #[test]
    fn a_chart_takes_the_width_that_it_is_given() {
        let inlined = inline(CHART, "A", "A & B");
        let tag = "<svg viewBox=\"0 0 790 480\" role=\"img\" aria-label=\"A &amp; B\">";
        assert!(inlined.starts_with(tag), "{}", &inlined[..200]);
        assert!(inlined.ends_with("</svg>\n"));
        let content = CHART.split_once('>').unwrap().1;
        assert!(inlined.contains(content.trim_end()));
    }

    #[test]
    fn a_heading_is_not_said_twice() {
        assert!(inline(CHART, "A < B & \"C\"", "x").contains(" class=\"named\""));
        assert!(!inline(CHART, "A < B", "x").contains("class="));
        assert!(!inline("<svg><g/></svg>", "", "x").contains("class="));
    }

    #[test]
    fn a_picture_without_a_view_box_has_that_of_its_sides() {
        let inlined = inline(
            "<?xml version=\"1.0\"?>\n<svg width=\"7\" height=\"5\"><g/></svg>",
            "x",
            "x",
        );
        assert_eq!(
            inlined,
            "<svg viewBox=\"0 0 7 5\" role=\"img\" aria-label=\"x\"><g/></svg>\n"
        );
    }
}
