//! What an experiment is made of, on this machine: the model's folder, the questions, the tokens.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use likra_data::{
    AnswerKind, ArcFiles, Benchmark, Bos, Question, ScoringRequest, Tokenizer, TrainingExample,
    WrongAnswer, prompt, read_arc, scoring_requests, shots, training_order, training_pairs,
};
use likra_model::Model;
use likra_results::sha256_file;

use crate::experiment::{self, Evaluation, Experiment};
use crate::steps::Key;

/// The files that an experiment reads, and the questions in them.
pub(crate) struct Materials {
    model_dir: PathBuf,
    model_files: Vec<PathBuf>,
    model_hash: String,
    data_files: Vec<PathBuf>,
    benchmark: Benchmark,
}

impl Materials {
    /// Finds the files, reads the questions and hashes the model.
    pub(crate) fn open(experiment: &Experiment, model_dir: &Path, data_dir: &Path) -> Result<Self> {
        let (benchmark, data_files) = match experiment.benchmark {
            experiment::Benchmark::Arc => arc(data_dir)?,
            experiment::Benchmark::ArcFormat => arc_format(data_dir)?,
        };
        let mut model_files = Model::files(model_dir)?;
        let model_hash = hash_files(&model_files)?;
        model_files.extend(Tokenizer::files(model_dir));
        Ok(Self {
            model_dir: model_dir.into(),
            model_files,
            model_hash,
            data_files,
            benchmark,
        })
    }

    pub(crate) fn model_dir(&self) -> &Path {
        &self.model_dir
    }

    pub(crate) fn model_hash(&self) -> &str {
        &self.model_hash
    }

    pub(crate) fn benchmark(&self) -> &Benchmark {
        &self.benchmark
    }

    /// Every file that decides a number.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.model_files
            .iter()
            .chain(&self.data_files)
            .map(PathBuf::as_path)
    }

    /// All training questions with answers of one kind, in the order of training.
    pub(crate) fn examples(
        &self,
        kind: AnswerKind,
        seed: u32,
        bos: Bos,
    ) -> Result<Vec<TrainingExample>> {
        let tokenizer = Tokenizer::open(&self.model_dir, bos)?;
        training_examples(&tokenizer, self.benchmark.train(), kind, seed)
    }

    /// The test questions after their shots.
    pub(crate) fn requests(&self, evaluation: &Evaluation) -> Result<Vec<ScoringRequest>> {
        let tokenizer = Tokenizer::open(&self.model_dir, evaluation.bos)?;
        let (pool, test) = (self.benchmark.shots(), self.benchmark.test());
        let shots = match &evaluation.shot_ids {
            Some(ids) => shots::by_id(pool, ids)?,
            None => shots::fixed(pool, evaluation.shots, None)?,
        };
        let asked = evaluation
            .questions
            .map_or(test.len(), |limit| limit.min(test.len()));
        requests(&tokenizer, &shots, &test[..asked])
    }
}

/// ARC, as the paper divides it.
fn arc(dir: &Path) -> Result<(Benchmark, Vec<PathBuf>)> {
    let files = ArcFiles::find(dir)?;
    let benchmark = files.read()?;
    Ok((
        benchmark,
        files.train.into_iter().chain([files.test]).collect(),
    ))
}

/// `train.jsonl` and `test.jsonl` in ARC's format; shots come from the first.
fn arc_format(dir: &Path) -> Result<(Benchmark, Vec<PathBuf>)> {
    let files = ["train.jsonl", "test.jsonl"].map(|name| dir.join(name));
    let (train, test) = (read_arc(&files[0])?, read_arc(&files[1])?);
    Ok((Benchmark::new(train.clone(), test, train)?, files.into()))
}

/// `questions` with answers of one kind, in the order that `seed` gives.
pub(crate) fn training_examples(
    tokenizer: &Tokenizer,
    questions: &[Question],
    kind: AnswerKind,
    seed: u32,
) -> Result<Vec<TrainingExample>> {
    let pairs = training_pairs(questions, kind, WrongAnswer::Random, seed, &[])?;
    training_order(pairs.len(), seed)
        .into_iter()
        .map(|place| Ok(TrainingExample::new(tokenizer, &pairs[place])?))
        .collect()
}

/// `questions` after fixed shots.
pub(crate) fn requests(
    tokenizer: &Tokenizer,
    shots: &[&Question],
    questions: &[Question],
) -> Result<Vec<ScoringRequest>> {
    let prefix = prompt::few_shot_prefix(shots.iter().copied());
    let asked: Vec<(&str, &Question)> = questions
        .iter()
        .map(|question| (prefix.as_str(), question))
        .collect();
    Ok(scoring_requests(tokenizer, &asked)?)
}

/// One hash for the contents of several files; the same file twice counts once.
pub(crate) fn hash_files(files: &[PathBuf]) -> Result<String> {
    let mut key = Key::default();
    for path in BTreeSet::from_iter(files) {
        key = key.with("file", sha256_file(path)?);
    }
    Ok(key.finish())
}

/// One hash for what a head is to learn, in order.
pub(crate) fn hash_examples(examples: &[TrainingExample]) -> String {
    let add = |key: Key, example: &TrainingExample| {
        key.with("tokens", bytes(&example.tokens))
            .with("start", example.answer_start.to_le_bytes())
    };
    examples.iter().fold(Key::default(), add).finish()
}

/// One hash for what is to be scored, in order.
pub(crate) fn hash_requests(requests: &[ScoringRequest]) -> String {
    let mut key = Key::default();
    for request in requests {
        key = key.with("question", &request.question_id);
        for candidate in &request.candidates {
            key = key
                .with("tokens", bytes(&candidate.tokens))
                .with("start", candidate.start.to_le_bytes())
                .with("chars", candidate.chars.to_le_bytes())
                .with("bytes", candidate.bytes.to_le_bytes())
                .with("gold", [u8::from(candidate.gold)]);
        }
    }
    key.finish()
}

fn bytes(tokens: &[u32]) -> Vec<u8> {
    tokens
        .iter()
        .flat_map(|token| token.to_le_bytes())
        .collect()
}
