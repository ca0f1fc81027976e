//! How an answer is related to the question that it stands at.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// How an answer is related to the question that it stands at (paper, section 4.3).
///
/// Written in lower case, in files and on command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerKind {
    /// The right answer.
    Correct,
    /// A wrong choice of the question.
    Incorrect,
    /// A wrong choice of another question.
    Irrelevant,
    /// A text of another benchmark.
    Unrelated,
}

impl AnswerKind {
    /// All kinds, nearest to the question's right answer first.
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
}

impl fmt::Display for AnswerKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for AnswerKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| Error::UnknownAnswerKind { found: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_text_and_in_files() {
        for kind in AnswerKind::ALL {
            assert_eq!(kind.to_string().parse::<AnswerKind>().unwrap(), kind);
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
        let error = "Correct".parse::<AnswerKind>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "no kind of answer is called `Correct`; expected correct, incorrect, irrelevant or unrelated"
        );
    }
}
