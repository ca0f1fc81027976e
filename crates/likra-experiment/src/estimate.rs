//! What is left of a run, and how long that takes: by a probe before it, by its own pace in it.

use std::fmt::Write as _;
use std::time::Instant;

use likra_data::Answers;
use likra_lora::Adapter;
use likra_report::humantime;
use likra_results::BASE;
use likra_score::{Head, Plan};
use likra_tokenizer::{EncodedPair, Request};
use likra_train::loss_and_gradients;

use crate::error::Result;
use crate::inputs::Asked;
use crate::jobs::{Job, Work};
use crate::pace::Cost;
use crate::run::Run;

/// How many batches of training are timed, after one that is not.
const BATCHES: usize = 2;

/// How many questions are scored to time that.
const QUESTIONS: usize = 24;

impl Run {
    /// The jobs of which something is left to do, but for the report, and what that costs.
    pub(crate) fn left(&self) -> Result<Vec<(&Job, Cost)>> {
        let mut left = Vec::new();
        for job in &self.jobs {
            let missing = job.missing();
            if missing.is_empty() {
                continue;
            }
            let trained = match &job.work {
                Work::Head(head, _) => self.tokens_to_train(head)?,
                _ => 0,
            };
            let mut scored = 0;
            for product in missing {
                scored += self.plan(product.asked)?.tokens();
            }
            left.push((job, [trained, scored]));
        }
        Ok(left)
    }

    /// From the newest checkpoint on.
    fn tokens_to_train(&self, head: &crate::Head) -> Result<usize> {
        let checkpoints = self.dir.head(&head.name).checkpoints()?;
        let newest = checkpoints.keys().next_back().copied().unwrap_or_default();
        let left = self.examples(head)?.split_off(newest.min(head.examples));
        Ok(left.iter().map(|example| example.tokens.len()).sum())
    }

    /// What a head learns. The base may not have ranked the answers yet: any wrong choices of the same
    /// questions are about as long.
    fn examples(&self, head: &crate::Head) -> Result<Vec<EncodedPair>> {
        let mut head = head.clone();
        if head.answers.is_ranked() {
            head.answers = Answers::Incorrect;
        }
        Ok(self.training_set(&head)?.examples)
    }

    /// The jobs of a run and, if anything is to be done, how long that takes and how much memory.
    ///
    /// # Errors
    ///
    /// If the model or a file is refused.
    pub fn describe(&self) -> Result<String> {
        let left = self.left()?;
        let (_, memory) = self.survey(false)?;
        let probe = self.probe(&left)?;
        let pace = self.pace.borrow();
        let width = self.jobs.iter().map(|job| job.name.len()).max();
        let width = width.unwrap_or_default();
        let mut text = format!("{}\n", self.experiment.spec.title);
        for job in &self.jobs {
            let state = match left.iter().find(|(other, _)| other.name == job.name) {
                Some((_, cost)) => format!("{}, {}", self.size(job)?, pace.words([*cost])),
                None if job.work == Work::Report => "each time".into(),
                None => "done".into(),
            };
            let _ = writeln!(text, "{:<width$}  {state}", job.name);
        }
        let (all, count) = (self.jobs.len() - 1, left.len());
        let _ = write!(text, "{} of {all} jobs are done. ", all - count);
        if left.is_empty() {
            return Ok(text + "Nothing is left but to draw the report.\n");
        }
        let time = pace.words(left.iter().map(|(_, cost)| *cost));
        let device = &self.placement.name;
        let rest = format!(
            "The rest takes {time} and about {memory} MiB of memory on {device},\nby a probe of {probe}.\n"
        );
        Ok(text + &rest)
    }

    /// How much is left of a job, in what people count.
    fn size(&self, job: &Job) -> Result<String> {
        let missing = job.missing();
        let plan = missing.first().map(|product| self.plan(product.asked));
        let questions = plan.transpose()?.map_or(0, |plan| plan.requests().len());
        Ok(match &job.work {
            Work::Head(head, _) => format!(
                "{} examples, {} checkpoints of {questions} questions",
                head.examples,
                missing.len()
            ),
            _ => format!("{questions} questions"),
        })
    }

    /// Does a little of the work, to know the pace; says what it did.
    fn probe(&self, left: &[(&Job, Cost)]) -> Result<String> {
        if left.is_empty() {
            return Ok(String::new());
        }
        let started = Instant::now();
        let (model, spec) = (self.model()?, &self.experiment.spec);
        let adapter = Adapter::init(spec.lora.clone(), &model.targets(), 0, model.device())?;
        let mut done = String::new();
        let head = left.iter().find_map(|(job, _)| match &job.work {
            Work::Head(head, _) => Some(head),
            _ => None,
        });
        if let Some(head) = head {
            let examples = self.examples(head)?;
            let batches = examples.chunks(spec.training.batch_size);
            for (place, batch) in batches.take(1 + BATCHES).enumerate() {
                let began = Instant::now();
                loss_and_gradients(model, &adapter, batch)?;
                let trained = batch.iter().map(|example| example.tokens.len()).sum();
                if place > 0 {
                    self.pace.borrow_mut().add([trained, 0], began.elapsed());
                }
            }
            done = format!("{BATCHES} batches of training and ");
        }
        let all = self.plan(Asked::Test(self.experiment.questions))?;
        let plan = Plan::new(
            spread(all.requests(), QUESTIONS),
            self.placement.batch_tokens,
        )?;
        let head = Head {
            name: BASE,
            examples: 0,
            adapter: Some(&adapter),
        };
        let began = Instant::now();
        likra_score::score(model, &head, &plan, &mut |_| ())?;
        let cost = [0, plan.tokens()];
        self.pace.borrow_mut().add(cost, began.elapsed());
        let (questions, took) = (plan.requests().len(), humantime(started.elapsed()));
        Ok(format!("{done}{questions} questions in {took}"))
    }
}

/// So many questions, evenly from the first to the last.
fn spread(asked: &[Request], count: usize) -> Vec<Request> {
    let step = asked.len().div_ceil(count.max(1)).max(1);
    asked.iter().step_by(step).cloned().collect()
}
