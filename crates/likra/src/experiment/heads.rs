//! Which heads an experiment trains, and on which answers.

use anyhow::{Result, ensure};
use likra_data::Source;
use likra_results::RunDir;
use serde::{Deserialize, Serialize};

use super::check::{Impossible, impossible};

/// `[heads.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Head {
    /// Which answers it learns.
    pub(crate) answers: Answers,
    /// How many examples it sees; as many as the experiment says if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) examples: Option<usize>,
    /// The share of its answers that are right ones in place of what `answers` says.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) contamination: f64,
    /// Another seed than the experiment's: another order, other draws, another initial adapter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u32>,
}

/// The answers that a head learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answers {
    /// Right ones.
    Correct,
    /// Wrong choices of the same question.
    Incorrect,
    /// Wrong choices of another question.
    Irrelevant,
    /// Answers of another benchmark.
    Unrelated,
    /// Of the wrong choices the one that the base finds likeliest, per character.
    Hardest,
    /// Of the wrong choices the one that the base finds least likely, per character.
    Easiest,
}

/// `[unrelated]`: the benchmark whose answers are unrelated ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct UnrelatedFrom {
    pub(crate) benchmark: Source,
    /// Its folder, or `embedded:tiny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<String>,
}

/// `[replicates]`: the same heads from other seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Replicates {
    pub(crate) seeds: Vec<u32>,
    /// Which heads, by name.
    pub(crate) heads: Vec<String>,
    /// How many examples each sees; as many as the experiment says if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) examples: Option<usize>,
    /// How many test questions are asked, from the first; as many as of all heads if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) questions: Option<usize>,
}

/// A head that is to be trained: one of an experiment, from one seed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trained {
    /// The name of its folder and files.
    pub(crate) name: String,
    /// The experiment's name for it, which replicates share.
    pub(crate) head: String,
    /// Whether it is one of the replicates.
    pub(crate) replicate: bool,
    pub(crate) answers: Answers,
    pub(crate) contamination: f64,
    pub(crate) seed: u32,
    /// How many examples it sees.
    pub(crate) examples: usize,
    /// How many test questions it is asked.
    pub(crate) questions: usize,
}

impl Answers {
    /// Whether the base has to say which they are.
    pub(crate) fn are_ranked(self) -> bool {
        matches!(self, Self::Hardest | Self::Easiest)
    }
}

impl Head {
    pub(super) fn check(&self, name: &str) -> Result<()> {
        let key = |key: &str| format!("heads.{name}.{key}");
        if let Err(error) = RunDir::new("").head(name) {
            return Err(impossible(&format!("heads.{name}"), error.to_string()));
        }
        if self.examples == Some(0) {
            return Err(impossible(&key("examples"), "expected at least 1, found 0"));
        }
        if !(0.0..=1.0).contains(&self.contamination) {
            let found = format!("expected a share from 0 to 1, found {}", self.contamination);
            return Err(impossible(&key("contamination"), found));
        }
        let expected = match name {
            "positive" => Answers::Correct,
            "incorrect" => Answers::Incorrect,
            _ => return Ok(()),
        };
        let plain = self.answers == expected && self.contamination == 0.0;
        ensure!(
            plain,
            Impossible {
                key: key("answers"),
                message: format!(
                    "a head of this name is what every table calls by it; expected {expected:?} answers \
                     and no contamination, or another name"
                ),
            }
        );
        Ok(())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}
