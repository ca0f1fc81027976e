//! The file that a benchmark leaves.

use std::fmt::Write as _;

use super::absolute::{self, Growth, HeadCost};
use super::goals::{self, UNMEASURED, short};
use super::machine::Machine;
use super::numbers::{self, Compared};
use super::runs::Runs;
use super::study::Study;
use super::work::{BATCH, PEERS, Side, Sizes};

/// The heading under which the README's table stands.
pub(super) const PEERS_HEADING: &str = "## Against the peers";

/// What a page says beside the numbers.
pub(super) struct About {
    pub(super) machine: Machine,
    pub(super) model: String,
    pub(super) device: String,
    pub(super) commit: String,
    pub(super) command: String,
    pub(super) sizes: Sizes,
    /// What `sizes` would be without `--quick`, if that was given.
    pub(super) full: Option<Sizes>,
}

/// The page, and whether both sides computed the same.
pub(super) fn page(runs: &Runs, about: &About) -> (String, bool) {
    let compared = numbers::compare(runs);
    let same = compared.iter().all(|compared| compared.holds);
    let mut sections = vec![head(runs, about)];
    sections.extend(missing(runs));
    sections.extend([peers(runs), same_numbers(&compared), shares(runs)]);
    if runs.gpu() {
        sections.push(study(runs));
    }
    sections.extend([heads(runs), growth(runs, &about.sizes)]);
    (sections.join("\n"), same)
}

/// A table in Markdown.
fn table<const N: usize>(titles: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = format!(
        "| {} |\n| {} |\n",
        titles.join(" | "),
        ["---"; N].join(" | ")
    );
    for row in rows {
        _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

fn verdict(met: bool, yes: &str, no: &str) -> String {
    if met { yes.into() } else { format!("**{no}**") }
}

/// Of a number that is to be known first.
fn goal_verdict(value: f64, met: bool) -> String {
    if value.is_nan() {
        return UNMEASURED.into();
    }
    verdict(met, "met", "not met")
}

/// `text`, if `value` is a number.
fn known(value: f64, text: String) -> String {
    if value.is_nan() {
        return UNMEASURED.into();
    }
    text
}

fn head(runs: &Runs, about: &About) -> String {
    let About { machine, sizes, .. } = about;
    let mut text = format!("# Benchmark: {}\n\n", machine.title());
    let mut item = |name: &str, value: &str| _ = writeln!(text, "- {name}: {value}");
    item("machine", &machine.line());
    item(
        "model",
        &format!("{}, questions of ARC, on {}", about.model, about.device),
    );
    for side in [Side::Ours, Side::PeerF32, Side::PeerBf16] {
        if let Some(run) = runs.side(side).next() {
            let report = &run.report;
            let versions: Vec<String> = report
                .versions
                .iter()
                .map(|(name, version)| format!("{name} {version}"))
                .collect();
            let threads = report.threads;
            let said = format!(
                "base in {}, adapters in f32, {threads} threads; {}",
                report.dtype,
                versions.join(", ")
            );
            item(&report.program, &said);
        }
    }
    item("commit", &about.commit);
    item("command", &format!("`{}`", about.command));
    item("a run", &amounts(sizes));
    if let Some(full) = &about.full {
        item("**shrunk by `--quick`**, from", &amounts(full));
    }
    text += "\nEvery number is a median, with the smallest and the largest where there are several. Each run is a process of its own, ours \
             and the peer's in turn; each warms up with work that does not count.\n";
    text
}

fn amounts(sizes: &Sizes) -> String {
    let list = |counts: &[usize]| {
        let texts: Vec<String> = counts.iter().map(ToString::to_string).collect();
        texts.join(", ")
    };
    format!(
        "{} steps of {BATCH} examples after {} ({} runs); {} questions with {} shots drawn anew ({} runs of this and the \
         following); {} questions after the same shots; growth to {} questions, {} shots and {} heads, the last two over {} \
         questions",
        sizes.steps,
        sizes.warm_steps,
        sizes.runs,
        sizes.anew,
        sizes.shots,
        sizes.few,
        sizes.shared,
        list(&sizes.grow_questions),
        list(&sizes.grow_shots),
        list(&sizes.grow_heads),
        sizes.grown,
    )
}

/// What failed, or found no time, and why: the last line of what the process said first.
fn missing(runs: &Runs) -> Option<String> {
    if runs.missing().is_empty() {
        return None;
    }
    let rows = runs.missing().iter().map(|missing| {
        let why = missing.why.trim().lines().collect::<Vec<_>>().join(" / ");
        [
            missing.step.into(),
            missing.side.to_string(),
            runs.of(missing.step, missing.side).len().to_string(),
            why.replace('|', "\\|"),
        ]
    });
    let titles = ["step", "side", "runs before", "why no more"];
    Some(format!("## Not measured\n\n{}", table(titles, rows)))
}

const PEERS_NOTES: &str = "
Training: transformers and PEFT with torch's AdamW, questions and right answers in order, tokens without padding. Scoring: \
lm-evaluation-harness's `hf` model (or what stands in for it, see above) in batches of 4, on a GPU of 16, and its task `arc_challenge`, from the questions to their log-likelihoods, the model \
open. The harness shares nothing between questions, so its time for shots anew is its time for the same shots; for a base and two \
heads it is run three times. First score: imports, tokenizer and model included, files in the page cache. Memory: the most that the \
process ever held (resident). A study is two heads of 1024 examples, scored over 1172 questions with the same shots at 32, 64, ... 1024 \
examples, and the base, summed from the rows above: likra opens the model once, the peer for each head trained and for each scored.
";

fn peers(runs: &Runs) -> String {
    let rows = goals::rows(runs);
    if rows.is_empty() {
        return format!("{PEERS_HEADING}\n\nNo peer was run.\n");
    }
    let titles = [
        "quantity",
        "likra",
        "peer",
        "peer's base",
        "times as good",
        "goal",
        "verdict",
    ];
    let rows = rows.iter().map(|row| {
        [
            row.quantity.clone(),
            row.ours.clone(),
            row.peer.clone(),
            row.side.dtype().unwrap_or_default().into(),
            known(row.ratio, format!("{:.2}", row.ratio)),
            short(row.goal),
            goal_verdict(row.ratio, row.met()),
        ]
    });
    format!("{PEERS_HEADING}\n\n{}{PEERS_NOTES}", table(titles, rows))
}

fn same_numbers(compared: &[Compared]) -> String {
    if compared.is_empty() {
        return "## The same numbers\n\nUnmeasured: nothing was computed by both sides in one type.\n".into();
    }
    let titles = [
        "numbers",
        "how many",
        "largest difference",
        "bound",
        "verdict",
    ];
    let rows = compared.iter().map(|compared| {
        [
            compared.what.clone(),
            compared.count.to_string(),
            format!("{:.1e}", compared.difference),
            compared.bound.clone(),
            verdict(compared.holds, "holds", "BROKEN"),
        ]
    });
    format!("## The same numbers\n\n{}", table(titles, rows))
}

fn shares(runs: &Runs) -> String {
    let titles = [
        "workload",
        "operations",
        "s",
        "operations/s",
        "share of the peak",
        "goal",
        "verdict",
    ];
    let rows = absolute::shares(runs).into_iter().map(|share| {
        [
            share.workload.into(),
            known(share.operations, format!("{:.2e}", share.operations)),
            known(share.seconds, short(share.seconds)),
            known(
                share.seconds,
                format!("{:.2e}", share.operations / share.seconds),
            ),
            known(share.of_peak, format!("{:.0}%", 100.0 * share.of_peak)),
            format!("{:.0}%", 100.0 * share.goal),
            goal_verdict(share.of_peak, share.of_peak >= share.goal),
        ]
    });
    let peaks = peaks(runs);
    format!(
        "## Share of the machine\n\n{}\nOperations that the work needs, a multiplication and an addition counted as one each: linear \
         layers, adapters, attention over the keys that a token sees, the output head for the tokens asked for. Padding, norms and \
         softmaxes are left out. Training is a forward pass, and backward through the frozen base to its inputs alone.\n\n{peaks}",
        table(titles, rows)
    )
}

/// Each side's products of square matrices, size by size.
fn peaks(runs: &Runs) -> String {
    let mut text = String::new();
    for (side, name) in [
        (Side::Ours, "Burn's products"),
        (PEERS[0], "torch's in f32"),
        (PEERS[1], "torch's in bf16"),
    ] {
        if let Some((best, _)) = absolute::peak(runs, side) {
            let rates = absolute::rates(runs, side).into_iter();
            let rates: Vec<String> = rates
                .map(|(size, rate)| match (size == best, side) {
                    (true, Side::Ours) => format!("{size}: {rate:.2e}, the peak of this table"),
                    _ => format!("{size}: {rate:.2e}"),
                })
                .collect();
            let rates = rates.join("; ");
            _ = writeln!(
                text,
                "- {name}, operations/s by the size of square matrices: {rates}"
            );
        } else if runs.asked("peak", side) {
            _ = writeln!(text, "- {name}: {UNMEASURED}");
        }
    }
    text
}

fn study(runs: &Runs) -> String {
    let study = Study::of(runs);
    let part = |name: &str, seconds: f64| {
        let text = known(seconds, format!("{} s", short(seconds)));
        [name.into(), text, String::new(), String::new()]
    };
    let (minutes, memory) = (study.minutes(), study.memory);
    let rows = [
        part("opening the model, once", study.opening),
        part("training, 2 heads of 6615 examples", study.training),
        part("scoring, 19 times 1172 questions", study.scoring),
        [
            "all of it".into(),
            known(minutes, format!("{} min", short(minutes))),
            format!("below {} min", Study::MINUTES),
            goal_verdict(minutes, minutes < Study::MINUTES),
        ],
        [
            "peak memory on the GPU, training".into(),
            known(memory, format!("{} GB", short(memory))),
            format!("below {} GB", Study::MEMORY),
            goal_verdict(memory, memory < Study::MEMORY),
        ],
    ];
    format!(
        "## The paper's study, estimated\n\nSummed from the numbers above; the goals are Mistral-7B's on one H100.\n\n{}",
        table(["part", "likra", "goal", "verdict"], rows)
    )
}

fn heads(runs: &Runs) -> String {
    let titles = [
        "head",
        "s among three",
        "s alone",
        "ratio",
        "bound",
        "verdict",
    ];
    let rows = absolute::head_costs(runs).into_iter().map(|cost| {
        [
            ["base", "first head", "second head"][cost.head].into(),
            short(cost.together),
            short(cost.alone),
            format!("{:.3}", cost.ratio()),
            format!("{:.2}", HeadCost::MOST),
            verdict(cost.ratio() <= HeadCost::MOST, "holds", "BROKEN"),
        ]
    });
    format!(
        "## Heads of one base\n\nThe base is opened once; no head is to take longer than in a process of its own.\n\n{}",
        table(titles, rows)
    )
}

fn growth(runs: &Runs, sizes: &Sizes) -> String {
    let titles = ["of", "how many: s", "line", "largest deviation", "verdict"];
    let row = |growth: &Growth| {
        let points = growth.labels.iter().zip(&growth.points);
        let points: Vec<String> = points
            .map(|(label, (_, seconds))| format!("{label}: {}", short(*seconds)))
            .collect();
        let unit = if growth.of == "shots" {
            "token of shots"
        } else {
            growth.of.trim_end_matches('s')
        };
        let line = growth.line;
        [
            growth.of.into(),
            points.join("; "),
            format!("{} s + {:.3e} s a {unit}", short(line.start), line.slope),
            format!("{:.1}%", 100.0 * line.deviation),
            verdict(line.deviation <= Growth::MOST, "straight", "not straight"),
        ]
    };
    let memory = absolute::growth_memory(runs);
    let memory = memory.map_or_else(String::new, |mib| {
        format!("\nPeak memory of all of it: {mib:.0} MiB.\n")
    });
    let rows = absolute::growths(runs, sizes);
    format!(
        "## As work grows\n\nThe same shots for all questions. A line is that of least squares; a point may be {:.0}% of itself off.\n\n\
         {}{memory}",
        100.0 * Growth::MOST,
        table(titles, rows.iter().map(row))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::fixture::runs;

    fn about() -> About {
        About {
            machine: Machine::here("cpu"),
            model: "model".into(),
            device: "cpu".into(),
            commit: "abc".into(),
            command: "cargo xtask bench".into(),
            sizes: Sizes::quick(false),
            full: Some(Sizes::new(3, false)),
        }
    }

    #[test]
    fn a_page_has_verdicts_for_goals_met_and_not_met() {
        let (page, same) = page(&runs(), &about());
        assert!(same);
        let line = |start: &str| page.lines().find(|line| line.starts_with(start)).unwrap();
        let training = line("| LoRA training, batches of 8, tokens/s |");
        assert!(
            training.ends_with("| f32 | 4.00 | 2.00 | met |"),
            "{training}"
        );
        let memory = line("| peak memory of training");
        assert!(
            memory.ends_with("| 0.80 | 1.00 | **not met** |"),
            "{memory}"
        );
        assert!(line("| second head").ends_with("| 1.100 | 1.05 | **BROKEN** |"));
        assert!(page.contains("**shrunk by `--quick`**, from: 12 steps of 8"));
        assert!(page.contains("| losses of training | 6 | 0.0e0 | 1e-3 relative | holds |"));
    }

    #[test]
    fn a_page_without_a_peer_says_so() {
        let (page, same) = page(&Runs::default(), &about());
        assert!(same && page.contains("No peer was run."));
    }
}
