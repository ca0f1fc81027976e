//! What a score is divided by.

use likra_results::ScoreRecord;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a score is divided by before candidates are compared. The whole ratio is divided, as it stands
/// where a log-likelihood would.
///
/// Written in lower case, in files and on command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// The candidate's length in characters (Unicode scalar values, Python's `len`), without the space
    /// before it: the harness's `acc_norm`.
    #[default]
    Chars,
    /// The candidate's length in bytes of UTF-8, likewise: as `acc_norm` where all text is ASCII.
    Bytes,
    /// The number of the candidate's tokens.
    Tokens,
    /// Nothing: the harness's `acc`.
    None,
}

impl Norm {
    /// Every way to normalise.
    pub const ALL: [Self; 4] = [Self::Chars, Self::Bytes, Self::Tokens, Self::None];

    /// What an accuracy under it is called. Only what the harness calls `acc_norm` is called so.
    pub fn label(self) -> &'static str {
        match self {
            Self::Chars => "acc_norm",
            Self::Bytes => "accuracy by score per byte",
            Self::Tokens => "accuracy by score per token",
            Self::None => "acc",
        }
    }

    /// How it scores, for a sentence on what a column `acc_norm` holds.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Chars => "by score per character",
            Self::Bytes => "by score per byte (the harness's is per character)",
            Self::Tokens => "by score per token (the harness's is per character)",
            Self::None => "by score, as acc (the harness's is per character)",
        }
    }

    /// What the score of `candidate` is divided by.
    pub(crate) fn divisor(self, candidate: &ScoreRecord) -> f64 {
        match self {
            Self::Chars => candidate.chars as f64,
            Self::Bytes => candidate.bytes as f64,
            Self::Tokens => candidate.tokens as f64,
            Self::None => 1.0,
        }
    }
}
