//! What is compared, how, and within which bound.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::table::{Compared, Row};

/// A quantity, found by the beginning of its job's name.
pub(super) struct Check {
    prefix: &'static str,
    quantity: &'static str,
    against: &'static str,
    measure: Measure,
}

/// How two sides are compared.
enum Measure {
    /// Norm of the difference over the norm, and the largest difference.
    Norm { relative: f64, absolute: f64 },
    /// The same by tensor, without an absolute bound: the worst tensor counts.
    EachNorm(f64),
    /// Every number's difference over the number itself.
    EachRelative(f64),
    /// Every number's difference.
    EachAbsolute(f64),
    /// Both are approximations: the error of ours over the peer's.
    Rounding(f64),
    /// Lists of the same entries.
    Identical,
    /// Files only: compared by those who read them.
    Nothing,
}

use Measure::{EachAbsolute, EachNorm, EachRelative, Identical, Norm, Nothing, Rounding};

const fn check(
    prefix: &'static str,
    quantity: &'static str,
    against: &'static str,
    measure: Measure,
) -> Check {
    Check {
        prefix,
        quantity,
        against,
        measure,
    }
}

const LOGITS: Measure = Norm {
    relative: 1e-4,
    absolute: 1e-3,
};
const HARNESS: &str = "lm-eval";
const TORCH: &str = "torch + PEFT";

/// The bounds of the project. The first that fits a name is taken.
const CHECKS: [Check; 18] = [
    check(
        "tokens-",
        "token ids of context and continuation",
        "transformers + lm-eval",
        Identical,
    ),
    check(
        "logits-bf16",
        "logits, bf16 (error against f32, ours over peer's)",
        "transformers bf16",
        Rounding(1.25),
    ),
    check(
        "logits-padded",
        "logits, f32, padded batch",
        "transformers",
        LOGITS,
    ),
    check(
        "logits-prefix",
        "logits, f32, after a KV prefix",
        "transformers",
        LOGITS,
    ),
    check(
        "logits-window-prefix",
        "logits, f32, past the window, after a KV prefix",
        "transformers",
        LOGITS,
    ),
    check(
        "logits-window",
        "logits, f32, at and past the sliding window",
        "transformers",
        LOGITS,
    ),
    check(
        "logits",
        "logits, f32, all positions",
        "transformers",
        LOGITS,
    ),
    check(
        "adapter-mlp",
        "PEFT's adapter in likra: r 8, alpha 8, feed-forward",
        "PEFT",
        LOGITS,
    ),
    check(
        "adapter-attention-rslora",
        "PEFT's adapter in likra: r 4, alpha 16, rslora, attention",
        "PEFT",
        LOGITS,
    ),
    check(
        "ours-adapter-mlp",
        "likra's adapter in PEFT: feed-forward",
        "PEFT",
        LOGITS,
    ),
    check(
        "ours-adapter-attention-rslora",
        "likra's adapter in PEFT: rslora, attention",
        "PEFT",
        LOGITS,
    ),
    check(
        "gradients-",
        "gradients of every A and B, one step",
        TORCH,
        EachNorm(1e-3),
    ),
    check(
        "training",
        "losses and gradient norms of 50 steps",
        TORCH,
        EachRelative(1e-3),
    ),
    check(
        "scores-",
        "log-likelihood of every candidate",
        HARNESS,
        EachAbsolute(1e-3),
    ),
    check(
        "prompts-",
        "prompts of all test questions, shots drawn with seed 1234",
        HARNESS,
        Identical,
    ),
    check(
        "pairs-",
        "training pairs: order and wrong answers",
        "Python",
        Identical,
    ),
    check("draws-", "sample, choice, shuffle", "Python", Identical),
    check("", "", "", Nothing),
];

/// The check of the job called `name`.
pub(super) fn of(name: &str) -> Result<&'static Check> {
    CHECKS
        .iter()
        .find(|check| name.starts_with(check.prefix))
        .context("the last fits all")
}

/// All quantities, in the order in which a table has them.
pub(super) fn quantities() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|check| check.quantity)
}

/// One tensor of both sides.
pub(super) struct Pair<'a> {
    pub(super) peer: &'a [f64],
    pub(super) ours: &'a [f64],
    /// What both approximate.
    pub(super) exact: Option<&'a [f64]>,
}

/// All that a job found.
pub(super) struct Found<'a> {
    pub(super) tensors: Vec<Pair<'a>>,
    pub(super) answers: Option<(&'a Value, &'a Value)>,
}

impl Check {
    /// The table's row of the job called `name`; none if it has nothing to compare.
    pub(super) fn row(&self, model: &str, name: &str, found: &Found) -> Option<Row> {
        let detail = name.strip_prefix(self.prefix).unwrap_or_default();
        let parts = [model, detail.trim_start_matches('-')];
        let compared = self.measure.compare(found)?;
        Some(Row {
            quantity: self.quantity,
            case: parts
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(", "),
            against: self.against,
            compared,
        })
    }
}

impl Measure {
    fn compare(&self, found: &Found) -> Option<Compared> {
        let tensors = found.tensors.as_slice();
        match *self {
            Norm { relative, absolute } => Some(norms(tensors, relative, absolute)),
            EachNorm(bound) => Some(norms_of_each(tensors, bound)),
            EachRelative(bound) => Some(steps(tensors, bound)),
            EachAbsolute(bound) => Some(likelihoods(found, bound)),
            Rounding(bound) => Some(rounding(tensors, bound)),
            Identical => found.answers.map(|(peer, ours)| lists(peer, ours)),
            Nothing => None,
        }
    }
}

fn norms(tensors: &[Pair], relative: f64, absolute: f64) -> Compared {
    let (r, a) = (worst(tensors, relative_norm), worst(tensors, largest));
    Compared {
        difference: format!("{r:.1e} relative, {a:.1e} absolute"),
        bound: format!("{relative:.0e}, {absolute:.0e}"),
        holds: r <= relative && a <= absolute && !tensors.is_empty(),
        ..sizes(tensors)
    }
}

fn norms_of_each(tensors: &[Pair], bound: f64) -> Compared {
    let found = worst(tensors, relative_norm);
    Compared {
        difference: format!("{found:.1e} relative, of {} tensors", tensors.len()),
        bound: format!("{bound:.0e}"),
        holds: found <= bound && !tensors.is_empty(),
        ..sizes(tensors)
    }
}

/// Both sides as the norm of all their numbers.
fn sizes(tensors: &[Pair]) -> Compared {
    let size = |side: fn(&Pair) -> f64| {
        let squares = tensors.iter().map(|pair| side(pair).powi(2));
        format!("norm {:.3}", squares.sum::<f64>().sqrt())
    };
    Compared {
        peer: size(|pair| norm(pair.peer)),
        ours: size(|pair| norm(pair.ours)),
        ..Compared::default()
    }
}

fn steps(tensors: &[Pair], bound: f64) -> Compared {
    let found = worst(tensors, each_relative);
    let numbers: usize = tensors.iter().map(|pair| pair.peer.len()).sum();
    let last = |side: for<'a> fn(&Pair<'a>) -> &'a [f64]| {
        let loss = tensors.first().and_then(|pair| side(pair).last());
        loss.map_or_else(String::new, |loss| format!("last loss {loss:.6}"))
    };
    Compared {
        peer: last(|pair| pair.peer),
        ours: last(|pair| pair.ours),
        difference: format!("{found:.1e} relative, of {numbers} numbers"),
        bound: format!("{bound:.0e}"),
        holds: found <= bound && numbers > 0,
    }
}

fn likelihoods(found: &Found, bound: f64) -> Compared {
    let difference = worst(&found.tensors, largest);
    let candidates: usize = found.tensors.iter().map(|pair| pair.peer.len()).sum();
    let (peer, ours) = found.answers.unzip();
    let text = |answer: Option<&Value>| answer.map_or_else(String::new, accuracies);
    let (peer, ours) = (text(peer), text(ours));
    Compared {
        difference: format!("{difference:.1e} nats, of {candidates} candidates"),
        bound: format!("{bound:.0e}, accuracies equal"),
        holds: difference <= bound && peer == ours && candidates > 0,
        peer,
        ours,
    }
}

fn rounding(tensors: &[Pair], bound: f64) -> Compared {
    let peer = worst(tensors, |pair| error(pair, pair.peer));
    let ours = worst(tensors, |pair| error(pair, pair.ours));
    let ratio = ours / peer;
    Compared {
        peer: format!("{peer:.2e}"),
        ours: format!("{ours:.2e}"),
        difference: format!("{ratio:.2} times"),
        bound: format!("{bound:.2} times"),
        holds: ratio <= bound,
    }
}

fn lists(peer: &Value, ours: &Value) -> Compared {
    let (count, different) = entries(peer, ours);
    Compared {
        peer: format!("{count} entries"),
        ours: format!("{count} entries"),
        difference: format!("{different} differ"),
        bound: "identical".into(),
        holds: different == 0 && count > 0,
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b) * (a - b))
        .sum::<f64>()
        .sqrt()
}

fn relative_norm(pair: &Pair) -> f64 {
    distance(pair.ours, pair.peer) / norm(pair.peer)
}

fn largest(pair: &Pair) -> f64 {
    maximum(pair.ours.iter().zip(pair.peer).map(|(a, b)| (a - b).abs()))
}

fn each_relative(pair: &Pair) -> f64 {
    maximum(
        pair.ours
            .iter()
            .zip(pair.peer)
            .map(|(a, b)| (a - b).abs() / b.abs()),
    )
}

/// The relative error of one side against what it approximates; not a number without that.
fn error(pair: &Pair, side: &[f64]) -> f64 {
    pair.exact
        .map_or(f64::NAN, |exact| distance(side, exact) / norm(exact))
}

fn worst(tensors: &[Pair], measure: impl Fn(&Pair) -> f64) -> f64 {
    maximum(tensors.iter().map(measure))
}

/// The largest; not a number if one is not, so that it is within no bound.
fn maximum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |largest, value| {
        if value.is_nan() || value > largest {
            value
        } else {
            largest
        }
    })
}

fn accuracies(answer: &Value) -> String {
    let share = |name: &str| {
        answer[name]
            .as_f64()
            .map_or("-".into(), |share| format!("{share:.4}"))
    };
    format!("acc {}, acc_norm {}", share("acc"), share("acc_norm"))
}

/// How many entries two lists have, and how many of them differ.
fn entries(peer: &Value, ours: &Value) -> (usize, usize) {
    match (peer.as_array(), ours.as_array()) {
        (Some(peer), Some(ours)) => {
            let differ = peer
                .iter()
                .zip(ours)
                .filter(|(peer, ours)| peer != ours)
                .count();
            (peer.len(), differ + peer.len().abs_diff(ours.len()))
        }
        _ => (1, usize::from(peer != ours)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(name: &str, peer: &[f64], ours: &[f64], exact: Option<&[f64]>) -> bool {
        let found = Found {
            tensors: vec![Pair { peer, ours, exact }],
            answers: None,
        };
        let row = of(name).unwrap().row("model", name, &found).unwrap();
        row.compared.holds
    }

    #[test]
    fn a_bound_is_held_or_broken() {
        let peer = [1.0, -2.0, 4.0];
        assert!(holds("logits", &peer, &peer, None));
        assert!(holds("logits", &peer, &[1.0, -2.0, 4.0001], None));
        assert!(!holds("logits", &peer, &[1.0, -2.0, 4.002], None));
        assert!(!holds("logits", &peer, &[f64::NAN, -2.0, 4.0], None));
        assert!(!holds("logits", &[], &[], None));
        assert!(!holds("training", &peer, &[1.0, -2.003, 4.0], None));
        assert!(!holds("gradients-mlp", &peer, &[1.0, -2.0, 4.1], None));
        let rough = [1.01, -2.0, 4.0];
        assert!(holds("logits-bf16", &rough, &rough, Some(&peer)));
        assert!(!holds(
            "logits-bf16",
            &rough,
            &[1.02, -2.0, 4.0],
            Some(&peer)
        ));
        assert!(!holds("logits-bf16", &rough, &rough, None));
    }

    #[test]
    fn lists_are_the_same_entry_by_entry() {
        assert_eq!(entries(&json!([1, [2]]), &json!([1, [2]])), (2, 0));
        assert_eq!(entries(&json!([1, [2]]), &json!([1, [3]])), (2, 1));
        assert_eq!(entries(&json!([1, 2]), &json!([1])), (2, 1));
    }

    #[test]
    fn accuracies_must_be_equal_too() {
        let numbers = [1.0];
        let row = |ours: &Value| {
            let found = Found {
                tensors: vec![Pair {
                    peer: &numbers,
                    ours: &numbers,
                    exact: None,
                }],
                answers: Some((&json!({"acc": 0.25, "acc_norm": 0.5}), ours)),
            };
            of("scores-arc")
                .unwrap()
                .row("model", "scores-arc", &found)
                .unwrap()
                .compared
                .holds
        };
        assert!(row(&json!({"acc": 0.25, "acc_norm": 0.5})));
        assert!(!row(&json!({"acc": 0.25, "acc_norm": 0.45})));
    }
}
