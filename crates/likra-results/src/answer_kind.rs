//! What an answer is to the question that it stands at.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an answer is to the question that it stands at (paper, section 4.3).
///
/// Written in lower case, in files and on command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    pub fn name(self) -> &'static str {
        match self {
            Self::Correct => "correct",
            Self::Incorrect => "incorrect",
            Self::Irrelevant => "irrelevant",
            Self::Unrelated => "unrelated",
        }
    }

    /// Whether such an answer is one of its question's own choices, from which a model chooses.
    pub fn is_choice(self) -> bool {
        matches!(self, Self::Correct | Self::Incorrect)
    }
}

impl fmt::Display for AnswerKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_name() {
        for kind in AnswerKind::ALL {
            let name = serde_json::to_value(kind).unwrap();
            assert_eq!(name, kind.to_string());
            assert_eq!(serde_json::from_value::<AnswerKind>(name).unwrap(), kind);
        }
    }
}
