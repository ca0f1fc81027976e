//! Training in memory: one optimiser step at a time.

use likra_lora::Adapter;
use likra_model::{Model, check_threads};
use likra_results::StepRecord;
use likra_tokenizer::EncodedPair;

use crate::adamw::{AdamW, clip};
use crate::{Error, Result, TrainSettings, loss_and_gradients};

/// A head in the middle of its training.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) examples: usize,
    pub(crate) adapter: Adapter,
    pub(crate) optimiser: AdamW,
}

impl State {
    /// Before the first example.
    pub(crate) fn new(start: Adapter) -> Self {
        Self {
            examples: 0,
            optimiser: AdamW::new(&start),
            adapter: start,
        }
    }
}

/// Fits a head to answer tokens: minimises the mean of their negative log-likelihood (paper, equation
/// 1; the question's tokens are context only).
#[derive(Debug)]
pub struct Trainer<'a> {
    model: &'a Model,
    settings: &'a TrainSettings,
    pub(crate) state: State,
}

impl<'a> Trainer<'a> {
    /// A head that has seen nothing yet and begins as `start`.
    ///
    /// # Errors
    ///
    /// If a setting is impossible or `start` does not fit the model.
    pub fn new(model: &'a Model, start: Adapter, settings: &'a TrainSettings) -> Result<Self> {
        Self::resume(model, State::new(start), settings)
    }

    pub(crate) fn resume(
        model: &'a Model,
        state: State,
        settings: &'a TrainSettings,
    ) -> Result<Self> {
        settings.validate()?;
        model.config().check_adapter(&state.adapter)?;
        Ok(Self {
            model,
            settings,
            state,
        })
    }

    /// The head as it is now.
    #[must_use]
    pub fn adapter(&self) -> &Adapter {
        &self.state.adapter
    }

    /// One optimiser step over `batch`.
    ///
    /// # Errors
    ///
    /// If an example has no answer or no question, a token is outside of the vocabulary, or the loss or
    /// the gradient is not a number.
    pub fn step(&mut self, batch: &[EncodedPair]) -> Result<StepRecord> {
        let state = &mut self.state;
        let not_finite = |quantity, value: f64, state: &State| Error::NotFinite {
            quantity,
            value,
            step: state.optimiser.step + 1,
            examples: state.examples,
        };
        let (loss, mut gradients) = loss_and_gradients(self.model, &state.adapter, batch)?;
        if !loss.is_finite() {
            return Err(not_finite("loss", loss, state));
        }
        check_threads()?;
        let grad_norm = clip(&mut gradients, self.settings.max_grad_norm)?;
        if !grad_norm.is_finite() {
            return Err(not_finite("gradient norm", grad_norm, state));
        }
        state.adapter = state
            .optimiser
            .update(&state.adapter, gradients, self.settings)?;
        state.examples += batch.len();
        let answer_tokens = |example: &EncodedPair| example.tokens.len() - example.start;
        Ok(StepRecord {
            step: state.optimiser.step,
            examples: state.examples,
            loss,
            grad_norm,
            answer_tokens: batch.iter().map(answer_tokens).sum(),
            tokens: batch.iter().map(|example| example.tokens.len()).sum(),
        })
    }
}
