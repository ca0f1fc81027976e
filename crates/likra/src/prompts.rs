//! `likra prompts`: what a model would be asked.

use std::io::{BufWriter, ErrorKind, Write as _};

use anyhow::Result;
use likra_data::{Benchmark, Needs, Question, Shots, Source, Test};
use likra_experiment::find_data;
use serde_json::json;

use crate::cli::{PromptsArgs, ShotArgs};
use crate::progress::Progress;

/// Prints every candidate of every question, as a JSON object on a line.
pub(crate) fn run(arguments: &PromptsArgs) -> Result<()> {
    let progress = Progress::default();
    let show = |event| progress.show(event);
    let (source, _) = find_data(&arguments.task, arguments.data.clone(), &show)?;
    let split = arguments.split.as_deref();
    let benchmark = arguments.shots.benchmark(&arguments.task, &source, split)?;
    let shots = Shots {
        count: arguments.shots.count(&benchmark),
        rule: arguments.shots.shots,
        ids: None,
        seed: arguments.shots.shot_seed,
    };
    let prefixes = benchmark.prefixes(&shots, benchmark.test().len())?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (task, range) in benchmark.tasks() {
        for (doc, place) in range.enumerate() {
            let (question, prefix) = (&benchmark.test()[place], &prefixes[place]);
            for line in lines(&task.name, doc, question, prefix) {
                match writeln!(out, "{line}") {
                    // Whoever reads has seen enough.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                    written => written?,
                }
            }
        }
    }
    match out.flush() {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The candidates of a question, in order.
fn lines(
    task: &str,
    doc: usize,
    question: &Question,
    prefix: &str,
) -> impl Iterator<Item = serde_json::Value> {
    (0..question.choices().len()).map(move |candidate| {
        json!({
            "task": task,
            "doc": doc,
            "id": question.id(),
            "candidate": candidate,
            "context": format!("{prefix}{}", question.context(candidate)),
            "continuation": question.continued(question.answer(candidate)),
            "gold": question.is_right(candidate),
        })
    })
}

impl ShotArgs {
    /// The questions to ask, and those to take shots from if there may be any.
    pub(crate) fn benchmark(
        &self,
        task: &str,
        source: &Source,
        split: Option<&str>,
    ) -> Result<Benchmark> {
        let limit = self.limit.map(std::num::NonZero::get);
        let own = likra_data::open_task(task)?
            .iter()
            .any(|task| task.num_shots() > 0);
        let needs = Needs {
            train: false,
            test: Some(match split {
                Some(split) => Test::Split(split.into(), limit),
                None => Test::Own(limit),
            }),
            shots: self.num_shots.map_or(own, |shots| shots > 0),
        };
        Ok(Benchmark::open(task, source, &needs)?)
    }

    /// How many shots stand before a question.
    pub(crate) fn count(&self, benchmark: &Benchmark) -> usize {
        let own = benchmark.tasks().map(|(task, _)| task.num_shots()).max();
        self.num_shots.or(own).unwrap_or_default()
    }
}
