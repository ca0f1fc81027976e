//! Controls: what a gain of Likra could come from other than wrong answers.

use crate::accuracy::rows;
use crate::{AccuracyRow, Method, Negative, Norm, ScoreTable};

/// The methods that Likra is held against, and SFT-Likra first:
///
/// - SFT, and SFT minus the base, as the authors' scorer has it too: right answers alone;
/// - the base minus SFT: what a negative head would do that has learned the form of answers;
/// - SFT minus each head that has learned right answers in place of wrong ones;
/// - the base and SFT minus what the base thinks of the answer alone (PMI): how frequent an answer is.
pub(crate) fn methods(negatives: &[Negative]) -> Vec<Method> {
    let contaminated = negatives.iter().filter(|head| !head.is_pure());
    let mut methods = vec![
        Method::SFT_LIKRA,
        Method::SFT,
        Method::SFT_BASE,
        Method::BASE_SFT,
    ];
    methods.extend(contaminated.map(Negative::method));
    methods.extend([Method::SFT_PMI, Method::BASE_PMI]);
    methods
}

/// Their accuracies after each number of examples for which the table has their heads, at weight 1.
pub(crate) fn controls(table: &ScoreTable, negatives: &[Negative], norm: Norm) -> Vec<AccuracyRow> {
    rows(&methods(negatives), table, norm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture_tests::table;

    #[test]
    fn controls_by_hand() {
        let table = table(&[
            ("base", 0, &[&[-2.0, -3.0], &[-4.0, -3.0]]),
            ("answer-only", 0, &[&[-2.0, -4.0], &[-9.0, -3.0]]),
            ("positive", 64, &[&[-2.0, -2.5], &[-3.0, -4.0]]),
            ("late", 64, &[&[-2.0, -1.5], &[-1.0, -4.0]]),
        ]);
        let negatives = [Negative {
            head: "late".into(),
            label: "SFT − late".into(),
            contamination: 1.0,
        }];
        let rows = controls(&table, &negatives, Norm::None);
        let found: Vec<_> = rows
            .iter()
            .map(|row| (row.method.name(), row.examples, row.acc.value))
            .collect();
        let expected = [
            ("sft", 64, 1.0),
            // 0 and 0.5; 1 and -1.
            ("sft-base", 64, 0.5),
            // 0 and -0.5; -1 and 1.
            ("base-sft", 64, 0.5),
            // 0 and -1; -2 and 0.
            ("sft-late", 64, 0.5),
            // 0 and 1.5; 6 and -1.
            ("sft-pmi", 64, 0.5),
            // 0 and 1; 5 and 0.
            ("base-pmi", 0, 0.5),
        ];
        assert_eq!(found, expected);
    }
}
