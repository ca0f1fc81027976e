//! Ways of answering: one head's log-likelihoods, perhaps minus those of another.

use likra_results::{ANSWER_ONLY, BASE};

use crate::{Rule, ScoreTable};

/// The name of the head that is trained on right answers.
pub const POSITIVE: &str = "positive";
/// The head trained on wrong answers of the same question.
pub(crate) const NEGATIVE: &str = "incorrect";

/// A way of answering. Where it has two heads, both have seen equally many examples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    name: String,
    label: String,
    plus: Term,
    minus: Option<Term>,
}

/// Whose log-likelihoods.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    /// The base's.
    Base,
    /// The base's where nothing is asked.
    AnswerOnly,
    /// A trained head's.
    Head(String),
}

impl Term {
    fn positive() -> Self {
        Self::Head(POSITIVE.into())
    }

    /// The column of a table that holds them.
    fn column(&self, examples: usize) -> (&str, usize) {
        match self {
            Self::Base => (BASE, 0),
            Self::AnswerOnly => (ANSWER_ONLY, 0),
            Self::Head(name) => (name, examples),
        }
    }
}

impl Method {
    fn new(name: &str, label: &str, plus: Term, minus: Option<Term>) -> Self {
        Self {
            name: name.into(),
            label: label.into(),
            plus,
            minus,
        }
    }

    /// The base model.
    #[must_use]
    pub fn base() -> Self {
        Self::new("base", "Base", Term::Base, None)
    }

    /// Supervised fine-tuning: the positive head alone.
    #[must_use]
    pub fn sft() -> Self {
        Self::new("sft", "SFT", Term::positive(), None)
    }

    /// The positive head minus the negative head.
    #[must_use]
    pub fn sft_likra() -> Self {
        Self {
            name: "sft-likra".into(),
            ..Self::likra_with(NEGATIVE, "SFT-Likra")
        }
    }

    /// The base minus the negative head: Likra without positive examples.
    #[must_use]
    pub fn base_likra() -> Self {
        let negative = Term::Head(NEGATIVE.into());
        Self::new("base-likra", "Base-Likra", Term::Base, Some(negative))
    }

    /// The positive head minus another negative head, called `label` in figures.
    #[must_use]
    pub fn likra_with(head: &str, label: &str) -> Self {
        let negative = Term::Head(head.into());
        let name = format!("sft-{head}");
        Self::new(&name, label, Term::positive(), Some(negative))
    }

    /// The positive head minus the base, the fourth way of the authors' scorer: what fine-tuning on right
    /// answers has changed, and nothing else.
    #[must_use]
    pub fn sft_base() -> Self {
        Self::new("sft-base", "SFT − base", Term::positive(), Some(Term::Base))
    }

    /// The base minus the positive head: what a negative head would do that has learned the form of
    /// answers but not that they are wrong.
    #[must_use]
    pub fn base_sft() -> Self {
        Self::new("base-sft", "base − SFT", Term::Base, Some(Term::positive()))
    }

    /// The base minus what it thinks of the answer alone: domain-conditional PMI (Holtzman et al. 2021,
    /// "Surface form competition", equation 3).
    #[must_use]
    pub fn base_pmi() -> Self {
        Self::new("base-pmi", "base PMI", Term::Base, Some(Term::AnswerOnly))
    }

    /// The positive head minus what the base thinks of the answer alone.
    #[must_use]
    pub fn sft_pmi() -> Self {
        let alone = Some(Term::AnswerOnly);
        Self::new("sft-pmi", "SFT PMI", Term::positive(), alone)
    }

    /// The method's name in files.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The method's name in text and figures.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether it has no trained head, and stands at 0 examples.
    #[must_use]
    pub fn is_untrained(&self) -> bool {
        let trained = |term: &Term| matches!(term, Term::Head(_));
        !trained(&self.plus) && !self.minus.as_ref().is_some_and(trained)
    }

    /// How the method scores after so many examples, with this weight of the head that is subtracted, if
    /// one is. `None` if the table does not have its heads, or the method is not defined there: at
    /// 0 examples both heads are the base and every ratio is zero.
    #[must_use]
    pub fn rule<'a>(
        &self,
        table: &'a ScoreTable,
        examples: usize,
        weight: f64,
    ) -> Option<Rule<'a>> {
        if self.is_untrained() != (examples == 0) {
            return None;
        }
        let (head, seen) = self.plus.column(examples);
        let rule = table.rule(head, seen)?;
        let Some(minus) = &self.minus else {
            return Some(rule);
        };
        let (head, seen) = minus.column(examples);
        rule.minus(weight, head, seen)
    }

    /// The numbers of examples for which the table has the method's heads.
    #[must_use]
    pub fn examples(&self, table: &ScoreTable) -> Vec<usize> {
        let examples = table.examples().into_iter();
        examples
            .filter(|&examples| self.rule(table, examples, 1.0).is_some())
            .collect()
    }

    /// The most of them.
    pub(crate) fn last(&self, table: &ScoreTable) -> Option<usize> {
        self.examples(table).last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Norm;
    use crate::fixture_tests::table;

    fn heads() -> ScoreTable {
        table(&[
            ("base", 0, &[&[-2.0, -3.0]]),
            ("answer-only", 0, &[&[-5.0, -1.0]]),
            ("positive", 64, &[&[-1.0, -4.0]]),
            ("incorrect", 64, &[&[-3.0, -2.0]]),
            ("incorrect", 128, &[&[-3.0, -1.0]]),
        ])
    }

    #[test]
    fn every_way_by_hand() {
        let table = heads();
        let scores =
            |method: Method, examples| method.rule(&table, examples, 1.0).unwrap().scores();
        assert_eq!(scores(Method::base(), 0), [[-2.0, -3.0]]);
        assert_eq!(scores(Method::sft(), 64), [[-1.0, -4.0]]);
        assert_eq!(scores(Method::sft_likra(), 64), [[2.0, -2.0]]);
        assert_eq!(scores(Method::base_likra(), 128), [[1.0, -2.0]]);
        assert_eq!(scores(Method::sft_base(), 64), [[1.0, -1.0]]);
        assert_eq!(scores(Method::base_sft(), 64), [[-1.0, 1.0]]);
        assert_eq!(scores(Method::base_pmi(), 0), [[3.0, -2.0]]);
        assert_eq!(scores(Method::sft_pmi(), 64), [[4.0, -3.0]]);
    }

    #[test]
    fn a_method_is_defined_where_its_heads_are() {
        let table = heads();
        assert_eq!(Method::sft().examples(&table), [64]);
        assert_eq!(Method::base_likra().examples(&table), [64, 128]);
        assert_eq!(Method::base().examples(&table), [0]);
        assert_eq!(Method::base_pmi().examples(&table), [0]);
        assert!(
            Method::likra_with("hardest", "x")
                .examples(&table)
                .is_empty()
        );
        assert!(Method::sft().rule(&table, 0, 1.0).is_none());
    }

    #[test]
    fn weight_zero_is_sft() {
        let table = heads();
        let right =
            |method: Method, weight| method.rule(&table, 64, weight).unwrap().right(Norm::Chars);
        assert_eq!(right(Method::sft_likra(), 0.0), right(Method::sft(), 1.0));
    }
}
