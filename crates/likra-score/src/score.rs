//! Log-likelihoods of every candidate under any number of heads of one base.

use likra_lora::Adapter;
use likra_model::{Model, check_threads};
use likra_results::ScoreRecord;
use likra_tokenizer::Request;

use crate::plan::{Plan, Span};
use crate::{Error, Result};

/// How many answer tokens are projected to the vocabulary at a time: bounds memory at this many
/// rows of logits.
const TARGETS_AT_ONCE: usize = 256;

/// A head to score with: the base itself, or an adapter on it.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The name that its records carry.
    pub name: &'a str,
    /// How many training examples it has seen.
    pub examples: usize,
    /// Its adapter; the base has none.
    pub adapter: Option<&'a Adapter>,
    /// Whether to find out which answers it would give by itself: that takes the logits once more.
    pub greedy: bool,
}

/// Scores every candidate of the plan's questions under `head`, in the questions' order.
///
/// `progress` hears, after each forward pass, how many more questions are done.
///
/// # Errors
///
/// If the adapter does not fit the model, a token is outside of its vocabulary, or a result is not
/// a number.
pub fn score(
    model: &Model,
    head: &Head,
    plan: &Plan,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<ScoreRecord>> {
    if let Some(adapter) = head.adapter {
        model.config().check_adapter(adapter)?;
    }
    let mut sums: Vec<Vec<Sum>> = plan
        .requests
        .iter()
        .map(|request| vec![Sum::default(); request.candidates.len()])
        .collect();
    let prefix = match plan.prefix() {
        [] => None,
        tokens => Some(model.prefill(tokens, head.adapter)?),
    };
    let (batches, shared) = (plan.batches().len(), plan.prefix().len());
    tracing::info!(
        head = head.name,
        questions = plan.requests.len(),
        batches,
        shared,
        "scoring"
    );
    for questions in plan.batches() {
        let (batch, targets, spans) = plan.pass(model, questions);
        let hidden = model.forward(&batch, prefix.as_ref(), head.adapter)?;
        let mut values = Vec::with_capacity(targets.len());
        for targets in targets.chunks(TARGETS_AT_ONCE) {
            let found = model.log_likelihoods(&hidden, targets)?;
            let found = found
                .try_to_vec_as::<f32>()
                .map_err(likra_model::Error::read)?;
            let greedy = match head.greedy {
                true => model.are_likeliest(&hidden, targets)?,
                false => vec![false; targets.len()],
            };
            values.extend(found.into_iter().map(f64::from).zip(greedy));
        }
        check_threads()?;
        add_up(&spans, &values, &mut sums);
        progress(questions.len());
    }
    records(head, &plan.requests, &sums)
}

/// The log-likelihood of a candidate, in f64, and whether each of its tokens is the likeliest.
type Sum = (f64, bool);

/// Adds each candidate's tokens.
fn add_up(spans: &[Span], values: &[Sum], sums: &mut [Vec<Sum>]) {
    let mut values = values.iter();
    for span in spans {
        let own: Vec<&Sum> = values.by_ref().take(span.tokens).collect();
        let sum = own.iter().map(|(value, _)| value).sum();
        sums[span.question][span.candidate] = (sum, own.iter().all(|(_, likeliest)| *likeliest));
    }
}

/// The log-likelihood of a certain answer, and what rounding may add to it.
const MOST: f64 = 1e-3;

fn records(head: &Head, requests: &[Request], sums: &[Vec<Sum>]) -> Result<Vec<ScoreRecord>> {
    let mut records = Vec::new();
    for (request, sums) in requests.iter().zip(sums) {
        for (candidate, (found, &(log_likelihood, greedy))) in
            request.candidates.iter().zip(sums).enumerate()
        {
            // No token is more than certain, but for the rounding of a softmax.
            if !log_likelihood.is_finite() || log_likelihood > MOST {
                return Err(Error::NotALogLikelihood {
                    head: head.name.into(),
                    examples: head.examples,
                    question: request.question_id.clone(),
                    candidate,
                    value: log_likelihood,
                });
            }
            records.push(ScoreRecord {
                question_id: request.question_id.clone(),
                candidate,
                kind: found.kind,
                head: head.name.into(),
                examples: head.examples,
                log_likelihood,
                greedy: head.greedy.then_some(greedy),
                tokens: found.encoded.tokens.len() - found.encoded.start,
                chars: found.chars,
                bytes: found.bytes,
            });
        }
    }
    Ok(records)
}
