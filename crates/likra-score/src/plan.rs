//! What is computed once: the text that many questions share, and each question for its candidates.

use std::cmp::Reverse;
use std::ops::Range;

use likra_model::{Batch, Model, Row, common};
use likra_tokenizer::{Candidate, EncodedPair, Request};

use crate::{Error, Result};

/// How a set of questions is laid out in forward passes; the same for every head.
///
/// What is shared is found among the token ids, not assumed from the text: few-shot examples that
/// stand before many questions become a prefix that runs once, and the tokens in which a question's
/// candidates agree become the trunk of one row, with the candidates as its branches.
#[derive(Debug)]
pub struct Plan {
    pub(crate) requests: Vec<Request>,
    pub(crate) groups: Vec<Group>,
    batch_tokens: usize,
}

/// Questions that begin alike.
#[derive(Debug)]
pub(crate) struct Group {
    /// How many tokens, from the first, all their candidates have in common: these run once.
    prefix: usize,
    /// Questions that run together, by place in `requests`, of about the same length.
    pub(crate) batches: Vec<Vec<usize>>,
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
            groups: Vec::new(),
            requests,
            batch_tokens,
        };
        let groups = alike(&plan.requests, batch_tokens / LEAST).into_iter();
        let groups = groups.map(|(prefix, questions)| Group {
            prefix,
            batches: plan.batched(prefix, questions),
        });
        plan.groups = groups.collect();
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

    /// The same with each candidate for itself, if the model turns what some of them share with others otherwise than in
    /// themselves.
    pub(crate) fn apart(&self, model: &Model) -> Option<Self> {
        let can_share = |group: &Group, question: usize| {
            let candidates = self.requests[question].candidates.iter();
            let texts = candidates.map(|candidate| candidate.encoded.tokens.len() - 1);
            let prefix = Some(group.prefix).filter(|tokens| *tokens > 0);
            model.can_share(&texts.chain(prefix).collect::<Vec<_>>())
        };
        let is_alike = |group: &Group| {
            let mut questions = group.batches.iter().flatten();
            questions.all(|&question| can_share(group, question))
        };
        if self.groups.iter().all(is_alike) {
            return None;
        }
        let alone = self.requests.iter().flat_map(|request| {
            let candidates = request.candidates.iter().cloned();
            candidates.map(|candidate| Request {
                question_id: request.question_id.clone(),
                candidates: vec![candidate],
            })
        });
        let mut plan = Self {
            requests: alone.collect(),
            groups: Vec::new(),
            batch_tokens: self.batch_tokens,
        };
        let batches = plan.batched(0, (0..plan.requests.len()).collect());
        plan.groups = vec![Group { prefix: 0, batches }];
        Some(plan)
    }

    /// The questions, in order.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Of each group of questions the tokens that stand before all of them, to be run once for each head.
    pub fn prefixes(&self) -> impl Iterator<Item = &[u32]> {
        self.groups.iter().map(|group| self.prefix(group))
    }

    /// What stands before the questions of a group.
    pub(crate) fn prefix(&self, group: &Group) -> &[u32] {
        let first = group.batches.first().map(|batch| &self.requests[batch[0]]);
        first.map_or(&[], |first| {
            &first.candidates[0].encoded.tokens[..group.prefix]
        })
    }

    /// Questions in forward passes: for each pass the places of its questions.
    pub fn batches(&self) -> impl Iterator<Item = &[usize]> {
        let batches = self.groups.iter().flat_map(|group| &group.batches);
        batches.map(Vec::as_slice)
    }

    /// How many tokens the largest pass has, its prefix left out.
    pub fn largest_pass(&self) -> usize {
        self.passes().max().unwrap_or_default()
    }

    /// How many tokens run for a head, padding left out.
    pub fn tokens(&self) -> usize {
        let prefixes = self.groups.iter().map(|group| group.prefix);
        prefixes.sum::<usize>() + self.passes().sum::<usize>()
    }

    /// The tokens of each pass, prefixes left out.
    fn passes(&self) -> impl Iterator<Item = usize> {
        self.groups.iter().flat_map(move |group| {
            let row = |&question: &usize| self.row(group.prefix, question).len();
            let batches = group.batches.iter();
            batches.map(move |batch| batch.iter().map(row).sum())
        })
    }

    /// The row of a question: what it adds to a prefix of so many tokens.
    fn row(&self, prefix: usize, question: usize) -> Row<'_> {
        let candidates = self.requests[question].candidates.iter();
        let tokens = candidates.map(|candidate| &candidate.encoded.tokens);
        // The last token predicts nothing that is asked for.
        let texts = tokens.map(|tokens| &tokens[prefix..tokens.len() - 1]);
        Row::new(&texts.collect::<Vec<_>>())
    }

    /// Puts questions of like length together, longest first, so that little is padded and a batch that
    /// does not fit into memory fails at the start.
    fn batched(&self, prefix: usize, questions: Vec<usize>) -> Vec<Vec<usize>> {
        let length = |question| self.row(prefix, question).len();
        let lengths = questions
            .into_iter()
            .map(|question| (length(question), question));
        let mut order: Vec<(usize, usize)> = lengths.collect();
        order.sort_by_key(|&(length, question)| (Reverse(length), question));
        let (mut batches, mut longest) = (Vec::<Vec<usize>>::new(), 0);
        for (length, question) in order {
            match batches.last_mut() {
                Some(batch) if (batch.len() + 1) * longest <= self.batch_tokens => {
                    batch.push(question);
                }
                _ => {
                    longest = length;
                    batches.push(vec![question]);
                }
            }
        }
        batches
    }

    /// One forward pass: its batch, and the answer tokens to be looked up, each after the index of the
    /// token before; question after question, and candidate after candidate.
    pub(crate) fn pass(
        &self,
        model: &Model,
        group: &Group,
        questions: &[usize],
    ) -> (Batch, Vec<(usize, u32)>) {
        let rows = questions.iter();
        let rows = rows.map(|&question| self.row(group.prefix, question));
        let rows: Vec<Row> = rows.collect();
        let batch = model.batch(&rows);
        let mut targets = Vec::new();
        for (row, &question) in questions.iter().enumerate() {
            let candidates = self.requests[question].candidates.iter().enumerate();
            for (text, Candidate { encoded, .. }) in candidates {
                let EncodedPair { tokens, start } = encoded;
                targets.extend((*start..tokens.len()).map(|place| {
                    let before = batch.index(row, text, place - 1 - group.prefix);
                    (before, tokens[place])
                }));
            }
        }
        (batch.only(&mut targets), targets)
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

/// A group of questions of its own has to save this part of a full pass, for its passes are less full.
const LEAST: usize = 4;

/// Questions that begin alike, with the number of tokens that they share, so that as few tokens as possible are run. A group
/// counts as `cost` tokens.
fn alike(requests: &[Request], cost: usize) -> Vec<(usize, Vec<usize>)> {
    let begins: Vec<&[u32]> = requests.iter().map(beginning).collect();
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|&question| begins[question]);
    // Those that share most are neighbours now.
    let pairs = order
        .windows(2)
        .map(|pair| common(begins[pair[0]], begins[pair[1]]));
    let shared: Vec<usize> = pairs.collect();
    let (_, groups) = split(0..order.len(), &shared, cost);
    let group = |questions: Range<usize>| {
        let last = questions.end.saturating_sub(1);
        let least = shared
            .get(questions.start..last)
            .into_iter()
            .flatten()
            .min();
        let alone = || {
            order
                .get(questions.start)
                .map_or(0, |one| begins[*one].len())
        };
        (
            least.copied().unwrap_or_else(alone),
            order[questions].to_vec(),
        )
    };
    groups.into_iter().map(group).collect()
}

/// Groups of neighbours, and how many tokens they save: where they share least they are set apart, if that saves more.
fn split(all: Range<usize>, shared: &[usize], cost: usize) -> (usize, Vec<Range<usize>>) {
    let pairs = all.start..all.end.saturating_sub(1);
    let Some(&least) = shared[pairs.clone()].iter().min() else {
        return (0, vec![all]);
    };
    let ends = pairs.clone().filter(|&place| shared[place] == least);
    let ends: Vec<usize> = ends.map(|place| place + 1).chain([all.end]).collect();
    let (mut saved, mut apart, mut start) = (0, Vec::new(), all.start);
    for &end in &ends {
        let (own, groups) = split(start..end, shared, cost);
        saved += own;
        apart.extend(groups);
        start = end;
    }
    let saved = saved.saturating_sub(cost * (ends.len() - 1));
    let together = least * pairs.len();
    match saved > together {
        true => (saved, apart),
        false => (together, vec![all]),
    }
}

/// How all candidates of a question begin, short of the last token before an answer: a row needs it to predict the answer's
/// first token from.
fn beginning(request: &Request) -> &[u32] {
    let candidates = request.candidates.iter();
    let mut texts =
        candidates.map(|Candidate { encoded, .. }| &encoded.tokens[..encoded.start - 1]);
    let first = texts.next().unwrap_or_default();
    let shared = texts.fold(first.len(), |shared, text| shared.min(common(first, text)));
    &first[..shared]
}
