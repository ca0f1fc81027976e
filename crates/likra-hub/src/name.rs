//! Names of repositories.

use std::fmt;

/// A repository of the hub, and which of its commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// `OWNER/NAME`.
    pub repo: String,
    /// A branch, a tag or a commit.
    pub revision: String,
}

impl Name {
    /// `OWNER/NAME` or `OWNER/NAME@REVISION`; nothing if the text is no such name, but a path.
    pub fn parse(text: &str) -> Option<Self> {
        let (repo, revision) = text.split_once('@').unwrap_or((text, "main"));
        let (owner, name) = repo.split_once('/')?;
        let plain = |part: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !part.is_empty() && !part.starts_with('.') && part.chars().all(known)
        };
        let good = plain(owner) && plain(name) && !revision.is_empty() && !revision.contains("..");
        good.then(|| Self {
            repo: repo.into(),
            revision: revision.into(),
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.revision.as_str() {
            "main" => f.write_str(&self.repo),
            revision => write!(f, "{}@{revision}", self.repo),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_paths() {
        for text in [
            "a", "a/b/c", "../b", "/a", "a/", "./a", "a/b@", "a b/c", "a/b@../c",
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
        let name = Name::parse("allenai/ai2_arc@refs/convert/parquet").unwrap();
        assert_eq!(name.revision, "refs/convert/parquet");
        assert_eq!(name.to_string(), "allenai/ai2_arc@refs/convert/parquet");
        assert_eq!(
            Name::parse("Qwen/Qwen3-0.6B").unwrap().to_string(),
            "Qwen/Qwen3-0.6B"
        );
    }
}
