//! `likra score`: the base and any number of adapters over a file of questions.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use likra_analysis::{Norm, ScoreTable, accuracies, accuracy};
use likra_data::{Benchmark, Source};
use likra_experiment::{Evaluation, Listener, Memory, find_data, find_model, requests, score};
use likra_files::check_room;
use likra_lora::Adapter;
use likra_model::{Config, Model, Placement};
use likra_results::{BASE, ScoreRecord, checkpoint_examples, write_rows};
use likra_score::{Head, Plan};

use crate::cli::{Ratio, ScoreArgs};
use crate::progress::{Progress, print, say};

/// Scores questions from a file and writes one CSV for all heads, the base first.
pub(crate) fn run(arguments: &ScoreArgs) -> Result<()> {
    let common = &arguments.common;
    check_names(arguments)?;
    // What can be wrong is found before the weights are read.
    let out = &arguments.out;
    let progress = Progress::default();
    let show = |event| progress.show(event);
    let placement = common.placement()?;
    let model = find_model(&arguments.model, &show)?.folder;
    let config = Config::read(&model.join("config.json"))?;
    let heads = heads(arguments, &config, &placement)?;
    let benchmark = benchmark(arguments, &show)?;
    let evaluation = Evaluation {
        num_shots: arguments.shots.count(&benchmark),
        shots: arguments.shots.shots,
        shot_seed: arguments.shots.shot_seed,
        bos: common.bos,
        too_long: arguments.too_long,
        ..Evaluation::default()
    };
    let found = requests(&model, &benchmark, &evaluation, &[])?;
    if found.truncated > 0 {
        let (cut, positions) = (found.truncated, found.positions);
        say!(
            "Warning: texts longer than the model's {positions} positions, of which only the ends are scored: {cut}"
        );
    }
    let plan = Plan::new(found.requests, placement.batch_tokens)?;
    let requests = plan.requests().iter();
    let candidates: usize = requests.map(|request| request.candidates.len()).sum();
    let rows = candidates * heads.len();
    check_room(out, rows as u64 * BYTES_PER_ROW)?;
    let mut memory = Memory::new(&config, &placement);
    memory.score(&plan);
    memory.check()?;
    let model = Model::open(&model, placement.dtype.into(), &placement.device)?;
    let mut records = Vec::new();
    for (name, examples, adapter) in &heads {
        let head = Head {
            name,
            examples: *examples,
            adapter: adapter.as_ref(),
        };
        records.extend(score(&model, name, &head, &plan, &show)?);
    }
    write_rows(out, &records)?;
    let heads: Vec<(&str, usize)> = heads
        .iter()
        .map(|(name, examples, _)| (*name, *examples))
        .collect();
    match accuracies_of(&records, &heads, &arguments.ratios) {
        // The scores are there, whoever reads the table.
        Ok(table) if out.is_file() && print(&table).is_ok() => {}
        Ok(table) => say!("{table}"),
        Err(error) => say!("No table of accuracies: {error}"),
    }
    say!("Scores of {} heads: {}", heads.len(), out.display());
    Ok(())
}

/// Refuses two heads of one name, and ratios of heads that are not there.
fn check_names(arguments: &ScoreArgs) -> Result<()> {
    let mut names = BTreeSet::from([BASE]);
    for (name, _) in &arguments.adapters {
        let message = "the name is taken; expected another";
        ensure!(names.insert(name), "--adapter {name}=...: {message}");
    }
    for Ratio {
        positive, negative, ..
    } in &arguments.ratios
    {
        for name in [positive, negative] {
            let message = "expected base or the name of an --adapter";
            ensure!(
                names.contains(name.as_str()),
                "--ratio {positive}/{negative}: no head {name}; {message}"
            );
        }
    }
    Ok(())
}

/// The questions that are asked, and those that shots are taken from.
fn benchmark(arguments: &ScoreArgs, listener: &Listener) -> Result<Benchmark> {
    let common = &arguments.common;
    let folder = common.data.clone();
    let source = match &arguments.questions {
        Some(_) => Source {
            folder,
            ..Source::default()
        },
        None => find_data(&common.task, folder, listener)?.0,
    };
    let source = Source {
        test: arguments.questions.iter().cloned().collect(),
        shots: arguments.shots_from.iter().cloned().collect(),
        ..source
    };
    arguments.shots.benchmark(&common.task, &source, None)
}

/// The base, and the adapters with their names and the numbers of examples that they have seen.
fn heads<'a>(
    arguments: &'a ScoreArgs,
    config: &Config,
    placement: &Placement,
) -> Result<Vec<(&'a str, usize, Option<Adapter>)>> {
    let mut heads = vec![(BASE, 0, None)];
    for (name, dir) in &arguments.adapters {
        let adapter = Adapter::load(dir, &placement.device)?;
        let refused = || format!("--adapter {name}={}", dir.display());
        config.check_adapter(&adapter).with_context(refused)?;
        let folder = dir.file_name().and_then(|name| name.to_str());
        let examples = folder.and_then(checkpoint_examples).unwrap_or(0);
        heads.push((name.as_str(), examples, Some(adapter)));
    }
    Ok(heads)
}

/// How often each head and each ratio is right.
fn accuracies_of(
    records: &[ScoreRecord],
    heads: &[(&str, usize)],
    ratios: &[Ratio],
) -> Result<String> {
    let table = ScoreTable::new(records)?;
    let of = |name: &str| {
        heads
            .iter()
            .find(|(head, _)| *head == name)
            .map_or(0, |(_, examples)| *examples)
    };
    let alone = heads.iter().filter_map(|(name, examples)| {
        Some((name.to_string(), *examples, table.rule(name, *examples)?))
    });
    let divided = ratios.iter().filter_map(
        |Ratio {
             positive,
             negative,
             weight,
         }| {
            let rule =
                table
                    .rule(positive, of(positive))?
                    .minus(*weight, negative, of(negative))?;
            let name = match *weight {
                1.0 => format!("{positive}/{negative}"),
                weight => format!("{positive}/{negative}@{weight}"),
            };
            Some((name, of(negative), rule))
        },
    );
    let rows = alone.chain(divided).map(|(name, examples, rule)| {
        let accuracy = |norm| accuracy(&rule.right(norm));
        (name, examples, accuracy(Norm::None), accuracy(Norm::Chars))
    });
    let (questions, chance) = (table.questions().len(), table.chance() * 100.0);
    let table = accuracies("head", rows);
    Ok(format!(
        "{table}\nPercent [95% interval] of {questions} questions; chance is {chance:.1}.\n"
    ))
}

/// About how long a line of the table is.
const BYTES_PER_ROW: u64 = 80;
