//! `likra score`: the base and any number of adapters over a file of questions.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use likra_analysis::{Norm, ScoreTable, accuracies, accuracy};
use likra_data::Source;
use likra_experiment::{Base, Finder, Inputs, score};
use likra_files::check_room;
use likra_lora::Adapter;
use likra_results::{BASE, HeadDir, ScoreRecord, checkpoint_examples, write_rows};
use likra_score::Head;

use crate::cli::{Format, Ratio, ScoreArgs};
use crate::lm_eval;
use crate::progress::{listener, print, say, warn_of_long};

/// Scores questions and writes one CSV for all heads, the base first, or the harness's files for each.
pub(crate) fn run(arguments: &ScoreArgs) -> Result<()> {
    check_names(arguments)?;
    let (spec, out) = (arguments.spec()?, &arguments.out);
    let limit = spec.evaluation.questions;
    let as_harness = arguments.format == Format::LmEval;
    ensure!(
        !as_harness || !out.is_file(),
        "--out {}: a file; expected a folder for the files of --format lm-eval",
        out.display()
    );
    let show = listener();
    // What can be wrong is found before the weights are read.
    let own = Source {
        test: arguments.questions.iter().cloned().collect(),
        shots: arguments.shots_from.iter().cloned().collect(),
        ..Source::default()
    };
    let needs = spec.needs();
    let inputs = Inputs::open(spec, own, &needs, Finder::new(None, &show))?;
    let (base, evaluation) = (&inputs.base, &inputs.experiment.spec.evaluation);
    base.device()?;
    let heads = heads(arguments, base)?;
    let (plan, truncated) = base.plan(&inputs.benchmark, evaluation, &[])?;
    let cut = "of which only the ends are scored";
    warn_of_long("texts", base, cut, truncated);
    if !as_harness {
        let requests = plan.requests().iter();
        let candidates: usize = requests.map(|request| request.candidates.len()).sum();
        check_room(out, (candidates * heads.len()) as u64 * BYTES_PER_ROW)?;
    }
    base.check_memory(base.scoring_bytes(&plan))?;
    let model = base.model()?;
    let mut records = Vec::new();
    for (name, examples, dir, adapter) in &heads {
        let head = Head {
            name,
            examples: *examples,
            adapter: adapter.as_ref(),
            greedy: as_harness,
        };
        let started = Instant::now();
        let scored = score(model, name, &head, &plan, &show)?;
        if as_harness {
            let folder = lm_eval::write(out, &inputs, *dir, &scored, limit, started.elapsed())?;
            say!("{name}: {}", folder.display());
        }
        records.extend(scored);
    }
    if !as_harness {
        write_rows(out, &records)?;
    }
    let mut tasks = inputs.benchmark.tasks();
    let counts = tasks.all(|(task, _)| task.counts_probability);
    match table(&records, &heads, &arguments.ratios, counts) {
        // The scores are there, whoever reads the table.
        Ok(table) if (as_harness || out.is_file()) && print(&table).is_ok() => {}
        Ok(table) => say!("{table}"),
        Err(error) => say!("No table of accuracies: {error}"),
    }
    say!("Scores: {}", out.display());
    Ok(())
}

/// Refuses two heads of one name, and ratios of heads that are not there.
fn check_names(arguments: &ScoreArgs) -> Result<()> {
    let mut names = BTreeSet::from([BASE]);
    for (name, _) in &arguments.adapters {
        let message = "the name is taken; expected another";
        ensure!(names.insert(name), "--adapter {name}=...: {message}");
    }
    for Ratio(positive, negative, _) in &arguments.ratios {
        let mut named = [positive, negative].into_iter();
        if let Some(name) = named.find(|name| !names.contains(name.as_str())) {
            let message = "expected base or the name of an --adapter";
            bail!("--ratio {positive}/{negative}: no head {name}; {message}");
        }
    }
    Ok(())
}

/// A head by name, the number of examples that it has seen, and unless it is the base its folder and its adapter.
type Scored<'a> = (&'a str, usize, Option<&'a Path>, Option<Adapter>);

/// The base, and the adapters.
fn heads<'a>(arguments: &'a ScoreArgs, base: &Base) -> Result<Vec<Scored<'a>>> {
    let mut heads = vec![(BASE, 0, None, None)];
    for (name, dir) in &arguments.adapters {
        if !dir.join("adapter_config.json").exists()
            && let Some((_, last)) = HeadDir::new(dir).checkpoints()?.pop_last()
        {
            bail!(
                "--adapter {name}={}: a folder of checkpoints; expected one of them, such as {}",
                dir.display(),
                last.display()
            );
        }
        let adapter = Adapter::load(dir, base.device()?)?;
        let refused = || format!("--adapter {name}={}", dir.display());
        base.config.check_adapter(&adapter).with_context(refused)?;
        let folder = dir.file_name().and_then(|name| name.to_str());
        let examples = folder.and_then(checkpoint_examples).unwrap_or(0);
        heads.push((name.as_str(), examples, Some(dir.as_path()), Some(adapter)));
    }
    Ok(heads)
}

/// How often each head and each ratio is right. `acc` is the share of the probability that right answers have if that
/// is what `counts`.
fn table(all: &[ScoreRecord], heads: &[Scored], ratios: &[Ratio], counts: bool) -> Result<String> {
    let table = ScoreTable::new(all)?;
    let examples = |name: &str| {
        let head = heads.iter().find(|(head, ..)| *head == name);
        head.map_or(0, |(_, examples, ..)| *examples)
    };
    let alone = heads.iter().filter_map(|(name, examples, ..)| {
        Some((name.to_string(), *examples, table.rule(name, *examples)?))
    });
    let divided = |Ratio(positive, negative, weight): &Ratio| {
        let rule = table.rule(positive, examples(positive))?;
        let rule = rule.minus(*weight, negative, examples(negative))?;
        let name = match *weight {
            1.0 => format!("{positive}/{negative}"),
            weight => format!("{positive}/{negative}@{weight}"),
        };
        Some((name, examples(negative).max(examples(positive)), rule))
    };
    let rows = alone.chain(ratios.iter().filter_map(divided));
    let rows = rows.map(|(name, examples, rule)| {
        let accuracy = |norm| accuracy(&rule.right(norm));
        let acc = match counts {
            true => rule.probability(),
            false => accuracy(Norm::None),
        };
        (name, examples, acc, accuracy(Norm::Chars))
    });
    let (questions, chance) = (table.questions().len(), table.chance() * 100.0);
    let table = accuracies("head", rows);
    let note = " acc is the share of the probability that right answers have.";
    let note = if counts { note } else { "" };
    Ok(format!(
        "{table}\nPercent [95% interval] of {questions} questions; chance is {chance:.1}.{note}\n"
    ))
}

/// About how long a line of the table is.
const BYTES_PER_ROW: u64 = 80;
