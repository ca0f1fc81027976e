//! Where the files of a run lie.
//!
//! ```text
//! run.toml                             the manifest
//! heads/{name}/answers.csv             which answers a head learns
//! heads/{name}/log.csv                 a head's training log
//! heads/{name}/n{examples:05}/         a head's adapter after so many examples, as PEFT's folder
//! scores/{name}.csv.gz                 what the base thinks of every candidate (`base`), of the same without
//!                                      a question (`answer-only`), of training questions (`base-train`)
//! scores/{name}-n{examples:05}.csv.gz  what a head thinks after so many examples
//! report/                              the page, its tables and figures
//! steps/{name}                         what is finished, for a run that goes on
//! claims/{job}/                        who is at work on a job
//! plan.json                            what `likra plan` has planned
//! study.json                           the runs of a study, each a folder beside it
//! ```

use std::collections::BTreeMap;
use std::fs::TryLockError;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fs_err::{self as fs, File};
use likra_files::{error_at, sweep};

use crate::{Error, Result};

/// The name of the base model among the heads: the one without an adapter.
pub const BASE: &str = "base";

/// The name among the heads under which the base's thoughts on answers stand that nothing was asked for.
pub const ANSWER_ONLY: &str = "answer-only";
/// What the base says when it is asked whether a candidate is true.
pub const P_TRUE: &str = "p-true";

/// The job that draws the report.
pub const REPORT: &str = "report";

/// What lies in the folder of a run, beside its manifest, its plan and its claims.
const FOLDERS: [&str; 4] = ["heads", "scores", "report", "steps"];

/// The folder of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir(PathBuf);

/// The folder of one head of a run: its training log and its checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadDir(PathBuf);

impl RunDir {
    /// The run in the folder at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Removes what a run leaves in its folder, and nothing else that may be there; what the program has
    /// unpacked stays.
    ///
    /// # Errors
    ///
    /// If the folder is no run's and has folders of such names, or a file cannot be removed.
    pub fn clear(&self) -> Result<()> {
        let is_run = self.manifest().exists() || self.plan().exists();
        let mut folders = FOLDERS.iter().map(|name| self.0.join(name));
        if let Some(found) = folders.find(|path| path.exists() && !is_run) {
            let message = "stands in a folder without run.toml, so that it is not a run's; name another folder with --out";
            return Err(error_at(&found, ErrorKind::AlreadyExists, message).into());
        }
        for name in FOLDERS {
            remove(&self.0.join(name))?;
        }
        Ok(())
    }

    /// The manifest.
    pub fn manifest(&self) -> PathBuf {
        self.0.join("run.toml")
    }

    /// The folder of a head, whose name [`check_head_name`] accepts.
    pub fn head(&self, name: &str) -> HeadDir {
        HeadDir(self.0.join("heads").join(name))
    }

    /// The base's scores.
    pub fn base_scores(&self) -> PathBuf {
        self.scores_file(BASE)
    }

    /// What the base thinks of the candidates where nothing is asked ([`ANSWER_ONLY`]).
    pub fn answer_only_scores(&self) -> PathBuf {
        self.scores_file(ANSWER_ONLY)
    }

    /// Whether the base thinks that the candidates are true ([`P_TRUE`]).
    pub fn p_true_scores(&self) -> PathBuf {
        self.scores_file(P_TRUE)
    }

    /// What the base thinks of the training questions' choices, by which negatives are ranked.
    pub fn training_scores(&self) -> PathBuf {
        self.scores_file("base-train")
    }

    fn scores_file(&self, name: &str) -> PathBuf {
        self.0.join("scores").join(format!("{name}.csv.gz"))
    }

    /// A head's scores after `examples` training examples.
    pub fn scores(&self, head: &str, examples: usize) -> PathBuf {
        self.scores_file(&format!("{head}-{}", checkpoint_name(examples)))
    }

    /// The same of the training questions that are set aside; of the base after 0.
    pub fn aside_scores(&self, head: &str, examples: usize) -> PathBuf {
        self.scores_file(&format!("{head}-{}-aside", checkpoint_name(examples)))
    }

    /// The folder of the page, its tables and figures.
    pub fn report(&self) -> PathBuf {
        self.0.join(REPORT)
    }

    /// The stamp of a head's training.
    pub fn trained(&self, head: &str) -> PathBuf {
        self.step(&format!("train-{head}"))
    }

    /// The claim on a job.
    pub fn claim(&self, job: &str) -> PathBuf {
        self.0.join("claims").join(job)
    }

    /// What a study of several runs is made of, in the folder that theirs are in.
    pub fn study(&self) -> PathBuf {
        self.0.join("study.json")
    }

    /// What is planned.
    pub fn plan(&self) -> PathBuf {
        self.0.join("plan.json")
    }

    /// The stamp of a finished step.
    pub fn step(&self, name: &str) -> PathBuf {
        self.0.join("steps").join(name)
    }
}

impl HeadDir {
    /// The head in the folder at `path`, which need not exist yet; [`RunDir::head`] finds it in a run.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Keeps other processes out of the folder of a head that is trained alone, which is made if need be, for as long
    /// as the file is open. What killed processes have left half-written there is removed.
    ///
    /// # Errors
    ///
    /// If another process is at work there, or the folder cannot be made.
    pub fn lock(&self) -> Result<File> {
        let path = self.0.clone();
        fs::create_dir_all(&path)?;
        let file = File::create(path.join(".lock"))?;
        match file.file().try_lock() {
            Ok(()) => {
                sweep(&path)?;
                Ok(file)
            }
            Err(TryLockError::WouldBlock) => Err(Error::Busy { path }),
            // Some file systems of clusters have no locks.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                tracing::warn!(%error, folder = %path.display(), "no lock: start one run at a time here");
                Ok(file)
            }
            Err(TryLockError::Error(error)) => Err(error_at(&path, error.kind(), error).into()),
        }
    }

    /// Which answers the head learns.
    pub fn answers(&self) -> PathBuf {
        self.0.join("answers.csv")
    }

    /// The training log.
    pub fn log(&self) -> PathBuf {
        self.0.join("log.csv")
    }

    /// The folder of the checkpoint after `examples` training examples.
    pub fn checkpoint(&self, examples: usize) -> PathBuf {
        self.0.join(checkpoint_name(examples))
    }

    /// The checkpoints that are there, by number of examples.
    ///
    /// # Errors
    ///
    /// If the folder cannot be listed. A folder that does not exist has no checkpoints.
    pub fn checkpoints(&self) -> Result<BTreeMap<usize, PathBuf>> {
        let mut checkpoints = BTreeMap::new();
        if self.0.exists() {
            for entry in fs::read_dir(&self.0)? {
                let entry = entry?;
                let examples = entry.file_name().to_str().and_then(checkpoint_examples);
                checkpoints.extend(examples.map(|examples| (examples, entry.path())));
            }
        }
        Ok(checkpoints)
    }
}

/// Removes a file or a folder with all that is in it, if it is there.
///
/// # Errors
///
/// If it cannot be removed.
pub fn remove(path: &Path) -> std::io::Result<()> {
    match path.is_dir() {
        true => fs::remove_dir_all(path),
        false if path.exists() => fs::remove_file(path),
        false => Ok(()),
    }
}

fn checkpoint_name(examples: usize) -> String {
    format!("n{examples:05}")
}

/// How many examples a head has seen, by the name of its checkpoint's folder; `None` for any other name.
pub fn checkpoint_examples(name: &str) -> Option<usize> {
    let examples = name.strip_prefix('n')?.parse().ok()?;
    (checkpoint_name(examples) == name).then_some(examples)
}

/// Refuses a head's name that could leave its folder, on any system, or that means something else.
///
/// # Errors
///
/// If it has other characters than letters, digits, `-`, `_` and `.`, starts with `.`, or is `base`, `answer-only`,
/// `p-true` or `report`.
pub fn check_head_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_file_name = !name.is_empty() && !name.starts_with('.') && name.chars().all(plain);
    match is_file_name && ![BASE, ANSWER_ONLY, P_TRUE, REPORT].contains(&name) {
        true => Ok(()),
        false => Err(Error::HeadName { found: name.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_where_the_layout_says() {
        let run = RunDir::new("run");
        let head = run.head("incorrect");
        let paths = [
            (run.manifest(), "run/run.toml"),
            (head.log(), "run/heads/incorrect/log.csv"),
            (head.checkpoint(64), "run/heads/incorrect/n00064"),
            (head.checkpoint(123_456), "run/heads/incorrect/n123456"),
            (head.answers(), "run/heads/incorrect/answers.csv"),
            (run.base_scores(), "run/scores/base.csv.gz"),
            (run.answer_only_scores(), "run/scores/answer-only.csv.gz"),
            (run.p_true_scores(), "run/scores/p-true.csv.gz"),
            (run.training_scores(), "run/scores/base-train.csv.gz"),
            (
                run.scores("incorrect", 64),
                "run/scores/incorrect-n00064.csv.gz",
            ),
            (run.report(), "run/report"),
            (run.step("score.base"), "run/steps/score.base"),
        ];
        for (found, expected) in paths {
            assert_eq!(found, Path::new(expected));
        }
    }

    #[test]
    fn a_name_cannot_leave_its_folder() {
        for name in [
            "", ".", "..", "../x", "a/b", "a\\b", "c:", "\u{e9}", ".x", "a\0", "a b",
        ] {
            assert!(check_head_name(name).is_err(), "{name:?}");
        }
        check_head_name("incorrect-seed2").unwrap();
        assert!(check_head_name("answer-only").is_err());
        let error = check_head_name("base").unwrap_err();
        assert!(error.to_string().contains("other than `base`"), "{error}");
    }

    #[test]
    fn checkpoints_are_found_by_their_exact_names() {
        let root = tempfile::tempdir().unwrap();
        let head = HeadDir::new(root.path().join("head"));
        assert!(head.checkpoints().unwrap().is_empty());
        for name in [
            "n00064",
            "n00000",
            "n123456",
            "n00128.partial",
            "n64",
            "n+0064",
            "m00064",
        ] {
            fs::create_dir_all(head.path().join(name)).unwrap();
        }
        let found: Vec<usize> = head.checkpoints().unwrap().into_keys().collect();
        assert_eq!(found, [0, 64, 123_456]);
        assert_eq!(head.checkpoints().unwrap()[&64], head.checkpoint(64));
    }
}
