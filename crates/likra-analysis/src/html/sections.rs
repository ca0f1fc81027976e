//! The parts of the page, from top to bottom.

use super::escape::Text;
use super::table::Table;
use super::{ClaimView, CostRow, ExhibitView, Headline, Page, PartView, Verdict, figure};

/// What the page says before all else.
pub(super) fn header(page: &Page) -> String {
    let numbers: String = page.headline.iter().map(headline).collect();
    let numbers = match numbers.as_str() {
        "" => String::new(),
        _ => format!(
            "<ul class=\"headline\">\n{numbers}</ul>\n\
             <p class=\"note\">{}</p>\n",
            Text(&page.headline_note)
        ),
    };
    format!(
        "<header>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n{numbers}</header>\n",
        Text(page.title),
        Text(page.lead)
    )
}

fn headline(number: &Headline) -> String {
    let Headline {
        value, low, high, ..
    } = number;
    let paper = number.paper.as_deref().map_or_else(String::new, |paper| {
        format!("<span class=\"paper\">paper {}</span>", Text(paper))
    });
    format!(
        "<li><span class=\"label\">{label}</span>\
         <span class=\"value\">{value:.1}<small>%</small></span>\
         <span class=\"interval\">{low:.1} to {high:.1}</span>{paper}</li>\n",
        label = Text(&number.label)
    )
}

/// Links to all sections.
pub(super) fn contents(page: &Page) -> String {
    let entry = |exhibit: &ExhibitView| {
        let (name, title) = (Text(exhibit.name), Text(exhibit.title));
        let kind = kind(exhibit).map_or_else(String::new, |kind| {
            format!("<span class=\"kind\">{}</span> ", Text(&kind))
        });
        format!("<li><a href=\"#{name}\">{kind}{title}</a></li>\n")
    };
    let exhibits: String = page.exhibits.iter().map(entry).collect();
    format!(
        "<nav aria-label=\"Contents\">\n<ul>\n\
         <li><a href=\"#claims\">The paper’s claims</a></li>\n\
         {exhibits}\
         <li><a href=\"#run\">The run</a></li>\n\
         <li><a href=\"#cost\">What it cost</a></li>\n\
         </ul>\n</nav>\n"
    )
}

pub(super) fn claims(claims: &[ClaimView]) -> String {
    let rows: String = claims.iter().map(claim).collect();
    format!(
        "<section id=\"claims\">\n<h2>What the paper claims, and what was found</h2>\n\
         <p class=\"text\">{}</p>\n{rows}</section>\n",
        tally(claims)
    )
}

/// How many claims have which verdict.
fn tally(claims: &[ClaimView]) -> String {
    let count = |verdict| {
        claims
            .iter()
            .filter(|claim| claim.verdict == verdict)
            .count()
    };
    let counts = [
        (Verdict::Yes, "found"),
        (Verdict::No, "not found"),
        (Verdict::Open, "left open by the intervals"),
        (Verdict::Unmeasured, "not measured in this run"),
    ];
    let counts = counts.map(|(verdict, name)| (count(verdict), name));
    let parts = counts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    match claims.len() {
        0 => "No claims were put to the test.".into(),
        1 => format!("1 claim: {}.", parts.join(", ")),
        all => format!("{all} claims: {}.", parts.join(", ")),
    }
}

fn claim(claim: &ClaimView) -> String {
    let head = format!(
        "<span class=\"number\">{number}</span>\
         <span class=\"statement\">{statement} <span class=\"source\">{source}</span></span>\
         {badge}",
        number = claim.number,
        statement = Text(&claim.statement),
        source = Text(&claim.source),
        badge = badge(claim.verdict),
    );
    if claim.parts.is_empty() {
        return format!("<div class=\"claim\"><div class=\"head\">{head}</div></div>\n");
    }
    let parts: String = claim.parts.iter().map(part).collect();
    format!(
        "<details class=\"claim\">\n<summary class=\"head\">{head}</summary>\n\
         <table class=\"evidence\">\n\
         <thead><tr><th scope=\"col\">Measured</th><th scope=\"col\">Found</th>\
         <th scope=\"col\">Asked for</th><th scope=\"col\">Verdict</th></tr></thead>\n\
         <tbody>\n{parts}</tbody>\n</table>\n</details>\n"
    )
}

fn part(part: &PartView) -> String {
    format!(
        "<tr><td>{}</td><td data-name=\"Found\">{}</td><td data-name=\"Asked for\">{}</td><td>{}</td></tr>\n",
        Text(&part.what),
        Text(&part.value),
        Text(&part.condition),
        badge(part.verdict),
    )
}

fn badge(verdict: Verdict) -> String {
    let (class, name) = match verdict {
        Verdict::Yes => ("yes", "Yes"),
        Verdict::No => ("no", "No"),
        Verdict::Open => ("open", "Open"),
        Verdict::Unmeasured => ("unmeasured", "Not measured"),
    };
    format!("<span class=\"badge {class}\">{name}</span>")
}

pub(super) fn exhibits(exhibits: &[ExhibitView]) -> String {
    exhibits.iter().map(exhibit).collect()
}

fn exhibit(exhibit: &ExhibitView) -> String {
    let kind = kind(exhibit).map_or_else(String::new, |kind| {
        format!("<span class=\"kind\">{}</span> ", Text(&kind))
    });
    let paper = exhibit.paper.map_or_else(String::new, |paper| {
        let paper = Text(paper);
        format!("<p class=\"paper\"><span class=\"label\">In the paper</span> {paper}</p>\n")
    });
    format!(
        "<section id=\"{name}\" class=\"exhibit\">\n<h2>{kind}{title}</h2>\n\
         {pictures}\
         <div class=\"notes\">\n<p>{caption}</p>\n{paper}{files}</div>\n\
         {numbers}</section>\n",
        name = Text(exhibit.name),
        title = Text(exhibit.title),
        pictures = pictures(exhibit),
        caption = Text(exhibit.caption),
        files = files(exhibit),
        numbers = numbers(exhibit),
    )
}

fn pictures(exhibit: &ExhibitView) -> String {
    let count = exhibit.svgs.len();
    if count == 0 {
        return String::new();
    }
    let picture = |(at, svg): (usize, &String)| {
        let label = match count {
            1 => exhibit.title.to_string(),
            _ => format!("{}, {} of {count}", exhibit.title, at + 1),
        };
        figure::inline(svg, exhibit.title, &label)
    };
    let pictures: String = exhibit.svgs.iter().enumerate().map(picture).collect();
    format!("<div class=\"pictures\">\n{pictures}</div>\n")
}

/// Links to the files beside the page.
fn files(exhibit: &ExhibitView) -> String {
    let name = exhibit.name;
    let pictures = (1..=exhibit.svgs.len()).map(|number| match exhibit.svgs.len() {
        1 => format!("{name}.svg"),
        _ => format!("{name}-{number}.svg"),
    });
    let files = [format!("{name}.csv")].into_iter().chain(pictures);
    let links = files.map(|file| format!("<a href=\"{0}\">{0}</a>", Text(&file)));
    let links: Vec<_> = links.collect();
    format!("<p class=\"files\">{}</p>\n", links.join(" "))
}

/// The CSV, open where there is no picture of it.
fn numbers(exhibit: &ExhibitView) -> String {
    let table = Table::parse(exhibit.csv);
    let (open, name) = match exhibit.svgs {
        [] => (" open", "Numbers"),
        _ => ("", "Numbers behind it"),
    };
    let rows = match table.len() {
        1 => "1 row".to_string(),
        rows => format!("{rows} rows"),
    };
    format!(
        "<details class=\"numbers\"{open}>\n\
         <summary>{name} <span class=\"rows\">{rows}</span></summary>\n\
         <div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Numbers: {title}\">\n{table}</div>\n\
         </details>\n",
        title = Text(exhibit.title),
        table = table.html(),
    )
}

/// What the paper would call it: `Figure 1` for `figure1`; `None` if the title says so already, or
/// it has no number.
fn kind(exhibit: &ExhibitView) -> Option<String> {
    let word = exhibit.name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = &exhibit.name[word.len()..];
    let kind = match word {
        "figure" => format!("Figure {number}"),
        "table" => format!("Table {number}"),
        _ => return None,
    };
    let said = exhibit.title.starts_with(&kind);
    (!number.is_empty() && !said).then_some(kind)
}

pub(super) fn run(page: &Page) -> String {
    let input = |(name, sha256, bytes): &(String, String, u64)| {
        format!(
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td><code>{}</code></td></tr>\n",
            Text(name),
            grouped(*bytes),
            Text(sha256)
        )
    };
    let inputs: String = page.inputs.iter().map(input).collect();
    format!(
        "<section id=\"run\">\n<h2>The run</h2>\n\
         <p class=\"text\">This command does it again:</p>\n\
         <pre><code>{command}</code></pre>\n\
         <h3>Settings</h3>\n{settings}\
         <h3>Versions</h3>\n{versions}\
         <h3>Inputs</h3>\n\
         <table class=\"plain inputs\">\n\
         <thead><tr><th scope=\"col\">File</th><th scope=\"col\" class=\"n\">Bytes</th>\
         <th scope=\"col\">SHA-256</th></tr></thead>\n\
         <tbody>\n{inputs}</tbody>\n</table>\n</section>\n\
         {cost}",
        command = Text(&page.command),
        settings = pairs(&page.settings),
        versions = pairs(&page.versions),
        cost = cost(&page.cost),
    )
}

fn pairs(pairs: &[(String, String)]) -> String {
    let row = |(name, value): &(String, String)| {
        format!(
            "<div><dt>{}</dt><dd>{}</dd></div>\n",
            Text(name),
            Text(value)
        )
    };
    let rows: String = pairs.iter().map(row).collect();
    format!("<dl>\n{rows}</dl>\n")
}

/// Whatever depends on the machine is in here.
fn cost(cost: &[CostRow]) -> String {
    let row = |row: &CostRow| {
        let (what, time) = (Text(&row.what), time(row.seconds));
        format!("<tr><th scope=\"row\">{what}</th><td class=\"n\">{time}</td></tr>\n")
    };
    let rows: String = cost.iter().map(row).collect();
    let total = time(cost.iter().map(|row| row.seconds).sum());
    format!(
        "<section id=\"cost\">\n<h2>What it cost</h2>\n\
         <table class=\"plain cost\">\n\
         <thead><tr><th scope=\"col\">Step</th><th scope=\"col\" class=\"n\">Time</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n\
         <tfoot><tr><th scope=\"row\">Total</th><td class=\"n\">{total}</td></tr></tfoot>\n\
         </table>\n</section>\n"
    )
}

/// A time to three digits or so.
fn time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => {
            let minutes = (seconds / 60.0).round() as u64;
            format!("{} h {:02} min", minutes / 60, minutes % 60)
        }
    }
}

/// A count with spaces between its thousands.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join("\u{202f}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let times = [0.04, 12.34, 59.6, 61.0, 3599.4, 3600.0, 93_599.0].map(time);
        let expected = [
            "0.0 s",
            "12.3 s",
            "1 min 00 s",
            "1 min 01 s",
            "59 min 59 s",
            "1 h 00 min",
            "26 h 00 min",
        ];
        assert_eq!(times, expected);
    }

    #[test]
    fn counts_have_groups() {
        let counts = [0, 999, 1000, 269_060_552].map(grouped);
        assert_eq!(
            counts,
            ["0", "999", "1\u{202f}000", "269\u{202f}060\u{202f}552"]
        );
    }

    #[test]
    fn numbered_exhibits_are_called_as_in_the_paper() {
        let exhibit = |name, title| ExhibitView {
            name,
            title,
            caption: "",
            svgs: &[],
            csv: "",
            paper: None,
        };
        assert_eq!(kind(&exhibit("figure12", "x")), Some("Figure 12".into()));
        assert_eq!(kind(&exhibit("table1", "x")), Some("Table 1".into()));
        assert_eq!(kind(&exhibit("figure1", "Figure 1: x")), None);
        assert_eq!(kind(&exhibit("control", "x")), None);
        assert_eq!(kind(&exhibit("figure", "x")), None);
    }

    #[test]
    fn several_pictures_have_numbered_files() {
        let svgs = [String::from("<svg></svg>"), String::from("<svg></svg>")];
        let exhibit = ExhibitView {
            name: "figure6",
            title: "Both",
            caption: "",
            svgs: &svgs,
            csv: "",
            paper: None,
        };
        let links = files(&exhibit);
        for file in ["figure6.csv", "figure6-1.svg", "figure6-2.svg"] {
            assert!(
                links.contains(&format!("<a href=\"{file}\">{file}</a>")),
                "{links}"
            );
        }
        assert!(pictures(&exhibit).contains("aria-label=\"Both, 2 of 2\""));
    }

    #[test]
    fn verdicts_are_counted() {
        let claim = |verdict| ClaimView {
            number: 1,
            statement: String::new(),
            source: String::new(),
            verdict,
            parts: Vec::new(),
        };
        let claims = [Verdict::Yes, Verdict::Open, Verdict::Yes].map(claim);
        assert_eq!(
            tally(&claims),
            "3 claims: 2 found, 1 left open by the intervals."
        );
        assert_eq!(tally(&[]), "No claims were put to the test.");
    }
}
