//! A run's report as one page that needs nothing but itself: no network and no script.
//!
//! The page is a pure function of what it shows, byte for byte. Only [`Facts::cost`] tells two equal runs
//! apart, and it is in a section of its own.

use std::iter;
use std::time::Duration;

use likra_analysis::{AccuracyRow, Claim, Findings, Verdict};
use likra_results::{Manifest, TooLong};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::exhibits::Exhibit;
use crate::humantime;

const STYLE: &str = include_str!("style.css");

/// The file of the page of single questions.
pub(crate) const QUESTIONS: &str = "questions.html";

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
    /// How many files of scores are missing, and of how many.
    pub missing: (usize, usize),
    /// What each part of the work took.
    pub cost: Vec<CostRow>,
}

impl Facts {
    /// Says that scores are missing, if some are.
    pub fn unfinished(&self) -> Option<String> {
        let (missing, all) = self.missing;
        (missing > 0).then(|| {
            format!(
                "The run is not finished: {missing} of its {all} files of scores are missing. What needs them is left out, \
                 or has fewer examples or settings to choose from."
            )
        })
    }
}

/// What it took to do a part of the work.
#[derive(Debug, Clone, PartialEq)]
pub struct CostRow {
    /// What was done.
    pub what: String,
    /// How many answer tokens gave a gradient, if it was training.
    pub answer_tokens: Option<usize>,
    /// How many numbers were trained.
    pub parameters: Option<usize>,
    /// How long it took.
    pub seconds: f64,
    /// The most memory that the process had held by then, in MiB.
    pub memory_mib: Option<u64>,
}

/// The page as an HTML document.
///
/// From `<section id="cost">` to the next `</section>` it has what depends on the machine and its
/// mood; all else is the same for the same results.
pub(crate) fn render(findings: &Findings, exhibits: &[Exhibit], facts: &Facts) -> String {
    let body = html! {
        header {
            h1 { (facts.title) }
            p.lead { (lead(facts)) }
            (headline(findings))
            p.note { a href=(QUESTIONS) { "Which questions each method gets right, one by one" } }
        }
        main {
            (claims(&findings.claims))
            @for exhibit in exhibits { (section(exhibit)) }
            (run(&facts.manifest))
            (cost(&facts.cost))
        }
    };
    document(&facts.title, &body)
}

/// A page that needs nothing but itself.
pub(crate) fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string() + "\n"
}

/// What was run, in a few sentences.
fn lead(facts: &Facts) -> String {
    let Manifest { device, likra, .. } = &facts.manifest;
    let (heads, examples) = facts.heads;
    let (asked, all) = (facts.questions, facts.manifest.questions.test);
    let shots = match facts.shots {
        (0, _) => "no solved examples".to_owned(),
        (shots, true) => format!("the same {shots} solved examples"),
        (shots, false) => format!("{shots} solved examples of its own"),
    };
    let mut sentences = vec![format!(
        "What {heads} heads learn from up to {examples} examples each, measured on the first {asked} of {all} test \
         questions, each after {shots}."
    )];
    sentences.extend(facts.remark.clone());
    sentences.push(format!("Computed on {device} by likra {likra}."));
    sentences.extend(facts.manifest.too_long.iter().flat_map(too_long));
    sentences.extend(facts.unfinished());
    sentences.join(" ")
}

/// How many texts were cut or left out, if any were.
fn too_long(found: &TooLong) -> Vec<String> {
    let (positions, cut) = (found.positions, found.truncated);
    let mut sentences = Vec::new();
    if cut > 0 {
        sentences.push(format!(
            "{cut} texts of candidates were longer than the model's {positions} positions; only their ends were scored."
        ));
    }
    let skipped = found.skipped.iter();
    sentences.extend(skipped.map(|(head, count)| {
        format!("The {head} head did not learn {count} examples longer than {positions} positions.")
    }));
    sentences
}

/// The methods of table 1, each after the most examples that it has seen, beside the paper's.
fn headline(findings: &Findings) -> Markup {
    let paper = findings.references.first();
    let of_paper =
        |row: &AccuracyRow| Some(format!("paper {:.1}", paper?.of(&row.method)? * 100.0));
    html! {
        ul.headline {
            @for row in findings.last() {
                @let percent = row.acc_norm.percent();
                li {
                    span.label { (row.method.label()) }
                    span.value { (format!("{:.1}", percent.value)) small { "%" } }
                    span.interval { (format!("{:.1} to {:.1}", percent.low, percent.high)) }
                    span.interval { "after " (row.examples) " examples" }
                    @if let Some(paper) = of_paper(row) { span.paper { (paper) } }
                }
            }
        }
        p.note {
            "Accuracy (" (findings.norm.label()) ") with its 95% interval, by the number of examples per head."
            @if let Some(paper) = paper { " The paper's numbers are for " (paper.model) "." }
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
    use Verdict::{No, Open, Unmeasured, Yes};
    let counts = [Yes, No, Open, Unmeasured].map(|verdict| {
        let of_verdict = claims.iter().filter(|claim| claim.verdict == verdict);
        format!("{} {verdict}", of_verdict.count())
    });
    format!("{} claims: {}.", claims.len(), counts.join(", "))
}

fn badge(verdict: Verdict) -> Markup {
    html! { span class={ "badge " (verdict) } { (verdict) } }
}

fn section(exhibit: &Exhibit) -> Markup {
    let single = matches!(exhibit.name, "rivals" | "comparisons");
    let single = single.then(|| QUESTIONS.to_owned());
    let files = iter::once(format!("{}.csv", exhibit.name)).chain(exhibit.pictures());
    let files = files.chain(single);
    html! {
        section.exhibit id=(exhibit.name) {
            h2 { (exhibit.title) }
            @if !exhibit.svgs.is_empty() {
                div.pictures {
                    @for svg in &exhibit.svgs { div role="img" aria-label=(exhibit.title) { (PreEscaped(svg)) } }
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
            details.numbers open[exhibit.svgs.is_empty()] {
                summary { "Numbers " span.rows { (exhibit.table.len()) " rows" } }
                div.scroll role="region" tabindex="0" aria-label={ "Numbers: " (exhibit.title) } {
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
                    td.n { (input.bytes) }
                    td { code { (input.sha256) } }
                } } }
            }
        }
    }
}

/// Whatever depends on the machine is in here.
fn cost(cost: &[CostRow]) -> Markup {
    let time = |seconds| humantime(Duration::from_secs_f64(seconds));
    let count = |count: Option<usize>| count.map_or("–".into(), |count| count.to_string());
    html! {
        section id="cost" {
            h2 { "What it cost" }
            p.note { "Answer tokens are those with a gradient. Memory is the most that the process had held by then." }
            table.plain.cost {
                (header(&["Step", "Answer tokens", "Adapter parameters", "Memory, MiB", "Time"], "Answer tokens"))
                tbody { @for row in cost { tr {
                    th scope="row" { (row.what) }
                    td.n { (count(row.answer_tokens)) }
                    td.n { (count(row.parameters)) }
                    td.n { (count(row.memory_mib.map(|mib| mib as usize))) }
                    td.n { (time(row.seconds)) }
                } } }
                tfoot { tr {
                    th scope="row" { "Total" }
                    td {} td {} td {}
                    td.n { (time(cost.iter().map(|row| row.seconds).sum())) }
                } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            "3 claims: 2 yes, 0 no, 1 open, 0 not measured."
        );
    }
}
