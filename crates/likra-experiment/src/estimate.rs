//! What is left of a run, and how long that takes: by a probe before it, by its own pace in it.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::Result;
use likra_data::Answers;
use likra_report::humantime;
use likra_results::BASE;
use likra_score::Plan;
use likra_train::{Example, Objective, loss_and_gradients};

use crate::pace::Cost;
use crate::work::score_alone;
use crate::{Asked, Job, Run};

/// How many batches of training are timed, after one that is not.
const BATCHES: usize = 2;

/// How many questions are scored to time that.
const QUESTIONS: usize = 24;

/// A job of which something is left to do.
pub(crate) struct Left<'a> {
    pub(crate) job: &'a Job,
    /// How much is left, in what people count.
    size: String,
    pub(crate) cost: Cost,
}

impl Run<'_> {
    /// The jobs of which something is left to do, and what that costs.
    pub(crate) fn left(&self) -> Result<Vec<Left<'_>>> {
        let mut left = Vec::new();
        for job in &self.jobs {
            let missing = job.missing();
            let plans = missing.iter().map(|product| self.plan(product.asked));
            let plans: Vec<&Plan> = plans.collect();
            let Some(first) = plans.first() else {
                continue;
            };
            let mut size = format!("{} questions", first.requests().len());
            let mut cost = [0, plans.iter().map(|plan| plan.tokens()).sum()];
            if let Some((head, _)) = &job.head {
                // From the newest checkpoint on.
                let checkpoints = self.dir.head(&head.name).checkpoints()?;
                let newest = checkpoints.keys().next_back().copied().unwrap_or_default();
                let examples = self.examples(head)?;
                cost[0] = tokens(head, examples.get(newest..).unwrap_or_default());
                let (examples, count) = (head.examples, missing.len());
                size = format!("{examples} examples, {count} checkpoints of {size}");
            }
            left.push(Left { job, size, cost });
        }
        Ok(left)
    }

    /// What a head learns. The base may not have ranked the answers yet: any wrong choices of the same
    /// questions are about as long.
    pub(crate) fn examples(&self, head: &crate::Head) -> Result<Vec<Example>> {
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
        let (_, bytes) = self.survey(false)?;
        self.inputs.base.check_memory(bytes)?;
        let memory = self.inputs.base.beside_held(bytes) >> 20;
        let probe = (!left.is_empty()).then(|| self.probe(&left));
        let probe = probe.transpose()?.unwrap_or_default();
        let pace = self.pace.borrow();
        let names = self.jobs.iter().map(|job| job.name.len());
        let width = names.fold("report".len(), usize::max);
        let mut text = format!("{}\n", self.inputs.experiment.spec.title);
        for job in &self.jobs {
            let state = match left.iter().find(|left| left.job.name == job.name) {
                Some(left) => format!("{}, {}", left.size, pace.words([left.cost])),
                None => "done".into(),
            };
            writeln!(text, "{:<width$}  {state}", job.name)?;
        }
        writeln!(text, "{:<width$}  each time", "report")?;
        let (all, count) = (self.jobs.len(), left.len());
        write!(text, "{} of {all} jobs are done. ", all - count)?;
        if left.is_empty() {
            return Ok(text + "Nothing is left but to draw the report.\n");
        }
        let time = pace.words(left.iter().map(|left| left.cost));
        let device = &self.inputs.base.placement.name;
        let memory = format!("about {memory} MiB of memory on {device}");
        write!(
            text,
            "The rest takes {time} and {memory},\nby a probe of {probe}.\n"
        )?;
        Ok(text)
    }

    /// Does a little of the work, to know the pace; says what it did.
    fn probe(&self, left: &[Left]) -> Result<String> {
        let started = Instant::now();
        let (base, experiment) = (&self.inputs.base, &self.inputs.experiment);
        let (model, spec) = (base.model()?, &experiment.spec);
        let start = |objective| base.start(spec.lora.clone(), 0, objective);
        let mut done = String::new();
        if let Some((head, _)) = left.iter().find_map(|left| left.job.head.as_ref()) {
            let adapter = start(head.training.objective)?;
            let examples = self.examples(head)?;
            let batches = examples.chunks(spec.training.batch_size);
            for (place, batch) in batches.take(1 + BATCHES).enumerate() {
                let began = Instant::now();
                loss_and_gradients(model, &adapter, batch, &head.training)?;
                let cost = if place > 0 { tokens(head, batch) } else { 0 };
                self.pace.borrow_mut().add([cost, 0], began.elapsed());
            }
            done = format!("{BATCHES} batches of training and ");
        }
        let all = self.plan(Asked::Test(experiment.questions));
        // Evenly from the first to the last.
        let step = all.requests().len().div_ceil(QUESTIONS).max(1);
        let some: Vec<_> = all.requests().iter().step_by(step).cloned().collect();
        let (questions, plan) = (some.len(), Plan::new(some, base.placement.batch_tokens)?);
        let adapter = start(Objective::Likelihood)?;
        let began = Instant::now();
        score_alone(base, BASE, Some(&adapter), &plan, &drop)?;
        let mut pace = self.pace.borrow_mut();
        pace.add([0, plan.tokens()], began.elapsed());
        let took = humantime(started.elapsed());
        Ok(format!("{done}{questions} questions in {took}"))
    }
}

pub(crate) fn tokens(head: &crate::Head, examples: &[Example]) -> usize {
    let objective = head.training.objective;
    examples.iter().map(|one| one.tokens(objective)).sum()
}
