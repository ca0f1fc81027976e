//! How long work takes, from what has been measured.

use std::time::Duration;

use likra_report::humantime;

/// Work in tokens that a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cost {
    /// Forward and back.
    pub(crate) trained: usize,
    /// Forward.
    pub(crate) scored: usize,
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |sum, cost| Self {
            trained: sum.trained + cost.trained,
            scored: sum.scored + cost.scored,
        })
    }
}

/// Tokens that were run, and how long that took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    trained: (usize, Duration),
    scored: (usize, Duration),
}

impl Pace {
    /// Adds what was measured: work of one kind.
    pub(crate) fn add(&mut self, cost: Cost, took: Duration) {
        let (kind, tokens) = match cost.trained {
            0 => (&mut self.scored, cost.scored),
            trained => (&mut self.trained, trained),
        };
        kind.0 += tokens;
        kind.1 += took;
    }

    /// How long such work takes; `None` if nothing of its kind was measured.
    pub(crate) fn time(&self, cost: Cost) -> Option<Duration> {
        let part = |(measured, took): (usize, Duration), tokens: usize| match (tokens, measured) {
            (0, _) => Some(Duration::ZERO),
            (_, 0) => None,
            _ => Some(took.mul_f64(tokens as f64 / measured as f64)),
        };
        Some(part(self.trained, cost.trained)? + part(self.scored, cost.scored)?)
    }

    /// `about 3 min 20 s`, or a question mark.
    pub(crate) fn words(&self, cost: Cost) -> String {
        let words = |time: Duration| format!("about {}", humantime(time));
        self.time(cost).map_or_else(|| "?".into(), words)
    }
}

/// The most memory that this process has held, where the system says so (Linux), in MiB.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_grows_with_tokens_of_a_kind() {
        let work = |trained, scored| Cost { trained, scored };
        let (train, score) = (work(100, 0), work(0, 1000));
        let mut pace = Pace::default();
        assert_eq!(pace.time(train), None);
        assert_eq!(pace.time(Cost::default()), Some(Duration::ZERO));
        pace.add(train, Duration::from_secs(10));
        assert_eq!(pace.words(score), "?");
        pace.add(score, Duration::from_secs(2));
        pace.add(score, Duration::from_secs(4));
        let all: Cost = [train, score, score].into_iter().sum();
        assert_eq!(pace.time(all), Some(Duration::from_secs(16)));
        assert_eq!(pace.words(all), "about 16.0 s");
    }
}
