//! Ways of answering: one head's log-likelihoods, perhaps minus those of another.

use std::borrow::Cow;

use likra_results::{ANSWER_ONLY, BASE, P_TRUE};

use crate::{Rule, ScoreTable, table::SHORTEST};

/// The name of the head that is trained on right answers.
pub const POSITIVE: &str = "positive";
/// The head trained on wrong answers of the same question.
pub const NEGATIVE: &str = "incorrect";

/// How often a head's log-likelihoods are added, and the head.
type Term = (f64, Cow<'static, str>);

const PLUS_BASE: Term = (1.0, Cow::Borrowed(BASE));
const MINUS_BASE: Term = (-1.0, Cow::Borrowed(BASE));
const PLUS_POSITIVE: Term = (1.0, Cow::Borrowed(POSITIVE));
const MINUS_POSITIVE: Term = (-1.0, Cow::Borrowed(POSITIVE));
const MINUS_NEGATIVE: Term = (-1.0, Cow::Borrowed(NEGATIVE));
const PLUS_ANSWER: Term = (1.0, Cow::Borrowed(ANSWER_ONLY));
const MINUS_ANSWER: Term = (-1.0, Cow::Borrowed(ANSWER_ONLY));
const PLUS_P_TRUE: Term = (1.0, Cow::Borrowed(P_TRUE));
const PLUS_SHORTEST: Term = (1.0, Cow::Borrowed(SHORTEST));

/// What a term counts where those that are subtracted have this weight.
fn weighted(times: f64, weight: f64) -> f64 {
    if times < 0.0 { times * weight } else { times }
}

/// A way of answering. Where it has two heads, both have seen equally many examples.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    name: Cow<'static, str>,
    label: Cow<'static, str>,
    terms: Cow<'static, [Term]>,
    /// What its scores are multiplied by to be rewards: it decides probabilities, and no choice.
    beta: Option<f64>,
    /// Whether its scores are never divided by an answer's length: they are no sums over tokens, or corrected for it.
    whole: bool,
}

impl Method {
    /// The base model.
    pub const BASE: Self = Self::new("base", "Base", &[PLUS_BASE]);
    /// Supervised fine-tuning: the positive head alone.
    pub const SFT: Self = Self::new("sft", "SFT", &[PLUS_POSITIVE]);
    /// The positive head minus the negative head.
    pub const SFT_LIKRA: Self =
        Self::new("sft-likra", "SFT-Likra", &[PLUS_POSITIVE, MINUS_NEGATIVE]);
    /// The base minus the negative head: Likra without positive examples.
    pub const BASE_LIKRA: Self =
        Self::new("base-likra", "Base-Likra", &[PLUS_BASE, MINUS_NEGATIVE]);
    /// The positive head minus the base, the fourth way of the authors' scorer: what fine-tuning on right
    /// answers has changed, and nothing else.
    pub const SFT_BASE: Self = Self::new("sft-base", "SFT − base", &[PLUS_POSITIVE, MINUS_BASE]);
    /// The base minus the positive head: what a negative head would do that has learned the form of
    /// answers but not that they are wrong.
    pub const BASE_SFT: Self = Self::new("base-sft", "base − SFT", &[PLUS_BASE, MINUS_POSITIVE]);
    /// The base minus what it thinks of the answer alone: domain-conditional PMI (Holtzman et al. 2021,
    /// "Surface form competition", equation 3), which takes the place of a division by length.
    pub const BASE_PMI: Self =
        Self::new("base-pmi", "base PMI", &[PLUS_BASE, MINUS_ANSWER]).whole();
    /// The positive head minus what the base thinks of the answer alone.
    pub const SFT_PMI: Self =
        Self::new("sft-pmi", "SFT PMI", &[PLUS_POSITIVE, MINUS_ANSWER]).whole();

    /// The base plus the positive head minus the negative one (Liu et al. 2021, equation 1, with its alpha of 1).
    pub const DEXPERTS: Self = {
        let heads = &[PLUS_POSITIVE, MINUS_NEGATIVE, PLUS_BASE];
        Self::new("dexperts", "DExperts", heads)
    };
    /// What the base thinks of the answer alone.
    pub const ANSWER_ONLY: Self = Self::new("answer-only", "answer only", &[PLUS_ANSWER]);
    /// What the base says when it is asked whether an answer is true.
    pub const P_TRUE: Self = Self::new("p-true", "P(true)", &[PLUS_P_TRUE]).whole();
    /// The shortest answer.
    pub const SHORTEST: Self = Self::new("shortest", "shortest", &[PLUS_SHORTEST]).whole();

    /// Those that have a negative head.
    pub(crate) const LIKRA: [Self; 2] = [Self::SFT_LIKRA, Self::BASE_LIKRA];
    /// Those of the paper's table 1, and Base-Likra.
    pub(crate) const TABLE1: [Self; 4] = [Self::BASE, Self::SFT, Self::SFT_LIKRA, Self::BASE_LIKRA];

    const fn new(name: &'static str, label: &'static str, terms: &'static [Term]) -> Self {
        Self {
            name: Cow::Borrowed(name),
            label: Cow::Borrowed(label),
            terms: Cow::Borrowed(terms),
            beta: None,
            whole: false,
        }
    }

    const fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// The same with the settings that were chosen for it: heads whose names end with `variant`, and a weight.
    pub(crate) fn chosen(&self, variant: &str, weight: f64) -> Self {
        let weight_chosen = self.is_ratio().then(|| format!("w = {weight}"));
        let settings = variant.split('-').filter(|setting| !setting.is_empty());
        let settings: Vec<String> = settings.map(String::from).chain(weight_chosen).collect();
        let mut betas = settings.iter().filter_map(|one| one.strip_prefix("beta"));
        let beta = betas.find_map(|beta| beta.parse().ok());
        let settings = format!("{} chosen", settings.join(", "));
        let terms = self.terms.iter().map(|(times, head)| {
            let suffix = if seen(head, 1) == 0 { "" } else { variant };
            (weighted(*times, weight), format!("{head}{suffix}").into())
        });
        Self {
            name: format!("{}-chosen", self.name).into(),
            label: format!("{}, {}", self.label, settings.trim_start()).into(),
            terms: terms.collect(),
            beta: self.beta.map(|own| beta.unwrap_or(own)),
            whole: self.whole,
        }
    }

    /// Whether its settings were chosen.
    pub(crate) fn is_chosen(&self) -> bool {
        self.name.ends_with("-chosen")
    }

    /// Whether both always give the same scores.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let key = |method: &Self| (method.terms.clone(), method.beta, method.whole);
        key(self) == key(other)
    }

    /// Logistic regression on what the positive and the negative head think of an answer, and on its length: how much
    /// each counts, a nat of the heads and a character that is lacking.
    pub(crate) fn logistic(weights: [f64; 3]) -> Self {
        let heads = [POSITIVE, NEGATIVE, SHORTEST].into_iter();
        let terms: Vec<_> = weights.into_iter().zip(heads).collect();
        Self::of("logistic", "logistic regression", &terms).whole()
    }

    /// The same on the questions that are set aside.
    pub(crate) fn aside(self) -> Self {
        Self {
            name: format!("{}-aside", self.name).into(),
            label: format!("{}, set aside", self.label).into(),
            ..self
        }
    }

    /// A head that was trained to tell right answers from wrong ones: by its log-likelihoods, and by what it has made of
    /// the base's, `beta` times which is the reward of DPO (Rafailov et al. 2023, equation 5).
    pub fn rivals(head: &str, beta: Option<f64>) -> [Self; 2] {
        let (gained, label) = (format!("{head}-{BASE}"), format!("{head} − {BASE}"));
        let gained = Self {
            beta,
            ..Self::of(&gained, &label, &[(1.0, head), (-1.0, BASE)])
        };
        [Self::of(head, head, &[(1.0, head)]), gained]
    }

    /// A head that gives rewards.
    pub fn reward(head: &str) -> Self {
        Self::of(head, head, &[(1.0, head)]).whole()
    }

    /// The positive head minus another negative head, called `label` in figures.
    pub fn likra_with(head: &str, label: &str) -> Self {
        let name = format!("sft-{head}");
        Self::of(&name, label, &[(1.0, POSITIVE), (-1.0, head)])
    }

    fn of(name: &str, label: &str, terms: &[(f64, &str)]) -> Self {
        let term = |&(times, head): &(f64, &str)| (times, head.to_owned().into());
        Self {
            name: name.to_owned().into(),
            label: label.to_owned().into(),
            terms: terms.iter().map(term).collect(),
            beta: None,
            whole: false,
        }
    }

    /// The method's name in files.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The method's name in text and figures.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether it subtracts a head.
    pub(crate) fn is_ratio(&self) -> bool {
        self.terms.iter().any(|(times, _)| *times < 0.0)
    }

    /// Whether it has no trained head, and stands at 0 examples.
    pub fn is_untrained(&self) -> bool {
        self.terms.iter().all(|(_, head)| seen(head, 1) == 0)
    }

    /// How the method scores after so many examples, with this weight of the head that is subtracted, if
    /// one is. `None` if the table does not have its heads, or the method is not defined there: at
    /// 0 examples both heads are the base and every ratio is zero.
    pub fn rule<'a>(
        &self,
        table: &'a ScoreTable,
        examples: usize,
        weight: f64,
    ) -> Option<Rule<'a>> {
        if self.is_untrained() != (examples == 0) {
            return None;
        }
        let term = |(times, head): &Term| {
            let column = table.log_likelihoods(head, seen(head, examples))?;
            Some((self.beta.unwrap_or(1.0) * weighted(*times, weight), column))
        };
        let terms = self.terms.iter().map(term).collect::<Option<_>>()?;
        Some(Rule {
            table,
            terms,
            whole: self.whole,
        })
    }

    /// The numbers of examples for which the table has the method's heads.
    pub(crate) fn examples(&self, table: &ScoreTable) -> Vec<usize> {
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
