//! How long work takes, from what has been measured.

use std::time::Duration;

use likra_report::humantime;

/// Work in tokens that a model runs: forward and back to train, forward alone to score.
pub(crate) type Cost = [usize; 2];

/// Tokens that were run to train and to score, and how long that took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace([(usize, Duration); 2]);

impl Pace {
    /// Adds what was measured: work of one kind.
    pub(crate) fn add(&mut self, cost: Cost, took: Duration) {
        let kinds = self.0.iter_mut().zip(cost);
        for (measured, tokens) in kinds.filter(|(_, tokens)| *tokens > 0) {
            measured.0 += tokens;
            measured.1 += took;
        }
    }

    /// How long all of this work takes; `None` if nothing of its kind was measured.
    pub(crate) fn time(&self, costs: impl IntoIterator<Item = Cost>) -> Option<Duration> {
        let costs = costs.into_iter();
        let kinds = costs.flat_map(|cost| cost.into_iter().zip(self.0));
        let parts = kinds.filter(|(tokens, _)| *tokens > 0);
        let part = |(tokens, (measured, took)): (usize, (usize, Duration))| {
            (measured > 0).then(|| took.mul_f64(tokens as f64 / measured as f64))
        };
        parts.map(part).sum()
    }

    /// `about 3 min 20 s`, or a question mark.
    pub(crate) fn words(&self, costs: impl IntoIterator<Item = Cost>) -> String {
        let words = |time: Duration| format!("about {}", humantime(time));
        self.time(costs).map_or_else(|| "?".into(), words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_grows_with_tokens_of_a_kind() {
        let (train, score) = ([100, 0], [0, 1000]);
        let mut pace = Pace::default();
        assert_eq!(pace.time([train]), None);
        assert_eq!(pace.time([]), Some(Duration::ZERO));
        pace.add(train, Duration::from_secs(10));
        assert_eq!(pace.words([score]), "?");
        pace.add(score, Duration::from_secs(2));
        pace.add(score, Duration::from_secs(4));
        assert_eq!(
            pace.time([train, score, score]),
            Some(Duration::from_secs(16))
        );
        assert_eq!(pace.words([train, score, score]), "about 16.0 s");
    }
}
