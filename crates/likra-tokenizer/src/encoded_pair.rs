//! A context and what continues it, as one sequence of tokens with a border.
//!
//! This is `TemplateLM.loglikelihood` of lm-evaluation-harness 0.4.13 (`lm_eval/api/model.py`), for
//! models with a decoder alone:
//!
//! - White space at the context's end moves to the beginning of the continuation.
//! - Context and continuation are encoded together, and the continuation's tokens are those past as
//!   many as the context has by itself. Where a merge crosses the border, the sequence to be scored
//!   is still the context's own tokens followed by those: it may lack a token of the text encoded
//!   together, or hold one twice.
//! - An empty context stands for one BOS token (EOS for want of it), unless the continuation begins
//!   with that token; then this one is the context.
//!
//! The harness goes on with a continuation that has no tokens left; here that is an error.

use likra_data::is_python_space;
use serde::Deserialize;

use crate::{Error, Result, Tokenizer};

/// The tokens of a context, and past [`start`](Self::start) those of its continuation: at least one
/// of each.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EncodedPair {
    /// Context and continuation.
    pub tokens: Vec<u32>,
    /// How many of the tokens are the context's.
    #[serde(rename = "answer-start")]
    pub start: usize,
}

impl EncodedPair {
    /// How many of the tokens are the continuation's.
    pub fn answer_tokens(&self) -> usize {
        self.tokens.len() - self.start
    }

    /// Whether a model of so many positions can run it. Its last token is predicted and never run.
    pub fn fits(&self, positions: usize) -> bool {
        self.tokens.len() <= positions + 1
    }

    /// Takes tokens off its beginning until it fits, as lm-evaluation-harness does
    /// (`_loglikelihood_tokens` of `HFLM`); returns whether there were any to take.
    ///
    /// # Errors
    ///
    /// If the continuation alone has more tokens than the model positions.
    pub fn truncate(&mut self, positions: usize) -> Result<bool> {
        let tokens = self.answer_tokens();
        if tokens > positions {
            return Err(Error::LongContinuation(tokens, positions));
        }
        let cut = self.tokens.len().saturating_sub(positions + 1);
        self.tokens.drain(..cut);
        self.start -= cut;
        Ok(cut > 0)
    }
}

impl Tokenizer {
    /// Encodes `continuation` as it follows `context`.
    ///
    /// # Errors
    ///
    /// If context or continuation is left without tokens, or the tokenizer cannot encode them.
    pub fn encode_pair(&self, context: &str, continuation: &str) -> Result<EncodedPair> {
        self.context(context)?.pair(continuation)
    }

    /// Encodes `context` once, for any number of continuations.
    ///
    /// # Errors
    ///
    /// If it has no tokens, or the tokenizer cannot encode it.
    pub fn context<'a>(&'a self, context: &'a str) -> Result<EncodedContext<'a>> {
        let tokens = match context {
            "" => vec![self.prefix_token()?],
            _ => self.encode(context.trim_end_matches(is_python_space))?,
        };
        if tokens.is_empty() {
            return Err(Error::EmptyContext(context.into()));
        }
        Ok(EncodedContext {
            tokenizer: self,
            text: context,
            tokens,
        })
    }
}

/// A context for several continuations: a long one is encoded by itself once only.
#[derive(Debug)]
pub struct EncodedContext<'a> {
    tokenizer: &'a Tokenizer,
    text: &'a str,
    /// Those of the text, less the white space at its end.
    tokens: Vec<u32>,
}

impl EncodedContext<'_> {
    /// The context followed by `continuation`.
    ///
    /// # Errors
    ///
    /// If the continuation is left without tokens, or the tokenizer cannot encode it.
    pub fn pair(&self, continuation: &str) -> Result<EncodedPair> {
        let start = self.tokens.len();
        let (whole, skipped) = if self.text.is_empty() {
            let whole = self.tokenizer.encode_bare(continuation)?;
            let is_marked = whole.starts_with(&self.tokens);
            (whole, usize::from(is_marked))
        } else {
            let text = [self.text, continuation].concat();
            (self.tokenizer.encode(&text)?, start)
        };
        let mut tokens = self.tokens.clone();
        tokens.extend(whole.iter().skip(skipped));
        if tokens.len() == start {
            return Err(Error::EmptyContinuation(continuation.into(), start));
        }
        Ok(EncodedPair { tokens, start })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::Bos;

    #[derive(Deserialize)]
    struct Golden {
        pairs: Vec<GoldenPair>,
    }

    #[derive(Deserialize)]
    struct GoldenPair {
        tokenizer: String,
        bos: Bos,
        text: (String, String),
        tokens: (Vec<u32>, Vec<u32>),
    }

    fn open(name: &str, bos: Bos) -> Tokenizer {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/data");
        Tokenizer::open(&PathBuf::from(fixtures).join(name), bos).unwrap()
    }

    #[test]
    fn pairs_are_the_harness_s_and_only_what_it_cannot_score_is_refused() {
        let golden = include_str!("../../../fixtures/data/harness.json");
        let golden: Golden = serde_json::from_str(golden).unwrap();
        let (mut crossed, mut refused) = (0, 0);
        for GoldenPair {
            tokenizer,
            bos,
            text,
            tokens,
        } in golden.pairs
        {
            let tokenizer = open(&tokenizer, bos);
            let found = tokenizer.encode_pair(&text.0, &text.1);
            if tokens.1.is_empty() {
                assert!(
                    matches!(found, Err(Error::EmptyContinuation { .. })),
                    "{text:?}: {found:?}"
                );
                refused += 1;
                continue;
            }
            let found = found.unwrap();
            let expected = EncodedPair {
                start: tokens.0.len(),
                tokens: [tokens.0, tokens.1].concat(),
            };
            assert_eq!(found, expected, "{text:?}");
            crossed += usize::from(found.tokens != tokenizer.encode(&(text.0 + &text.1)).unwrap());
        }
        assert!(
            crossed > 10 && refused > 0,
            "{crossed} merges across the border, {refused} refused"
        );
    }

    #[test]
    fn a_text_is_cut_at_its_beginning() {
        let pair = |tokens: u32, start| EncodedPair {
            tokens: (0..tokens).collect(),
            start,
        };
        let cut = |mut pair: EncodedPair| pair.truncate(4).map(|cut| (cut, pair));
        // Five tokens fit: the fifth is predicted.
        assert!(pair(5, 3).fits(4) && !pair(6, 3).fits(4));
        assert_eq!(cut(pair(5, 3)).unwrap(), (false, pair(5, 3)));
        let kept = EncodedPair {
            tokens: vec![2, 3, 4, 5, 6],
            start: 1,
        };
        assert_eq!(cut(pair(7, 3)).unwrap(), (true, kept));
        let error = cut(pair(7, 2)).unwrap_err().to_string();
        assert!(
            error.contains("5 tokens") && error.contains("4 positions"),
            "{error}"
        );
    }

    #[test]
    fn a_blank_context_needs_a_bos_token_of_its_own() {
        let error = open("byte-level", Bos::Never)
            .encode_pair(" \n", "heat")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "context \" \\n\" has no tokens, expected at least one"
        );
        let pair = open("byte-level", Bos::Always)
            .encode_pair(" \n", "heat")
            .unwrap();
        assert_eq!(pair.start, 1);
    }
}
