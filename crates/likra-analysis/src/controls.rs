//! Controls: what a gain of Likra could come from other than wrong answers.

use crate::{AccuracyRow, Method, Negative, Norm, ScoreTable};

/// The methods that Likra is held against, and SFT-Likra first:
///
/// - SFT, and SFT minus the base, as the authors' scorer has it too: right answers alone;
/// - the base minus SFT: what a negative head would do that has learned the form of answers;
/// - SFT minus each head that has learned right answers in place of wrong ones;
/// - the base and SFT minus what the base thinks of the answer alone (PMI): how frequent an answer is.
pub(crate) fn methods(negatives: &[Negative]) -> Vec<Method> {
    let contaminated = negatives.iter().filter(|head| head.contamination > 0.0);
    let contaminated = contaminated.map(|head| Method::likra_with(&head.head, &head.label));
    [
        Method::sft_likra(),
        Method::sft(),
        Method::sft_base(),
        Method::base_sft(),
    ]
    .into_iter()
    .chain(contaminated)
    .chain([Method::sft_pmi(), Method::base_pmi()])
    .collect()
}

/// Their accuracies after each number of examples for which the table has their heads, at weight 1.
pub(crate) fn controls(table: &ScoreTable, negatives: &[Negative], norm: Norm) -> Vec<AccuracyRow> {
    let methods = methods(negatives);
    methods
        .iter()
        .flat_map(|method| method.rows(table, norm))
        .collect()
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
