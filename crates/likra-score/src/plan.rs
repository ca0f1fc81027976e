//! What is computed once: the text that all questions share, and each question for its candidates.

use std::cmp::Reverse;

use likra_model::{Batch, Model, Row, common};
use likra_tokenizer::{Candidate, EncodedPair, Request};

use crate::{Error, Result};

/// How a set of questions is laid out in forward passes; the same for every head.
///
/// What is shared is found among the token ids, not assumed from the text: few-shot examples that
/// stand before every question become a prefix that runs once, and the tokens in which a question's
/// candidates agree become the trunk of one row, with the candidates as its branches.
#[derive(Debug)]
pub struct Plan {
    pub(crate) requests: Vec<Request>,
    /// How many tokens, from the first, all candidates of all questions have in common.
    prefix: usize,
    /// Questions that run together, by place in `requests`, of about the same length.
    batches: Vec<Vec<usize>>,
    batch_tokens: usize,
}

impl Plan {
    /// Lays out `requests` in batches of at most `batch_tokens` tokens, padding included (one
    /// question at least).
    ///
    /// # Errors
    ///
    /// If a question has no candidates, or a candidate no answer or no question.
    pub fn new(requests: impl Into<Vec<Request>>, batch_tokens: usize) -> Result<Self> {
        let requests = requests.into();
        requests.iter().try_for_each(check)?;
        let mut plan = Self {
            prefix: shared_prefix(&requests),
            requests,
            batches: Vec::new(),
            batch_tokens,
        };
        plan.batches = plan.batched(batch_tokens);
        Ok(plan)
    }

    /// The same with a token more behind each answer: what is asked for there stands at the answer's end.
    pub(crate) fn to_ends(&self) -> Result<Self> {
        let mut requests = self.requests.clone();
        let candidates = requests
            .iter_mut()
            .flat_map(|request| &mut request.candidates);
        candidates.for_each(|candidate| candidate.encoded.tokens.push(0));
        Self::new(requests, self.batch_tokens)
    }

    /// The questions, in order.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// The tokens that stand before every question, to be run once for each head.
    pub fn prefix(&self) -> &[u32] {
        self.requests.first().map_or(&[], |request| {
            &request.candidates[0].encoded.tokens[..self.prefix]
        })
    }

    /// Questions in forward passes: for each pass the places of its questions.
    pub fn batches(&self) -> &[Vec<usize>] {
        &self.batches
    }

    /// How many tokens the largest pass has, the prefix left out.
    pub fn largest_pass(&self) -> usize {
        let lengths = |batch: &Vec<usize>| batch.iter().map(|&place| self.row(place).len()).sum();
        self.batches.iter().map(lengths).max().unwrap_or_default()
    }

    /// How many tokens run for a head, padding left out.
    pub fn tokens(&self) -> usize {
        let rows = (0..self.requests.len()).map(|question| self.row(question).len());
        self.prefix + rows.sum::<usize>()
    }

    /// The row of a question: what it adds to the prefix.
    fn row(&self, question: usize) -> Row<'_> {
        let candidates = self.requests[question].candidates.iter();
        let tokens = candidates.map(|candidate| &candidate.encoded.tokens);
        // The last token predicts nothing that is asked for.
        let texts = tokens.map(|tokens| &tokens[self.prefix..tokens.len() - 1]);
        Row::new(&texts.collect::<Vec<_>>())
    }

    /// Groups questions of like length, longest first, so that little is padded and a batch that
    /// does not fit into memory fails at the start.
    fn batched(&self, batch_tokens: usize) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.requests.len()).collect();
        let lengths = order.iter().map(|&question| self.row(question).len());
        let lengths: Vec<usize> = lengths.collect();
        order.sort_by_key(|&question| Reverse(lengths[question]));
        let mut batches: Vec<Vec<usize>> = Vec::new();
        for question in order {
            match batches.last_mut() {
                Some(batch) if (batch.len() + 1) * lengths[batch[0]] <= batch_tokens => {
                    batch.push(question);
                }
                _ => batches.push(vec![question]),
            }
        }
        batches
    }

    /// One forward pass: its batch, and the answer tokens to be looked up, each after the index of the
    /// token before; question after question, and candidate after candidate.
    pub(crate) fn pass(&self, model: &Model, questions: &[usize]) -> (Batch, Vec<(usize, u32)>) {
        let rows = questions.iter().map(|&question| self.row(question));
        let rows: Vec<Row> = rows.collect();
        let batch = model.batch(&rows);
        let mut targets = Vec::new();
        for (row, &question) in questions.iter().enumerate() {
            let candidates = self.requests[question].candidates.iter().enumerate();
            for (text, Candidate { encoded, .. }) in candidates {
                let EncodedPair { tokens, start } = encoded;
                targets.extend((*start..tokens.len()).map(|place| {
                    let before = batch.index(row, text, place - 1 - self.prefix);
                    (before, tokens[place])
                }));
            }
        }
        (batch, targets)
    }
}

/// Refuses a question without candidates, and a candidate without an answer or without a token before it.
fn check(request: &Request) -> Result<()> {
    let question = || request.question_id.clone();
    if request.candidates.is_empty() {
        return Err(Error::NoCandidates(question()));
    }
    for (candidate, Candidate { encoded, .. }) in request.candidates.iter().enumerate() {
        let (start, tokens) = (encoded.start, encoded.tokens.len());
        if start == 0 || start >= tokens {
            return Err(Error::Candidate {
                question: question(),
                candidate,
                start,
                tokens,
            });
        }
    }
    Ok(())
}

/// How many tokens all candidates share, short of the last one before an answer: a row needs it to predict the answer's
/// first token from.
fn shared_prefix(requests: &[Request]) -> usize {
    let candidates = requests.iter().flat_map(|request| &request.candidates);
    let mut texts =
        candidates.map(|Candidate { encoded, .. }| &encoded.tokens[..encoded.start - 1]);
    let Some(first) = texts.next() else {
        return 0;
    };
    texts.fold(first.len(), |shared, text| shared.min(common(first, text)))
}
