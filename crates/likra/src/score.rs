//! `likra score`: the base and any number of adapters over a file of questions.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use likra_data::{Benchmark, read_questions};
use likra_experiment::{Evaluation, requests, score};
use likra_lora::Adapter;
use likra_model::Model;
use likra_results::{BASE, checkpoint_examples, write_rows};
use likra_score::{Head, Plan};

use crate::cli::ScoreArgs;
use crate::progress::Progress;

/// Scores questions from a file and writes one CSV for all heads, the base first.
pub(crate) fn run(arguments: &ScoreArgs) -> Result<()> {
    let common = &arguments.common;
    let mut names = BTreeSet::from([BASE]);
    for (name, _) in &arguments.adapters {
        let message = "the name is taken; expected another";
        ensure!(names.insert(name), "--adapter {name}=...: {message}");
    }
    let questions = read_questions(common.benchmark, &arguments.questions)?;
    let pool = match &arguments.shots_from {
        Some(path) => read_questions(common.benchmark, path)?,
        None => Vec::new(),
    };
    ensure!(arguments.limit != Some(0), "--limit 0: expected at least 1");
    let benchmark = Benchmark::new(common.benchmark, Vec::new(), questions, pool)?;
    let evaluation = Evaluation {
        num_shots: arguments.num_shots,
        shots: arguments.shots,
        shot_seed: arguments.shot_seed,
        questions: arguments.limit,
        bos: common.bos,
        ..Evaluation::default()
    };
    let requests = requests(&arguments.model, &benchmark, &evaluation, &[])?;
    let placement = common.device.find()?;
    let plan = Plan::new(requests, placement.batch_tokens)?;
    let model = Model::open(&arguments.model, placement.dtype.into(), &placement.device)?;

    let mut heads = vec![(BASE, 0, None)];
    for (name, dir) in &arguments.adapters {
        let adapter = Adapter::load(dir, &placement.device)?;
        let folder = dir.file_name().and_then(|name| name.to_str());
        let examples = folder.and_then(checkpoint_examples).unwrap_or(0);
        heads.push((name.as_str(), examples, Some(adapter)));
    }
    let progress = Progress::default();
    let mut records = Vec::new();
    for (name, examples, adapter) in &heads {
        let head = Head {
            name,
            examples: *examples,
            adapter: adapter.as_ref(),
        };
        records.extend(score(&model, name, &head, &plan, &|event| {
            progress.show(event);
        })?);
    }
    write_rows(&arguments.out, &records)?;
    eprintln!(
        "Scores of {} heads: {}",
        heads.len(),
        arguments.out.display()
    );
    Ok(())
}
