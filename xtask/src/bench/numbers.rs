//! Whether both sides computed the same: speed says nothing of a program that computes something else.

use super::report::Measured;
use super::runs::Runs;
use super::stats::largest;
use super::work::Side;

/// Numbers of both sides, and the largest difference.
#[derive(Debug, PartialEq)]
pub(super) struct Compared {
    pub(super) what: String,
    pub(super) count: usize,
    pub(super) difference: f64,
    pub(super) bound: String,
    pub(super) holds: bool,
}

/// How far apart numbers may be: losses relative, log-likelihoods in nats.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    losses: f64,
    likelihoods: f64,
}

/// Those of `cargo xtask parity`.
const EXACT: Bounds = Bounds {
    losses: 1e-3,
    likelihoods: 1e-3,
};
/// A GPU multiplies f32 in TF32, which keeps 10 bits.
const TF32: Bounds = Bounds {
    losses: 1e-2,
    likelihoods: 5e-2,
};
/// bf16 keeps 7 bits; the harness's log-likelihoods, about 10 nats a token, are themselves in it.
const BF16: Bounds = Bounds {
    losses: 2e-2,
    likelihoods: 1.0,
};

const QUANTITIES: [(&str, &str, &str); 6] = [
    ("train", "train", "losses of training"),
    (
        "anew",
        "anew",
        "log-likelihoods, shots anew for each question",
    ),
    ("first", "first", "the first score"),
    ("check", "train", "losses of training, likra in f32"),
    ("check", "anew", "log-likelihoods, shots anew, likra in f32"),
    (
        "check",
        "fixed",
        "log-likelihoods, the same shots for all, likra in f32",
    ),
];

/// Every pair of runs that both computed in one type.
pub(super) fn compare(runs: &Runs) -> Vec<Compared> {
    let quantity = |(step, job, what): (&'static str, &'static str, &str)| {
        let side = if step == "check" {
            Side::OursF32
        } else {
            Side::Ours
        };
        let in_bf16 = runs.of(step, side).first()?.report.dtype != "f32";
        let (peer, bounds, note) = match (in_bf16, runs.gpu()) {
            (true, _) => (Side::PeerBf16, BF16, ", both in bf16"),
            (false, true) => (Side::PeerF32, TF32, ""),
            (false, false) => (Side::PeerF32, EXACT, ""),
        };
        let peer = runs.measured(step, peer, job);
        let pairs: Vec<_> = runs.measured(step, side, job).zip(peer).collect();
        let what = format!("{what}{note}");
        (!pairs.is_empty()).then(|| compared(&what, &pairs, job == "train", bounds))
    };
    QUANTITIES.into_iter().filter_map(quantity).collect()
}

fn compared(
    what: &str,
    pairs: &[(&Measured, &Measured)],
    relative: bool,
    bounds: Bounds,
) -> Compared {
    let difference = |ours: &Measured, peer: &Measured| {
        if ours.values.len() != peer.values.len() || ours.values.is_empty() {
            return f64::NAN;
        }
        let pairs = ours.values.iter().zip(&peer.values);
        largest(pairs.map(|(ours, peer)| {
            let scale = if relative { peer.abs() } else { 1.0 };
            (ours - peer).abs() / scale
        }))
    };
    let tokens = |(ours, peer): &(&Measured, &Measured)| !relative || ours.tokens == peer.tokens;
    let difference = largest(pairs.iter().map(|(ours, peer)| difference(ours, peer)));
    let (bound, unit) = if relative {
        (bounds.losses, "relative")
    } else {
        (bounds.likelihoods, "nats")
    };
    Compared {
        what: what.into(),
        count: pairs.iter().map(|(ours, _)| ours.values.len()).sum(),
        difference,
        bound: format!("{bound:.0e} {unit}"),
        holds: difference <= bound && pairs.iter().all(tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::fixture::runs;

    fn values(values: &[f64]) -> Measured {
        Measured {
            values: values.into(),
            ..Measured::default()
        }
    }

    fn holds(ours: &[f64], peer: &[f64], relative: bool) -> bool {
        compared("", &[(&values(ours), &values(peer))], relative, EXACT).holds
    }

    #[test]
    fn bounds_hold_or_break() {
        assert!(holds(&[-50.0005], &[-50.0], false));
        assert!(!holds(&[-50.002], &[-50.0], false));
        assert!(holds(&[4.003], &[4.0], true));
        assert!(!holds(&[4.005], &[4.0], true));
        assert!(!holds(&[f64::NAN], &[4.0], true));
    }

    #[test]
    fn what_cannot_be_compared_does_not_hold() {
        assert!(!holds(&[1.0], &[1.0, 2.0], false));
        assert!(!holds(&[], &[], false));
        let more = Measured {
            tokens: 7,
            ..values(&[1.0])
        };
        assert!(!compared("", &[(&more, &values(&[1.0]))], true, EXACT).holds);
    }

    #[test]
    fn f32_is_compared_with_f32() {
        let found = compare(&runs());
        let names: Vec<&str> = found.iter().map(|found| found.what.as_str()).collect();
        assert_eq!(names, [QUANTITIES[0].2, QUANTITIES[1].2, QUANTITIES[2].2]);
        assert!(found.iter().all(|found| found.holds));
        // Three runs of two steps.
        assert_eq!(found[0].count, 6);
        assert_eq!(found[2].holds, found[2].difference == 0.0);
    }
}
