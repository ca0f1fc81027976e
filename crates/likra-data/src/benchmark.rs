//! A benchmark's three sets of questions: to train on, to test on, and to take shots from.

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::chat::Chat;
use crate::files::Source;
use crate::rows::Rows;
use crate::shots::{ShotRule, Shots};
use crate::task::Task;
use crate::{Error, Question, Result, shots, task, training_order};

/// What the rows of a task, or of all tasks of a group, give to training and evaluation.
#[derive(Debug, Clone)]
pub struct Benchmark {
    train: Vec<Question>,
    test: Vec<Question>,
    parts: Vec<Part>,
    /// The files that it was read from.
    pub files: Vec<PathBuf>,
    /// What decides the prompts of a chat, if the questions are asked in one.
    chat: Option<String>,
}

/// What one task gives.
#[derive(Debug, Clone)]
struct Part {
    task: Task,
    /// Its questions in the test.
    test: Range<usize>,
    pool: Vec<Question>,
}

/// A question and its shots.
type Asked<'a> = (&'a Question, Vec<&'a Question>);

/// Which sets are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The questions to train on.
    pub train: bool,
    /// Those to test on.
    pub test: bool,
    /// Their split, if it is another one than the task file names.
    pub split: Option<String>,
    /// How many of each task are tested on, the first; else all.
    pub limit: Option<usize>,
    /// Those to take shots from.
    pub shots: bool,
}

const SAME_ANSWERS: &str = "all its questions have the same few answers, which say nothing by themselves; name \
    their texts in the key likra.answers of its file, or take another task for unrelated answers";

impl Needs {
    /// All sets, and all questions to test on.
    pub fn all() -> Self {
        Self {
            train: true,
            test: true,
            shots: true,
            ..Self::default()
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
            rows: Vec::new(),
        };
        let (mut train, mut test, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for task in tasks {
            if needs.train {
                train.extend(reader.training(&task)?);
            }
            let start = test.len();
            if needs.test {
                let split = needs.split.as_ref().unwrap_or(&task.evaluated);
                let asked = reader.questions(&task, split, &source.test)?;
                let limit = needs.limit.unwrap_or(usize::MAX);
                test.extend(asked.into_iter().take(limit));
            }
            let pool = needs.shots.then(|| reader.pool(&task)).transpose()?;
            let pool = pool.unwrap_or_default();
            let test = start..test.len();
            parts.push(Part { task, test, pool });
        }
        if needs.test && needs.split.is_none() {
            check(&train, &test)?;
        }
        let read = reader.rows.into_iter();
        Ok(Self {
            train,
            test,
            parts,
            files: read.flat_map(|rows| rows.files).collect(),
            chat: None,
        })
    }

    /// Reads the questions of a task whose answers are unrelated ones to other benchmarks' questions (paper, section
    /// 4.3): those of the training set may be learned, and those of the test set are scored, so that no head has
    /// learned them.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and if all questions have the same answers.
    pub fn open_unrelated(name: &str, source: &Source) -> Result<Self> {
        let needs = Needs {
            shots: false,
            ..Needs::all()
        };
        let found = Self::open(name, source, &needs)?;
        let texts: HashSet<&str> = found.train.iter().flat_map(Question::texts).collect();
        // Letters, or yes and no, are no answers to another question.
        if texts.len() < 10 && found.train.len() > 10 {
            return Err(Error::rows(name, SAME_ANSWERS));
        }
        Ok(found)
    }

    /// Takes some questions out of those to train on, to choose settings by: they are asked as those of the test are.
    /// Which they are, the order of training of seed 0 says, from its end.
    ///
    /// `None` if there are several tasks, which are asked in different ways.
    pub fn set_aside(&mut self, count: usize) -> Option<Self> {
        let [part] = &self.parts[..] else {
            return None;
        };
        let order = training_order(self.train.len(), 0).into_iter();
        let aside: HashSet<usize> = order.rev().take(count).collect();
        let mut places = 0..;
        let is_aside = |_: &mut Question| places.next().is_some_and(|at| aside.contains(&at));
        let test: Vec<Question> = self.train.extract_if(.., is_aside).collect();
        Some(Self {
            train: Vec::new(),
            parts: vec![Part {
                test: 0..test.len(),
                ..part.clone()
            }],
            test,
            files: self.files.clone(),
            chat: self.chat.clone(),
        })
    }

    /// The questions that heads are trained on, in order.
    pub fn train(&self) -> &[Question] {
        &self.train
    }

    /// The questions that are scored, in order.
    pub fn test(&self) -> &[Question] {
        &self.test
    }

    /// All that the task files say, as JSON: what decides the questions beside their rows.
    pub fn definition(&self) -> String {
        let tasks = self.parts.iter().map(|part| part.task.definition.as_str());
        let chat = self.chat.as_deref();
        tasks.chain(chat).collect::<Vec<_>>().join("\n")
    }

    /// The tasks, each with its questions in the test.
    pub fn tasks(&self) -> impl Iterator<Item = (&Task, Range<usize>)> {
        let parts = self.parts.iter();
        parts.map(|part| (&part.task, part.test.clone()))
    }

    /// Whether all questions of a task stand after the same shots, where the task file decides.
    pub fn shot_rule(&self, shots: &Shots) -> ShotRule {
        shots.rule(self.parts.iter().all(|part| part.task.takes_first()))
    }

    /// The text before each of the first `count` test questions: the task's description, if it has one,
    /// and the solved questions. Nothing if they are [in a chat](Self::in_chat), where it is in their contexts.
    ///
    /// # Errors
    ///
    /// If the pool has fewer questions than are drawn, lacks one that is named, or has one that can be no
    /// shot.
    pub fn prefixes(&self, shots: &Shots, count: usize) -> Result<Vec<String>> {
        let prefix = |(question, shots): Asked| {
            let mut prefix = question.description.clone();
            for shot in shots {
                prefix += &shot.shot()?;
            }
            Ok(prefix)
        };
        if self.chat.is_some() {
            return Ok(vec![String::new(); count.min(self.test.len())]);
        }
        self.drawn(shots, count)?.into_iter().map(prefix).collect()
    }

    /// The first `count` test questions, each with its shots.
    fn drawn(&self, shots: &Shots, count: usize) -> Result<Vec<Asked<'_>>> {
        let mut all = Vec::new();
        for part in &self.parts {
            let asked = part.test.start..part.test.end.min(count);
            let questions = self.test.get(asked).unwrap_or_default();
            all.extend(questions.iter().zip(part.drawn(shots, questions)?));
        }
        Ok(all)
    }

    /// The same questions as messages of a chat: those to train on alone, those to test on after their shots.
    ///
    /// # Errors
    ///
    /// As [`prefixes`](Self::prefixes), and if the chat's template refuses the messages.
    pub fn in_chat(mut self, chat: &Chat, shots: &Shots) -> Result<Self> {
        let tested = self.drawn(shots, usize::MAX)?;
        let trained = self.train.iter().map(|question| (question, Vec::new()));
        let asked: Vec<Asked> = tested.into_iter().chain(trained).collect();
        let contexts = |(question, shots): &Asked| chat.contexts(question, shots);
        let prompts: Vec<Vec<String>> = asked.par_iter().map(contexts).collect::<Result<_>>()?;
        let questions = self.test.iter_mut().chain(&mut self.train);
        for (question, prompts) in questions.zip(prompts) {
            question.prompts = prompts;
        }
        self.chat = Some(chat.definition());
        Ok(self)
    }
}

/// Refuses a question, by id, that is in both sets.
fn check(train: &[Question], test: &[Question]) -> Result<()> {
    let mut seen = HashSet::new();
    if let Some(twice) = train.iter().find(|question| !seen.insert(&question.id)) {
        let message = "is in the training set twice; expected distinct ids";
        return Err(Error::question(&twice.id, message));
    }
    let message = "is in the training set and in the test set; expected disjoint sets";
    match test.iter().find(|question| seen.contains(&question.id)) {
        Some(leaked) => Err(Error::question(&leaked.id, message)),
        None => Ok(()),
    }
}

impl Part {
    /// The shots of each of `asked`.
    fn drawn(&self, shots: &Shots, asked: &[Question]) -> Result<Vec<Vec<&Question>>> {
        let (pool, task) = (&self.pool, &self.task);
        if shots.count > 0 && task.num_shots == Some(0) {
            return Err(task.refused("num_fewshot", "0, so that there can be no shots"));
        }
        if shots.rule(task.takes_first()) == ShotRule::PerQuestion {
            let seed = shots.seed.unwrap_or(shots::HARNESS_SEED);
            return shots::per_question(asked, pool, shots.count, seed, task.draws_spare());
        }
        let (candidates, count) = match &shots.ids {
            Some(ids) => (shots::by_id(pool, ids)?, shots.count.min(ids.len())),
            None => (shots::fixed(pool, shots.count, shots.seed)?, shots.count),
        };
        let shots = |question| shots::without(question, &candidates, count);
        asked.iter().map(shots).collect()
    }
}

/// Reads splits, each file once.
struct Reader<'a> {
    source: &'a Source,
    /// Whether ids have to tell one task's questions from another's.
    group: bool,
    rows: Vec<Rows>,
}

impl Reader<'_> {
    /// The questions of these files, or if there are none of the split's.
    fn questions(&mut self, task: &Task, split: &str, files: &[PathBuf]) -> Result<Vec<Question>> {
        let files = match files {
            [] => self.source.files(task, split)?,
            files => files.to_vec(),
        };
        let read = self.rows.iter().position(|rows| rows.files == files);
        let place = read.unwrap_or(self.rows.len());
        if read.is_none() {
            let rows = Rows::read(&files, task.own.header.as_deref())?;
            self.rows.push(rows);
        }
        let mut questions = task::questions(task, split, &self.rows[place])?;
        if self.group {
            for question in &mut questions {
                question.id = format!("{}/{}", task.name, question.id);
            }
        }
        Ok(questions)
    }

    fn pool(&mut self, task: &Task) -> Result<Vec<Question>> {
        let files = &self.source.shots;
        let given = (!files.is_empty()).then_some("shots");
        if let Some(split) = task.pool().or(given) {
            return self.questions(task, split, files);
        }
        let samples = task.few_shot.samples.iter().flatten().cloned();
        let rows = Rows::of(Path::new(&task.file), (1..).zip(samples).collect());
        task::questions(task, "samples", &Rows::new(&[], rows))
    }

    fn training(&mut self, task: &Task) -> Result<Vec<Question>> {
        let files = &self.source.train;
        if !files.is_empty() {
            return self.questions(task, "train", files);
        }
        if task.own.training.is_none() {
            let expected = "expected a task with one, or the key likra.training in its file";
            let message = format!("task {} has no training split; {expected}", task.name);
            return Err(Error::Refused(message));
        }
        let mut questions = Vec::new();
        for (task, split) in task.training()? {
            questions.extend(self.questions(&task, &split, &[])?);
        }
        Ok(questions)
    }
}

#[cfg(test)]
mod tests;
