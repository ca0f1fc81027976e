//! Scoring the first test questions, under any number of heads of one base.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use burn::tensor::{Tensor, TensorData};
use likra_data::{AnswerKind, Bos, CandidateTokens, ScoringRequest, Tokenizer};
use likra_lora::Adapter;
use likra_model::Model;
use likra_results::BASE;
use likra_score::{Head, Plan, score};
use serde::Deserialize;

use super::flops::{Cost, Work};
use super::{Bench, Measured, median, now, one, timed};
use crate::experiment::{Evaluation, Shots};
use crate::questions::requests;

/// From the questions' text to all log-likelihoods, the model open: first for the questions of
/// `warm-up`, then `samples` times for those that are timed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Score {
    /// `base`, or an adapter's folder.
    heads: Vec<String>,
    #[serde(flatten)]
    asked: Asked,
    rule: Shots,
    warm_up: Asked,
    #[serde(default = "one")]
    samples: usize,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Asked {
    questions: usize,
    shots: usize,
}

/// One candidate after one context, in a process that has done nothing before.
#[derive(Debug, Deserialize)]
pub(super) struct FirstScore {
    context: String,
    continuation: String,
}

/// What one sample found.
struct Found {
    seconds: f64,
    heads: Vec<f64>,
    values: Vec<f64>,
    shared: usize,
    work: Work,
}

impl Score {
    pub(super) fn measure(&self, bench: &mut Bench) -> Result<Measured> {
        ensure!(!self.heads.is_empty(), "heads = []: expected at least one");
        let adapters = self.adapters(bench)?;
        let tokenizer = Tokenizer::open(&bench.model_dir(), Bos::Auto)?;
        let batch_tokens = bench.chosen.batch_tokens;
        let (model, benchmark) = bench.open()?;
        let pass = |asked| {
            let requests = || requests(&tokenizer, benchmark, &self.evaluation(asked));
            sample(model, &adapters, requests, batch_tokens)
        };
        pass(self.warm_up)?;
        let mut found = Vec::new();
        let measured = Measured::sampled(self.samples, || {
            let sample = pass(self.asked)?;
            let seconds = sample.seconds;
            found.push(sample);
            Ok(seconds)
        })?;
        let last = found.last().context("no sample was taken")?;
        let operations = adapters.iter().map(|(_, adapter)| {
            let cost = Cost::new(model.config(), adapter.as_ref());
            cost.forward(last.work)
        });
        Ok(Measured {
            tokens: last.work.tokens * adapters.len(),
            questions: self.asked.questions.min(benchmark.test().len()),
            operations: operations.sum(),
            shared: last.shared,
            heads: medians(&found, adapters.len()),
            values: last.values.clone(),
            ..measured
        })
    }

    fn adapters(&self, bench: &Bench) -> Result<Vec<(String, Option<Adapter>)>> {
        let load = |name: &String| match name.as_str() {
            BASE => Ok((name.clone(), None)),
            folder => Ok((name.clone(), Some(bench.adapter(Path::new(folder))?))),
        };
        self.heads.iter().map(load).collect()
    }

    fn evaluation(&self, asked: Asked) -> Evaluation {
        Evaluation {
            num_shots: asked.shots,
            shots: self.rule,
            questions: Some(asked.questions),
            ..Evaluation::default()
        }
    }
}

/// Times everything between the questions and their scores.
fn sample(
    model: &Model,
    heads: &[(String, Option<Adapter>)],
    requests: impl FnOnce() -> Result<Vec<ScoringRequest>>,
    batch_tokens: usize,
) -> Result<Found> {
    let (requests, prepared) = timed(requests)?;
    let (plan, planned) = timed(|| Ok(Plan::new(&requests, batch_tokens)?))?;
    let mut found = Found {
        seconds: prepared + planned,
        heads: Vec::new(),
        values: Vec::new(),
        shared: plan.prefix().len(),
        work: work(&requests, &plan),
    };
    for (name, adapter) in heads {
        let head = Head {
            name,
            examples: 0,
            adapter: adapter.as_ref(),
        };
        let (records, seconds) = timed(|| Ok(score(model, &head, &plan, &mut |_| {})?))?;
        found.seconds += seconds;
        found.heads.push(seconds);
        let values = records.iter().map(|record| record.log_likelihood);
        found.values.extend(values);
    }
    Ok(found)
}

/// What one head has to compute.
fn work(requests: &[ScoringRequest], plan: &Plan) -> Work {
    let shared = plan.prefix().len();
    let targets = |request: &ScoringRequest| -> usize {
        let answers = request.candidates.iter();
        answers
            .map(|answer| answer.tokens.len() - answer.start)
            .sum()
    };
    let rows = requests.iter().zip(plan.rows());
    let rows = rows.map(|(request, row)| Work::row(shared, &row, targets(request)));
    rows.chain([Work::sequence(shared, 0)]).sum()
}

fn medians(found: &[Found], heads: usize) -> Vec<f64> {
    let of = |head: usize| -> Vec<f64> { found.iter().map(|found| found.heads[head]).collect() };
    (0..heads).map(|head| median(&of(head))).collect()
}

impl FirstScore {
    pub(super) fn measure(&self, bench: &mut Bench) -> Result<Measured> {
        let tokenizer = Tokenizer::open(&bench.model_dir(), Bos::Auto)?;
        let pair = tokenizer.encode_pair(&self.context, &self.continuation)?;
        let request = ScoringRequest {
            question_id: "first".into(),
            candidates: vec![CandidateTokens {
                tokens: pair.tokens,
                start: pair.start,
                chars: self.continuation.chars().count(),
                bytes: self.continuation.len(),
                kind: AnswerKind::Correct,
            }],
        };
        let requests = [request];
        let plan = Plan::new(&requests, bench.chosen.batch_tokens)?;
        let base = Head {
            name: BASE,
            examples: 0,
            adapter: None,
        };
        let records = score(bench.model()?, &base, &plan, &mut |_| {})?;
        Ok(Measured {
            at: now(),
            values: records.iter().map(|record| record.log_likelihood).collect(),
            ..Measured::default()
        })
    }
}

/// The adapter with numbers in its B too, other ones for every `head`: it changes what the base says.
pub(super) fn stirred(adapter: &Adapter, head: usize) -> Adapter {
    let mut place = 0;
    adapter.map(|tensor| {
        place += 1;
        // A, B, A, B, ...
        if place % 2 == 1 {
            return tensor.clone();
        }
        let shape = tensor.dims();
        let number = |entry: usize| 0.02 * ((entry * 7 + head) as f32 * 0.61).sin();
        let numbers: Vec<f32> = (0..shape[0] * shape[1]).map(number).collect();
        Tensor::from_data(TensorData::new(numbers, shape), &tensor.device())
    })
}
