//! A run's report as one page that needs nothing but itself: no network and no script.
//!
//! A page is a pure function of what it shows, byte for byte; only [`Page::cost`] tells two equal
//! runs apart, and it is in a section of its own.

mod escape;
mod figure;
mod sections;
mod table;

#[cfg(test)]
mod tests;

use std::fmt;

use escape::Text;

const STYLE: &str = include_str!("html/style.css");

/// What a page shows. All text is plain text, and escaped here.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// What was run, in a few words.
    pub title: &'a str,
    /// What was run, in a sentence or two.
    pub lead: &'a str,
    /// The few numbers that a reader should see first.
    pub headline: Vec<Headline>,
    /// What they are.
    pub headline_note: String,
    /// What the paper says, and whether it was found.
    pub claims: &'a [ClaimView],
    /// Figures and tables, in the order of the page.
    pub exhibits: &'a [ExhibitView<'a>],
    /// The settings of the run, as name and value.
    pub settings: Vec<(String, String)>,
    /// The versions of what computed, as name and version.
    pub versions: Vec<(String, String)>,
    /// The files that were read: name, SHA-256 in hexadecimal, and length in bytes.
    pub inputs: Vec<(String, String, u64)>,
    /// What took how long.
    pub cost: Vec<CostRow>,
    /// The command that does it again.
    pub command: String,
}

/// A number in percent, with its interval and what the paper has in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Headline {
    /// What it is the accuracy of.
    pub label: String,
    /// The accuracy in percent.
    pub value: f64,
    /// The lower end of its 95% interval.
    pub low: f64,
    /// The upper end of its 95% interval.
    pub high: f64,
    /// What the paper reports, if it does: `81.2`, or with a word on what that is.
    pub paper: Option<String>,
}

/// Whether something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was.
    Yes,
    /// The contrary was.
    No,
    /// It was measured, and that does not decide it.
    Open,
    /// The run has nothing to say on it.
    Unmeasured,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Open => "open",
            Self::Unmeasured => "not measured",
        })
    }
}

/// Something that the paper says, and whether it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimView {
    /// Its number in the list, from 1.
    pub number: usize,
    /// What the paper says.
    pub statement: String,
    /// Where it says so.
    pub source: String,
    /// Whether it was found.
    pub verdict: Verdict,
    /// What the verdict rests on.
    pub parts: Vec<PartView>,
}

/// A number that a claim rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct PartView {
    /// What was measured.
    pub what: String,
    /// What was found.
    pub value: String,
    /// What had to be found.
    pub condition: String,
    /// Whether it was.
    pub verdict: Verdict,
}

/// A figure or a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExhibitView<'a> {
    /// The name of its files without their ending, such as `figure1`. The page refers to
    /// `NAME.csv` beside it and to `NAME.svg`, or `NAME-1.svg`, `NAME-2.svg`, ... if there are several.
    pub name: &'a str,
    /// What it shows.
    pub title: &'a str,
    /// How to read it.
    pub caption: &'a str,
    /// Its pictures: SVG documents as this crate draws them, which are trusted to be that. None for
    /// a table.
    pub svgs: &'a [String],
    /// The numbers behind it, with a header.
    pub csv: &'a str,
    /// What the paper has in its place.
    pub paper: Option<&'a str>,
}

/// What took how long.
#[derive(Debug, Clone, PartialEq)]
pub struct CostRow {
    /// What was done.
    pub what: String,
    /// How long it took.
    pub seconds: f64,
}

/// The page as an HTML document.
///
/// From `<section id="cost">` to the next `</section>` it has what depends on the machine and its
/// mood; all else is the same for the same results.
#[must_use]
pub fn render(page: &Page) -> String {
    format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <head>\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n\
         <style>\n{STYLE}</style>\n\
         </head>\n\
         <body>\n\
         {header}{contents}\
         <main>\n{claims}{exhibits}{run}</main>\n\
         </body>\n\
         </html>\n",
        title = Text(page.title),
        header = sections::header(page),
        contents = sections::contents(page),
        claims = sections::claims(page.claims),
        exhibits = sections::exhibits(page.exhibits),
        run = sections::run(page),
    )
}
