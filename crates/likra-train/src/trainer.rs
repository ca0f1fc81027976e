//! Training in memory: one optimiser step at a time.

use burn::tensor::Tensor;
use likra_lora::{Adapter, joined};
use likra_model::{Model, check_threads};
use likra_results::StepRecord;

use crate::adamw::{AdamW, clip};
use crate::{Error, Example, Result, TrainSettings, loss_and_gradients};

/// Fits a head to answers, by the objective of its settings. The question's tokens are context only.
#[derive(Debug)]
pub struct Trainer<'a> {
    model: &'a Model,
    pub(crate) settings: &'a TrainSettings,
    /// How many examples the head has seen.
    pub(crate) examples: usize,
    /// How many it is to see in all: where a schedule ends.
    total: usize,
    /// The head as it is now.
    pub adapter: Adapter,
    pub(crate) optimiser: AdamW,
}

impl<'a> Trainer<'a> {
    /// A head that has seen nothing yet, begins as `start` and is to see `total` examples.
    ///
    /// # Errors
    ///
    /// If a setting is impossible or `start` does not fit the model.
    pub fn new(
        model: &'a Model,
        start: Adapter,
        total: usize,
        settings: &'a TrainSettings,
    ) -> Result<Self> {
        settings.validate()?;
        model.config().check_adapter(&start)?;
        Ok(Self {
            model,
            settings,
            examples: 0,
            total,
            optimiser: AdamW::new(&start),
            adapter: start,
        })
    }

    /// One optimiser step over `batch`.
    ///
    /// # Errors
    ///
    /// If an example has no answer or no question, a token is outside of the vocabulary, or the loss or
    /// the gradient is not a number.
    pub fn step(&mut self, batch: &[Example]) -> Result<StepRecord> {
        let finite = |quantity, value: f64| match value.is_finite() {
            true => Ok(value),
            false => Err(Error::NotFinite {
                quantity,
                value,
                step: self.optimiser.step + 1,
                examples: self.examples,
            }),
        };
        let (settings, mut optimiser) = (self.settings, self.optimiser.clone());
        let (loss, gradients) = loss_and_gradients(self.model, &self.adapter, batch, settings)?;
        let (gradient, norm) = clip(joined(gradients), settings.max_grad_norm);
        let steps = |examples: usize| examples.div_ceil(settings.batch_size);
        let share = (settings.schedule).share(steps(self.examples), steps(self.total));
        let parameters = optimiser.update(self.adapter.joined(), gradient, settings, share);
        // The one place of a step that waits for the device.
        let read = Tensor::cat(vec![loss, norm], 0).try_into_vec_as::<f32>();
        let read = read.map_err(likra_model::Error::read)?;
        check_threads()?;
        let loss = finite("loss", read[0].into())?;
        let grad_norm = finite("gradient norm", read[1].into())?;
        self.adapter = self.adapter.with(&parameters);
        self.optimiser = optimiser;
        self.examples += batch.len();
        Ok(StepRecord {
            step: self.optimiser.step,
            examples: self.examples,
            loss,
            grad_norm,
            answer_tokens: batch.iter().map(Example::answer_tokens).sum(),
            tokens: batch.iter().map(|one| one.tokens(settings.objective)).sum(),
        })
    }
}
