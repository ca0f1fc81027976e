//! Steps of training a head, over the questions that shots come from, in order.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use likra_data::{
    AnswerKind, Benchmark, Bos, Tokenizer, TrainingExample, WrongAnswer, training_pairs,
};
use likra_results::{HeadDir, StepRecord};
use likra_train::{Settings, train_head};
use serde::Deserialize;

use super::flops::{Cost, Work};
use super::{Bench, Measured, one};

/// Right answers to the first questions, `batch-size` a step: `warm-up` steps, then `steps` that are
/// timed. Each sample starts from `adapter` anew.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Train {
    adapter: PathBuf,
    batch_size: usize,
    warm_up: usize,
    steps: usize,
    learning_rate: f64,
    max_grad_norm: f64,
    weight_decay: f64,
    #[serde(default = "one")]
    samples: usize,
}

/// When each step was done, and what it says of itself.
type Steps = Vec<(Instant, StepRecord)>;

impl Train {
    pub(super) fn measure(&self, bench: &mut Bench) -> Result<Measured> {
        ensure!(
            self.warm_up > 0 && self.steps > 0,
            "warm-up = {}, steps = {}: expected at least 1 of each",
            self.warm_up,
            self.steps
        );
        let tokenizer = Tokenizer::open(&bench.model_dir(), Bos::Auto)?;
        let examples = self.examples(&tokenizer, bench.open()?.1)?;
        let timed = &examples[self.warm_up * self.batch_size..];
        let mut last = Vec::new();
        let measured = Measured::sampled(self.samples, || {
            last = self.sample(bench, &examples)?;
            let done = |step: usize| last.get(step).map(|(at, _)| *at);
            let span = done(self.warm_up - 1).zip(done(last.len() - 1));
            let (from, to) = span.context("training had no steps")?;
            Ok((to - from).as_secs_f64())
        })?;
        let adapter = bench.adapter(&self.adapter)?;
        let cost = Cost::new(bench.model()?.config(), Some(&adapter));
        let work: Work = timed.iter().map(Work::example).sum();
        Ok(Measured {
            tokens: work.tokens,
            questions: timed.len(),
            operations: cost.training(work),
            values: last.iter().map(|(_, step)| step.loss).collect(),
            ..measured
        })
    }

    fn examples(
        &self,
        tokenizer: &Tokenizer,
        benchmark: &Benchmark,
    ) -> Result<Vec<TrainingExample>> {
        let wanted = (self.warm_up + self.steps) * self.batch_size;
        let (kind, wrong) = (AnswerKind::Correct, WrongAnswer::default());
        let pairs = training_pairs(benchmark.shots(), kind, wrong, 0, &[])?;
        ensure!(
            pairs.len() >= wanted,
            "{} steps of {} examples: there are {} questions",
            self.warm_up + self.steps,
            self.batch_size,
            pairs.len()
        );
        let pairs = pairs[..wanted].iter();
        pairs
            .map(|pair| Ok(TrainingExample::new(tokenizer, pair)?))
            .collect()
    }

    fn sample(&self, bench: &mut Bench, examples: &[TrainingExample]) -> Result<Steps> {
        let start = bench.adapter(&self.adapter)?;
        let scratch = bench.scratch.clone();
        let clear = || match fs::remove_dir_all(&scratch) {
            Err(error) if scratch.exists() => {
                Err(error).with_context(|| scratch.display().to_string())
            }
            _ => Ok(()),
        };
        clear()?;
        let settings = Settings {
            learning_rate: self.learning_rate,
            batch_size: self.batch_size,
            max_grad_norm: self.max_grad_norm,
            weight_decay: self.weight_decay,
            // Checkpoints stay out of what is timed.
            first_checkpoint: self.batch_size.max(1) << 20,
        };
        let mut steps = Vec::new();
        train_head(
            bench.model()?,
            start,
            examples,
            &settings,
            &HeadDir::new(&scratch),
            "bench",
            &mut |record, _| steps.push((Instant::now(), record.clone())),
        )?;
        clear()?;
        Ok(steps)
    }
}
