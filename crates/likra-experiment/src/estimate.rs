//! What is left of a run, and how long that takes: by a probe before it, by its own pace in it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Instant;

use likra_lora::Adapter;
use likra_results::{BASE, Stamp};
use likra_score::{Head, Plan, Request};
use likra_train::loss_and_gradients;

use crate::error::Result;
use crate::jobs::{Asked, Job, Product, Work};
use crate::pace::{Cost, Pace, humantime, peak_memory};
use crate::run::Run;

/// How many batches of training are timed, after one that is not.
const BATCHES: usize = 2;

/// How many questions are scored to time that.
const QUESTIONS: usize = 24;

impl Run {
    /// The jobs of which something is left to do, but for the report.
    pub(crate) fn left(&self) -> Result<Vec<&Job>> {
        let mut left = Vec::new();
        for job in &self.jobs {
            if !job.missing(&self.dir)?.is_empty() {
                left.push(job);
            }
        }
        Ok(left)
    }

    /// What jobs cost, in their order.
    pub(crate) fn costs(&self, jobs: &[&Job]) -> Result<Vec<Cost>> {
        // Heads are asked the same questions: their tokens are counted once.
        let mut counted: HashMap<Asked, usize> = HashMap::new();
        let mut costs = Vec::new();
        for job in jobs {
            let mut cost = Cost::default();
            for Product { asked, .. } in job.missing(&self.dir)? {
                let tokens = match counted.get(asked) {
                    Some(&tokens) => tokens,
                    None => Plan::new(self.asked(*asked)?, self.placement.batch_tokens)?.tokens(),
                };
                counted.insert(*asked, tokens);
                cost.scored += tokens;
            }
            if let Work::Head(head) = &job.work {
                cost.trained = self.tokens_to_train(head)?;
            }
            costs.push(cost);
        }
        Ok(costs)
    }

    /// From the newest checkpoint on.
    fn tokens_to_train(&self, head: &crate::Head) -> Result<usize> {
        let stamp = Stamp::read(&self.dir.step(&format!("train-{}", head.name))?);
        let there = self.dir.head(&head.name)?.checkpoints()?;
        let newest = there.keys().next_back().copied().unwrap_or_default();
        let trained = match stamp.is_some() && newest > head.examples {
            true => head.examples,
            false => newest.min(head.examples),
        };
        if head.answers.is_ranked() && !self.is_ranked()? {
            // The base has not ranked its answers yet: they are as long as any of the same questions.
            let length = mean_length(self.asked(Asked::Ranking)?);
            return Ok((head.examples - trained) * length);
        }
        let examples = self.training_set(head)?.examples;
        let left = examples.get(trained..).unwrap_or_default();
        Ok(left.iter().map(|example| example.tokens.len()).sum())
    }

    /// Whether the base has ranked the answers that heads are to learn.
    fn is_ranked(&self) -> Result<bool> {
        let mut products = self.jobs.iter().flat_map(|job| &job.scores);
        let ranking = products.find(|product| product.asked == Asked::Ranking);
        ranking.map_or(Ok(false), |product| product.is_done(&self.dir))
    }

    /// The jobs of a run and, if anything is to be done, how long that takes and how much memory.
    ///
    /// # Errors
    ///
    /// If the model or a file is refused.
    pub fn describe(&self) -> Result<String> {
        let left = self.left()?;
        let costs = self.costs(&left)?;
        let probed = match left.is_empty() {
            true => None,
            false => Some(self.probe(&left)?),
        };
        let width = self.jobs.iter().map(|job| job.name.len()).max();
        let width = width.unwrap_or_default();
        let mut text = format!("{}\n", self.experiment.spec.title);
        for job in &self.jobs {
            let place = left.iter().position(|other| other.name == job.name);
            let state = match (&job.work, place, &probed) {
                (Work::Report, ..) => "each time".into(),
                (_, Some(place), Some((pace, _))) => {
                    let time = pace.words(costs[place]);
                    format!("{}, {time}", self.size(job)?)
                }
                _ => "done".into(),
            };
            let _ = writeln!(text, "{:<width$}  {state}", job.name);
        }
        let all = self.jobs.len() - 1;
        let _ = write!(text, "{} of {all} jobs are done. ", all - left.len());
        text += &match probed {
            None => "Nothing is left but to draw the report.\n".into(),
            Some((pace, probe)) => {
                let memory = peak_memory().map(|peak| format!(" and {peak} MiB of memory"));
                format!(
                    "The rest takes {}{} on {},\nby a probe of {probe}.\n",
                    pace.words(costs.into_iter().sum()),
                    memory.unwrap_or_default(),
                    self.placement.name
                )
            }
        };
        Ok(text)
    }

    /// How much is left of a job, in what people count.
    fn size(&self, job: &Job) -> Result<String> {
        let missing = job.missing(&self.dir)?;
        let questions = match missing.first().map(|product| product.asked) {
            Some(asked) => self.asked(asked)?.len(),
            None => 0,
        };
        Ok(match &job.work {
            Work::Head(head) => format!(
                "{} examples, {} checkpoints of {questions} questions",
                head.examples,
                missing.len()
            ),
            _ => format!("{questions} questions"),
        })
    }

    /// Does a little of the work and takes its time; says what it did.
    fn probe(&self, left: &[&Job]) -> Result<(Pace, String)> {
        let started = Instant::now();
        let (model, spec) = (self.model()?, &self.experiment.spec);
        let adapter = Adapter::init(spec.lora.clone(), &model.targets(), 0, model.device())?;
        let mut pace = Pace::default();
        let mut done = Vec::new();
        let head = left.iter().find_map(|job| match &job.work {
            Work::Head(head) if !head.answers.is_ranked() => Some(head),
            _ => None,
        });
        if let Some(head) = head {
            let examples = self.training_set(head)?.examples;
            let batches = examples.chunks(spec.training.batch_size);
            for (place, batch) in batches.take(1 + BATCHES).enumerate() {
                let began = Instant::now();
                loss_and_gradients(model, &adapter, batch)?;
                let trained = batch.iter().map(|example| example.tokens.len()).sum();
                if place > 0 {
                    pace.add(Cost { trained, scored: 0 }, began.elapsed());
                }
            }
            done.push(format!("{BATCHES} batches of training"));
        }
        let questions = self.experiment.questions;
        let asked = spread(self.asked(Asked::Test(questions))?, QUESTIONS);
        let plan = Plan::new(&asked, self.placement.batch_tokens)?;
        let base = Head {
            name: BASE,
            examples: 0,
            adapter: Some(&adapter),
        };
        let began = Instant::now();
        likra_score::score(model, &base, &plan, &mut |_| ())?;
        let scored = plan.tokens();
        pace.add(Cost { trained: 0, scored }, began.elapsed());
        done.push(format!("{} questions", asked.len()));
        let took = humantime(started.elapsed());
        Ok((pace, format!("{} in {took}", done.join(" and "))))
    }
}

fn mean_length(asked: &[Request]) -> usize {
    let candidates = asked.iter().flat_map(|request| &request.candidates);
    let lengths: Vec<usize> = candidates
        .map(|candidate| candidate.encoded.tokens.len())
        .collect();
    lengths.iter().sum::<usize>() / lengths.len().max(1)
}

/// So many questions, evenly from the first to the last.
fn spread(asked: &[Request], count: usize) -> Vec<Request> {
    let step = asked.len().div_ceil(count.max(1)).max(1);
    asked.iter().step_by(step).cloned().collect()
}
