//! Ours against the machine, and against itself as work grows.

use super::report::Measured;
use super::runs::Runs;
use super::stats::{Line, largest, median};
use super::work::{Side, Sizes};

/// How much of the machine's products of matrices a workload reaches.
#[derive(Debug, PartialEq)]
pub(super) struct Share {
    pub(super) workload: &'static str,
    /// Operations that it needs, and its seconds.
    pub(super) operations: f64,
    pub(super) seconds: f64,
    /// What part of the machine's peak that is; no number if it was not measured.
    pub(super) of_peak: f64,
    pub(super) goal: f64,
}

/// Step, name, and the goals on a CPU and on a GPU.
const WORKLOADS: [(&str, &str, [f64; 2]); 4] = [
    ("train", "LoRA training", [0.5, 0.4]),
    ("anew", "scoring, shots anew for each question", [0.6, 0.4]),
    ("fixed", "scoring, the same shots for all", [0.6, 0.4]),
    (
        "heads",
        "scoring, base and two heads, the same shots",
        [0.6, 0.4],
    ),
];

/// The peak of one side, in operations a second: the largest of all sizes.
pub(super) fn peak(runs: &Runs, side: Side) -> Option<(usize, f64)> {
    rates(runs, side)
        .into_iter()
        .max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Operations a second of products of square matrices, by their size: of each the median run.
pub(super) fn rates(runs: &Runs, side: Side) -> Vec<(usize, f64)> {
    let Some(first) = runs.measured("peak", side, "peak").next() else {
        return Vec::new();
    };
    let of = |size: &usize| {
        let found = runs.measured("peak", side, "peak");
        let rates: Vec<f64> = found
            .filter_map(|found| found.rates.get(size).copied())
            .collect();
        (*size, median(&rates))
    };
    first.rates.keys().map(of).collect()
}

/// A row for each workload that was asked for.
pub(super) fn shares(runs: &Runs) -> Vec<Share> {
    let peak = peak(runs, Side::Ours).map_or(f64::NAN, |(_, rate)| rate);
    let share = |(step, workload, goals): (&'static str, &'static str, [f64; 2])| {
        let found = runs.measured(step, Side::Ours, step).next();
        let operations = found.map_or(f64::NAN, |found| found.operations);
        let seconds = median(&runs.seconds(step, Side::Ours, step));
        runs.asked(step, Side::Ours).then(|| Share {
            workload,
            operations,
            seconds,
            of_peak: operations / seconds / peak,
            goal: goals[usize::from(runs.gpu())],
        })
    };
    WORKLOADS.into_iter().filter_map(share).collect()
}

/// A head of three, compared with the same work by a head alone.
#[derive(Debug, PartialEq)]
pub(super) struct HeadCost {
    pub(super) head: usize,
    pub(super) together: f64,
    pub(super) alone: f64,
}

impl HeadCost {
    /// Not slower, but for what two measurements of one thing differ by.
    pub(super) const MOST: f64 = 1.05;

    pub(super) fn ratio(&self) -> f64 {
        self.together / self.alone
    }
}

/// The base and two heads; the second is compared with the first alone.
pub(super) fn head_costs(runs: &Runs) -> Vec<HeadCost> {
    let seconds = |step: &'static str, head: usize| -> Vec<f64> {
        let found = runs.measured(step, Side::Ours, step);
        found
            .filter_map(|found| found.heads.get(head).copied())
            .collect()
    };
    let cost = |head: usize| HeadCost {
        head,
        together: median(&seconds("heads", head)),
        alone: median(&seconds(if head == 0 { "fixed" } else { "alone" }, 0)),
    };
    (0..3)
        .map(cost)
        .filter(|cost| cost.ratio().is_finite())
        .collect()
}

/// How the time of a workload grows.
#[derive(Debug, PartialEq)]
pub(super) struct Growth {
    pub(super) of: &'static str,
    /// What is counted, in the words of a table: `5 shots (213 tokens)`.
    pub(super) labels: Vec<String>,
    /// How much there is of it, and the seconds that it took.
    pub(super) points: Vec<(f64, f64)>,
    pub(super) line: Line,
}

impl Growth {
    /// A point further from the line than this share of itself: not straight.
    pub(super) const MOST: f64 = 0.1;
}

/// Questions, shots, heads.
pub(super) fn growths(runs: &Runs, sizes: &Sizes) -> Vec<Growth> {
    let counted = |found: &Measured, count: usize, unit: &str| match unit {
        // Shots are not all of one length.
        "shots" => (
            found.shared as f64,
            format!("{count} ({} tokens)", found.shared),
        ),
        _ => (count as f64, count.to_string()),
    };
    let growth = |unit: &'static str, counts: &[usize]| {
        let (mut labels, mut points) = (Vec::new(), Vec::new());
        for &count in counts {
            let job = format!("{unit}-{count}");
            let found = runs.measured("growth", Side::Ours, &job).next()?;
            let (x, label) = counted(found, count, unit);
            labels.push(label);
            points.push((x, median(&runs.seconds("growth", Side::Ours, &job))));
        }
        Some(Growth {
            of: unit,
            line: Line::through(&points),
            labels,
            points,
        })
    };
    let all = [
        ("questions", &sizes.grow_questions),
        ("shots", &sizes.grow_shots),
        ("heads", &sizes.grow_heads),
    ];
    all.into_iter()
        .filter_map(|(unit, counts)| growth(unit, counts))
        .collect()
}

/// What memory the growing work took at most, in MiB.
pub(super) fn growth_memory(runs: &Runs) -> Option<f64> {
    let runs = runs.of("growth", Side::Ours).iter();
    let peaks: Vec<f64> = runs.filter_map(|run| run.report.peak_memory_mib).collect();
    (!peaks.is_empty()).then(|| largest(peaks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::fixture::runs;

    #[test]
    fn shares_are_of_the_fastest_product() {
        let runs = runs();
        assert_eq!(peak(&runs, Side::Ours), Some((1024, 2e9)));
        let shares = shares(&runs);
        // 1e9 operations a second.
        assert_eq!(shares[1].of_peak, 0.5);
        assert_eq!(shares.len(), 4);
    }

    #[test]
    fn heads_are_compared_with_themselves_alone() {
        let ratios: Vec<f64> = head_costs(&runs()).iter().map(HeadCost::ratio).collect();
        assert_eq!(ratios, [1.0, 1.0, 1.1]);
    }

    #[test]
    fn what_was_not_run_has_no_line() {
        assert_eq!(growths(&runs(), &Sizes::quick(false)), []);
    }
}
