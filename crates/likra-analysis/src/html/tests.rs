use super::*;

const PICTURE: &str = "<svg width=\"4\" height=\"2\" viewBox=\"0 0 4 2\" xmlns=\"http://www.w3.org/2000/svg\">\n\
                       <rect x=\"0\" y=\"0\" width=\"4\" height=\"2\" opacity=\"1\" fill=\"#FFFFFF\" stroke=\"none\"/>\n\
                       </svg>\n";

/// What is beside the page.
const FILES: [&str; 3] = ["figure1.csv", "figure1.svg", "table1.csv"];

fn small<'a>(
    claims: &'a [ClaimView],
    exhibits: &'a [ExhibitView<'a>],
    cost: Vec<CostRow>,
) -> Page<'a> {
    let pair = |name: &str, value: &str| (name.to_string(), value.to_string());
    Page {
        title: "A < B & \"C\"",
        lead: "One model on one benchmark: 3 questions.",
        headline: vec![
            Headline {
                label: "Base".into(),
                value: 29.61,
                low: 27.05,
                high: 32.25,
                paper: None,
            },
            Headline {
                label: "Likra".into(),
                value: 41.38,
                low: 38.57,
                high: 44.2,
                paper: Some("81.2 <Mistral>".into()),
            },
        ],
        headline_note: "Below each number its 95% interval.".into(),
        claims,
        exhibits,
        settings: vec![pair("learning-rate", "0.001"), pair("<key>", "\"value\"")],
        versions: vec![pair("likra", "0.1.0")],
        inputs: vec![(
            "model.safetensors".into(),
            "00c2a8aa".repeat(8),
            269_060_552,
        )],
        cost,
        command: "likra reproduce 'a & b'".into(),
    }
}

fn claims() -> [ClaimView; 2] {
    let part = PartView {
        what: "Likra & SFT at 64 'examples'".into(),
        value: "+5.5 points".into(),
        condition: "low > 0".into(),
        verdict: Verdict::Yes,
    };
    let claim = ClaimView {
        number: 1,
        statement: "Likra > SFT".into(),
        source: "Figure 1 & \"section 3\"".into(),
        verdict: Verdict::Yes,
        parts: vec![part],
    };
    let unmeasured = ClaimView {
        number: 2,
        statement: "Nothing else helps".into(),
        source: "section 4".into(),
        verdict: Verdict::Unmeasured,
        parts: Vec::new(),
    };
    [claim, unmeasured]
}

fn exhibits(svgs: &[String]) -> [ExhibitView<'_>; 2] {
    [
        ExhibitView {
            name: "figure1",
            title: "SFT < Likra",
            caption: "Bands are \"intervals\" & lines are means.",
            svgs,
            csv: "method,examples,acc_norm,acc_norm_low\nsft,64,0.30205,0.27560\n\"a \"\"<b>\"\", c\",64,0.35666,0.32935\n",
            paper: Some("66.3 & 81.2 for <Mistral>."),
        },
        ExhibitView {
            name: "table1",
            title: "All methods",
            caption: "Shares of one.",
            svgs: &[],
            csv: "method,acc\nbase,0.25597\n",
            paper: None,
        },
    ]
}

fn page(seconds: f64) -> String {
    let (claims, svgs) = (claims(), [PICTURE.to_string()]);
    let exhibits = exhibits(&svgs);
    let row = |what: &str, seconds| CostRow {
        what: what.into(),
        seconds,
    };
    let cost = vec![
        row("training <both> heads", seconds),
        row("scoring", 4000.0),
    ];
    render(&small(&claims, &exhibits, cost))
}

/// The page before, in and after its section on cost.
fn cut(page: &str) -> [&str; 3] {
    let (before, rest) = page.split_once("<section id=\"cost\">").unwrap();
    let (cost, after) = rest.split_once("</section>").unwrap();
    [before, cost, after]
}

#[test]
fn a_small_page_is_these_bytes() {
    let page = page(83.0);
    // The style sheet is what it is.
    let page = page.replace(STYLE, "STYLE\n");
    // To accept new bytes, run the test with this variable set, and look at the page.
    if std::env::var_os("LIKRA_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/html/page.html");
        std::fs::write(path, &page).unwrap();
    }
    assert_eq!(page, include_str!("page.html"));
}

#[test]
fn no_text_is_markup() {
    let page = page(1.0);
    for raw in [
        "A < B",
        "<Mistral>",
        "<key>",
        "<b>",
        "<both>",
        "\"C\"",
        "'a & b'",
        "& SFT",
        "'examples'",
    ] {
        assert!(!page.contains(raw), "{raw}");
    }
    for escaped in [
        "<title>A &lt; B &amp; &quot;C&quot;</title>",
        "<h1>A &lt; B &amp; &quot;C&quot;</h1>",
        "aria-label=\"SFT &lt; Likra\"",
        "a &quot;&lt;b&gt;&quot;, c",
        "likra reproduce &#39;a &amp; b&#39;",
    ] {
        assert!(page.contains(escaped), "{escaped}");
    }
}

#[test]
fn every_exhibit_has_its_table_and_names_its_files() {
    let page = page(1.0);
    let sections: Vec<_> = page.split("<section id=").collect();
    for (name, files, cells) in [
        ("figure1", &["figure1.csv", "figure1.svg"][..], 8),
        ("table1", &["table1.csv"], 2),
    ] {
        let start = format!("\"{name}\" class=\"exhibit\">");
        let section = sections
            .iter()
            .find(|section| section.starts_with(&start))
            .unwrap();
        assert_eq!(section.matches("<td").count(), cells, "{name}");
        for file in files {
            assert!(section.contains(&format!("<a href=\"{file}\">")), "{file}");
        }
        assert!(
            page.contains(&format!("<li><a href=\"#{name}\">")),
            "{name}"
        );
    }
    assert_eq!(page.matches("<svg").count(), 1);
}

#[test]
fn a_page_needs_no_network_and_no_script() {
    let page = page(1.0);
    for outside in [
        "http:", "https:", "//", "<script", "<link", "<img", "<iframe", "@import", "url(", " src=",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    for place in page.split("href=\"").skip(1) {
        let place = place.split('"').next().unwrap();
        match place.strip_prefix('#') {
            Some(id) => assert!(page.contains(&format!("id=\"{id}\"")), "{id}"),
            None => assert!(FILES.contains(&place), "{place}"),
        }
    }
}

#[test]
fn only_the_section_on_cost_depends_on_time() {
    let (quick, slow) = (page(1.0), page(100.0));
    let ([before, cost, after], [before_slow, cost_slow, after_slow]) = (cut(&quick), cut(&slow));
    assert_eq!((before, after), (before_slow, after_slow));
    assert_ne!(cost, cost_slow);
    assert!(
        cost.contains(">1.0 s</td>") && cost.contains(">1 h 07 min</td>"),
        "{cost}"
    );
    assert_eq!(
        before.matches("<section").count(),
        before.matches("</section>").count()
    );
}

#[test]
fn all_colours_of_figures_have_a_rule() {
    let chart = include_str!("../plot/chart.svg");
    let drawn = chart.split('"').filter(|value| value.starts_with('#'));
    // All that Okabe and Ito propose.
    let palette = [
        "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
    ];
    for colour in drawn.chain(palette) {
        let rule = |attribute: &str| format!("[{attribute}=\"{colour}\" i]");
        assert!(
            STYLE.contains(&rule("fill")) && STYLE.contains(&rule("stroke")),
            "{colour}"
        );
    }
}
