//! Everything that a study's scores say, as typed rows.

use crate::accuracy::{curves, figure4, rows};
use crate::claims::claims;
use crate::comparisons::comparisons;
use crate::likelihood::{figure2, figure6};
use crate::measures::measures;
use crate::paper::{Reference, references};
use crate::questions::questions;
use crate::seeds::seeds;
use crate::{
    AccuracyRow, Claim, Comparison, LikelihoodRow, MeasureRow, Method, Norm, Questions, SeedsRow,
    Study,
};

/// The rows of every table and figure. What the study has no scores for has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// How many questions there are.
    pub questions: usize,
    /// The accuracy of a guess, as a share of one.
    pub chance: f64,
    /// What scores are divided by in columns `acc_norm`.
    pub norm: Norm,
    /// The paper's numbers for the benchmark, those for the study's model first.
    pub references: Vec<&'static Reference>,
    /// Accuracies of every method after every number of examples (paper, table 1).
    pub table1: Vec<AccuracyRow>,
    /// SFT and Likra over examples.
    pub figure1: Vec<AccuracyRow>,
    /// Likelihoods of right and wrong answers over SFT.
    pub figure2: Vec<LikelihoodRow>,
    /// Likra with and without positive examples.
    pub figure3: Vec<AccuracyRow>,
    /// Accuracy over the weight of the negative head.
    pub figure4: Vec<AccuracyRow>,
    /// Likra by what the negative head learned.
    pub figure5: Vec<AccuracyRow>,
    /// Changes of log-likelihood by kind of answer.
    pub figure6: Vec<LikelihoodRow>,
    /// What else could explain a gain.
    pub controls: Vec<AccuracyRow>,
    /// Other ways to choose, and other objectives on the same answers.
    pub rivals: Vec<AccuracyRow>,
    /// How far their judgement can be trusted.
    pub measures: Vec<MeasureRow>,
    /// Single questions, and what the rivals take.
    pub single: Questions,
    /// Methods in pairs.
    pub comparisons: Vec<Comparison>,
    /// The same from other seeds.
    pub seeds: Vec<SeedsRow>,
    /// The paper's claims with verdicts.
    pub claims: Vec<Claim>,
}

impl Findings {
    /// What SFT-Likra gains over SFT after the most examples that both have seen, if both were trained.
    pub fn gain_over_sft(&self) -> Option<&Comparison> {
        let pair = (&Method::SFT_LIKRA, &Method::SFT);
        let mut latest = self.comparisons.iter().rev();
        latest.find(|found| (&found.method, &found.other) == pair)
    }

    /// Of each method in table 1 the accuracy after the most examples.
    pub fn last(&self) -> impl Iterator<Item = &AccuracyRow> {
        let methods = self.table1.chunk_by(|a, b| a.method == b.method);
        methods.filter_map(<[_]>::last)
    }
}

/// Computes all rows.
pub fn findings(study: &Study) -> Findings {
    let (table, norm) = (&study.table, study.norm);
    let all = [&Method::TABLE1[..], &study.chosen()].concat();
    let figure3 = [Method::SFT_LIKRA, Method::BASE_LIKRA, Method::SFT];
    let rivals = study.rivals();
    Findings {
        questions: table.questions().len(),
        chance: table.chance(),
        norm,
        references: references(study.benchmark.as_deref(), study.model.as_deref()),
        table1: rows(&all, table, norm),
        figure1: curves(&[Method::SFT, Method::SFT_LIKRA], table, norm),
        figure2: figure2(table),
        figure3: curves(&figure3, table, norm),
        figure4: figure4(study),
        figure5: curves(&study.likras(), table, norm),
        figure6: figure6(table),
        controls: rows(&study.controls(), table, norm),
        rivals: rows(&rivals, table, norm),
        measures: measures(&rivals, table),
        single: questions(study, &rivals),
        comparisons: comparisons(study),
        seeds: seeds(study),
        claims: claims(study),
    }
}
