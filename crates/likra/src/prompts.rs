//! `likra prompts`: what a model would be asked.

use std::io::{BufWriter, Write as _};

use anyhow::Result;
use likra_data::Benchmark;
use likra_experiment::{Finder, chat};
use serde_json::json;

use crate::cli::PromptsArgs;
use crate::progress::{is_read, listener};

/// Prints every candidate of every question, as a JSON object on a line.
pub(crate) fn run(arguments: &PromptsArgs) -> Result<()> {
    let spec = arguments.spec()?;
    let show = listener();
    let mut finder = Finder::new(None, &show);
    let source = finder.rows(&spec.task, spec.data.as_deref())?;
    let mut needs = spec.needs();
    needs.split.clone_from(&arguments.split);
    let mut benchmark = Benchmark::open(&spec.task, &source, &needs)?;
    if spec.evaluation.chat_template
        && let Some(chat) = chat(&finder.base(&spec)?.folder, &spec.evaluation)?
    {
        benchmark = benchmark.in_chat(&chat, &spec.evaluation.shots())?;
    }
    let prefixes = benchmark.prefixes(&spec.evaluation.shots(), benchmark.test().len())?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (task, range) in benchmark.tasks() {
        for (doc, place) in range.enumerate() {
            let (question, prefix) = (&benchmark.test()[place], &prefixes[place]);
            for candidate in 0..question.choices.len() {
                let line = json!({
                    "task": task.name,
                    "doc": doc,
                    "id": question.id,
                    "candidate": candidate,
                    "context": format!("{prefix}{}", question.context(candidate)),
                    "continuation": question.continued(question.answer(candidate)),
                    "gold": question.is_right(candidate),
                });
                if !is_read(writeln!(out, "{line}"))? {
                    return Ok(());
                }
            }
        }
    }
    is_read(out.flush()).map(drop)
}
