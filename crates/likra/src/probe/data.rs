//! Jobs about texts, tokens and draws, for which no model runs.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use likra_data::{
    Answers, Benchmark, Draw, Layout, PythonRandom, Question, ShotRule, Shots, WrongAnswer, prompt,
    training_pairs,
};
use likra_results::sha256;
use likra_tokenizer::{Bos, Tokenizer};
use serde::Deserialize;
use serde_json::{Value, json};

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
    benchmark: Layout,
    data: PathBuf,
    shots: usize,
    seed: u64,
}

/// What a head learns, in the order of training: question ids, each with its answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Pairs {
    benchmark: Layout,
    data: PathBuf,
    kind: Answers,
    #[serde(default)]
    wrong_answer: WrongAnswer,
    seed: u32,
}

/// Draws of Python's `random.Random(seed)`, one after the other from one generator.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Draws {
    seed: u64,
    draws: Vec<RandomDraw>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RandomDraw {
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
        let benchmark = Benchmark::open(self.benchmark, &dir.join(&self.data))?;
        let shots = Shots {
            count: self.shots,
            rule: ShotRule::PerQuestion,
            ids: None,
            seed: Some(self.seed),
        };
        let test = benchmark.test();
        let prefixes = benchmark.prefixes(&shots, test.len())?;
        let asked = test.iter().zip(prefixes);
        Ok(asked
            .map(|(question, prefix)| json!([question.id(), digest(question, &prefix)]))
            .collect())
    }
}

fn digest(question: &Question, prefix: &str) -> String {
    let mut text = [prefix, &prompt::context(question), "\0"].concat();
    for choice in question.choices() {
        text += &prompt::continuation(choice);
        text += "\0";
    }
    sha256(text.as_bytes())
}

impl Pairs {
    pub(super) fn answer(&self, dir: &Path) -> Result<Value> {
        let benchmark = Benchmark::open(self.benchmark, &dir.join(&self.data))?;
        let draw = Draw {
            answers: self.kind,
            wrong: self.wrong_answer,
            contamination: 0.0,
            seed: self.seed,
            unrelated: &[],
            ranking: None,
        };
        let pairs = training_pairs(benchmark.train(), &draw, usize::MAX)?;
        Ok(pairs
            .iter()
            .map(|pair| json!([pair.question.id(), pair.answer]))
            .collect())
    }
}

impl Draws {
    pub(super) fn answer(&self) -> Result<Value> {
        let mut rng = PythonRandom::new(self.seed);
        let answer = |draw: &RandomDraw| match *draw {
            RandomDraw::Sample(n, k) => {
                ensure!(k <= n, "a sample of {k} from {n}; expected at most {n}");
                Ok(json!(rng.sample(n, k)))
            }
            RandomDraw::Choice(n) => {
                let places: Vec<usize> = (0..n).collect();
                Ok(json!(rng.choice(&places)))
            }
            RandomDraw::Shuffle(n) => {
                let mut places: Vec<usize> = (0..n).collect();
                rng.shuffle(&mut places);
                Ok(json!(places))
            }
        };
        self.draws.iter().map(answer).collect()
    }
}
