//! The opened files of an experiment, and what they give to training and scoring in tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use chrono::{Local, NaiveDate};
use likra_data::{
    ANSWER_ONLY, Benchmark, Chat, Draw, Needs, Question, Ranking, Source, TrainingPair,
    other_answers, training_pairs, training_passes,
};
use likra_model::Model;
use likra_results::{AnswerRecord, Input, sha256};
use likra_tokenizer::{self as tokens, Tokenizer};
use likra_train::{Example, Objective};

use crate::{Base, Evaluation, Experiment, Finder, Head, Planned, Spec};

/// An experiment and its opened files.
#[derive(Debug)]
pub struct Inputs {
    /// The experiment.
    pub experiment: Experiment,
    /// The model.
    pub base: Base,
    /// The questions.
    pub benchmark: Benchmark,
    /// The questions to choose settings by, if some are set aside.
    aside: Option<Benchmark>,
    unrelated: Option<Benchmark>,
    /// What was found by name on the hub: `OWNER/NAME@COMMIT`.
    pub(crate) hub: Vec<String>,
}

/// One hash for each group of files: model, tokenizer, data, unrelated.
pub type Hashes = BTreeMap<&'static str, String>;

/// A name, files, and the definition of a task.
type Group = (&'static str, Vec<PathBuf>, Option<String>);

/// What a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// The first test questions, with irrelevant and unrelated answers beside their choices.
    Test(usize),
    /// The questions that are set aside.
    Aside,
    /// The candidates of the test questions, with no question.
    AnswerOnly,
    /// Whether the candidates of the test questions are true.
    PTrue,
    /// Training questions that heads of ranked answers see, without shots, to rank their wrong choices.
    Ranking,
}

/// What a head learns, in the order of training.
#[derive(Debug)]
pub struct TrainingSet {
    /// In tokens.
    pub examples: Vec<Example>,
    /// In words.
    pub answers: Vec<AnswerRecord>,
    /// How many of the examples are too long, and will be skipped.
    pub skipped: usize,
}

/// The chat template of the checkpoint in `folder`, if `evaluation` wants it.
///
/// # Errors
///
/// If there is none that can be read.
pub fn chat(folder: &Path, evaluation: &Evaluation) -> Result<Option<Chat>> {
    if !evaluation.chat_template {
        return Ok(None);
    }
    let template = Tokenizer::chat_template(folder)?;
    let multiturn = evaluation.fewshot_as_multiturn.unwrap_or(true);
    let mut now = Local::now().naive_local();
    if let Some(today) = &evaluation.today {
        let expected =
            || format!("evaluation.today: expected a day such as 2026-11-27, found `{today}`");
        let day: NaiveDate = today.parse().with_context(expected)?;
        now = day.and_time(now.time());
    }
    Ok(Some(Chat::new(template, now, multiturn)?))
}

impl Inputs {
    /// Finds and reads what is needed. The files of `own` take the place of the task's; if it has any to
    /// train or to test on, no others are looked for on the hub.
    ///
    /// # Errors
    ///
    /// If the experiment does not say where its files are, one is missing, or one is refused.
    pub fn open(mut spec: Spec, own: Source, needs: &Needs, mut finder: Finder) -> Result<Self> {
        let (base, mut source) = (finder.base(&spec)?, own);
        if spec.data.is_some() || (source.train.is_empty() && source.test.is_empty()) {
            let found = finder.rows(&spec.task, spec.data.as_deref())?;
            (source.folder, source.repos) = (found.folder, found.repos);
        }
        let mut unrelated = None;
        if let Some(from) = &spec.unrelated {
            let source = finder.rows(&from.task, from.data.as_deref())?;
            unrelated = Some(Benchmark::open_unrelated(&from.task, &source)?);
        }
        let mut benchmark = Benchmark::open(&spec.task, &source, needs)?;
        let mut aside = None;
        if let Some(selection) = &spec.selection {
            let (all, task) = (benchmark.train().len(), &spec.task);
            let count = selection.count(all);
            ensure!(
                count > 0,
                "selection.share: not one of {all} training questions"
            );
            let several = || format!("selection: `{task}` is several tasks; expected one");
            aside = Some(benchmark.set_aside(count).with_context(several)?);
        }
        if let Some(chat) = chat(&base.folder, &spec.evaluation)? {
            spec.evaluation.today.take_if(|_| chat.today().is_none());
            let in_chat = |one: Benchmark| one.in_chat(&chat, &spec.evaluation.shots());
            benchmark = in_chat(benchmark)?;
            aside = aside.map(in_chat).transpose()?;
        }
        let (training, test) = (benchmark.train().len(), benchmark.test().len());
        // The first of each task are in the benchmark already.
        spec.evaluation.questions = Some(test);
        Ok(Self {
            experiment: Experiment::new(spec, training, test),
            base,
            benchmark,
            aside,
            unrelated,
            hub: finder.hub,
        })
    }

    /// Every file that decides a number, with its hash, and the hash of each group. In a group, the order of the files
    /// counts, and the same file twice counts once; of a task, its definition counts, too.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub fn hash(&self) -> Result<(Vec<Input>, Hashes)> {
        let (mut files, mut hashes) = (Vec::new(), Hashes::new());
        for (name, paths, definition) in self.groups()? {
            let start = files.len();
            for path in paths {
                files.push(Input::of_file(&path)?);
            }
            let mut seen = BTreeSet::new();
            let distinct = files[start..].iter().map(|file| &*file.sha256);
            let distinct: Vec<&str> = distinct.filter(|hash| seen.insert(*hash)).collect();
            let mut hash = sha256(distinct.join("\n").as_bytes());
            if let Some(definition) = definition {
                hash = sha256(format!("{hash}\n{definition}").as_bytes());
            }
            hashes.insert(name, hash);
        }
        Ok((files, hashes))
    }

    /// The files of each group, and of a task its definition.
    fn groups(&self) -> Result<[Group; 4]> {
        let (folder, data) = (&self.base.folder, &self.benchmark);
        let texts = self.unrelated.as_ref();
        let texts = texts.map(|texts| (texts.files.clone(), texts.definition()));
        let (others, other) = texts.unwrap_or_default();
        Ok([
            ("model", Model::files(folder)?, None),
            ("tokenizer", Tokenizer::files(folder), None),
            ("data", data.files.clone(), Some(data.definition())),
            ("unrelated", others, Some(other)),
        ])
    }

    /// Every file that decides a number, those of tasks that are not carried included.
    pub(crate) fn paths(&self) -> Result<Vec<PathBuf>> {
        let spec = &self.experiment.spec;
        let tasks = spec.unrelated.iter().map(|from| &from.task);
        let tasks = tasks.chain([&spec.task]).map(PathBuf::from);
        let groups = self.groups()?.into_iter();
        let paths = groups.flat_map(|(_, paths, _)| paths);
        Ok(paths.chain(tasks.filter(|path| path.exists())).collect())
    }

    /// What models are asked, in tokens.
    pub(crate) fn plan(&self, asked: Asked) -> Result<Planned> {
        let experiment = &self.experiment;
        let (base, benchmark) = (&self.base, &self.benchmark);
        let (train, test) = (benchmark.train(), benchmark.test());
        let unrelated = self.unrelated.as_ref().map_or(&[][..], Benchmark::test);
        let others = || other_answers(test, unrelated);
        let mut evaluation = experiment.spec.evaluation.clone();
        match asked {
            Asked::Test(questions) => {
                evaluation.questions = Some(questions);
                base.plan(benchmark, &evaluation, &others()?)
            }
            Asked::Aside => {
                evaluation.questions = None;
                let aside = self.aside.as_ref().unwrap_or(benchmark);
                base.plan(aside, &evaluation, &[])
            }
            Asked::AnswerOnly => {
                let test = test.iter().take(experiment.questions);
                let asked = test.map(|question| tokens::Asked::instead(ANSWER_ONLY, question));
                base.plan_of(asked, &others()?, &evaluation)
            }
            Asked::PTrue => {
                let test = test.iter().take(experiment.questions);
                let test: Vec<Question> = test.map(Question::whether_true).collect();
                let asked = test.iter();
                let asked = asked.map(|question| tokens::Asked::after("", question));
                base.plan_of(asked, &[], &evaluation)
            }
            Asked::Ranking => {
                let seen = experiment.ranked().flat_map(|head| {
                    training_passes(train.len(), head.seed, head.examples, head.training.epochs)
                });
                let places: BTreeSet<usize> = seen.collect();
                let places = places.into_iter();
                let asked = places.map(|place| tokens::Asked::after("", &train[place]));
                evaluation.bos = experiment.spec.training.bos;
                base.plan_of(asked, &[], &evaluation)
            }
        }
    }

    /// What `head` learns.
    ///
    /// # Errors
    ///
    /// If there is no such answer to a question, a text cannot be encoded, or one is too long and that is
    /// not allowed.
    pub fn training_set(&self, head: &Head, ranking: Option<&Ranking>) -> Result<TrainingSet> {
        let spec = &self.experiment.spec;
        let unrelated = self.unrelated.as_ref();
        let draw = Draw {
            contamination: head.contamination,
            unrelated: unrelated.map_or(&[], Benchmark::train),
            ranking,
            epochs: head.training.epochs,
            ..Draw::new(head.answers, spec.wrong_answer, head.seed)
        };
        let pairs = training_pairs(self.benchmark.train(), &draw, head.examples)?;
        let objective = head.training.objective;
        // Those that are chosen, and those that are rejected.
        let parts = pairs.iter().map(|pair| {
            let right = || TrainingPair::right(pair.question).map(|one| vec![one]);
            Ok(match objective {
                Objective::Likelihood => [vec![*pair], Vec::new()],
                Objective::KtoNegatives => [Vec::new(), vec![*pair]],
                Objective::Choice => [right()?, TrainingPair::wrong(pair.question).collect()],
                _ => [right()?, vec![*pair]],
            })
        });
        let parts: Vec<[Vec<TrainingPair>; 2]> = parts.collect::<Result<_>>()?;
        let pairs: Vec<TrainingPair> = parts.iter().flatten().flatten().copied().collect();
        let mut texts = self.base.encoded(&pairs, &head.training)?.into_iter();
        let mut next = |part: &Vec<TrainingPair>| texts.by_ref().take(part.len()).collect();
        let examples = parts.iter().map(|[chosen, rejected]| Example {
            chosen: next(chosen),
            rejected: next(rejected),
        });
        let examples: Vec<Example> = examples.collect();
        let positions = self.base.config.max_positions;
        let long = examples.iter().filter(|example| !example.fits(positions));
        Ok(TrainingSet {
            skipped: long.count(),
            answers: pairs.iter().map(AnswerRecord::from).collect(),
            examples,
        })
    }
}
