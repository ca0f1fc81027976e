//! The opened files of an experiment, and what they give to training and scoring in tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use likra_data::{
    AnswerKind, Benchmark, Draw, Question, Ranking, Unrelated, other_answers, prompt,
    training_order, training_pairs,
};
use likra_model::Model;
use likra_results::{AnswerRecord, Input, sha256};
use likra_score::Request;
use likra_tokenizer::{Bos, EncodedPair, Tokenizer};
use rayon::prelude::*;

use crate::assets;
use crate::error::{At as _, Error, Result};
use crate::experiment::Head;
use crate::spec::{Evaluation, Spec};

/// The opened files of an experiment.
#[derive(Debug)]
pub struct Inputs {
    /// The checkpoint folder.
    pub model: PathBuf,
    /// The questions.
    pub benchmark: Benchmark,
    unrelated: Option<Unrelated>,
    /// Every file that decides a number, with its hash.
    pub files: Vec<Input>,
    /// One hash for each group of files: model, tokenizer, data, unrelated.
    pub(crate) hashes: Hashes,
}

/// One hash for each group of files.
pub type Hashes = BTreeMap<&'static str, String>;

/// What a model is asked.
#[derive(Debug)]
pub(crate) struct Requests {
    /// The test questions, with irrelevant and unrelated answers beside their choices.
    pub(crate) test: Vec<Request>,
    /// The same candidates where nothing is asked.
    pub(crate) answer_only: Vec<Request>,
    /// Training questions whose wrong choices are to be ranked.
    pub(crate) ranking: Vec<Request>,
}

/// What a head learns, in the order of training.
#[derive(Debug)]
pub struct TrainingSet {
    /// In tokens.
    pub examples: Vec<EncodedPair>,
    /// In words.
    pub answers: Vec<AnswerRecord>,
}

impl Inputs {
    /// Finds and reads the files; what the program carries is unpacked into `embedded`.
    ///
    /// # Errors
    ///
    /// If the experiment does not say where its files are, one is missing, or one is refused.
    pub fn open(spec: &Spec, embedded: &Path) -> Result<Self> {
        let folder = |named: Option<&str>, what| match named {
            Some(assets::TINY) => assets::unpack(embedded),
            Some(path) => Ok(PathBuf::from(path)),
            None => Err(Error::NoFolder { what }),
        };
        let model = folder(spec.model.as_deref(), "model")?;
        let data = folder(spec.data.as_deref(), "data")?;
        let open = |from: &crate::spec::UnrelatedSpec| -> Result<Unrelated> {
            let dir = folder(from.data.as_deref(), "unrelated")?;
            Ok(Unrelated::open(from.benchmark, &dir)?)
        };
        let unrelated = spec.unrelated.as_ref().map(open).transpose()?;
        let benchmark = Benchmark::open(spec.benchmark, &data)?;
        let groups = [
            ("model", Model::files(&model)?),
            ("tokenizer", Tokenizer::files(&model)),
            ("data", benchmark.files().to_vec()),
            (
                "unrelated",
                unrelated.iter().flat_map(|u| u.files.clone()).collect(),
            ),
        ];
        let (files, hashes) = hash_files(groups)?;
        Ok(Self {
            model,
            benchmark,
            unrelated,
            files,
            hashes,
        })
    }

    /// What the base and the heads are asked; `heads` are those whose answers are ranked.
    pub(crate) fn requests(&self, spec: &Spec, heads: &[&Head]) -> Result<Requests> {
        let evaluation = &spec.evaluation;
        let tokenizer = Tokenizer::open(&self.model, evaluation.bos)?;
        let test = self.benchmark.test();
        let unrelated = self.unrelated.as_ref().map(|texts| texts.test.as_slice());
        let others = other_answers(test, unrelated)?;
        let asked = evaluation.questions.unwrap_or(test.len());
        let prefixes = self.benchmark.prefixes(&evaluation.shots(), asked)?;
        let asked: Vec<_> = prefixes.iter().zip(test).zip(others).collect();
        let with_question = |((prefix, question), others): &((&_, &Question), Others)| {
            let prefix: &std::sync::Arc<str> = prefix;
            let context = [prefix, prompt::context(question).as_str()].concat();
            request(&tokenizer, &context, question, others)
        };
        let alone = |((_, question), others): &((&_, &Question), Others)| {
            request(&tokenizer, prompt::ANSWER_ONLY, question, others)
        };
        Ok(Requests {
            test: asked.par_iter().map(with_question).collect::<Result<_>>()?,
            answer_only: asked.iter().map(alone).collect::<Result<_>>()?,
            ranking: self.ranking_requests(spec.training.bos, heads)?,
        })
    }

    /// The training questions that some of `heads` sees, without shots.
    fn ranking_requests(&self, bos: Bos, heads: &[&Head]) -> Result<Vec<Request>> {
        let tokenizer = Tokenizer::open(&self.model, bos)?;
        let train = self.benchmark.train();
        let seen = |head: &&Head| {
            let order = training_order(train.len(), head.seed);
            order.into_iter().take(head.examples).collect::<Vec<_>>()
        };
        let places: BTreeSet<usize> = heads.iter().flat_map(seen).collect();
        let ask = |place| {
            let question = &train[place];
            request(&tokenizer, &prompt::context(question), question, &[])
        };
        places.into_iter().map(ask).collect()
    }

    /// What `head` learns.
    pub(crate) fn training_set(
        &self,
        spec: &Spec,
        head: &Head,
        ranking: Option<&Ranking>,
    ) -> Result<TrainingSet> {
        let unrelated = self
            .unrelated
            .as_ref()
            .map_or(&[][..], |texts| &texts.train);
        let draw = Draw {
            unrelated,
            ranking,
            ..head.draw(spec)
        };
        let train = self.benchmark.train();
        training_set(&self.model, spec.training.bos, train, &draw, head.examples)
    }
}

type Others<'a> = Vec<(AnswerKind, &'a str)>;

/// The first `count` examples that `draw` gives to the questions of `train`.
///
/// # Errors
///
/// If there is no such answer to a question, or a text cannot be encoded.
pub fn training_set(
    model: &Path,
    bos: Bos,
    train: &[Question],
    draw: &Draw,
    count: usize,
) -> Result<TrainingSet> {
    let tokenizer = Tokenizer::open(model, bos)?;
    let pairs = training_pairs(train, draw, count)?;
    let encode = |pair: &likra_data::TrainingPair| {
        let context = prompt::context(pair.question);
        let encoded = tokenizer.encode_pair(&context, &prompt::continuation(pair.answer));
        encoded.at(|| format!("question `{}`", pair.question.id()))
    };
    let record = |pair: &likra_data::TrainingPair| AnswerRecord {
        question_id: pair.question.id().into(),
        kind: pair.kind,
        answer: pair.answer.into(),
    };
    Ok(TrainingSet {
        examples: pairs.par_iter().map(encode).collect::<Result<_>>()?,
        answers: pairs.iter().map(record).collect(),
    })
}

/// The first test questions of `benchmark`, as many as `evaluation` says, each after its shots and with
/// its own choices alone.
///
/// # Errors
///
/// If there are not enough shots, or a text cannot be encoded.
pub fn requests(
    model: &Path,
    benchmark: &Benchmark,
    evaluation: &Evaluation,
) -> Result<Vec<Request>> {
    let tokenizer = Tokenizer::open(model, evaluation.bos)?;
    let test = benchmark.test();
    let asked = evaluation.questions.unwrap_or(test.len()).min(test.len());
    let prefixes = benchmark.prefixes(&evaluation.shots(), asked)?;
    let asked = prefixes.iter().zip(test);
    let ask = |(prefix, question): (&std::sync::Arc<str>, &Question)| {
        let context = [prefix, prompt::context(question).as_str()].concat();
        request(&tokenizer, &context, question, &[])
    };
    asked.map(ask).collect()
}

/// A question's choices, and `others` beside them, after `context`.
fn request(
    tokenizer: &Tokenizer,
    context: &str,
    question: &Question,
    others: &[(AnswerKind, &str)],
) -> Result<Request> {
    let choices = question.choices().iter().enumerate();
    let choices = choices.map(|(place, choice)| {
        let kind = match place == question.gold() {
            true => AnswerKind::Correct,
            false => AnswerKind::Incorrect,
        };
        (kind, choice.as_str())
    });
    let answers = choices.chain(others.iter().copied());
    Request::new(
        tokenizer,
        question.id(),
        context,
        answers,
        prompt::continuation,
    )
    .at(|| format!("question `{}`", question.id()))
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
        let read = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            Input::of_file(&name, path)
        };
        let group: Vec<Input> = paths.iter().map(read).collect::<Result<_, _>>()?;
        let distinct: BTreeSet<&str> = group.iter().map(|file| file.sha256.as_str()).collect();
        let all: Vec<&str> = distinct.into_iter().collect();
        hashes.insert(name, sha256(all.join("\n").as_bytes()));
        files.extend(group);
    }
    Ok((files, hashes))
}
