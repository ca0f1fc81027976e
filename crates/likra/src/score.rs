//! `likra score`: the base and any number of adapters over a file of questions.

use std::path::Path;

use anyhow::{Result, ensure};
use likra_data::{Benchmark, Source, Tokenizer, read_questions};
use likra_lora::Adapter;
use likra_model::Model;
use likra_results::{BASE, write_rows};
use likra_score::{Head, Plan};

use crate::cli::ScoreArgs;
use crate::experiment::Evaluation;
use crate::questions::requests;
use crate::reproduce::score_with_progress;

/// Scores questions from a file and writes one CSV for all heads, the base first.
pub(crate) fn run(arguments: &ScoreArgs) -> Result<()> {
    for (place, (name, _)) in arguments.adapters.iter().enumerate() {
        let taken = name == BASE
            || arguments.adapters[..place]
                .iter()
                .any(|(other, _)| other == name);
        ensure!(
            !taken,
            "--adapter {name}=...: the name is taken; expected another"
        );
    }
    let questions = read_questions(arguments.benchmark, &arguments.questions)?;
    let pool = match &arguments.shots_from {
        Some(path) => read_questions(arguments.benchmark, path)?,
        None => Vec::new(),
    };
    ensure!(arguments.limit != Some(0), "--limit 0: expected at least 1");
    let benchmark = Benchmark::new(Vec::new(), questions, pool)?;
    let benchmark = match arguments.benchmark {
        Source::Hellaswag => benchmark.with_spare_shot(),
        Source::Arc | Source::Mmlu => benchmark,
    };
    let evaluation = Evaluation {
        num_shots: arguments.num_shots,
        shots: arguments.shots,
        shot_seed: arguments.shot_seed,
        questions: arguments.limit,
        bos: arguments.bos,
        ..Evaluation::default()
    };
    let tokenizer = Tokenizer::open(&arguments.model, evaluation.bos)?;
    let requests = requests(&tokenizer, &benchmark, &evaluation)?;
    let chosen = arguments.device.resolve()?;
    let plan = Plan::new(&requests, chosen.batch_tokens)?;
    let model = Model::open(&arguments.model, chosen.dtype, &chosen.device)?;

    let base = Head {
        name: BASE,
        examples: 0,
        adapter: None,
    };
    let mut records = score_with_progress(&model, BASE, &base, &plan)?;
    for (name, dir) in &arguments.adapters {
        let adapter = Adapter::load(dir, &chosen.device)?;
        let head = Head {
            name,
            examples: examples(dir),
            adapter: Some(&adapter),
        };
        records.extend(score_with_progress(&model, name, &head, &plan)?);
    }
    write_rows(&arguments.out, &records)?;
    eprintln!(
        "Scores of {} heads: {}",
        arguments.adapters.len() + 1,
        arguments.out.display()
    );
    Ok(())
}

/// How many examples an adapter has seen, by the name that training gives its folder (`n00256`);
/// 0 if it has another.
fn examples(dir: &Path) -> usize {
    let name = dir
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.strip_prefix('n')
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}
