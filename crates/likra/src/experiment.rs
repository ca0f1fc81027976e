//! Experiments are data: a TOML file says what is trained on what and how it is scored.

mod built_in;
mod check;
mod heads;
mod overrides;
mod sections;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use likra_data::WrongAnswer;
use serde::{Deserialize, Serialize};

use self::built_in::BUILT_IN;
use self::check::{About as _, impossible, with_line};
pub(crate) use self::heads::{Answers, Head, Replicates, Trained, UnrelatedFrom};
pub(crate) use self::overrides::Overrides;
pub(crate) use self::sections::{Analysis, Evaluation, Lora, Shots, Training};
use crate::device::Choice;
use crate::protocol::Protocol;

/// An experiment as it stands in its file, with what the command line has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Experiment {
    /// One line for people.
    pub(crate) title: String,
    /// A checkpoint folder, or `embedded:tiny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// A folder with the benchmark's files, or `embedded:tiny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<String>,
    /// Which layout `data` has.
    pub(crate) benchmark: Benchmark,
    /// How many examples each head sees; all of them if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) examples: Option<usize>,
    /// Whose settings stand in for those that are not made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) protocol: Option<Protocol>,
    /// Which wrong choice a negative head learns.
    #[serde(default)]
    pub(crate) wrong_answer: WrongAnswer,
    /// Decides the order of the examples, the wrong answers drawn and the initial adapters.
    #[serde(default)]
    pub(crate) seed: u32,
    /// Where to compute.
    #[serde(default)]
    pub(crate) device: Choice,
    /// Where unrelated answers come from; without it there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unrelated: Option<UnrelatedFrom>,
    /// The heads to train, by name.
    pub(crate) heads: BTreeMap<String, Head>,
    /// Heads to train again from other seeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replicates: Option<Replicates>,
    /// How a head is trained.
    #[serde(default)]
    pub(crate) training: Training,
    /// The shape of an adapter.
    #[serde(default)]
    pub(crate) lora: Lora,
    /// How questions are asked.
    #[serde(default)]
    pub(crate) evaluation: Evaluation,
    /// What is made of the scores.
    #[serde(default)]
    pub(crate) analysis: Analysis,
}

/// A benchmark's layout of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Benchmark {
    /// AI2's ARC: six JSONL files.
    Arc,
    /// `train.jsonl` and `test.jsonl` in ARC's format.
    ArcFormat,
    /// `HellaSwag`'s training set, and its validation set as the test.
    Hellaswag,
}

impl Benchmark {
    /// The paper's name for it.
    pub(crate) fn in_paper(self) -> Option<&'static str> {
        match self {
            Self::Arc => Some("ARC-Challenge"),
            Self::Hellaswag => Some("HellaSwag"),
            Self::ArcFormat => None,
        }
    }

    /// How many questions the paper trains on (section 3.1): fewer in a user's files are a part of them.
    pub(crate) fn training_in_paper(self) -> Option<usize> {
        match self {
            Self::Arc => Some(6615),
            Self::Hellaswag => Some(39905),
            Self::ArcFormat => None,
        }
    }
}

impl Experiment {
    /// The experiment called `spec`, a built-in name or a path to a TOML file, as the command line changes
    /// it. `protocol` stands in for its own. Returns its name too.
    pub(crate) fn open(
        spec: &str,
        protocol: Option<Protocol>,
        overrides: &Overrides,
    ) -> Result<(String, Self)> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == spec) {
            return Ok((
                (*name).into(),
                Self::parse(text, name, protocol, overrides)?,
            ));
        }
        let path = Path::new(spec);
        if path.extension().is_none_or(|extension| extension != "toml") {
            let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            bail!("no experiment `{spec}`: expected one of {names}, or a path to a .toml file");
        }
        let text = std::fs::read_to_string(path).with_context(|| spec.to_owned())?;
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok((name, Self::parse(&text, spec, protocol, overrides)?))
    }

    fn parse(
        text: &str,
        origin: &str,
        protocol: Option<Protocol>,
        overrides: &Overrides,
    ) -> Result<Self> {
        let origin = || origin.to_owned();
        // By itself first, so that what is wrong in it is named with its line.
        let own: Self = toml::from_str(text).with_context(origin)?;
        let protocol = protocol.or(own.protocol);
        let merged = Self::merged(text, protocol, overrides).with_context(origin)?;
        let experiment = overrides.apply(merged)?;
        let checked = experiment.check();
        checked
            .map_err(|error| with_line(error, text))
            .with_context(origin)?;
        Ok(experiment)
    }

    /// The experiment of `text` with what is set on the command line, and below both the protocol's settings.
    fn merged(text: &str, protocol: Option<Protocol>, overrides: &Overrides) -> Result<Self> {
        let mut table: toml::Table = toml::from_str(text)?;
        for assignment in &overrides.set {
            let named = || format!("--set {assignment}");
            overrides::set(&mut table, assignment).with_context(named)?;
            // One by one, so that the one at fault is named.
            Self::deserialize(table.clone()).with_context(named)?;
        }
        if let Some(protocol) = protocol {
            protocol.fill(&mut table)?;
        }
        let experiment: Self = table.try_into()?;
        Ok(Self {
            protocol,
            ..experiment
        })
    }

    /// The experiment with its numbers of examples and questions as `benchmark` has them, and the seed
    /// of its shots.
    pub(crate) fn resolved(mut self, benchmark: &likra_data::Benchmark) -> Self {
        let at_most = |asked: Option<usize>, all: usize| Some(asked.map_or(all, |n| n.min(all)));
        self.examples = at_most(self.examples, benchmark.train().len());
        self.evaluation.questions = at_most(self.evaluation.questions, benchmark.test().len());
        self.evaluation.shot_seed = self.evaluation.drawn_by();
        let (examples, questions) = (self.examples_at_most(), self.questions());
        for head in self.heads.values_mut() {
            head.examples = at_most(head.examples, examples);
        }
        if let Some(replicates) = &mut self.replicates {
            replicates.examples = at_most(replicates.examples, examples);
            replicates.questions = at_most(replicates.questions, questions);
        }
        self
    }

    /// How many examples a head sees at most, in a resolved experiment.
    pub(crate) fn examples_at_most(&self) -> usize {
        self.examples.unwrap_or(0)
    }

    /// How many test questions are asked, in a resolved experiment.
    pub(crate) fn questions(&self) -> usize {
        self.evaluation.questions.unwrap_or(0)
    }

    /// The heads of a resolved experiment in the order of work: the positive, its negative, all others, and
    /// then the replicates.
    pub(crate) fn trained(&self) -> Vec<Trained> {
        let mut heads: Vec<_> = self.heads.iter().collect();
        heads.sort_by(|(_, a), (_, b)| {
            let order = a.contamination.total_cmp(&b.contamination);
            order.then(a.answers.cmp(&b.answers))
        });
        let of = |name: &String, head: &Head| Trained {
            name: name.clone(),
            head: name.clone(),
            replicate: false,
            answers: head.answers,
            contamination: head.contamination,
            seed: head.seed.unwrap_or(self.seed),
            examples: head.examples.unwrap_or(0),
            questions: self.questions(),
        };
        let mut trained: Vec<Trained> = heads.iter().map(|(name, head)| of(name, head)).collect();
        let Some(replicates) = &self.replicates else {
            return trained;
        };
        for &seed in &replicates.seeds {
            let again = |name: &String| {
                trained
                    .iter()
                    .find(|t| !t.replicate && t.head == *name)
                    .cloned()
            };
            let heads: Vec<_> = replicates.heads.iter().filter_map(again).collect();
            trained.extend(heads.into_iter().map(|head| Trained {
                name: format!("{}-seed{seed}", head.head),
                replicate: true,
                seed,
                examples: replicates.examples.unwrap_or(0).min(head.examples),
                questions: replicates.questions.unwrap_or(0),
                ..head
            }));
        }
        trained
    }

    /// The numbers of examples after which a head is looked at; at 0 it is the base.
    pub(crate) fn checkpoints(&self, head: &Trained) -> Vec<usize> {
        let mut checkpoints = self.training.settings().checkpoints(head.examples);
        checkpoints.retain(|&examples| examples > 0);
        checkpoints
    }

    fn check(&self) -> Result<()> {
        self.training.check()?;
        self.lora.config().validate().about("lora")?;
        if self.heads.is_empty() {
            return Err(impossible(
                "heads",
                "expected at least one table [heads.NAME]",
            ));
        }
        for (name, head) in &self.heads {
            head.check(name)?;
            if head.answers == Answers::Unrelated && self.unrelated.is_none() {
                let message = "answers = \"unrelated\" are another benchmark's; expected a table [unrelated] \
                               that says which";
                return Err(impossible(&format!("heads.{name}.answers"), message));
            }
        }
        if self.examples == Some(0) {
            return Err(impossible("examples", "expected at least 1, found 0"));
        }
        self.check_replicates()?;
        self.evaluation.check()?;
        self.analysis.check()
    }

    fn check_replicates(&self) -> Result<()> {
        let Some(replicates) = &self.replicates else {
            return Ok(());
        };
        for (key, count) in [
            ("replicates.examples", replicates.examples),
            ("replicates.questions", replicates.questions),
        ] {
            if count == Some(0) {
                return Err(impossible(key, "expected at least 1, found 0"));
            }
        }
        for (place, seed) in replicates.seeds.iter().enumerate() {
            if *seed == self.seed || replicates.seeds[..place].contains(seed) {
                let message = format!(
                    "{seed} is there already; expected other seeds than {}",
                    self.seed
                );
                return Err(impossible("replicates.seeds", message));
            }
        }
        for (place, name) in replicates.heads.iter().enumerate() {
            let known = self.heads.contains_key(name);
            if !known || replicates.heads[..place].contains(name) {
                let names: Vec<&String> = self.heads.keys().collect();
                let message =
                    format!("expected names of [heads], each once: {names:?}; found `{name}`");
                return Err(impossible("replicates.heads", message));
            }
            for seed in &replicates.seeds {
                let taken = format!("{name}-seed{seed}");
                if self.heads.contains_key(&taken) {
                    let message = "a replicate has this name; expected another";
                    return Err(impossible(&format!("heads.{taken}"), message));
                }
            }
        }
        Ok(())
    }
}
