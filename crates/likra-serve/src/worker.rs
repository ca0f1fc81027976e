//! The one thread that computes. It answers jobs of several clients at once if they ask the same model.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use likra_judge::{Judgement, Question};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use crate::backend::{Backend, Scored};
use crate::metrics::{Metrics, Waiting};

/// Where an answer goes.
pub(crate) type Reply<A> = oneshot::Sender<Result<Vec<A>, String>>;

/// A request, or a part of a large one.
pub(crate) struct Job {
    pub(crate) tokens: usize,
    pub(crate) asked: Asked,
    pub(crate) waiting: Waiting,
}

/// What is asked.
pub(crate) enum Asked {
    /// Of a model, to score prompts.
    Scores(usize, Vec<Vec<u32>>, Reply<Vec<Scored>>),
    /// Of the judge.
    Judgements(Vec<Question>, Reply<Result<Judgement, String>>),
}

impl Job {
    /// Whether its client is still there, and has time left.
    fn is_wanted(&self) -> bool {
        !match &self.asked {
            Asked::Scores(.., reply) => reply.is_closed(),
            Asked::Judgements(_, reply) => reply.is_closed(),
        }
    }
}

/// Computes what comes in, the oldest first, until nobody is left to send anything.
pub(crate) fn run(
    mut work: UnboundedReceiver<Job>,
    backend: &mut dyn Backend,
    batch_tokens: usize,
    metrics: &Metrics,
) {
    let mut jobs = VecDeque::new();
    loop {
        jobs.extend(std::iter::from_fn(|| work.try_recv().ok()));
        jobs.retain(Job::is_wanted);
        let model = match jobs.front().map(|job| &job.asked) {
            Some(Asked::Scores(model, ..)) => Some(*model),
            Some(Asked::Judgements(..)) => None,
            None => match work.blocking_recv() {
                Some(job) => {
                    jobs.push_back(job);
                    continue;
                }
                None => return,
            },
        };
        let (mut scores, mut judgements, mut tokens) = (Vec::new(), Vec::new(), 0);
        for job in std::mem::take(&mut jobs) {
            let fits = tokens == 0 || tokens + job.tokens <= batch_tokens;
            match job.asked {
                Asked::Scores(its, asked, reply) if fits && model == Some(its) => {
                    scores.push((asked, reply));
                }
                Asked::Judgements(asked, reply) if fits && model.is_none() => {
                    judgements.push((asked, reply));
                }
                asked => {
                    jobs.push_back(Job { asked, ..job });
                    continue;
                }
            }
            tokens += job.tokens;
            drop(job.waiting);
        }
        metrics.batch(scores.len() + judgements.len(), tokens);
        match model {
            Some(model) => answer(scores, |prompts| backend.score(model, prompts)),
            None => answer(judgements, |questions| backend.judge(questions)),
        }
    }
}

/// Computes jobs together. If that fails, each by itself, so that nobody gets another one's error.
fn answer<Q, A>(
    jobs: Vec<(Vec<Q>, Reply<A>)>,
    mut compute: impl FnMut(&[Q]) -> Result<Vec<A>, String>,
) {
    let mut compute = |asked: &[Q]| {
        let answers = catch_unwind(AssertUnwindSafe(|| compute(asked)));
        let answers = answers.unwrap_or_else(|_| Err("the model has panicked".into()))?;
        match answers.len() == asked.len() {
            true => Ok(answers),
            false => Err(format!("{} answers to {}", answers.len(), asked.len())),
        }
    };
    let (mut all, mut replies) = (Vec::new(), Vec::new());
    for (asked, reply) in jobs {
        replies.push((all.len()..all.len() + asked.len(), reply));
        all.extend(asked);
    }
    let mut together = compute(&all).map(Vec::into_iter);
    let is_alone = replies.len() == 1;
    for (range, reply) in replies {
        let answers = match &mut together {
            Ok(answers) => Ok(answers.take(range.len()).collect()),
            Err(error) if is_alone => Err(error.clone()),
            Err(_) => compute(&all[range]),
        };
        // Whoever is gone by now needs none.
        let _ = reply.send(answers);
    }
}
