//! A benchmark's three sets of questions: to train on, to test on, and to take shots from.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use minijinja::Value;

use crate::files::Source;
use crate::rows::{Row, Rows};
use crate::shots::{PerQuestion, ShotRule, Shots};
use crate::task::{Pool, Task};
use crate::{Error, Question, Result, shots, task};

/// What the rows of a task, or of all tasks of a group, give to training and evaluation.
#[derive(Debug, Clone)]
pub struct Benchmark {
    train: Vec<Question>,
    test: Vec<Question>,
    parts: Vec<Part>,
    files: Vec<PathBuf>,
}

/// What one task gives.
#[derive(Debug, Clone)]
struct Part {
    task: Task,
    /// Its questions in the test.
    test: Range<usize>,
    pool: Vec<Question>,
}

/// Which sets are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The questions to train on.
    pub train: bool,
    /// Those to test on: the split of the task file, or another one.
    pub test: Option<Test>,
    /// Those to take shots from.
    pub shots: bool,
}

/// Which questions are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// Those that the task file names, the first of each task or all.
    Own(Option<usize>),
    /// Those of another split.
    Split(String, Option<usize>),
}

impl Needs {
    /// All sets, and all questions to test on.
    #[must_use]
    pub fn all() -> Self {
        Self {
            train: true,
            test: Some(Test::Own(None)),
            shots: true,
        }
    }
}

impl Benchmark {
    /// Reads what is needed of a task: a name that the program carries, or a path to a task file.
    ///
    /// # Errors
    ///
    /// If there is no such task, a file is missing or refused, or a test question is in a training file.
    pub fn open(name: &str, source: &Source, needs: &Needs) -> Result<Self> {
        let tasks = task::open(name)?;
        let mut reader = Reader {
            source,
            group: tasks.len() > 1,
            rows: BTreeMap::new(),
            files: Vec::new(),
        };
        let (mut train, mut test, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for task in tasks {
            if needs.train {
                train.extend(reader.training(&task)?);
            }
            let start = test.len();
            let (split, limit) = match &needs.test {
                Some(Test::Own(limit)) => (Some(task.evaluated()), *limit),
                Some(Test::Split(split, limit)) => (Some(split.as_str()), *limit),
                None => (None, None),
            };
            if let Some(split) = split {
                let asked = reader.questions(&task, split, &source.test)?;
                test.extend(asked.into_iter().take(limit.unwrap_or(usize::MAX)));
            }
            let pool = match needs.shots {
                true => reader.pool(&task)?,
                false => Vec::new(),
            };
            let test = start..test.len();
            parts.push(Part { task, test, pool });
        }
        let benchmark = Self {
            train,
            test,
            parts,
            files: reader.files,
        };
        match needs.test {
            Some(Test::Own(_)) => benchmark.checked(),
            _ => Ok(benchmark),
        }
    }

    /// Refuses a question, by id, that is in both sets.
    fn checked(self) -> Result<Self> {
        let mut seen = HashSet::new();
        if let Some(twice) = self
            .train
            .iter()
            .find(|question| !seen.insert(question.id()))
        {
            return Err(Error::Twice {
                id: twice.id().into(),
            });
        }
        match self
            .test
            .iter()
            .find(|question| seen.contains(question.id()))
        {
            Some(question) => Err(Error::Leak {
                id: question.id().into(),
            }),
            None => Ok(self),
        }
    }

    /// The files that it was read from.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The questions that heads are trained on, in order.
    #[must_use]
    pub fn train(&self) -> &[Question] {
        &self.train
    }

    /// The questions that are scored, in order.
    #[must_use]
    pub fn test(&self) -> &[Question] {
        &self.test
    }

    /// All that the task files say, as JSON: what decides the questions beside their rows.
    #[must_use]
    pub fn definition(&self) -> String {
        let tasks: Vec<&str> = self
            .parts
            .iter()
            .map(|part| part.task.definition.as_str())
            .collect();
        tasks.join("\n")
    }

    /// The tasks, each with its questions in the test.
    pub fn tasks(&self) -> impl Iterator<Item = (&Task, Range<usize>)> {
        self.parts
            .iter()
            .map(|part| (&part.task, part.test.clone()))
    }

    /// Whether all questions of a task stand after the same shots, where the task file decides.
    #[must_use]
    pub fn shot_rule(&self, shots: &Shots) -> ShotRule {
        let first = shots.ids.is_some() || self.parts.iter().all(|part| part.task.takes_first());
        match shots.rule {
            ShotRule::Task if first => ShotRule::Fixed,
            ShotRule::Task => ShotRule::PerQuestion,
            rule => rule,
        }
    }

    /// The text before each of the first `count` test questions: the task's description, if it has one,
    /// and the solved questions.
    ///
    /// # Errors
    ///
    /// If the pool has fewer questions than are drawn, lacks one that is named, or has one that can be no
    /// shot.
    pub fn prefixes(&self, shots: &Shots, count: usize) -> Result<Vec<String>> {
        let mut prefixes = Vec::new();
        for part in &self.parts {
            let asked = part.test.start..part.test.end.min(count);
            let questions = self.test.get(asked).unwrap_or_default();
            prefixes.extend(part.prefixes(shots, questions)?);
        }
        Ok(prefixes)
    }
}

impl Part {
    fn prefixes(&self, shots: &Shots, asked: &[Question]) -> Result<Vec<String>> {
        let (pool, task) = (&self.pool, &self.task);
        let rule = match shots.rule {
            ShotRule::Task if task.takes_first() || shots.ids.is_some() => ShotRule::Fixed,
            ShotRule::Task => ShotRule::PerQuestion,
            rule => rule,
        };
        if shots.count > 0 && task.keys.num_fewshot == Some(0) {
            return Err(task.refused("num_fewshot", "0, so that there can be no shots"));
        }
        let drawn: Vec<Vec<&Question>> = if rule == ShotRule::PerQuestion {
            let seed = shots.seed.unwrap_or(shots::HARNESS_SEED);
            let mut shots = PerQuestion::new(pool, shots.count, seed, task.draws_spare())?;
            asked
                .iter()
                .map(|question| shots.next(question))
                .collect::<Result<_>>()?
        } else {
            let (first, spare) = match &shots.ids {
                Some(ids) => {
                    let mut named = shots::by_id(pool, ids)?;
                    let spare = named.split_off(shots.count.min(ids.len()));
                    (named, spare)
                }
                None => shots::fixed(pool, shots.count, shots.seed)?,
            };
            let shots = |question| shots::without(question, &first, &spare, first.len());
            asked.iter().map(shots).collect::<Result<_>>()?
        };
        let text = |(question, shots): (&Question, Vec<&Question>)| {
            let shot = |shot: &Question| {
                shot.as_shot().ok_or_else(|| Error::NoShot {
                    id: shot.id().into(),
                })
            };
            let shots: Vec<String> = shots.into_iter().map(shot).collect::<Result<_>>()?;
            Ok(question.description().to_owned() + &shots.concat())
        };
        asked.iter().zip(drawn).map(text).collect()
    }
}

/// Reads splits, each file once.
struct Reader<'a> {
    source: &'a Source,
    /// Whether ids have to tell one task's questions from another's.
    group: bool,
    rows: BTreeMap<Vec<PathBuf>, Rc<Rows>>,
    files: Vec<PathBuf>,
}

impl Reader<'_> {
    /// The rows of these files, or if there are none of the split's.
    fn rows(&mut self, task: &Task, split: &str, files: &[PathBuf]) -> Result<Rc<Rows>> {
        let files = match files {
            [] => self.source.files(task, split)?,
            files => files.to_vec(),
        };
        if let Some(rows) = self.rows.get(&files) {
            return Ok(Rc::clone(rows));
        }
        let rows = Rc::new(Rows::read(&files, task.own().header.as_deref())?);
        self.files.extend(files.iter().cloned());
        self.rows.insert(files, Rc::clone(&rows));
        Ok(rows)
    }

    /// The questions of these files, or if there are none of the split's.
    fn questions(&mut self, task: &Task, split: &str, files: &[PathBuf]) -> Result<Vec<Question>> {
        let rows = self.rows(task, split, files)?;
        let mut questions = task::questions(task, split, &rows)?;
        if self.group {
            for question in &mut questions {
                question.id = format!("{}/{}", task.name, question.id);
            }
        }
        Ok(questions)
    }

    fn pool(&mut self, task: &Task) -> Result<Vec<Question>> {
        let files = &self.source.shots;
        match task.pool() {
            Pool::Split(split) => self.questions(task, &split, files),
            Pool::Samples(_) if !files.is_empty() => self.questions(task, "shots", files),
            Pool::Samples(samples) => {
                let row = |(number, value): (usize, Value)| {
                    Row::new(Path::new(&task.file), number + 1, value)
                };
                let rows = samples.into_iter().enumerate().map(row).collect();
                let samples = Rows::new(&[], rows);
                task::questions(task, "samples", &samples)
            }
        }
    }

    fn training(&mut self, task: &Task) -> Result<Vec<Question>> {
        let files = &self.source.train;
        let parts = match (task.own().training, &task.keys.training_split) {
            _ if !files.is_empty() => return self.questions(task, "train", files),
            (Some(parts), _) => parts,
            (None, Some(split)) => return self.questions(task, split, &[]),
            (None, None) => {
                return Err(Error::NoTrainingSet {
                    task: task.name.clone(),
                });
            }
        };
        let mut questions = Vec::new();
        for part in parts {
            let other = match &part.task {
                Some(name) => task::open(name)?,
                None => vec![task.clone()],
            };
            for task in &other {
                questions.extend(self.questions(task, &part.split, &[])?);
            }
        }
        Ok(questions)
    }
}

#[cfg(test)]
mod tests;
