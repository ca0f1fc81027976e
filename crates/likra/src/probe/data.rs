//! Jobs about texts, tokens and draws, for which no model runs.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use likra_data::{
    AnswerKind, Bos, PythonRandom, Question, Tokenizer, WrongAnswer, prompt, training_order,
    training_pairs,
};
use likra_results::sha256;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::experiment;
use crate::questions::read_benchmark;

/// Pairs of texts as tokens: for each `[context, continuation]` the tokens of both.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Encode {
    bos: Bos,
    pairs: Vec<(String, String)>,
}

/// The texts asked for every test question after shots drawn anew for each: question ids, each with
/// the SHA-256 of context and continuations, every one followed by a zero byte.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Prompts {
    benchmark: experiment::Benchmark,
    data: PathBuf,
    shots: usize,
    seed: u64,
}

/// What a head learns, in the order of training: question ids, each with its answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Pairs {
    benchmark: experiment::Benchmark,
    data: PathBuf,
    kind: String,
    #[serde(default)]
    wrong_answer: WrongAnswer,
    seed: u32,
}

/// Draws of Python's `random.Random(seed)`, one after the other from one generator.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Draws {
    seed: u64,
    draws: Vec<Draw>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Draw {
    /// `sample(range(n), k)`.
    Sample(usize, usize),
    /// `choice(range(n))`.
    Choice(usize),
    /// `shuffle(list(range(n)))`.
    Shuffle(usize),
}

impl Encode {
    pub(super) fn answer(&self, model: &Path) -> Result<Value> {
        let tokenizer = Tokenizer::open(model, self.bos)?;
        let encode = |(context, continuation): &(String, String)| {
            let pair = tokenizer.encode_pair(context, continuation)?;
            Ok(json!([
                pair.tokens[..pair.start],
                pair.tokens[pair.start..]
            ]))
        };
        self.pairs.iter().map(encode).collect()
    }
}

impl Prompts {
    pub(super) fn answer(&self, dir: &Path) -> Result<Value> {
        let (benchmark, _) = read_benchmark(self.benchmark, &dir.join(&self.data))?;
        let shots = benchmark.shots_per_question(self.shots, self.seed)?;
        let asked = benchmark.test().iter().zip(shots);
        Ok(asked
            .map(|(question, shots)| json!([question.id(), digest(question, shots)]))
            .collect())
    }
}

fn digest(question: &Question, shots: Vec<&Question>) -> String {
    let mut text = prompt::few_shot_prefix(shots) + &prompt::context(question) + "\0";
    for choice in question.choices() {
        text += &prompt::continuation(choice);
        text += "\0";
    }
    sha256(text.as_bytes())
}

impl Pairs {
    pub(super) fn answer(&self, dir: &Path) -> Result<Value> {
        let (benchmark, _) = read_benchmark(self.benchmark, &dir.join(&self.data))?;
        let kind: AnswerKind = self.kind.parse()?;
        let pairs = training_pairs(benchmark.train(), kind, self.wrong_answer, self.seed, &[])?;
        let order = training_order(pairs.len(), self.seed);
        Ok(order
            .into_iter()
            .map(|place| json!([pairs[place].question.id(), pairs[place].answer]))
            .collect())
    }
}

impl Draws {
    pub(super) fn answer(&self) -> Result<Value> {
        let mut rng = PythonRandom::new(self.seed);
        let answer = |draw: &Draw| match *draw {
            Draw::Sample(n, k) => {
                ensure!(k <= n, "a sample of {k} from {n}; expected at most {n}");
                Ok(json!(rng.sample(n, k)))
            }
            Draw::Choice(n) => {
                let places: Vec<usize> = (0..n).collect();
                Ok(json!(rng.choice(&places)))
            }
            Draw::Shuffle(n) => {
                let mut places: Vec<usize> = (0..n).collect();
                rng.shuffle(&mut places);
                Ok(json!(places))
            }
        };
        self.draws.iter().map(answer).collect()
    }
}
