//! Ours against the peer's: what each takes, how many times as good that is, and how much was asked for.

use super::report::Measured;
use super::runs::{Run, Runs};
use super::stats::{largest, median};
use super::work::{BATCH, PEERS, Side};

/// A study as in the paper: two heads, each scored at 32, 64, ... 1024 examples, and the base.
const HEADS: f64 = 2.0;
const EXAMPLES: f64 = 1024.0;
const SCORINGS: f64 = HEADS * 6.0 + 1.0;
/// ARC-Challenge's test.
const QUESTIONS: f64 = 1172.0;

/// What both sides are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    Training,
    ShotsAnew,
    ShotsShared,
    ThreeHeads,
    FirstScore,
    TrainingMemory,
    ScoringMemory,
    GpuMemory,
    Study,
}

use Quantity::{
    FirstScore, GpuMemory, ScoringMemory, ShotsAnew, ShotsShared, Study, ThreeHeads, Training,
    TrainingMemory,
};

const QUANTITIES: [Quantity; 9] = [
    Training,
    ShotsAnew,
    ShotsShared,
    ThreeHeads,
    FirstScore,
    TrainingMemory,
    ScoringMemory,
    GpuMemory,
    Study,
];

/// One quantity against one peer.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) quantity: String,
    pub(super) ours: String,
    pub(super) peer: String,
    pub(super) side: Side,
    /// How many times as good ours is; no number if a side was not measured.
    pub(super) ratio: f64,
    pub(super) goal: f64,
}

/// What stands in place of a number that there is not.
pub(super) const UNMEASURED: &str = "unmeasured";

impl Row {
    /// What is no number meets no goal.
    pub(super) fn met(&self) -> bool {
        self.ratio >= self.goal
    }
}

/// A row for each quantity, and peer that was to measure it.
pub(super) fn rows(runs: &Runs) -> Vec<Row> {
    let gpu = runs.gpu();
    let mut rows = Vec::new();
    for quantity in QUANTITIES {
        let ours = quantity.samples(runs, Side::Ours);
        for (side, goal) in PEERS.into_iter().zip(quantity.goals(gpu)) {
            if runs.asked(quantity.step(), side) && (gpu || quantity != GpuMemory) {
                let peer = quantity.samples(runs, side);
                rows.push(quantity.row(&ours, &peer, side, goal));
            }
        }
    }
    rows
}

impl Quantity {
    fn name(self) -> String {
        match self {
            Training => return format!("LoRA training, batches of {BATCH}, tokens/s"),
            ShotsAnew => "scoring, shots anew for each question, questions/s",
            ShotsShared => "scoring, the same shots for all, questions/s",
            ThreeHeads => "scoring, base and two heads, the same shots, questions/s",
            FirstScore => "start of the process to its first score, s",
            TrainingMemory => "peak memory of training, MiB",
            ScoringMemory => "peak memory of scoring, MiB",
            GpuMemory => "peak memory on the GPU, training, MiB",
            Study => "a study (estimated), h",
        }
        .into()
    }

    /// The step in which a peer measures it.
    fn step(self) -> &'static str {
        match self {
            Training | TrainingMemory | GpuMemory | Study => "train",
            ShotsAnew | ShotsShared | ThreeHeads | ScoringMemory => "anew",
            FirstScore => "first",
        }
    }

    /// How many times as good as the peer in f32 and in bf16. On a GPU both sides leave products to
    /// the same units.
    fn goals(self, gpu: bool) -> [f64; 2] {
        match self {
            Training if gpu => [1.0, 1.0],
            ShotsAnew if gpu => [4.0, 4.0],
            ShotsShared | ThreeHeads if gpu => [50.0, 50.0],
            Training => [2.0, 1.2],
            ShotsAnew => [6.0, 3.0],
            ShotsShared | ThreeHeads => [100.0, 50.0],
            FirstScore => [3.0, 3.0],
            TrainingMemory | ScoringMemory | GpuMemory => [1.0, 1.0],
            Study => [50.0, 50.0],
        }
    }

    /// Whether more of it is better.
    fn is_rate(self) -> bool {
        matches!(self, Training | ShotsAnew | ShotsShared | ThreeHeads)
    }

    /// What a side measured; nothing if it did not.
    fn samples(self, runs: &Runs, side: Side) -> Vec<f64> {
        let memory = |steps: &[&'static str]| {
            let peaks = steps.iter().flat_map(|step| runs.of(step, side));
            one_if_any(peaks.filter_map(|run| run.report.peak_memory_mib))
        };
        match self {
            Training => rates(runs, "train", side, |found| found.tokens),
            ShotsAnew => rates(runs, "anew", side, |found| found.questions),
            ShotsShared => rates(runs, sharing(side), side, |found| found.questions),
            ThreeHeads if side == Side::Ours => rates(runs, "heads", side, |found| found.questions),
            ThreeHeads => thirds(&ShotsAnew.samples(runs, side)),
            FirstScore => first_scores(runs, side),
            TrainingMemory => memory(&["train"]),
            ScoringMemory => memory(&["anew", "fixed", "heads"]),
            GpuMemory => {
                let train = runs.of("train", side).iter();
                one_if_any(train.filter_map(|run| run.gpu_mib))
            }
            Study => hours(runs, side).into_iter().collect(),
        }
    }

    fn row(self, ours: &[f64], peer: &[f64], side: Side, goal: f64) -> Row {
        let (a, b) = (median(ours), median(peer));
        Row {
            quantity: self.name(),
            ours: spread(ours),
            peer: spread(peer),
            side,
            ratio: if self.is_rate() { a / b } else { b / a },
            goal,
        }
    }
}

/// The step in which a side scores questions that share their shots: the harness does not share.
fn sharing(side: Side) -> &'static str {
    if side == Side::Ours { "fixed" } else { "anew" }
}

/// Units a second, sample by sample. A step and its job have one name.
pub(super) fn rates(
    runs: &Runs,
    step: &'static str,
    side: Side,
    units: impl Fn(&Measured) -> usize,
) -> Vec<f64> {
    let rate = |found: &Measured| -> Vec<f64> {
        let units = units(found) as f64;
        found
            .seconds
            .iter()
            .map(|seconds| units / seconds)
            .collect()
    };
    runs.measured(step, side, step).flat_map(rate).collect()
}

/// The harness scores a head as it scores the base: three runs of it.
fn thirds(rates: &[f64]) -> Vec<f64> {
    rates.iter().map(|rate| rate / 3.0).collect()
}

pub(super) fn first_scores(runs: &Runs, side: Side) -> Vec<f64> {
    let runs = runs.of("first", side).iter();
    runs.filter_map(Run::to_first_score).collect()
}

/// The largest of `peaks`.
fn one_if_any(peaks: impl Iterator<Item = f64>) -> Vec<f64> {
    let peaks: Vec<f64> = peaks.collect();
    if peaks.is_empty() {
        peaks
    } else {
        vec![largest(peaks)]
    }
}

/// Parts of a study, as one side measured them.
#[derive(Debug, Clone, Copy)]
struct Parts {
    /// Seconds to start and open the model, and how often that is done.
    open: f64,
    opened: f64,
    /// Tokens of an example, and tokens trained a second.
    example: f64,
    training: f64,
    /// Questions a second, with the same shots for all.
    scoring: f64,
}

impl Parts {
    fn seconds(self) -> f64 {
        self.open * self.opened
            + HEADS * EXAMPLES * self.example / self.training
            + SCORINGS * QUESTIONS / self.scoring
    }
}

/// Ours opens the model once; the peer's tools once for each head trained and each scored.
fn hours(runs: &Runs, side: Side) -> Option<f64> {
    let trained = runs.measured("train", side, "train").next()?;
    let parts = Parts {
        open: median(&first_scores(runs, side)),
        opened: if side == Side::Ours {
            1.0
        } else {
            HEADS + SCORINGS
        },
        example: trained.tokens as f64 / trained.questions as f64,
        training: median(&Training.samples(runs, side)),
        scoring: median(&ShotsShared.samples(runs, side)),
    };
    Some(parts.seconds() / 3600.0).filter(|hours| hours.is_finite())
}

/// `12.3 (12.1 to 12.9)`: the median, and the smallest and largest of several.
pub(super) fn spread(samples: &[f64]) -> String {
    let middle = short(median(samples));
    let low = samples.iter().copied().fold(f64::INFINITY, f64::min);
    let high = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match samples.len() {
        0 => UNMEASURED.into(),
        1 => middle,
        _ => format!("{middle} ({} to {})", short(low), short(high)),
    }
}

/// Three digits, all of those before the point.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::fixture::runs;
    use crate::bench::work::Step;

    fn row(rows: &[Row], quantity: Quantity, side: Side) -> &Row {
        let name = quantity.name();
        let found = rows
            .iter()
            .find(|row| row.quantity == name && row.side == side);
        found.unwrap()
    }

    #[test]
    fn ratios_are_of_medians_and_above_one_where_ours_is_better() {
        let rows = rows(&runs());
        // 320 tokens in 1 s, and in 4 s.
        let training = row(&rows, Training, Side::PeerF32);
        assert_eq!(
            (training.ratio, training.goal, training.met()),
            (4.0, 2.0, true)
        );
        assert_eq!(training.ours, "320 (160 to 640)");
        assert_eq!(row(&rows, Training, Side::PeerBf16).ratio, 2.0);
        // 3 questions in 1 s, and in 60 s; 300 in 30 s; three heads in 90 s.
        assert_eq!(row(&rows, ShotsAnew, Side::PeerF32).ratio, 60.0);
        assert_eq!(row(&rows, ShotsShared, Side::PeerF32).ratio, 200.0);
        assert!((row(&rows, ThreeHeads, Side::PeerF32).ratio - 200.0).abs() < 1e-9);
        // 2 s and 10 s after the start; 500 MiB and 400 MiB.
        assert_eq!(row(&rows, FirstScore, Side::PeerF32).ratio, 5.0);
        let memory = row(&rows, TrainingMemory, Side::PeerF32);
        assert_eq!((memory.ratio, memory.met()), (0.8, false));
    }

    #[test]
    fn a_study_is_the_sum_of_its_parts() {
        // 40 tokens an example.
        let ours = 2.0 + 2.0 * 1024.0 * 40.0 / 320.0 + 13.0 * 1172.0 / 10.0;
        let peer = 15.0 * 10.0 + 2.0 * 1024.0 * 40.0 / 80.0 + 13.0 * 1172.0 / 0.05;
        let rows = rows(&runs());
        let found = row(&rows, Study, Side::PeerF32).ratio;
        assert!((found - peer / ours).abs() < 1e-9, "{found}");
    }

    #[test]
    fn what_was_asked_in_vain_has_a_row() {
        let mut runs = runs();
        runs.ask(&Step {
            name: "anew",
            side: Side::PeerBf16,
            jobs: Vec::new(),
            guess: 1.0,
        });
        let rows = rows(&runs);
        let anew = row(&rows, ShotsAnew, Side::PeerBf16);
        assert_eq!(
            (anew.ours.as_str(), anew.peer.as_str()),
            ("3.00", UNMEASURED)
        );
        assert!(anew.ratio.is_nan() && !anew.met());
    }

    #[test]
    fn without_a_peer_there_is_nothing_to_compare() {
        assert_eq!(rows(&Runs::default()), []);
    }

    #[test]
    fn numbers_have_three_digits() {
        let texts = [1234.5, 12.34, 1.234, 0.1234].map(short);
        assert_eq!(texts, ["1234", "12.3", "1.23", "0.123"]);
        assert_eq!(spread(&[3.0]), "3.00");
        assert_eq!(spread(&[]), UNMEASURED);
    }
}
