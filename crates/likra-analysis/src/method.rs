//! Ways of answering: one head's log-likelihoods, perhaps minus those of another.

use std::borrow::Cow;

use likra_results::{ANSWER_ONLY, BASE, P_TRUE};

use crate::{Rule, ScoreTable, table::SHORTEST};

/// The name of the head that is trained on right answers.
pub const POSITIVE: &str = "positive";
/// The head trained on wrong answers of the same question.
pub const NEGATIVE: &str = "incorrect";

/// A way of answering. Where it has two heads, both have seen equally many examples.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    name: Cow<'static, str>,
    label: Cow<'static, str>,
    /// Whose log-likelihoods.
    plus: Cow<'static, str>,
    /// Whose are subtracted.
    minus: Option<Cow<'static, str>>,
    /// Whose are added, and how often.
    more: Cow<'static, [(f64, &'static str)]>,
    /// How much the weight of what is subtracted counts.
    times: f64,
    /// Whether its scores are no sums over an answer's tokens, so that an answer's length is no divisor.
    whole: bool,
}

impl Method {
    /// The base model.
    pub const BASE: Self = Self::new("base", "Base", BASE, None);
    /// Supervised fine-tuning: the positive head alone.
    pub const SFT: Self = Self::new("sft", "SFT", POSITIVE, None);
    /// The positive head minus the negative head.
    pub const SFT_LIKRA: Self = Self::new("sft-likra", "SFT-Likra", POSITIVE, Some(NEGATIVE));
    /// The base minus the negative head: Likra without positive examples.
    pub const BASE_LIKRA: Self = Self::new("base-likra", "Base-Likra", BASE, Some(NEGATIVE));
    /// The positive head minus the base, the fourth way of the authors' scorer: what fine-tuning on right
    /// answers has changed, and nothing else.
    pub const SFT_BASE: Self = Self::new("sft-base", "SFT − base", POSITIVE, Some(BASE));
    /// The base minus the positive head: what a negative head would do that has learned the form of
    /// answers but not that they are wrong.
    pub const BASE_SFT: Self = Self::new("base-sft", "base − SFT", BASE, Some(POSITIVE));
    /// The base minus what it thinks of the answer alone: domain-conditional PMI (Holtzman et al. 2021,
    /// "Surface form competition", equation 3).
    pub const BASE_PMI: Self = Self::new("base-pmi", "base PMI", BASE, Some(ANSWER_ONLY));
    /// The positive head minus what the base thinks of the answer alone.
    pub const SFT_PMI: Self = Self::new("sft-pmi", "SFT PMI", POSITIVE, Some(ANSWER_ONLY));

    /// The base plus the positive head minus the negative one (Liu et al. 2021, equation 1, with its alpha of 1).
    pub const DEXPERTS: Self = {
        let heads = (POSITIVE, Some(NEGATIVE));
        Self::with("dexperts", "DExperts", heads, &[(1.0, BASE)], false)
    };
    /// What the base thinks of the answer alone.
    pub const ANSWER_ONLY: Self = Self::new("answer-only", "answer only", ANSWER_ONLY, None);
    /// What the base says when it is asked whether an answer is true.
    pub const P_TRUE: Self = Self::with("p-true", "P(true)", (P_TRUE, None), &[], true);
    /// The shortest answer.
    pub const SHORTEST: Self = Self::with("shortest", "shortest", (SHORTEST, None), &[], true);

    /// Those of the paper's table 1, and Base-Likra.
    pub(crate) const TABLE1: [Self; 4] = [Self::BASE, Self::SFT, Self::SFT_LIKRA, Self::BASE_LIKRA];

    const fn new(
        name: &'static str,
        label: &'static str,
        plus: &'static str,
        minus: Option<&'static str>,
    ) -> Self {
        Self::with(name, label, (plus, minus), &[], false)
    }

    const fn with(
        name: &'static str,
        label: &'static str,
        (plus, minus): (&'static str, Option<&'static str>),
        more: &'static [(f64, &'static str)],
        whole: bool,
    ) -> Self {
        Self {
            name: Cow::Borrowed(name),
            label: Cow::Borrowed(label),
            plus: Cow::Borrowed(plus),
            minus: match minus {
                Some(head) => Some(Cow::Borrowed(head)),
                None => None,
            },
            more: Cow::Borrowed(more),
            times: 1.0,
            whole,
        }
    }

    /// The same with the settings that were chosen for it: heads whose names end with `variant`, and a weight.
    #[must_use]
    pub(crate) fn chosen(self, variant: &str, weight: f64) -> Self {
        let of = |head: Cow<'static, str>| match seen(&head, 1) {
            0 => head,
            _ => format!("{head}{variant}").into(),
        };
        let weight_chosen = self.minus.as_ref().map(|_| format!("w = {weight}"));
        let settings = variant.split('-').filter(|setting| !setting.is_empty());
        let settings: Vec<String> = settings.map(String::from).chain(weight_chosen).collect();
        Self {
            name: format!("{}-chosen", self.name).into(),
            label: format!("{}, {} chosen", self.label, settings.join(", ")).into(),
            plus: of(self.plus),
            minus: self.minus.map(of),
            times: weight,
            ..self
        }
    }

    /// Logistic regression on what the positive and the negative head think of an answer, and on its length: how much
    /// each counts, a nat of the heads and a character that is lacking.
    #[must_use]
    pub(crate) fn logistic([positive, negative, shortest]: [f64; 3]) -> Self {
        Self {
            more: Cow::Owned(vec![(positive - 1.0, POSITIVE), (shortest, SHORTEST)]),
            times: -negative,
            whole: true,
            ..Self::new("logistic", "logistic regression", POSITIVE, Some(NEGATIVE))
        }
    }

    /// The same on the questions that are set aside.
    #[must_use]
    pub(crate) fn aside(self) -> Self {
        Self {
            name: format!("{}-aside", self.name).into(),
            label: format!("{}, set aside", self.label).into(),
            ..self
        }
    }

    /// A head that was trained to tell right answers from wrong ones: by its log-likelihoods, and by what it has made of
    /// the base's, which is the reward of DPO (Rafailov et al. 2023, equation 5).
    #[must_use]
    pub fn rivals(head: &str) -> [Self; 2] {
        let alone = Self::of(head.to_owned(), head, None);
        let gained = Self::of(format!("{head}-{BASE}"), head, Some(BASE));
        [alone, gained.called(format!("{head} − {BASE}"))]
    }

    /// A head that gives rewards.
    #[must_use]
    pub fn reward(head: &str) -> Self {
        let whole = true;
        Self {
            whole,
            ..Self::of(head.to_owned(), head, None)
        }
    }

    /// The positive head minus another negative head, called `label` in figures.
    #[must_use]
    pub fn likra_with(head: &str, label: &str) -> Self {
        Self::of(format!("sft-{head}"), POSITIVE, Some(head)).called(label.to_owned())
    }

    /// A method by these heads, called `name` everywhere.
    fn of(name: String, plus: &str, minus: Option<&str>) -> Self {
        Self {
            label: name.clone().into(),
            name: name.into(),
            plus: plus.to_owned().into(),
            minus: minus.map(|head| head.to_owned().into()),
            ..Self::BASE
        }
    }

    fn called(self, label: String) -> Self {
        let label = label.into();
        Self { label, ..self }
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

    /// Whether it subtracts a head.
    pub(crate) fn is_ratio(&self) -> bool {
        self.minus.is_some()
    }

    /// Whether it has no trained head, and stands at 0 examples.
    #[must_use]
    pub fn is_untrained(&self) -> bool {
        seen(&self.plus, 1) == 0 && self.minus.as_ref().is_none_or(|head| seen(head, 1) == 0)
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
        let mut rule = table.rule(&self.plus, seen(&self.plus, examples))?;
        rule.whole = self.whole;
        if let Some(head) = &self.minus {
            rule = rule.minus(weight * self.times, head, seen(head, examples))?;
        }
        let mut more = self.more.iter();
        more.try_fold(rule, |rule, (times, head)| {
            rule.minus(-times, head, seen(head, examples))
        })
    }

    /// The numbers of examples for which the table has the method's heads.
    #[must_use]
    pub fn examples(&self, table: &ScoreTable) -> Vec<usize> {
        let mut examples = table.examples();
        examples.retain(|&examples| self.rule(table, examples, 1.0).is_some());
        examples.into_iter().collect()
    }

    /// The most of them.
    pub(crate) fn last(&self, table: &ScoreTable) -> Option<usize> {
        self.examples(table).last().copied()
    }
}

/// How many of a method's examples a head has seen: the base has none, whatever it is asked.
fn seen(head: &str, examples: usize) -> usize {
    match head {
        BASE | ANSWER_ONLY | P_TRUE | SHORTEST => 0,
        _ => examples,
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
        assert_eq!(scores(Method::BASE, 0), [[-2.0, -3.0]]);
        assert_eq!(scores(Method::SFT, 64), [[-1.0, -4.0]]);
        assert_eq!(scores(Method::SFT_LIKRA, 64), [[2.0, -2.0]]);
        assert_eq!(scores(Method::BASE_LIKRA, 128), [[1.0, -2.0]]);
        assert_eq!(scores(Method::SFT_BASE, 64), [[1.0, -1.0]]);
        assert_eq!(scores(Method::BASE_SFT, 64), [[-1.0, 1.0]]);
        assert_eq!(scores(Method::BASE_PMI, 0), [[3.0, -2.0]]);
        assert_eq!(scores(Method::SFT_PMI, 64), [[4.0, -3.0]]);
    }

    #[test]
    fn a_method_is_defined_where_its_heads_are() {
        let table = heads();
        assert_eq!(Method::SFT.examples(&table), [64]);
        assert_eq!(Method::BASE_LIKRA.examples(&table), [64, 128]);
        assert_eq!(Method::BASE.examples(&table), [0]);
        assert_eq!(Method::BASE_PMI.examples(&table), [0]);
        assert!(
            Method::likra_with("hardest", "x")
                .examples(&table)
                .is_empty()
        );
        assert!(Method::SFT.rule(&table, 0, 1.0).is_none());
    }

    #[test]
    fn weight_zero_is_sft() {
        let table = heads();
        let right =
            |method: Method, weight| method.rule(&table, 64, weight).unwrap().right(Norm::Chars);
        assert_eq!(right(Method::SFT_LIKRA, 0.0), right(Method::SFT, 1.0));
    }
}
