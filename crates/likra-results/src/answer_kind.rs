//! What an answer is to the question that it stands at.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an answer is to the question that it stands at (paper, section 4.3).
///
/// Written in lower case, in files and on command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum AnswerKind {
    /// A right answer.
    Correct,
    /// A wrong choice of the same question.
    Incorrect,
    /// A wrong choice of another question of the same benchmark.
    Irrelevant,
    /// An answer from another benchmark.
    Unrelated,
}

impl AnswerKind {
    /// All kinds, nearest to the right answer first.
    pub const ALL: [Self; 4] = [
        Self::Correct,
        Self::Incorrect,
        Self::Irrelevant,
        Self::Unrelated,
    ];

    /// The name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Correct => "correct",
            Self::Incorrect => "incorrect",
            Self::Irrelevant => "irrelevant",
            Self::Unrelated => "unrelated",
        }
    }

    /// Whether such an answer is one of its question's own choices, from which a model chooses.
    #[must_use]
    pub fn is_choice(self) -> bool {
        matches!(self, Self::Correct | Self::Incorrect)
    }
}

impl fmt::Display for AnswerKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No kind of answer has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no kind of answer is called `{0}`; expected correct, incorrect, irrelevant or unrelated")]
pub struct UnknownKind(String);

impl From<AnswerKind> for &'static str {
    fn from(kind: AnswerKind) -> Self {
        kind.name()
    }
}

impl TryFrom<String> for AnswerKind {
    type Error = UnknownKind;

    fn try_from(name: String) -> Result<Self, UnknownKind> {
        name.parse()
    }
}

impl FromStr for AnswerKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| UnknownKind(name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back() {
        for kind in AnswerKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let error = "wrong".parse::<AnswerKind>().unwrap_err().to_string();
        assert!(
            error.contains("`wrong`; expected correct, incorrect"),
            "{error}"
        );
    }
}
