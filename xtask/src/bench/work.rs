//! What is run: which jobs, by which side, how often.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

/// Who computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// `likra`, with its base in the type that it takes on this device.
    Ours,
    /// `likra` in f32, for numbers to compare where the other is not.
    OursF32,
    /// transformers, PEFT and lm-evaluation-harness in f32.
    PeerF32,
    /// The same with the base in bf16.
    PeerBf16,
}

pub(super) const PEERS: [Side; 2] = [Side::PeerF32, Side::PeerBf16];

impl Side {
    pub(super) fn is_peer(self) -> bool {
        PEERS.contains(&self)
    }

    /// The type that is asked for; none leaves it to the program.
    pub(super) fn dtype(self) -> Option<&'static str> {
        match self {
            Self::Ours => None,
            Self::OursF32 | Self::PeerF32 => Some("f32"),
            Self::PeerBf16 => Some("bf16"),
        }
    }
}

impl FromStr for Side {
    type Err = String;

    /// A peer, by the type of its base.
    fn from_str(text: &str) -> Result<Self, String> {
        let found = PEERS.into_iter().find(|side| side.dtype() == Some(text));
        found.ok_or_else(|| "expected f32 or bf16".into())
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "likra",
            Self::OursF32 => "likra f32",
            Self::PeerF32 => "peer f32",
            Self::PeerBf16 => "peer bf16",
        })
    }
}

/// How much each workload holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sizes {
    /// Runs of what is quick, and of what is not.
    pub(super) runs: usize,
    pub(super) few: usize,
    pub(super) shots: usize,
    /// Steps of training that are timed, after others that are not.
    pub(super) steps: usize,
    pub(super) warm_steps: usize,
    /// Questions with shots of their own, and questions that share shots.
    pub(super) anew: usize,
    pub(super) shared: usize,
    /// Questions, shots and heads whose growth is looked at; the last two over `grown` questions.
    pub(super) grow_questions: Vec<usize>,
    pub(super) grow_shots: Vec<usize>,
    pub(super) grow_heads: Vec<usize>,
    pub(super) grown: usize,
    /// Sizes of square matrices.
    pub(super) products: Vec<usize>,
    /// Whether warming up takes what is then timed: a GPU's kernels are chosen by size.
    pub(super) warm_alike: bool,
}

impl Sizes {
    pub(super) fn new(runs: usize, gpu: bool) -> Self {
        if gpu {
            Self::gpu(runs)
        } else {
            Self::cpu(runs)
        }
    }

    fn cpu(runs: usize) -> Self {
        Self {
            runs,
            few: runs.div_ceil(2),
            shots: 25,
            steps: 12,
            warm_steps: 2,
            anew: 3,
            shared: 300,
            grow_questions: vec![100, 300, 1000],
            grow_shots: vec![0, 5, 25],
            grow_heads: vec![1, 2, 4, 8],
            grown: 100,
            products: vec![512, 1024, 2048],
            warm_alike: false,
        }
    }

    fn gpu(runs: usize) -> Self {
        Self {
            steps: 60,
            warm_steps: 20,
            anew: 60,
            shared: 1172,
            products: vec![1024, 2048, 4096, 8192],
            warm_alike: true,
            ..Self::cpu(runs)
        }
    }

    /// What a model of billions can do in some minutes of a GPU.
    pub(super) fn brief(runs: usize, gpu: bool) -> Self {
        let full = Self::new(runs, gpu);
        Self {
            steps: full.steps.min(40),
            anew: full.anew.min(32),
            shared: full.shared.min(400),
            grow_questions: Vec::new(),
            grow_shots: Vec::new(),
            grow_heads: Vec::new(),
            ..full
        }
    }

    /// Enough to see that every part works.
    pub(super) fn quick(gpu: bool) -> Self {
        Self {
            shots: 5,
            steps: 2,
            warm_steps: 1,
            anew: 1,
            shared: 16,
            grow_questions: vec![4, 8, 16],
            grow_shots: vec![0, 2, 5],
            grow_heads: vec![1, 2, 4, 8],
            grown: 4,
            products: vec![512, 1024],
            warm_alike: gpu,
            ..Self::cpu(1)
        }
    }
}

/// Jobs of one side in one process.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) side: Side,
    pub(super) jobs: Vec<Value>,
    /// About how many seconds it takes a model of 135 million parameters on two cores: for the estimate.
    pub(super) guess: f64,
}

/// Steps that are run in turn, so many times.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) runs: usize,
    /// How many runs come before those that count.
    pub(super) warm_up: usize,
    pub(super) steps: Vec<Step>,
}

pub(super) const BATCH: usize = 8;

/// The adapters that jobs start from, for `likra` alone to make.
fn adapters(sizes: &Sizes) -> Value {
    let most = sizes.grow_heads.iter().copied().max().unwrap_or(0).max(2);
    json!({"name": "adapters", "job": "adapters", "folder": "adapters", "heads": most})
}

/// Everything, in order, with these peers.
pub(super) fn groups(sizes: &Sizes, asked: &[Side]) -> Vec<Group> {
    let peers = |name, jobs: Vec<Value>, guesses: [f64; 2]| -> Vec<Step> {
        let pairs = PEERS.into_iter().zip(guesses);
        pairs
            .filter(|(side, _)| asked.contains(side))
            .map(|(side, guess)| step(name, side, jobs.clone(), guess))
            .collect()
    };
    let both = |name, jobs: Vec<Value>, ours: f64, guesses: [f64; 2]| {
        let mut steps = vec![step(name, Side::Ours, jobs.clone(), ours)];
        steps.extend(peers(name, jobs, guesses));
        steps
    };
    let group = |runs, steps| Group {
        runs,
        warm_up: 0,
        steps,
    };
    // Numbers are compared in f32, where both can.
    let mut checks = Vec::new();
    if asked.contains(&Side::PeerF32) {
        checks.push(step("check", Side::OursF32, check(sizes), 8.0));
        checks.push(step("check", Side::PeerF32, check(sizes), 110.0));
    }
    let train = train("train", sizes.warm_steps, sizes.steps);
    let anew = scored(sizes, "anew", "per-question", &[0], sizes.anew);
    let adapters = step("adapters", Side::Ours, vec![adapters(sizes)], 1.0);
    let mut groups = vec![
        group(1, vec![adapters]),
        group(1, checks),
        Group {
            warm_up: 1,
            ..group(sizes.runs, both("first", vec![first()], 1.0, [12.0, 12.0]))
        },
        group(sizes.runs, both("train", vec![train], 20.0, [35.0, 30.0])),
        group(sizes.few, both("anew", vec![anew], 10.0, [110.0, 70.0])),
        group(sizes.few, shared(sizes)),
        group(sizes.few, both("peak", vec![peak(sizes)], 4.0, [8.0, 8.0])),
    ];
    let growth = growth(sizes);
    if !growth.is_empty() {
        let growth = step("growth", Side::Ours, growth, 280.0);
        groups.push(group(sizes.few, vec![growth]));
    }
    groups.retain(|group| !group.steps.is_empty());
    groups
}

fn step(name: &'static str, side: Side, jobs: Vec<Value>, guess: f64) -> Step {
    Step {
        name,
        side,
        jobs,
        guess,
    }
}

/// The base alone, a head alone, and all three in one process.
fn shared(sizes: &Sizes) -> Vec<Step> {
    let ours = |name, heads: &[usize], guess| {
        let job = scored(sizes, name, "fixed", heads, sizes.shared);
        step(name, Side::Ours, vec![job], guess)
    };
    vec![
        ours("fixed", &[0], 40.0),
        ours("alone", &[1], 42.0),
        ours("heads", &[0, 1, 2], 125.0),
    ]
}

/// A little of everything whose numbers both sides give, in f32.
fn check(sizes: &Sizes) -> Vec<Value> {
    let few = Sizes {
        warm_alike: false,
        ..sizes.clone()
    };
    vec![
        train("train", 1, 3),
        scored(&few, "anew", "per-question", &[0], 1),
        scored(&few, "fixed", "fixed", &[0], 2),
    ]
}

fn growth(sizes: &Sizes) -> Vec<Value> {
    let fixed = |name: String, heads: &[usize], questions, shots| {
        let sizes = Sizes {
            shots,
            ..sizes.clone()
        };
        scored(&sizes, &name, "fixed", heads, questions)
    };
    let questions = sizes.grow_questions.iter();
    let questions = questions.map(|&n| fixed(format!("questions-{n}"), &[0], n, sizes.shots));
    let shots = sizes.grow_shots.iter();
    let shots = shots.map(|&n| fixed(format!("shots-{n}"), &[0], sizes.grown, n));
    let heads = sizes.grow_heads.iter().map(|&n| {
        let heads: Vec<usize> = (1..=n).collect();
        fixed(format!("heads-{n}"), &heads, sizes.grown, sizes.shots)
    });
    questions.chain(shots).chain(heads).collect()
}

/// Right answers to ARC's questions, in order; everything else as in PEFT's and torch's defaults.
fn train(name: &str, warm_up: usize, steps: usize) -> Value {
    json!({"name": name, "job": "train", "adapter": "adapters/initial", "batch-size": BATCH,
        "warm-up": warm_up, "steps": steps, "learning-rate": 1e-3, "max-grad-norm": 1.0, "weight-decay": 0.0})
}

/// Head 0 is the base.
fn scored(sizes: &Sizes, name: &str, rule: &str, heads: &[usize], questions: usize) -> Value {
    let heads: Vec<String> = heads
        .iter()
        .map(|head| match head {
            0 => "base".into(),
            _ => format!("adapters/head-{head}"),
        })
        .collect();
    let warm_up = if sizes.warm_alike {
        json!({"questions": questions, "shots": sizes.shots})
    } else {
        json!({"questions": questions.min(8), "shots": sizes.shots.min(2)})
    };
    json!({"name": name, "job": "score", "heads": heads, "rule": rule, "questions": questions,
        "shots": sizes.shots, "warm-up": warm_up})
}

fn first() -> Value {
    json!({"name": "first", "job": "first-score", "context": "Question: Which of these is a metal?\nAnswer:",
        "continuation": " iron"})
}

fn peak(sizes: &Sizes) -> Value {
    json!({"name": "peak", "job": "peak", "sizes": sizes.products, "samples": 5})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_take_turns_and_names_are_their_own() {
        let sizes = Sizes::new(5, false);
        let all: [&[Side]; 3] = [&PEERS, &[Side::PeerBf16], &[]];
        for (peers, sides) in all.into_iter().zip([3, 2, 1]) {
            let groups = groups(&sizes, peers);
            let train = groups.iter().find(|group| group.steps[0].name == "train");
            assert_eq!(train.unwrap().steps.len(), sides);
            let mut names: Vec<_> = groups
                .iter()
                .flat_map(|group| &group.steps)
                .map(|step| (step.name, step.side))
                .collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
            let found = names.iter().filter(|(_, side)| side.is_peer());
            assert_eq!(found.count() > 0, !peers.is_empty());
            let checked = names.iter().any(|(name, _)| *name == "check");
            assert_eq!(checked, peers.contains(&Side::PeerF32));
        }
    }

    #[test]
    fn quick_is_smaller_in_everything() {
        let (full, quick) = (Sizes::new(5, false), Sizes::quick(false));
        assert!(quick.runs < full.runs && quick.few < full.few && quick.shots < full.shots);
        assert!(quick.steps < full.steps && quick.anew < full.anew && quick.shared < full.shared);
    }
}
