//! Pictures inside the page.
//!
//! A picture keeps its bytes but for its outermost tag: the style sheet maps its colours by their
//! attributes, so that the same picture fits a light and a dark background.

use maud::{Markup, PreEscaped, html};

/// The SVG document as an element of the page, as wide as the place it is given.
///
/// If the picture begins with a text that is the `heading` above it, the style sheet hides that.
pub(crate) fn inline(svg: &str, heading: &str, label: &str) -> Markup {
    let start = svg.find("<svg").unwrap_or_default();
    let (tag, content) = svg[start..].split_once('>').unwrap_or_default();
    let content = content.trim_end().trim_end_matches("</svg>");
    let side = |name| attribute(tag, name).unwrap_or_default();
    let view = format!("0 0 {} {}", side("width"), side("height"));
    let escaped = html! { (heading) }.into_string();
    let named = first_text(content) == Some(escaped.as_str());
    html! {
        svg viewBox=(view) class=[named.then_some("named")] role="img" aria-label=(label) {
            (PreEscaped(content))
        }
    }
}

fn first_text(content: &str) -> Option<&str> {
    let (_, rest) = content.split_once("<text")?;
    let (text, _) = rest.split_once('>')?.1.split_once("</text>")?;
    Some(text.trim())
}

/// The value of an attribute in double quotes.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_loses_its_size_and_its_repeated_title() {
        let svg = "<svg width=\"790\" height=\"480\" viewBox=\"0 0 790 480\">\n<text x=\"1\">\nA &amp; B\n</text>\n</svg>\n";
        let html = inline(svg, "A & B", "the label").into_string();
        let expected =
            "<svg viewBox=\"0 0 790 480\" class=\"named\" role=\"img\" aria-label=\"the label\">";
        assert!(html.starts_with(expected), "{html}");
        assert_eq!(html.matches("</svg>").count(), 1);
        assert!(!inline(svg, "Other", "x").into_string().contains("named"));
    }
}
