//! Every table and figure of a report: its numbers, its pictures, and how to read it.

use likra_analysis::{Cells, Findings};

use crate::Result;
use crate::charts::{self, colour, of_control};
use crate::table::Table;

/// A table, or a figure with the table behind it.
pub(crate) struct Exhibit {
    /// The name of its files.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) caption: String,
    pub(crate) table: Table,
    pub(crate) svgs: Vec<String>,
    /// What the paper has in its place.
    pub(crate) paper: Option<String>,
}

impl Exhibit {
    fn new(
        name: &'static str,
        title: &'static str,
        rows: &[impl Cells],
        svgs: impl IntoIterator<Item = String>,
        caption: impl Into<String>,
    ) -> Self {
        Self {
            name,
            title,
            caption: caption.into(),
            table: Table::new(rows),
            svgs: svgs.into_iter().collect(),
            paper: None,
        }
    }

    /// What its figure in the paper shows; all of them are of one model and benchmark (sections 3 and 4).
    fn paper(mut self, shows: &str) -> Self {
        let number = self.name.trim_start_matches("figure");
        let of = "Mistral-7B-v0.1 on ARC-Challenge";
        self.paper = Some(format!("{of} (Figure {number}): {shows}"));
        self
    }

    /// The names of the picture files.
    pub(crate) fn pictures(&self) -> impl Iterator<Item = String> {
        let (name, count) = (self.name, self.svgs.len());
        (1..=count).map(move |number| match count {
            1 => format!("{name}.svg"),
            _ => format!("{name}-{number}.svg"),
        })
    }
}

/// All that there are rows for, in the order of the page.
pub(crate) fn exhibits(findings: &Findings) -> Result<Vec<Exhibit>> {
    let mut exhibits = vec![
        table1(findings)?,
        figure1(findings)?,
        figure2(findings)?,
        figure3(findings)?,
        figure4(findings)?,
        figure5(findings)?,
        figure6(findings)?,
        controls(findings)?,
        comparisons(findings),
        seeds(findings)?,
    ];
    exhibits.retain(|exhibit| {
        let is_table = matches!(exhibit.name, "table1" | "comparisons");
        !exhibit.table.is_empty() && (is_table || !exhibit.svgs.is_empty())
    });
    Ok(exhibits)
}

fn table1(findings: &Findings) -> Result<Exhibit> {
    let title = "Accuracy of every method";
    let svg = charts::last(findings, title)?;
    let beside = match &svg {
        Some(_) => " The picture shows each method after the most examples.",
        None => "",
    };
    let caption = format!(
        "The share of the {} questions that each method answers right, by the number of training examples per \
         head. acc goes by the whole score; acc_norm goes {}. Intervals are 95%. Chance is {:.1}%.{beside}",
        findings.questions,
        findings.norm.describe(),
        findings.chance * 100.0
    );
    let mut exhibit = Exhibit::new("table1", title, &findings.table1, svg, caption);
    let paper = findings.references.iter().map(|row| {
        let [base, sft, likra] = [row.base, row.sft, row.likra].map(|share| share * 100.0);
        let model = row.model;
        format!(" {model}: base {base:.1}, SFT {sft:.1}, Likra {likra:.1}.")
    });
    let paper: String = paper.collect();
    exhibit.paper = (!paper.is_empty()).then(|| format!("In percent (Table 1):{paper}"));
    Ok(exhibit)
}

fn figure1(findings: &Findings) -> Result<Exhibit> {
    let (title, rows) = ("SFT and Likra over training examples", &findings.figure1);
    let svg = charts::curves(findings, title, rows, colour)?;
    let caption = format!(
        "Accuracy ({}) by the number of training examples per head. SFT answers with the positive head alone. \
         SFT-Likra subtracts the negative head, which has seen as many wrong answers. Both curves start at the base.",
        findings.norm.label()
    );
    Ok(Exhibit::new("figure1", title, rows, svg, caption).paper(
        "Likra rises from 60% to over 80%, most of it between 64 and 256 examples (64 to 128 add nearly 15 points). \
         SFT reaches 66% and gains less than a point with each doubling.",
    ))
}

fn figure2(findings: &Findings) -> Result<Exhibit> {
    let (title, rows) = (
        "What SFT does to right and wrong answers",
        &findings.figure2,
    );
    let svg = charts::likelihoods(title, rows)?;
    let caption = "The likelihood per character, exp(log p(a|q) / characters), that the positive head gives to the \
         right answer and to the most likely wrong choice: the mean over questions, with 1.96 standard errors on \
         either side. The most likely wrong choice is determined anew at every point.";
    Ok(Exhibit::new("figure2", title, rows, svg, caption).paper(
        "both rise together and stay close. Fine-tuning on right answers also makes plausible wrong answers more \
         likely.",
    ))
}

fn figure3(findings: &Findings) -> Result<Exhibit> {
    let title = "Likra with (SFT) and without (Base) positive examples";
    let rows = &findings.figure3;
    let svg = charts::curves(findings, title, rows, colour)?;
    let caption = "SFT-Likra subtracts the negative head from the positive head. Base-Likra subtracts it from the \
         base, which has seen no right answers.";
    let shows = "the two Likra curves are similar, and both are far above SFT.";
    Ok(Exhibit::new("figure3", title, rows, svg, caption).paper(shows))
}

fn figure4(findings: &Findings) -> Result<Exhibit> {
    let (title, rows) = ("The weight of the negative head", &findings.figure4);
    let svg = charts::weights(findings, title)?;
    let examples = rows.first().map_or(0, |row| row.accuracy.examples);
    let caption = format!(
        "Accuracy by log p₊(a|q) − w · log p₋(a|q) for each weight w, after {examples} examples per head. A weight \
         of 0 is SFT, or the base. All other figures use w = 1."
    );
    let shows = "accuracy rises with the weight and peaks at about 0.9 to 1.0.";
    Ok(Exhibit::new("figure4", title, rows, svg, caption).paper(shows))
}

fn figure5(findings: &Findings) -> Result<Exhibit> {
    let (title, rows) = ("Negative heads by what they learned", &findings.figure5);
    let svg = match rows.iter().any(|row| row.method.name() != "sft") {
        true => charts::curves(findings, title, rows, colour)?,
        false => None,
    };
    let caption = "SFT-Likra with negative heads that learned wrong choices of the same question (incorrect), wrong \
         choices of other questions (irrelevant) or answers of another benchmark (unrelated). Beyond the paper: the \
         wrong choice that the base finds most likely (hardest) or least likely (easiest).";
    Ok(Exhibit::new("figure5", title, rows, svg, caption).paper(
        "incorrect answers help most, then irrelevant ones, then unrelated ones. Even these reach 70%, above SFT.",
    ))
}

fn figure6(findings: &Findings) -> Result<Exhibit> {
    let (title, rows) = (
        "What each head does to each kind of answer",
        &findings.figure6,
    );
    let caption = "The change from the base in the log-likelihood per character of answers to test questions: the \
         mean over questions, with 1.96 standard errors on either side. The incorrect answer is the wrong choice that \
         the base finds most likely; it stays the same throughout.";
    Ok(Exhibit::new("figure6", title, rows, charts::changes(rows)?, caption).paper(
        "the negative head raises incorrect answers most and irrelevant ones less. It lowers right answers, which it \
         has never seen. The positive head raises right answers and hardly lowers incorrect ones. Unrelated text \
         falls under both.",
    ))
}

fn controls(findings: &Findings) -> Result<Exhibit> {
    let (title, rows) = ("Controls", &findings.controls);
    let (untrained, trained): (Vec<_>, Vec<_>) =
        rows.iter().cloned().partition(|row| row.examples == 0);
    let svg = charts::curves(findings, title, &trained, of_control)?;
    let pmi = untrained.first().map_or_else(String::new, |row| {
        let percent = row.acc_norm.value * 100.0;
        format!(" Without any training, the base's PMI reaches {percent:.1}%.")
    });
    let caption = format!(
        "What could explain Likra's gain other than wrong answers. SFT − base: the positive head minus the base, \
         which is also in the authors' scorer. base − SFT: a negative head that learned the form of answers, but not \
         that they are wrong. SFT − contaminated: a negative head that learned right answers from another seed. PMI: \
         minus log p(a|“Answer:”), how likely an answer is whatever the question (Holtzman et al. 2021).{pmi}"
    );
    Ok(Exhibit::new("controls", title, rows, svg, caption))
}

fn comparisons(findings: &Findings) -> Exhibit {
    let rows = &findings.comparisons;
    let caption = format!(
        "The difference of two methods' accuracies ({}) over the same questions, with a 95% interval from a paired \
         bootstrap over questions; how many questions only one of the two answers right; McNemar's exact test of \
         that split; and the same adjusted for all {} comparisons by Holm's method.",
        findings.norm.label(),
        rows.len()
    );
    Exhibit::new("comparisons", "Methods in pairs", rows, None, caption)
}

fn seeds(findings: &Findings) -> Result<Exhibit> {
    let (title, rows) = ("The same from other seeds", &findings.seeds);
    let first = rows.first();
    let (count, questions) = first.map_or((0, 0), |row| (row.acc_norm.len(), row.questions));
    let caption = format!(
        "Mean accuracy ({}) of {count} seeds on the first {questions} questions. A seed decides the order of the \
         examples, which wrong answers are drawn, and the initial adapter. The bands are 95% intervals of the mean \
         over seeds by Student's t. They are wide because {count} seeds are few.",
        findings.norm.label()
    );
    let svg = charts::seeds(findings, title)?;
    Ok(Exhibit::new("seeds", title, rows, svg, caption))
}
