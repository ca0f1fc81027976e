//! The loss of a batch and its gradient.

use std::borrow::Cow;

use burn::tensor::Tensor;
use likra_lora::Adapter;
use likra_model::{Model, Row};
use likra_tokenizer::EncodedPair;

use crate::objective::{Answer, Role};
use crate::{Error, Example, Objective, Result, TrainSettings};

/// The loss of `examples` by the objective of `settings`, `[1]`, in nats, and its gradient with respect to every
/// tensor of `adapter`, in the order of [`Adapter::tensors`] and unclipped. Nothing waits for the device here.
///
/// # Errors
///
/// If there is no example, one has not the answers that the objective needs, an answer is empty or has no question, a
/// token is outside of the model's vocabulary, or the loss does not depend on a tensor.
pub fn loss_and_gradients(
    model: &Model,
    adapter: &Adapter,
    examples: &[Example],
    settings: &TrainSettings,
) -> Result<(Tensor<1>, Vec<Tensor<2>>)> {
    let objective = settings.objective;
    check(examples, settings)?;
    if objective.has_reward() != adapter.reward.is_some() {
        return Err(Error::Reward(objective));
    }
    let mut texts = texts(examples);
    if objective.has_mismatched() {
        texts.extend(mismatched(&texts));
        texts.sort_by_key(|(_, example, _)| *example);
    }
    let rows = rows(model, &texts, objective);
    let batch = model.batch(&rows);
    let (mut answers, mut targets) = (Vec::new(), Vec::new());
    let branches = rows.iter().enumerate().flat_map(|(number, row)| {
        let branches = 0..row.branches.len();
        branches.map(move |branch| (number, branch))
    });
    for ((row, branch), (role, example, text)) in branches.zip(&texts) {
        let first = targets.len();
        let before = |place| batch.index(row, branch, place - 1);
        let EncodedPair { tokens, start } = &**text;
        match objective.has_reward() {
            true => targets.push((before(tokens.len()), 0)),
            false => {
                targets.extend((*start..tokens.len()).map(|place| (before(place), tokens[place])));
            }
        }
        answers.push(Answer {
            role: *role,
            example: *example,
            tokens: first..targets.len(),
        });
    }
    let batch = batch.only(&mut targets);
    let log_likelihoods = |adapter: Option<&Adapter>| -> Result<Tensor<1>> {
        let hidden = model.forward(&batch, None, adapter)?;
        match adapter.and_then(|adapter| adapter.reward.as_ref()) {
            Some(reward) => Ok(model.rewards(&hidden, &targets, reward)),
            None => Ok(model.log_likelihoods(&hidden, &targets)?),
        }
    };
    let tracked = adapter.tracked();
    let reference = objective.has_reference().then(|| log_likelihoods(None));
    let found = log_likelihoods(Some(&tracked))?;
    let loss = objective.loss(settings.beta, found, reference.transpose()?, &answers);
    let mut gradients = loss.backward();
    let gradient = |(tensor, value): (String, Tensor<2>)| {
        let gradient = value.grad_remove(&mut gradients);
        gradient.ok_or(Error::Gradient(tensor))
    };
    let gradients = tracked.tensors().into_iter().map(gradient);
    Ok((loss.inner(), gradients.collect::<Result<_>>()?))
}

/// A sequence of a batch, the part of its answer, and the place of its example.
type Text<'a> = (Role, usize, Cow<'a, EncodedPair>);

/// The answers of each example, those that are chosen first.
fn texts<'a>(examples: &'a [Example]) -> Vec<Text<'a>> {
    let of = |(place, example): (usize, &'a Example)| {
        let (chosen, rejected) = (example.chosen.iter(), example.rejected.iter());
        let chosen = chosen.map(move |text| (Role::Chosen, place, Cow::Borrowed(text)));
        chosen.chain(rejected.map(move |text| (Role::Rejected, place, Cow::Borrowed(text))))
    };
    examples.iter().enumerate().flat_map(of).collect()
}

/// The answers to a question as branches of one row, so that it runs once for all of them.
fn rows<'a>(model: &Model, texts: &'a [Text], objective: Objective) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for texts in texts.chunk_by(|one, other| one.1 == other.1) {
        let texts = texts.iter().map(|(.., text)| objective.run_of(text));
        let texts: Vec<&[u32]> = texts.collect();
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        let together = if model.can_share(&lengths) {
            texts.len()
        } else {
            1
        };
        rows.extend(texts.chunks(together).map(Row::new));
    }
    rows
}

/// Each question with the answer to the one before it, as TRL pairs them; to the first, the last.
fn mismatched<'a>(texts: &[Text<'a>]) -> Vec<Text<'a>> {
    let before = texts.iter().cycle().skip(texts.len() - 1);
    let of = |((_, place, text), (.., other)): (&Text<'a>, &Text<'a>)| {
        let (question, answer) = (&text.tokens[..text.start], &other.tokens[other.start..]);
        let text = EncodedPair {
            tokens: [question, answer].concat(),
            start: text.start,
        };
        (Role::Mismatched, *place, Cow::Owned(text))
    };
    texts.iter().zip(before).map(of).collect()
}

/// Refuses examples without the answers that the objective needs, or without a question before them.
pub(crate) fn check(examples: &[Example], settings: &TrainSettings) -> Result<()> {
    if examples.is_empty() {
        return Err(Error::Setting {
            setting: "examples",
            found: "0".into(),
            expected: "at least 1",
        });
    }
    let objective = settings.objective;
    for (place, example) in examples.iter().enumerate() {
        let (chosen, rejected) = (example.chosen.len(), example.rejected.len());
        if !objective.takes(chosen, rejected) {
            let found = format!("{chosen} chosen and {rejected} rejected answers");
            let why = format!("{found}, from which {objective} cannot learn");
            return Err(Error::Example(place, why));
        }
        let is_wrong = |one: &&EncodedPair| one.start == 0 || one.start >= one.tokens.len();
        if let Some(EncodedPair { tokens, start }) = example.answers().find(is_wrong) {
            let found = format!("the answer starts at token {start} of {}", tokens.len());
            let expected = "expected at least one token before and one after that";
            return Err(Error::Example(place, format!("{found}; {expected}")));
        }
    }
    Ok(())
}
