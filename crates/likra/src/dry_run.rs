//! `likra reproduce --dry-run`: the steps, which are done, and what the rest will take on this machine.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Instant;

use anyhow::Result;
use likra_data::{ScoringRequest, TrainingExample};
use likra_lora::Adapter;
use likra_results::BASE;
use likra_score::{Head, Plan, score};
use likra_train::loss_and_gradients;

use crate::experiment::Trained;
use crate::graph::{Sheet, State, Step, Work};
use crate::pace::{Cost, Pace};
use crate::progress::{humantime, peak_memory};
use crate::reproduce::Run;

/// How many batches of training are timed, after one that is not.
const BATCHES: usize = 2;

/// How many questions are scored to time that.
const QUESTIONS: usize = 24;

/// What the probe measured.
struct Probed {
    pace: Pace,
    words: String,
}

/// The steps of a run and, if anything is to be done, what that will take.
pub(crate) fn describe(run: &Run) -> Result<String> {
    let steps = run.context().steps()?;
    let to_do: Vec<&Step> = steps
        .iter()
        .filter(|step| step.state == State::ToDo)
        .collect();
    let costs = costs(run, &to_do)?;
    let probed = if to_do.is_empty() {
        None
    } else {
        Some(probe(run, &to_do)?)
    };
    let mut rest = costs.iter();
    let mut text = format!("{}\n", run.experiment.title);
    let width = steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
    for step in &steps {
        let state = match (step.state, &probed) {
            (State::Done, _) => "done".into(),
            (State::NotNeeded, _) => "not needed: what it is for is done".into(),
            (State::ToDo, Some(probed)) => {
                let cost = rest.next().copied().unwrap_or_default();
                format!("{}, {}", size(run, step), probed.pace.words(cost))
            }
            (State::ToDo, None) => size(run, step),
        };
        writeln!(text, "{:<width$}  {state}", step.name)?;
    }
    writeln!(text, "{:<width$}  each time", "report")?;
    text += &sum(&steps, &costs, probed.as_ref(), &run.chosen.name);
    Ok(text)
}

/// How much a step is, in what people count.
fn size(run: &Run, step: &Step) -> String {
    match &step.work {
        Work::Train(head) => format!("{} examples", head.examples),
        Work::Look(head, _) => format!("{} questions", run.context().asked(head).len()),
        Work::Base(sheet) => format!("{} questions", run.sheets.of(*sheet).len()),
    }
}

fn sum(steps: &[Step], costs: &[Cost], probed: Option<&Probed>, device: &str) -> String {
    let done = steps.len() - costs.len();
    let counted = format!("{done} of {} steps are done or not needed.", steps.len());
    let Some(Probed { pace, words }) = probed else {
        return format!("{counted} Nothing is left but to draw the report.\n");
    };
    let all: Cost = costs.iter().copied().sum();
    let memory = peak_memory().map_or(String::new(), |peak| format!(" and {peak} MiB of memory"));
    format!(
        "{counted} The rest takes {}{memory} on {device},\nby a probe of {words}.\n",
        pace.words(all)
    )
}

/// What steps cost, in their order.
pub(crate) fn costs(run: &Run, steps: &[&Step]) -> Result<Vec<Cost>> {
    // Heads are asked the same questions: their tokens are counted once.
    let mut scored: HashMap<(usize, usize), usize> = HashMap::new();
    let mut score_cost = |asked: &[ScoringRequest]| -> Result<Cost> {
        let key = (asked.as_ptr() as usize, asked.len());
        if let Some(&scored) = scored.get(&key) {
            return Ok(Cost { trained: 0, scored });
        }
        let tokens = tokens(&Plan::new(asked, run.chosen.batch_tokens)?);
        scored.insert(key, tokens);
        Ok(Cost {
            trained: 0,
            scored: tokens,
        })
    };
    let cost = |step: &&Step| match &step.work {
        Work::Train(head) => train_cost(run, head),
        Work::Look(head, _) => score_cost(run.context().asked(head)),
        Work::Base(sheet) => score_cost(run.sheets.of(*sheet)),
    };
    steps.iter().map(cost).collect()
}

/// From the newest checkpoint on.
fn train_cost(run: &Run, head: &Trained) -> Result<Cost> {
    let done = run.dir.head(&head.name)?.checkpoints()?;
    let done = done.keys().copied().max().unwrap_or(0).min(head.examples);
    let examples = run.context().lessons(head)?.examples;
    let length = |example: &TrainingExample| example.tokens.len();
    let seen = examples.get(done..head.examples);
    let trained = match seen {
        Some(examples) => examples.iter().map(length).sum(),
        // The base has not ranked its answers yet: they are as long as any of the same questions.
        None => (head.examples - done) * mean_length(&run.sheets.training),
    };
    Ok(Cost { trained, scored: 0 })
}

fn mean_length(asked: &[ScoringRequest]) -> usize {
    let lengths = asked
        .iter()
        .flat_map(|request| &request.candidates)
        .map(|candidate| candidate.tokens.len());
    lengths.clone().sum::<usize>() / lengths.count().max(1)
}

fn tokens(plan: &Plan) -> usize {
    plan.prefix().len() + plan.rows().map(|row| row.len()).sum::<usize>()
}

/// Does a little of the work and takes its time.
fn probe(run: &Run, to_do: &[&Step]) -> Result<Probed> {
    let started = Instant::now();
    let model = run.model()?;
    let lora = run.experiment.lora.config();
    let adapter = Adapter::init(lora, &model.targets(), 0, model.device())?;
    let mut pace = Pace::default();
    let trained = to_do.iter().find_map(|step| match &step.work {
        Work::Train(head) if !head.answers.are_ranked() => Some(head),
        _ => None,
    });
    let mut counted = Vec::new();
    if let Some(head) = trained {
        let examples = run.context().lessons(head)?.examples;
        let size = run.experiment.training.settings().batch_size;
        for (place, batch) in examples.chunks(size).take(1 + BATCHES).enumerate() {
            let began = Instant::now();
            loss_and_gradients(model, &adapter, batch)?;
            let trained = batch.iter().map(|example| example.tokens.len()).sum();
            if place > 0 {
                pace.add(Cost { trained, scored: 0 }, began.elapsed());
            }
        }
        counted.push(format!("{BATCHES} batches of training"));
    }
    let asked = spread(run.sheets.of(Sheet::Test), QUESTIONS);
    let plan = Plan::new(&asked, run.chosen.batch_tokens)?;
    let head = Head {
        name: BASE,
        examples: 0,
        adapter: Some(&adapter),
    };
    let began = Instant::now();
    score(model, &head, &plan, &mut |_| ())?;
    let scored = tokens(&plan);
    pace.add(Cost { trained: 0, scored }, began.elapsed());
    counted.push(format!("{} questions", asked.len()));
    let words = format!(
        "{} in {}",
        counted.join(" and "),
        humantime(started.elapsed())
    );
    Ok(Probed { pace, words })
}

/// So many questions, evenly from the first to the last.
fn spread(asked: &[ScoringRequest], count: usize) -> Vec<ScoringRequest> {
    let step = asked.len().div_ceil(count.max(1)).max(1);
    asked.iter().step_by(step).cloned().collect()
}
