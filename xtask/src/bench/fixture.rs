//! Runs of both sides with round numbers, for tests.

use super::report::{Measured, Report};
use super::runs::{Run, Runs};
use super::work::{Side, Step};

/// What one process found: one job under its step's name.
fn run(name: &str, side: Side, measured: Measured) -> Run {
    let program = if side.is_peer() {
        "peer 1.0"
    } else {
        "likra 0.1.0"
    };
    Run {
        report: Report {
            program: program.into(),
            device: "cpu".into(),
            dtype: side.dtype().unwrap_or("f32").into(),
            threads: 2,
            versions: [("library".into(), "1.2.3".into())].into(),
            peak_memory_mib: Some(if side.is_peer() { 400.0 } else { 500.0 }),
            results: [(name.into(), measured)].into(),
        },
        started: 1000.0,
        gpu_mib: None,
    }
}

fn took(seconds: f64, questions: usize) -> Measured {
    Measured {
        seconds: vec![seconds],
        questions,
        tokens: 40 * questions,
        operations: 1e9 * seconds,
        heads: vec![seconds],
        values: vec![1.0, 2.0],
        ..Measured::default()
    }
}

/// Ours trains on 8 examples of 40 tokens in about a second, the peer in 4 (f32) and 2 (bf16); and so on.
pub(super) fn runs() -> Runs {
    let mut runs = Runs::default();
    let mut push = |name: &'static str, side, measured| {
        let step = Step {
            name,
            side,
            jobs: Vec::new(),
            guess: 1.0,
        };
        runs.ask(&step);
        runs.push(&step, run(name, side, measured));
    };
    for seconds in [0.5, 1.0, 2.0] {
        push("train", Side::Ours, took(seconds, 8));
        push("train", Side::PeerF32, took(4.0 * seconds, 8));
        push("train", Side::PeerBf16, took(2.0 * seconds, 8));
    }
    push("anew", Side::Ours, took(1.0, 3));
    push("anew", Side::PeerF32, took(60.0, 3));
    push("fixed", Side::Ours, took(30.0, 300));
    push("alone", Side::Ours, took(30.0, 300));
    let heads = Measured {
        heads: vec![30.0, 30.0, 33.0],
        ..took(90.0, 300)
    };
    push("heads", Side::Ours, heads);
    for (side, at) in [(Side::Ours, 1002.0), (Side::PeerF32, 1010.0)] {
        let first = Measured {
            at,
            values: vec![-3.0],
            ..Measured::default()
        };
        push("first", side, first);
    }
    let peak = Measured {
        rates: [(512, 1e9), (1024, 2e9)].into(),
        ..Measured::default()
    };
    push("peak", Side::Ours, peak);
    runs
}
