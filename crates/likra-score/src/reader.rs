//! Texts read token by token, as a server is asked for them: what each token came to. What texts begin with is run once
//! and kept, also from one call to the next.

use std::collections::VecDeque;

use burn::tensor::Tensor;
use likra_lora::Adapter;
use likra_model::{BLOCK, Model, Prefix, Reading, Row, check_threads, common as shared};

use crate::{Error, Result};

/// Reads texts under one head.
pub struct Reader<'a> {
    model: &'a Model,
    adapter: Option<&'a Adapter>,
    /// How many tokens run at a time.
    batch_tokens: usize,
    /// Beginnings that are kept, the one that was needed last at the end.
    kept: VecDeque<Beginning>,
    /// Texts read lately, to find out what they have in common with others.
    seen: VecDeque<Vec<u32>>,
}

/// What some texts begin with.
struct Beginning {
    tokens: Vec<u32>,
    prefix: Prefix,
    /// What its tokens came to, from the second on.
    readings: Vec<Reading>,
    /// The hidden state of its last token, `[1, hidden]`.
    last: Tensor<2>,
}

/// How many beginnings are kept, and how many texts are remembered.
const KEPT: usize = 2;
const SEEN: usize = 32;

impl<'a> Reader<'a> {
    /// A reader that has read nothing yet. The adapter must fit the model.
    pub fn new(model: &'a Model, adapter: Option<&'a Adapter>, batch_tokens: usize) -> Self {
        Self {
            model,
            adapter,
            batch_tokens,
            kept: VecDeque::new(),
            seen: VecDeque::new(),
        }
    }

    /// Reads texts: for each one entry per token, from the second on.
    ///
    /// # Errors
    ///
    /// If a token is outside of the vocabulary, or a result is not a number.
    pub fn read(&mut self, texts: &[Vec<u32>]) -> Result<Vec<Vec<Reading>>> {
        for text in texts {
            self.keep_beginning(text, texts)?;
        }
        let mut found = vec![Vec::new(); texts.len()];
        // By the beginning that they have, if any, shortest first.
        let mut order: Vec<(Option<usize>, usize)> = (0..texts.len())
            .map(|place| (self.beginning(&texts[place]), place))
            .collect();
        order.sort_by_key(|&(kept, place)| (kept, texts[place].len()));
        for group in order.chunk_by(|a, b| a.0 == b.0) {
            let kept = group[0].0.map(|at| &self.kept[at]);
            let mut rest = group;
            while let [(_, longest), ..] = rest {
                let mut count = 1;
                let mut tokens = texts[*longest].len();
                while let Some((_, next)) = rest.get(count)
                    && tokens + texts[*next].len() <= self.batch_tokens
                {
                    tokens += texts[*next].len();
                    count += 1;
                }
                let (now, later) = rest.split_at(count);
                let now: Vec<&[u32]> = now
                    .iter()
                    .map(|(_, place)| texts[*place].as_slice())
                    .collect();
                for ((_, place), readings) in rest.iter().zip(self.pass(kept, &now)?) {
                    found[*place] = readings;
                }
                rest = later;
            }
        }
        for text in texts {
            self.seen.push_back(text.clone());
        }
        while self.seen.len() > SEEN {
            self.seen.pop_front();
        }
        Ok(found)
    }

    /// The longest beginning of a text that is kept. At least two tokens of the text are left.
    fn beginning(&self, text: &[u32]) -> Option<usize> {
        let fits = |kept: &Beginning| {
            let length = kept.tokens.len();
            length + 2 <= text.len()
                && text.starts_with(&kept.tokens)
                && self.model.can_share(&[length, text.len()])
        };
        let fitting = self.kept.iter().enumerate().filter(|(_, kept)| fits(kept));
        let longest = fitting.max_by_key(|(_, kept)| kept.tokens.len());
        longest.map(|(place, _)| place)
    }

    /// Keeps what a text has in common with others, if that is long, and more than is kept.
    fn keep_beginning(&mut self, text: &[u32], others: &[Vec<u32>]) -> Result<()> {
        let others = others
            .iter()
            .filter(|other| !std::ptr::eq(other.as_slice(), text));
        let common = others.chain(&self.seen).map(|other| {
            // The same text once more has its last tokens read again.
            shared(other, text).min(text.len().saturating_sub(2))
        });
        // In whole blocks, so that what is shared changes no token's sums.
        let common = common.max().unwrap_or(0) / BLOCK * BLOCK;
        let known = self.beginning(text);
        let there = known.map_or(0, |place| self.kept[place].tokens.len());
        if common <= there || !self.model.can_share(&[common, text.len()]) {
            // It was needed now.
            if let Some(kept) = known.and_then(|place| self.kept.remove(place)) {
                self.kept.push_back(kept);
            }
            return Ok(());
        }
        let tokens = text[..common].to_vec();
        let (prefix, hidden) = self.model.begin(&tokens, self.adapter)?;
        let targets = targets(0, &tokens);
        let readings = self.readings(&hidden, &targets)?;
        let last = hidden.slice(common - 1..common);
        self.kept.push_back(Beginning {
            tokens,
            prefix,
            readings,
            last,
        });
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
        Ok(())
    }

    /// Reads texts in one pass, after what they begin with.
    fn pass(&self, kept: Option<&Beginning>, texts: &[&[u32]]) -> Result<Vec<Vec<Reading>>> {
        let before = kept.map_or(0, |kept| kept.tokens.len());
        // The last token predicts nothing that is asked for; a text of one token has nothing to be read.
        let rows = texts.iter().filter(|text| text.len() > 1);
        let rows: Vec<&[u32]> = rows.map(|text| &text[before..text.len() - 1]).collect();
        if rows.is_empty() {
            return Ok(vec![Vec::new(); texts.len()]);
        }
        let batch = self.model.batch(
            &rows
                .iter()
                .map(|row| Row::sequence(row))
                .collect::<Vec<_>>(),
        );
        let prefix = kept.map(|kept| &kept.prefix);
        let mut hidden = self.model.forward(&batch, prefix, self.adapter)?;
        let mut wanted = Vec::new();
        // The beginning's last token predicts each text's first.
        let shift = usize::from(kept.is_some());
        if let Some(kept) = kept {
            hidden = Tensor::cat(vec![kept.last.clone(), hidden], 0);
        }
        for (row, text) in texts.iter().filter(|text| text.len() > 1).enumerate() {
            if kept.is_some() {
                wanted.push((0, text[before]));
            }
            let after = before + 1..text.len();
            wanted.extend(
                after.map(|place| (shift + batch.index(row, 0, place - 1 - before), text[place])),
            );
        }
        let mut readings = self.readings(&hidden, &wanted)?.into_iter();
        let of = |text: &&[u32]| {
            let mut all = kept.map_or(Vec::new(), |kept| kept.readings.clone());
            let own = text.len().saturating_sub(1) - all.len();
            all.extend(readings.by_ref().take(own));
            all
        };
        Ok(texts.iter().map(of).collect())
    }

    /// What these tokens came to, each after the hidden state at its index.
    fn readings(&self, hidden: &Tensor<2>, targets: &[(usize, u32)]) -> Result<Vec<Reading>> {
        let mut all = Vec::with_capacity(targets.len());
        for targets in targets.chunks(self.model.targets_at_once()) {
            let found = self.model.readings(hidden, targets)?;
            let wrong = found
                .iter()
                .zip(targets)
                .find(|(found, _)| !found.log_likelihood.is_finite());
            if let Some((reading, (_, token))) = wrong {
                return Err(Error::NotANumber(*token, reading.log_likelihood));
            }
            all.extend(found);
        }
        check_threads()?;
        Ok(all)
    }
}

/// The tokens of a row from the second on, each after the index of the one before, where the row begins at `first`.
fn targets(first: usize, tokens: &[u32]) -> Vec<(usize, u32)> {
    let after = tokens.iter().skip(1).enumerate();
    after
        .map(|(place, &token)| (first + place, token))
        .collect()
}
