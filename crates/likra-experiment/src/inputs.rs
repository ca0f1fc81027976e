//! The opened files of an experiment, and what they give to training and scoring in tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use likra_data::{
    ANSWER_ONLY, Benchmark, Draw, Needs, Question, Ranking, Source, Test, Unrelated, other_answers,
    training_order, training_pairs,
};
use likra_model::Model;
use likra_results::{AnswerRecord, Input, sha256};
use likra_tokenizer::{EncodedPair, Other, Request, Tokenizer};
use likra_train::TrainSettings;

use crate::assets;
use crate::error::{Mistake, Result};
use crate::event::Listener;
use crate::experiment::{Experiment, Head};
use crate::hub::{find_data, find_model};
use crate::length;
use crate::spec::{Evaluation, LongPrompt, Spec, UnrelatedSpec};

/// The opened files of an experiment.
#[derive(Debug)]
pub struct Inputs {
    /// The checkpoint folder.
    pub model: PathBuf,
    /// What adapters call it: its absolute path, or the name of the one that the program carries.
    pub(crate) base: String,
    /// The questions.
    pub benchmark: Benchmark,
    unrelated: Option<Unrelated>,
    /// Every file that decides a number, with its hash.
    pub files: Vec<Input>,
    /// What was found by name on the hub: `OWNER/NAME@COMMIT`.
    pub(crate) hub: Vec<String>,
    /// One hash for each group of files: model, tokenizer, data, unrelated.
    pub(crate) hashes: Hashes,
}

/// One hash for each group of files.
pub type Hashes = BTreeMap<&'static str, String>;

/// What a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// The first test questions, with irrelevant and unrelated answers beside their choices.
    Test(usize),
    /// The candidates of the test questions, with no question.
    AnswerOnly,
    /// Training questions that heads of ranked answers see, without shots, to rank their wrong choices.
    Ranking,
}

/// What a head learns, in the order of training.
#[derive(Debug)]
pub struct TrainingSet {
    /// In tokens.
    pub examples: Vec<EncodedPair>,
    /// In words.
    pub answers: Vec<AnswerRecord>,
    /// How many of the examples are too long, and will be skipped.
    pub skipped: usize,
}

impl Inputs {
    /// Finds and reads the files; what the program carries is unpacked into `embedded`.
    ///
    /// # Errors
    ///
    /// If the experiment does not say where its files are, one is missing, or one is refused.
    pub fn open(spec: &Spec, embedded: &Path, listener: &Listener) -> Result<Self> {
        let mut origins = Vec::new();
        let model = match spec.model.as_deref() {
            Some(assets::TINY) => assets::unpack(embedded)?,
            Some(text) => {
                let found = find_model(text, listener)?;
                origins.extend(found.origin);
                found.folder
            }
            None => {
                let message = "this experiment names no model; expected a folder or OWNER/NAME";
                return Err(Mistake::new("--model DIR", message).into());
            }
        };
        let mut rows = |task: &str, named: Option<&str>| -> Result<Source> {
            let folder = match named {
                Some(assets::TINY) => Some(assets::unpack(embedded)?),
                named => named.map(PathBuf::from),
            };
            let (source, found) = find_data(task, folder, listener)?;
            origins.extend(found);
            Ok(source)
        };
        let data = rows(&spec.task, spec.data.as_deref())?;
        let open = |from: &UnrelatedSpec| -> Result<Unrelated> {
            let source = rows(&from.task, from.data.as_deref())?;
            Ok(Unrelated::open(&from.task, &source)?)
        };
        let unrelated = spec.unrelated.as_ref().map(open).transpose()?;
        let needs = Needs {
            test: Some(Test::Own(spec.evaluation.questions)),
            shots: spec.evaluation.num_shots > 0,
            ..Needs::all()
        };
        let benchmark = Benchmark::open(&spec.task, &data, &needs)?;
        let (files, hashes) = hash_all(&model, &benchmark, unrelated.as_ref())?;
        let base = match spec.model.as_deref() {
            Some(assets::TINY) => assets::TINY.to_owned(),
            Some(name) if !Path::new(name).exists() => name.to_owned(),
            _ => std::path::absolute(&model)?.display().to_string(),
        };
        Ok(Self {
            model,
            base,
            benchmark,
            unrelated,
            files,
            hub: origins
                .iter()
                .map(|origin| format!("{}@{}", origin.repo, origin.commit))
                .collect(),
            hashes,
        })
    }

    /// What models are asked, in tokens.
    pub(crate) fn requests(&self, experiment: &Experiment, asked: Asked) -> Result<Requests> {
        let Experiment { spec, heads, .. } = experiment;
        let mut evaluation = spec.evaluation.clone();
        let (train, test) = (self.benchmark.train(), self.benchmark.test());
        let unrelated = self.unrelated.as_ref().map(|texts| texts.test.as_slice());
        let others = || other_answers(test, unrelated);
        match asked {
            Asked::Test(questions) => {
                evaluation.questions = Some(questions);
                requests(&self.model, &self.benchmark, &evaluation, &others()?)
            }
            Asked::AnswerOnly => {
                let tokenizer = Tokenizer::open(&self.model, evaluation.bos)?;
                let asked = test
                    .iter()
                    .map(|question| likra_tokenizer::Asked::instead(ANSWER_ONLY, question));
                let asked = asked.take(experiment.questions);
                let requests = tokenizer.requests(asked, &others()?)?;
                Requests::new(&self.model, requests, evaluation.too_long)
            }
            Asked::Ranking => {
                let tokenizer = Tokenizer::open(&self.model, spec.training.bos)?;
                let ranked = heads.iter().filter(|head| head.answers.is_ranked());
                let seen = ranked.flat_map(|head| {
                    let order = training_order(train.len(), head.seed);
                    order.into_iter().take(head.examples)
                });
                let places: BTreeSet<usize> = seen.collect();
                let questions = places.into_iter().map(|place| &train[place]);
                let asked = questions.map(|question| likra_tokenizer::Asked::after("", question));
                let requests = tokenizer.requests(asked, &[])?;
                Requests::new(&self.model, requests, evaluation.too_long)
            }
        }
    }

    /// What `head` learns.
    pub(crate) fn training_set(
        &self,
        spec: &Spec,
        head: &Head,
        ranking: Option<&Ranking>,
    ) -> Result<TrainingSet> {
        let unrelated = self.unrelated.as_ref();
        let draw = Draw {
            unrelated: unrelated.map_or(&[], |texts| &texts.train),
            ranking,
            ..head.draw(spec)
        };
        let train = self.benchmark.train();
        training_set(&self.model, &spec.training, train, &draw, head.examples)
    }
}

/// The first `count` examples that `draw` gives to the questions of `train`.
///
/// # Errors
///
/// If there is no such answer to a question, a text cannot be encoded, or one is too long and that is
/// not allowed.
pub fn training_set(
    model: &Path,
    settings: &TrainSettings,
    train: &[Question],
    draw: &Draw,
    count: usize,
) -> Result<TrainingSet> {
    let pairs = training_pairs(train, draw, count)?;
    let examples = Tokenizer::open(model, settings.bos)?.examples(&pairs)?;
    let positions = length::positions(model)?;
    Ok(TrainingSet {
        skipped: length::skipped(&pairs, &examples, positions, settings.too_long)?,
        examples,
        answers: pairs.iter().map(AnswerRecord::from).collect(),
    })
}

/// What a model is asked, in tokens that it can run.
#[derive(Debug)]
pub struct Requests {
    /// The questions.
    pub requests: Vec<Request>,
    /// How many texts of candidates were cut at their beginning.
    pub truncated: usize,
    /// How many positions the model has.
    pub positions: usize,
}

impl Requests {
    fn new(model: &Path, mut requests: Vec<Request>, rule: LongPrompt) -> Result<Self> {
        let positions = length::positions(model)?;
        Ok(Self {
            truncated: length::fit(&mut requests, positions, rule)?,
            requests,
            positions,
        })
    }
}

/// The first test questions of `benchmark`, as many as `evaluation` says, each after its shots, and
/// beside its choices the answers that `others` has for it, if any.
///
/// # Errors
///
/// If there are not enough shots, a text cannot be encoded, or one is too long and that is not allowed.
pub fn requests(
    model: &Path,
    benchmark: &Benchmark,
    evaluation: &Evaluation,
    others: &[Vec<Other>],
) -> Result<Requests> {
    let tokenizer = Tokenizer::open(model, evaluation.bos)?;
    let test = benchmark.test();
    let count = evaluation.questions.unwrap_or(test.len()).min(test.len());
    let prefixes = benchmark.prefixes(&evaluation.shots(), count)?;
    let after = |(question, prefix): (_, String)| likra_tokenizer::Asked::after(&prefix, question);
    let requests = tokenizer.requests(test.iter().zip(prefixes).map(after), others)?;
    Requests::new(model, requests, evaluation.too_long)
}

/// The hashes of all that decides a number.
fn hash_all(
    model: &Path,
    benchmark: &Benchmark,
    unrelated: Option<&Unrelated>,
) -> Result<(Vec<Input>, Hashes)> {
    let groups = [
        ("model", Model::files(model)?),
        ("tokenizer", Tokenizer::files(model)),
        ("data", benchmark.files().to_vec()),
        (
            "unrelated",
            unrelated.iter().flat_map(|u| u.files.clone()).collect(),
        ),
    ];
    let (files, mut hashes) = hash_files(groups)?;
    for (name, definition) in [
        ("data", benchmark.definition()),
        (
            "unrelated",
            unrelated.iter().map(|u| u.definition.as_str()).collect(),
        ),
    ] {
        define(&mut hashes, name, &definition);
    }
    Ok((files, hashes))
}

/// Adds a task's definition to the hash of its rows.
pub fn define(hashes: &mut Hashes, name: &'static str, definition: &str) {
    let rows = hashes.get(name).map_or("", String::as_str);
    let both = sha256(format!("{rows}\n{definition}").as_bytes());
    hashes.insert(name, both);
}

/// The hash of every file, read once, and one for each group; the same file twice counts once in it.
///
/// # Errors
///
/// If a file cannot be read.
pub fn hash_files(
    groups: impl IntoIterator<Item = (&'static str, Vec<PathBuf>)>,
) -> Result<(Vec<Input>, Hashes)> {
    let (mut files, mut hashes) = (Vec::new(), Hashes::new());
    for (name, paths) in groups {
        let mut distinct = BTreeSet::new();
        for path in paths {
            let file = Input::of_file(&path)?;
            distinct.insert(file.sha256.clone());
            files.push(file);
        }
        let all: Vec<String> = distinct.into_iter().collect();
        hashes.insert(name, sha256(all.join("\n").as_bytes()));
    }
    Ok((files, hashes))
}
