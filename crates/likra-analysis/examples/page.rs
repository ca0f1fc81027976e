//! A page from a report's folder, with made-up claims and settings, to look at.
//!
//! `cargo run -p likra-analysis --example page -- results/smollm2-135m-instruct-arc/report page.html`

use std::path::Path;
use std::{env, fs, io};

use likra_analysis::html::{
    ClaimView, CostRow, ExhibitView, Headline, Page, PartView, Verdict, render,
};

type Files = (String, Vec<String>);

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, out] = &arguments[..] else {
        return Err(io::Error::other(
            "expected a report's folder and a place for the page",
        ));
    };
    let names = ["table1", "figure1", "figure3", "figure4", "control"];
    let files: Vec<Files> = names
        .iter()
        .map(|name| files(Path::new(folder), name))
        .collect::<io::Result<_>>()?;
    let mut exhibits: Vec<_> = files.iter().zip(names).map(exhibit).collect();
    // As a figure of two panels.
    let panels = [&files[1].1[..], &files[2].1[..]].concat();
    exhibits.push(ExhibitView {
        name: "figure6",
        title: "Two panels: what each head does to each kind of answer",
        svgs: &panels,
        ..exhibits[1]
    });
    fs::write(out, render(&page(&claims(), &exhibits)))
}

fn files(folder: &Path, name: &str) -> io::Result<Files> {
    let csv = fs::read_to_string(folder.join(format!("{name}.csv")))?;
    let svg = folder.join(format!("{name}.svg"));
    let svgs = svg.exists().then(|| fs::read_to_string(svg)).transpose()?;
    Ok((csv, svgs.into_iter().collect()))
}

fn exhibit<'a>(((csv, svgs), name): (&'a Files, &'a str)) -> ExhibitView<'a> {
    let (title, caption, paper) = match name {
        "table1" => (
            "Accuracy of all methods",
            "Share of the 1172 questions that are answered right, by whole log-likelihoods (acc) and by those per character (acc_norm), with 95% bootstrap intervals over questions.",
            Some(
                "Mistral-7B-v0.1: base 60.0, SFT 66.3, Likra 81.2. Mistral-7B-Instruct-v0.3: 63.7, 64.1, 80.6. Llama-3.2-3B-Instruct: 52.2, 54.9, 73.2.",
            ),
        ),
        "figure1" => (
            "SFT and Likra over training examples",
            "Accuracy by scores per character after so many training examples per head. The positive head alone (SFT) stays near the base; with the negative head subtracted it rises between 32 and 64 examples.",
            Some(
                "Likra jumps between 64 and 256 negative examples; 64 to 128 add nearly 15 points. SFT gains less than a point per doubling.",
            ),
        ),
        "figure3" => (
            "Likra with and without positive examples",
            "The negative head is subtracted from the positive head (SFT-Likra) or from the base itself (Base-Likra).",
            Some("Both curves are similar, and both are far above SFT."),
        ),
        "figure4" => (
            "Weight of the negative head",
            "Accuracy when w log p⁻ is subtracted, for w from 0 to 1.5. At 0 there is no negative head.",
            Some("The best weights are between 0.9 and 1.0."),
        ),
        _ => (
            "Control: a second head that learnt from right answers",
            "The same subtraction, of a head that was trained on right answers in another order. If it helped as much, negative examples would not be what helps.",
            None,
        ),
    };
    ExhibitView {
        name,
        title,
        caption,
        svgs,
        csv,
        paper,
    }
}

fn claims() -> Vec<ClaimView> {
    let part = |what: &str, value: &str, condition: &str, verdict| PartView {
        what: what.into(),
        value: value.into(),
        condition: condition.into(),
        verdict,
    };
    let claim = |number, statement: &str, source: &str, verdict, parts| ClaimView {
        number,
        statement: statement.into(),
        source: source.into(),
        verdict,
        parts,
    };
    vec![
        claim(
            1,
            "Likra gains far more from a negative example than supervised fine-tuning does from a positive one.",
            "Abstract; Table 1",
            Verdict::Yes,
            vec![
                part(
                    "SFT-Likra less SFT at 1024 examples",
                    "+10.4 points [7.6, 13.2]",
                    "above 0",
                    Verdict::Yes,
                ),
                part(
                    "SFT less base at 1024 examples",
                    "+1.4 points [−0.3, 3.0]",
                    "below the gain of Likra",
                    Verdict::Yes,
                ),
            ],
        ),
        claim(
            2,
            "There is a sharp rise between 64 and 256 negative examples.",
            "Section 3.1; Figure 1",
            Verdict::Open,
            vec![
                part(
                    "SFT-Likra at 256 less at 64 examples",
                    "+1.5 points [−1.4, 4.4]",
                    "above 0",
                    Verdict::Open,
                ),
                part(
                    "SFT at 256 less at 64 examples",
                    "+0.3 points [−1.1, 1.6]",
                    "below the gain of Likra",
                    Verdict::Open,
                ),
            ],
        ),
        claim(
            3,
            "Likra does as well without positive examples: Base-Likra is about SFT-Likra.",
            "Section 3.3; Figure 3",
            Verdict::No,
            vec![part(
                "Base-Likra less SFT-Likra at 1024 examples",
                "−10.0 points [−12.9, −7.1]",
                "within 2 points of 0",
                Verdict::No,
            )],
        ),
        claim(
            4,
            "The best weight of the negative head is between 0.9 and 1.0.",
            "Section 3.4; Figure 4",
            Verdict::Yes,
            vec![part(
                "Best weight of SFT-Likra",
                "0.95",
                "from 0.9 to 1.0",
                Verdict::Yes,
            )],
        ),
        claim(
            5,
            "Plausible wrong answers teach more than irrelevant ones, and those more than unrelated ones.",
            "Section 4.1; Figure 5",
            Verdict::Unmeasured,
            Vec::new(),
        ),
    ]
}

fn page<'a>(claims: &'a [ClaimView], exhibits: &'a [ExhibitView<'a>]) -> Page<'a> {
    let number = |label: &str, [value, low, high]: [f64; 3], paper: Option<&str>| Headline {
        label: label.into(),
        value,
        low,
        high,
        paper: paper.map(String::from),
    };
    let pair = |(name, value): (&str, &str)| (name.to_string(), value.to_string());
    let settings = [
        ("model", "SmolLM2-135M-Instruct"),
        ("benchmark", "arc"),
        ("examples", "1024"),
        ("training.learning-rate", "0.001"),
        ("training.batch-size", "8"),
        ("lora.target-modules", "gate_proj, up_proj, down_proj"),
        ("evaluation.num-shots", "25"),
        (
            "analysis.weights",
            "0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2",
        ),
    ];
    let input = |name: &str, hash: &str, bytes| (name.to_string(), hash.repeat(8), bytes);
    let row = |what: &str, seconds| CostRow {
        what: what.into(),
        seconds,
    };
    Page {
        title: "SmolLM2-135M-Instruct on ARC-Challenge",
        lead: "A page to look at: its claims are made up. Two heads learnt from 1024 examples each, and answered all 1172 test questions after 25 fixed shots.",
        headline: vec![
            number("Base", [29.6, 27.0, 32.3], Some("60.0")),
            number("SFT", [31.0, 28.3, 33.6], Some("66.3")),
            number("Likra", [41.4, 38.6, 44.2], Some("81.2")),
        ],
        claims,
        exhibits,
        settings: settings.map(pair).into(),
        versions: [
            ("likra", "0.1.0"),
            ("burn", "0.22.1"),
            ("tokenizers", "0.22.2"),
        ]
        .map(pair)
        .into(),
        inputs: vec![
            input("model.safetensors", "7ef915c9", 269_060_552),
            input("tokenizer.json", "7d27c493", 3_522_656),
            input("ARC-Challenge-Test.jsonl", "9fa8ffb3", 492_726),
        ],
        cost: vec![
            row("Training the positive head", 1312.4),
            row("Training the negative head", 1298.0),
            row("Scoring 1172 questions", 9120.0),
            row("Tables and figures", 2.31),
        ],
        command: "cargo xtask reproduce smollm2-arc --model SmolLM2-135M-Instruct --data ARC"
            .into(),
    }
}
