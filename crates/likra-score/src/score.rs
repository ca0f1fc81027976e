//! Log-likelihoods of every candidate under any number of heads of one base.

use burn::tensor::Tensor;
use likra_lora::Adapter;
use likra_model::{Model, check_threads};
use likra_results::ScoreRecord;
use likra_tokenizer::Request;

use crate::{Error, Plan, Result};

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

/// Scores every candidate of the plan's questions under `head`, in the questions' order: by log-likelihood, or by
/// reward if the head's adapter gives rewards.
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
    let (adapter, asked) = (head.adapter, plan);
    let reward = adapter.and_then(|adapter| adapter.reward.as_ref());
    let to_ends = reward.map(|_| plan.to_ends()).transpose()?;
    let plan = to_ends.as_ref().unwrap_or(plan);
    let apart = plan.apart(model);
    let plan = apart.as_ref().unwrap_or(plan);
    let mut sums = vec![Vec::new(); plan.requests.len()];
    let (questions, groups, batches) = (
        plan.requests.len(),
        plan.groups.len(),
        plan.batches().count(),
    );
    tracing::info!(head = head.name, questions, groups, batches, "scoring");
    let passes = plan.groups.iter().flat_map(|group| {
        let batches = group.batches.iter().enumerate();
        batches.map(move |(number, questions)| (group, number, questions))
    });
    let (mut prefix, mut done) = (None, 0);
    for (group, number, questions) in passes {
        if number == 0 {
            prefix = match plan.prefix(group) {
                [] => None,
                tokens => Some(model.prefill(tokens, head.adapter)?),
            };
        }
        let (batch, targets) = plan.pass(model, group, questions);
        let hidden = model.forward(&batch, prefix.as_ref(), head.adapter)?;
        let values = values(model, head, &hidden, &targets)?;
        check_threads()?;
        // Each candidate's tokens are added in f64.
        let mut values = values.into_iter();
        for &question in questions {
            let candidates = plan.requests[question].candidates.iter();
            let tokens = candidates.map(|candidate| candidate.encoded.answer_tokens());
            let found = tokens.map(|tokens| {
                let own = values.by_ref().take(tokens);
                own.fold((0.0, true), |(sum, all), (value, likeliest)| {
                    // A reward is what stands at an answer's end.
                    let before = if reward.is_some() { 0.0 } else { sum };
                    (before + f64::from(value), all && likeliest)
                })
            });
            sums[question] = found.collect();
        }
        // Of the questions that were asked.
        let told = |done: usize| done * asked.requests.len() / plan.requests.len();
        progress(told(done + questions.len()) - told(done));
        done += questions.len();
    }
    let (mut all, requests) = (sums.into_iter().flatten(), asked.requests.iter());
    let sums = requests.map(|request| all.by_ref().take(request.candidates.len()).collect());
    records(head, &asked.requests, &sums.collect::<Vec<_>>())
}

/// What stands at each of `targets`: its log-likelihood or reward, and whether it is the likeliest, if that is asked for.
fn values(
    model: &Model,
    head: &Head,
    hidden: &Tensor<2>,
    targets: &[(usize, u32)],
) -> Result<Vec<(f32, bool)>> {
    let mut values = Vec::with_capacity(targets.len());
    for targets in targets.chunks(model.targets_at_once()) {
        let reward = head.adapter.and_then(|adapter| adapter.reward.as_ref());
        if head.greedy && reward.is_none() {
            let readings = model.readings(hidden, targets)?.into_iter().zip(targets);
            values.extend(
                readings
                    .map(|(found, target)| (found.log_likelihood, found.likeliest.0 == target.1)),
            );
            continue;
        }
        let found = match reward {
            Some(reward) => model.rewards(hidden, targets, reward),
            None => model.log_likelihoods(hidden, targets)?,
        };
        let found = found
            .try_into_vec_as::<f32>()
            .map_err(likra_model::Error::read)?;
        values.extend(found.into_iter().map(|value| (value, false)));
    }
    Ok(values)
}

/// The log-likelihood of a candidate, in nats, or its reward, and whether each of its tokens is the likeliest.
type Sum = (f64, bool);

/// The log-likelihood of a certain answer, and what rounding may add to it.
const MOST: f64 = 1e-3;

fn records(head: &Head, requests: &[Request], sums: &[Vec<Sum>]) -> Result<Vec<ScoreRecord>> {
    let gives_rewards = head.adapter.is_some_and(|one| one.reward.is_some());
    let mut records = Vec::new();
    for (request, sums) in requests.iter().zip(sums) {
        let candidates = request.candidates.iter().zip(sums).enumerate();
        for (candidate, (found, &(log_likelihood, greedy))) in candidates {
            // No token is more than certain, but for the rounding of a softmax.
            let is_likely = log_likelihood <= MOST || gives_rewards;
            if !log_likelihood.is_finite() || !is_likely {
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
                tokens: found.encoded.answer_tokens(),
                chars: found.chars,
                bytes: found.bytes,
            });
        }
    }
    Ok(records)
}
