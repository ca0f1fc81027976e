//! Every table and figure of a report: its numbers, its pictures, and how to read it.

mod charts;

use crate::paper::{Reference, TABLE1};
use crate::{
    Method, Norm, Result, Study, comparisons, controls, csv, figure1, figure2, figure3, figure4,
    figure5, figure6, seeds, table1,
};

/// A table, or a figure with the table behind it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exhibit {
    /// The name of its files.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) caption: String,
    pub(crate) csv: String,
    pub(crate) svgs: Vec<String>,
    /// What the paper has in its place.
    pub(crate) paper: Option<String>,
}

/// All that the study has scores for, in the order of the page.
///
/// # Errors
///
/// If a weight is not finite, or a chart cannot be drawn.
pub(crate) fn exhibits(study: &Study) -> Result<Vec<Exhibit>> {
    let made = [
        Some(table(study)?),
        curves_1(study)?,
        likelihoods(study)?,
        curves_3(study)?,
        weights(study)?,
        curves_5(study)?,
        changes(study)?,
        against_controls(study)?,
        pairs(study),
        over_seeds(study)?,
    ];
    Ok(made.into_iter().flatten().collect())
}

/// The paper's rows for the study's benchmark, that of its model first.
pub(crate) fn references(study: &Study) -> Vec<&'static Reference> {
    let rows = TABLE1.iter();
    let of_benchmark = |row: &&Reference| study.benchmark.as_deref() == Some(row.benchmark);
    let mut rows: Vec<&Reference> = rows.filter(of_benchmark).collect();
    rows.sort_by_key(|row| study.model.as_deref() != Some(row.model));
    rows
}

/// What a figure of the paper shows; all of them are of one model and benchmark (sections 3 and 4).
fn figure_in_paper(number: usize, shows: &str) -> String {
    format!("Mistral-7B-v0.1 on ARC-Challenge (Figure {number}): {shows}")
}

fn table(study: &Study) -> Result<Exhibit> {
    let (questions, chance) = (study.table.questions().len(), study.table.chance() * 100.0);
    let (made, paper) = (table1(&study.table, study.norm), references(study));
    let title = "Accuracy of every method";
    let svg = charts::last(study, title, &made, &paper)?;
    let beside = if svg.is_some() {
        " The picture has what each method reaches after the most examples."
    } else {
        ""
    };
    let rows = paper.iter().map(|row| {
        let [base, sft, likra] = [row.base, row.sft, row.likra].map(|share| share * 100.0);
        format!(
            "{}: base {base:.1}, SFT {sft:.1}, Likra {likra:.1}.",
            row.model
        )
    });
    let rows: Vec<String> = rows.collect();
    Ok(Exhibit {
        name: "table1",
        title: title.into(),
        caption: format!(
            "The share of the {questions} questions that are answered right after so many training examples per head, by \
             the whole score (acc) and {} (acc_norm), with 95% intervals. Chance is {chance:.1}%.{beside}",
            study.norm.describe()
        ),
        csv: csv::accuracies(&made),
        svgs: svg.into_iter().collect(),
        paper: (!rows.is_empty()).then(|| format!("In percent (Table 1): {}", rows.join(" "))),
    })
}

fn curves_1(study: &Study) -> Result<Option<Exhibit>> {
    let rows = figure1(&study.table, study.norm);
    let title = "SFT and Likra over training examples";
    let Some(svg) = charts::curves(study, title, &rows)? else {
        return Ok(None);
    };
    Ok(Some(Exhibit {
        name: "figure1",
        title: title.into(),
        caption: format!(
            "Accuracy ({}) after so many training examples per head. SFT answers by the positive head alone, \
             SFT-Likra by the same head less the negative one, which has seen as many wrong answers. Both begin at \
             the base.",
            study.norm.label()
        ),
        csv: csv::accuracies(&rows),
        svgs: vec![svg],
        paper: Some(figure_in_paper(
            1,
            "Likra rises from 60% to over 80%, most of it between 64 and 256 examples (64 to 128 add nearly 15 \
             points); SFT reaches 66%, less than a point per doubling.",
        )),
    }))
}

fn likelihoods(study: &Study) -> Result<Option<Exhibit>> {
    let rows = figure2(&study.table);
    let title = "What SFT does to right and wrong answers";
    let Some(svg) = charts::likelihoods(title, &rows)? else {
        return Ok(None);
    };
    Ok(Some(Exhibit {
        name: "figure2",
        title: title.into(),
        caption: "The likelihood per character, exp(log p(a|q) / characters), that the positive head gives to the right answer and \
                  to the most likely wrong choice: mean over questions, with 1.96 standard errors to either side. Which \
                  wrong choice that is, is asked anew at every point."
            .into(),
        csv: csv::likelihoods(&rows),
        svgs: vec![svg],
        paper: Some(figure_in_paper(
            2,
            "both rise together and stay close: fine-tuning on right answers also makes plausible wrong ones likelier.",
        )),
    }))
}

fn curves_3(study: &Study) -> Result<Option<Exhibit>> {
    let rows = figure3(&study.table, study.norm);
    let title = "Likra with (SFT) and without (Base) positive examples";
    let Some(svg) = charts::curves(study, title, &rows)? else {
        return Ok(None);
    };
    Ok(Some(Exhibit {
        name: "figure3",
        title: title.into(),
        caption: "SFT-Likra takes the negative head away from the positive one, Base-Likra from the base, which has seen no \
                  right answer."
            .into(),
        csv: csv::accuracies(&rows),
        svgs: vec![svg],
        paper: Some(figure_in_paper(3, "the two Likra curves are similar, and both far above SFT.")),
    }))
}

fn weights(study: &Study) -> Result<Option<Exhibit>> {
    let rows = figure4(&study.table, &study.weights, study.norm)?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let title = "The weight of the negative head";
    let examples = first.accuracy.examples;
    let svg = charts::weights(study, title, &rows)?;
    Ok(Some(Exhibit {
        name: "figure4",
        title: title.into(),
        caption: format!(
            "Accuracy by log p₊(a|q) − w · log p₋(a|q) for each weight w, after {examples} examples per head. At 0 it is \
             SFT, or the base; everywhere else here w is 1."
        ),
        csv: csv::weights(&rows),
        svgs: vec![svg],
        paper: Some(figure_in_paper(
            4,
            "accuracy rises with the weight and peaks around 0.9 to 1.0.",
        )),
    }))
}

fn curves_5(study: &Study) -> Result<Option<Exhibit>> {
    let rows = figure5(&study.table, &study.negatives, study.norm);
    let trained = |row: &crate::AccuracyRow| row.method != Method::sft();
    let title = "Negative heads by what they learnt";
    let svg = if rows.iter().any(trained) {
        charts::curves(study, title, &rows)?
    } else {
        None
    };
    let Some(svg) = svg else {
        return Ok(None);
    };
    Ok(Some(Exhibit {
        name: "figure5",
        title: title.into(),
        caption: "SFT-Likra with negative heads that learnt wrong choices of the same question (incorrect), wrong choices of \
                  other questions (irrelevant) and answers of another benchmark (unrelated); beyond the paper, of the wrong \
                  choices the one that the base finds likeliest (hardest) or least likely (easiest)."
            .into(),
        csv: csv::accuracies(&rows),
        svgs: vec![svg],
        paper: Some(figure_in_paper(
            5,
            "incorrect answers help most, then irrelevant ones, then unrelated ones, which still reach 70%, above SFT.",
        )),
    }))
}

fn changes(study: &Study) -> Result<Option<Exhibit>> {
    let rows = figure6(&study.table);
    let title = "What each head does to each kind of answer";
    let svgs = charts::changes(&rows)?;
    if svgs.is_empty() {
        return Ok(None);
    }
    Ok(Some(Exhibit {
        name: "figure6",
        title: title.into(),
        caption: "The change from the base of the log-likelihood per character of answers to test questions: mean over \
                  questions, with 1.96 standard errors to either side. The incorrect answer is the wrong choice that the \
                  base finds likeliest, the same throughout."
            .into(),
        csv: csv::likelihoods(&rows),
        svgs,
        paper: Some(figure_in_paper(
            6,
            "the negative head lifts incorrect answers most, irrelevant ones less, and lowers right ones, which it has \
             never seen; the positive head lifts right ones and hardly lowers incorrect ones; unrelated text falls under \
             both.",
        )),
    }))
}

fn against_controls(study: &Study) -> Result<Option<Exhibit>> {
    let rows = controls(&study.table, &study.negatives, study.norm);
    let title = "Controls";
    let drawn = rows.iter().filter(|row| row.examples > 0).cloned();
    let Some(svg) = charts::controls(study, title, &drawn.collect::<Vec<_>>())? else {
        return Ok(None);
    };
    let pmi = rows.iter().find(|row| row.method == Method::base_pmi());
    let pmi = pmi.map_or_else(String::new, |row| {
        format!(
            " Without any training, the base less what it thinks of the answer alone has {:.1}%.",
            row.acc_norm.value * 100.0
        )
    });
    Ok(Some(Exhibit {
        name: "controls",
        title: title.into(),
        caption: format!(
            "What Likra's gain could come from other than wrong answers: the positive head less the base, as the authors' \
             scorer has it too; the base less the positive head, a negative head that learnt the form of answers but not \
             their being wrong; the positive head less one that learnt right answers from another seed (contaminated); and \
             PMI, which takes away log p(a|“Answer:”), how likely an answer is whatever is asked (Holtzman et al. 2021).{pmi}"
        ),
        csv: csv::accuracies(&rows),
        svgs: vec![svg],
        paper: None,
    }))
}

fn pairs(study: &Study) -> Option<Exhibit> {
    let rows = comparisons(study);
    if rows.is_empty() {
        return None;
    }
    Some(Exhibit {
        name: "comparisons",
        title: "Methods in pairs".into(),
        caption: format!(
            "The difference of accuracies ({}) over the same questions, with a 95% interval by bootstrap over questions in pairs; \
             how many questions only one of the two answers right; McNemar's exact test of that split, and the same \
             adjusted for all {} comparisons by Holm's method.",
            study.norm.label(),
            rows.len()
        ),
        csv: csv::comparisons(&rows),
        svgs: Vec::new(),
        paper: None,
    })
}

fn over_seeds(study: &Study) -> Result<Option<Exhibit>> {
    let rows = seeds(study);
    let title = "The same from other seeds";
    let (Some(svg), Some(first)) = (charts::seeds(study, title, &rows)?, rows.first()) else {
        return Ok(None);
    };
    let (count, questions) = (first.acc_norm.len(), first.questions);
    Ok(Some(Exhibit {
        name: "seeds",
        title: title.into(),
        caption: format!(
            "Mean accuracy ({}) of {count} seeds on the first {questions} questions. A seed decides the order of examples, which \
             wrong answers are drawn, and the initial adapter. The bands are 95% intervals of the mean over seeds by \
             Student's t: wide, as {count} seeds are few.",
            study.norm.label()
        ),
        csv: csv::seeds(&rows),
        svgs: vec![svg],
        paper: None,
    }))
}

/// By what accuracies in figures go, for an axis.
fn percent(norm: Norm) -> String {
    format!("{} (%)", norm.label())
}
