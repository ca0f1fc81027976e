//! Jobs about texts, tokens and draws, for which no model runs.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use likra_data::{Answers, Draw, PythonRandom, WrongAnswer, training_pairs};
use likra_tokenizer::{Bos, Tokenizer};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Probe;

/// Pairs of texts as tokens: for each `[context, continuation]` the tokens of both.
#[derive(Deserialize)]
pub(super) struct Encode {
    bos: Bos,
    pairs: Vec<(String, String)>,
}

/// What a head learns, in the order of training: question ids, each with its answer.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Pairs {
    task: String,
    data: PathBuf,
    kind: Answers,
    #[serde(default)]
    wrong_answer: WrongAnswer,
    seed: u32,
}

/// Draws of Python's `random.Random(seed)`, one after the other from one generator.
#[derive(Deserialize)]
pub(super) struct Draws {
    seed: u64,
    draws: Vec<RandomDraw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RandomDraw {
    /// `sample(range(n), k)`.
    Sample(usize, usize),
    /// `choice(range(n))`.
    Choice(usize),
    /// `shuffle(list(range(n)))`.
    Shuffle(usize),
}

impl Probe<'_> {
    pub(super) fn encode(&self, job: &Encode) -> Result<Value> {
        let tokenizer = Tokenizer::open(self.model_dir()?, job.bos)?;
        let encode = |(context, continuation): &(String, String)| {
            let pair = tokenizer.encode_pair(context, continuation)?;
            Ok(json!(pair.tokens.split_at(pair.start)))
        };
        job.pairs.iter().map(encode).collect()
    }

    pub(super) fn pairs(&self, job: &Pairs) -> Result<Value> {
        let benchmark = self.benchmark(&job.task, &job.data)?;
        let draw = Draw::new(job.kind, job.wrong_answer, job.seed);
        let pairs = training_pairs(benchmark.train(), &draw, usize::MAX)?;
        let pairs = pairs.iter();
        Ok(pairs
            .map(|pair| json!([pair.question.id(), pair.answer]))
            .collect())
    }
}

impl Draws {
    pub(super) fn run(&self) -> Result<Value> {
        let mut rng = PythonRandom::new(self.seed);
        let answer = |draw: &RandomDraw| match *draw {
            RandomDraw::Sample(n, k) => {
                ensure!(k <= n, "a sample of {k} from {n}; expected at most {n}");
                Ok(json!(rng.sample(n, k)))
            }
            RandomDraw::Choice(n) => Ok(json!(rng.choice(&(0..n).collect::<Vec<_>>()))),
            RandomDraw::Shuffle(n) => {
                let mut places: Vec<usize> = (0..n).collect();
                rng.shuffle(&mut places);
                Ok(json!(places))
            }
        };
        self.draws.iter().map(answer).collect()
    }
}
