//! A run's report as one page that needs nothing but itself: no network and no script.
//!
//! The page is a pure function of what it shows, byte for byte. Only [`Facts::cost`] tells two equal runs
//! apart, and it is in a section of its own.

use std::iter;
use std::time::Duration;

use likra_analysis::{AccuracyRow, Claim, Findings, Method, Verdict};
use likra_results::{Manifest, TooLong};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::exhibits::Exhibit;
use crate::humantime;
use crate::inline::inline;

const STYLE: &str = include_str!("style.css");

/// What a report says beside what the scores say.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What was run, in a few words.
    pub title: String,
    /// What the run is made of.
    pub manifest: Manifest,
    /// How many heads were trained, replicates left out, and on how many examples at most.
    pub heads: (usize, usize),
    /// How many test questions were asked.
    pub questions: usize,
    /// How many solved examples stood before each, and whether they were the same for all.
    pub shots: (usize, bool),
    /// A sentence about the training set, such as that it is a part of the paper's.
    pub remark: Option<String>,
    /// How many checkpoints are scored, and of how many.
    pub scored: (usize, usize),
    /// What took how long.
    pub cost: Vec<CostRow>,
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
pub(crate) fn render(findings: &Findings, exhibits: &[Exhibit], facts: &Facts) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (facts.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (facts.title) }
                    p.lead { (lead(facts)) }
                    (headline(findings))
                }
                (contents(exhibits))
                main {
                    (claims(&findings.claims))
                    @for exhibit in exhibits { (section(exhibit)) }
                    (run(&facts.manifest))
                    (cost(&facts.cost))
                }
            }
        }
    };
    page.into_string() + "\n"
}

/// What was run, in a few sentences.
fn lead(facts: &Facts) -> String {
    let Manifest { device, likra, .. } = &facts.manifest;
    let (heads, examples) = facts.heads;
    let asked = match (facts.questions, facts.manifest.questions.test) {
        (asked, all) if asked < all => format!("the first {asked} of {all} test questions"),
        (_, all) => format!("{all} test questions"),
    };
    let shots = match facts.shots {
        (0, _) => "with no solved examples before them".to_owned(),
        (shots, true) => format!("each after the same {shots} solved examples"),
        (shots, false) => format!("each after {shots} solved examples of its own"),
    };
    let remark = facts.remark.iter().map(|remark| format!(" {remark}"));
    let remark: String = remark.collect();
    let (scored, all) = facts.scored;
    let rest = match all - scored {
        0 => String::new(),
        left => {
            format!(" The run is not finished: {left} of its {all} checkpoints are not scored yet.")
        }
    };
    let long: String = facts.manifest.too_long.iter().map(too_long).collect();
    format!(
        "What {heads} heads learn from up to {examples} examples each, measured on {asked}, {shots}.{remark} \
         Computed on {device} by likra {likra}.{long}{rest}"
    )
}

/// How many texts were cut or left out, if any were.
fn too_long(found: &TooLong) -> String {
    let (positions, cut) = (found.positions, found.truncated);
    let mut sentences = Vec::new();
    if cut > 0 {
        sentences.push(format!(
            " {cut} texts of candidates were longer than the model's {positions} positions; only their ends were scored."
        ));
    }
    if !found.skipped.is_empty() {
        let each = |(head, count): (&String, &usize)| format!("{head} {count}");
        let heads: Vec<String> = found.skipped.iter().map(each).collect();
        let heads = heads.join(", ");
        sentences.push(format!(
            " Examples longer than {positions} positions were not learned: {heads}."
        ));
    }
    sentences.concat()
}

/// The methods of table 1, each after the most examples that it has seen, beside the paper's.
fn headline(findings: &Findings) -> Markup {
    let paper = findings.references.first();
    let trained: Vec<_> = findings.last().filter(|row| row.examples > 0).collect();
    let seen = match trained.first() {
        None => String::new(),
        Some(first) if trained.iter().all(|row| row.examples == first.examples) => {
            format!(" Each head has seen {} examples.", first.examples)
        }
        Some(_) => {
            let after =
                |row: &&AccuracyRow| format!("{} after {}", row.method.label(), row.examples);
            let each: Vec<String> = trained.iter().map(after).collect();
            format!(" {} examples per head.", each.join(", "))
        }
    };
    let of_paper = |method: &Method| Some(format!("paper {:.1}", paper?.of(method)? * 100.0));
    html! {
        ul.headline {
            @for row in findings.last() {
                @let percent = row.acc_norm.percent();
                li {
                    span.label { (row.method.label()) }
                    span.value { (format!("{:.1}", percent.value)) small { "%" } }
                    span.interval { (format!("{:.1} to {:.1}", percent.low, percent.high)) }
                    @if let Some(paper) = of_paper(&row.method) { span.paper { (paper) } }
                }
            }
        }
        p.note {
            "Accuracy (" (findings.norm.label()) ") with its 95% interval." (seen)
            @if let Some(paper) = paper { " The paper's numbers are for " (paper.model) "." }
        }
    }
}

/// Links to all sections.
fn contents(exhibits: &[Exhibit]) -> Markup {
    html! {
        nav aria-label="Contents" { ul {
            li { a href="#claims" { "The paper’s claims" } }
            @for exhibit in exhibits {
                li { a href={ "#" (exhibit.name) } { (kind(exhibit)) (exhibit.title) } }
            }
            li { a href="#run" { "The run" } }
            li { a href="#cost" { "What it cost" } }
        } }
    }
}

/// What the paper would call it: `Figure 1` for `figure1`; nothing if it has no number.
fn kind(exhibit: &Exhibit) -> Markup {
    let word = exhibit.name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = &exhibit.name[word.len()..];
    html! {
        @match word {
            "figure" => { span.kind { "Figure " (number) } " " }
            "table" => { span.kind { "Table " (number) } " " }
            _ => {}
        }
    }
}

fn claims(claims: &[Claim]) -> Markup {
    html! {
        section id="claims" {
            h2 { "What the paper claims, and what was found" }
            p.text { (tally(claims)) }
            @for claim in claims {
                details.claim {
                    summary.head {
                        span.number { (claim.number) }
                        span.statement { (claim.statement) " " span.source { (claim.source) } }
                        (badge(claim.verdict))
                    }
                    table.evidence {
                        (header(&["Measured", "Found", "Required", "Verdict"], ""))
                        tbody { @for part in &claim.parts { tr {
                            td { (part.what) }
                            td data-name="Found" { (part.value) }
                            td data-name="Required" { (part.condition) }
                            td { (badge(part.verdict)) }
                        } } }
                    }
                }
            }
        }
    }
}

/// The head of a table, in which one column may hold numbers.
fn header(columns: &[&str], numbers: &str) -> Markup {
    let class = |column: &str| (column == numbers).then_some("n");
    html! {
        thead { tr { @for &column in columns { th class=[class(column)] scope="col" { (column) } } } }
    }
}

/// How many claims have which verdict.
fn tally(claims: &[Claim]) -> String {
    let counts = [
        (Verdict::Yes, "found"),
        (Verdict::No, "not found"),
        (Verdict::Open, "left open by the intervals"),
        (Verdict::Unmeasured, "not measured in this run"),
    ];
    let count = |verdict| {
        claims
            .iter()
            .filter(|claim| claim.verdict == verdict)
            .count()
    };
    let counts = counts
        .map(|(verdict, name)| (count(verdict), name))
        .into_iter();
    let found = counts.filter(|(count, _)| *count > 0);
    let parts: Vec<String> = found
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    format!("{} claims: {}.", claims.len(), parts.join(", "))
}

fn badge(verdict: Verdict) -> Markup {
    let (class, name) = match verdict {
        Verdict::Yes => ("yes", "Yes"),
        Verdict::No => ("no", "No"),
        Verdict::Open => ("open", "Open"),
        Verdict::Unmeasured => ("unmeasured", "Not measured"),
    };
    html! { span class={ "badge " (class) } { (name) } }
}

fn section(exhibit: &Exhibit) -> Markup {
    let (title, count) = (exhibit.title, exhibit.svgs.len());
    let label = |place: usize| match count {
        1 => title.to_owned(),
        _ => format!("{title}, {} of {count}", place + 1),
    };
    let files = iter::once(format!("{}.csv", exhibit.name)).chain(exhibit.pictures());
    html! {
        section.exhibit id=(exhibit.name) {
            h2 { (kind(exhibit)) (title) }
            @if count > 0 {
                div.pictures {
                    @for (place, svg) in exhibit.svgs.iter().enumerate() {
                        (inline(svg, title, &label(place)))
                    }
                }
            }
            div.notes {
                p { (exhibit.caption) }
                @if let Some(paper) = &exhibit.paper {
                    p.paper { span.label { "In the paper" } " " (paper) }
                }
                p.files { @for file in files { a href=(file) { (file) } " " } }
            }
            // The numbers are open where there is no picture of them.
            details.numbers open[count == 0] {
                summary {
                    (if count == 0 { "Numbers" } else { "Numbers behind it" })
                    " " span.rows { (exhibit.table.size()) }
                }
                div.scroll role="region" tabindex="0" aria-label={ "Numbers: " (title) } {
                    (exhibit.table.html())
                }
            }
        }
    }
}

fn run(manifest: &Manifest) -> Markup {
    html! {
        section id="run" {
            h2 { "The run" }
            p.text { "This command repeats it:" }
            pre { code { (manifest.command) } }
            h3 { "The experiment" }
            pre { code { (manifest.experiment) } }
            h3 { "Versions" }
            dl {
                div { dt { "likra" } dd { (manifest.likra) } }
                @for (name, version) in &manifest.versions { div { dt { (name) } dd { (version) } } }
            }
            h3 { "Inputs" }
            table.plain.inputs {
                (header(&["File", "Bytes", "SHA-256"], "Bytes"))
                tbody { @for input in &manifest.inputs { tr {
                    th scope="row" { (input.name) }
                    td.n { (grouped(input.bytes)) }
                    td { code { (input.sha256) } }
                } } }
            }
        }
    }
}

/// Whatever depends on the machine is in here.
fn cost(cost: &[CostRow]) -> Markup {
    let total = cost.iter().map(|row| row.seconds).sum();
    html! {
        section id="cost" {
            h2 { "What it cost" }
            table.plain.cost {
                (header(&["Step", "Time"], "Time"))
                tbody { @for row in cost { tr {
                    th scope="row" { (row.what) }
                    td.n { (humantime(Duration::from_secs_f64(row.seconds))) }
                } } }
                tfoot { tr {
                    th scope="row" { "Total" }
                    td.n { (humantime(Duration::from_secs_f64(total))) }
                } }
            }
        }
    }
}

/// A count with narrow spaces between its thousands.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join("\u{202f}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_groups() {
        let counts = [0, 999, 1000, 269_060_552].map(grouped);
        let expected = ["0", "999", "1\u{202f}000", "269\u{202f}060\u{202f}552"];
        assert_eq!(counts, expected);
    }

    #[test]
    fn verdicts_are_counted() {
        let claim = |verdict| Claim {
            number: 1,
            statement: "",
            source: "",
            verdict,
            parts: Vec::new(),
        };
        let claims = [Verdict::Yes, Verdict::Open, Verdict::Yes].map(claim);
        assert_eq!(
            tally(&claims),
            "3 claims: 2 found, 1 left open by the intervals."
        );
    }
}
