//! `likra train`: one head alone.

use anyhow::{Result, bail, ensure};
use likra_data::{Answers, Needs, Source};
use likra_experiment::{Experiment, Finder, Inputs, train, train_judge, training_key};
use likra_files::check_room;
use likra_results::HeadDir;

use crate::cli::TrainArgs;
use crate::judge::{percent, table};
use crate::progress::{listener, say, warn_of_long};

/// Trains one head on questions from files.
pub(crate) fn run(arguments: &TrainArgs) -> Result<()> {
    if let Some(file) = &arguments.feedback {
        return judge(arguments, file);
    }
    let kind = arguments.kind.unwrap_or(Answers::Correct);
    if kind.is_ranked() || kind == Answers::Unrelated {
        let expected = "expected correct, incorrect or irrelevant";
        let name = kind.name();
        bail!("--kind {name}: only an experiment has such answers; {expected}");
    }
    let spec = arguments.spec()?;
    let show = listener();
    let own = Source {
        train: arguments.questions.clone(),
        ..Source::default()
    };
    let needs = Needs {
        train: true,
        ..Needs::default()
    };
    let inputs = Inputs::open(spec, own, &needs, Finder::new(None, &show))?;
    let (base, Experiment { spec, heads, .. }) = (&inputs.base, &inputs.experiment);
    base.device()?;
    let head = &heads[0];
    ensure!(head.examples > 0, "--examples 0: expected at least 1");
    let set = inputs.training_set(head, None)?;

    let dir = HeadDir::new(&arguments.out);
    let _lock = dir.lock()?;
    refuse_fewer(&dir, head.examples)?;
    check_room(&dir.log(), base.room(head, &dir)?)?;
    base.check_memory(base.training_bytes(head, &set.examples)?)?;
    let (_, hashes) = inputs.hash()?;
    let key = training_key(&hashes, &base.placement, spec, head)?;
    warn_of_long("examples", base, "which are skipped", set.skipped);
    train(base, head, &key, &set.examples, &dir, &show)?;
    let last = dir.checkpoint(set.examples.len());
    let (all, last) = (dir.path().display(), last.display());
    say!("Adapters: {all}, the last in {last}");
    Ok(())
}

/// Trains both heads on feedback, and says how well they do.
fn judge(arguments: &TrainArgs, file: &str) -> Result<()> {
    let (spec, out, show) = (arguments.spec()?, &arguments.out, listener());
    let judge = train_judge(&spec, file, arguments.held_out, out, &show)?;
    let (learned, calibration) = (&judge.feedback, &judge.calibration);
    let (good, bad, performance) = (learned.chosen, learned.rejected, table(&judge.held_out));
    say!("Learned {good} good and {bad} bad answers; held out {performance}");
    let by = match calibration.per_character {
        true => "per character",
        false => "whole",
    };
    let weight = calibration.weight;
    say!("Chosen: weight {weight} of the negative head, scores {by}");
    let beside = &judge.beside;
    let others = [beside.base, beside.positive, beside.shortest];
    let [base, positive, shortest] = others.map(percent);
    say!(
        "Without bad answers: the base {base}, the positive head alone {positive}, the shortest answer {shortest} percent"
    );
    say!("The judge: {}", out.display());
    Ok(())
}

/// Refuses fewer examples than there are: the run of so many would not be the one in the folder.
fn refuse_fewer(head: &HeadDir, count: usize) -> Result<()> {
    let there = head.checkpoints()?;
    if let Some(newest) = there.keys().next_back().filter(|newest| **newest > count) {
        let names = there.values().filter_map(|path| path.file_name()?.to_str());
        let (folder, names) = (head.path().display(), names.collect::<Vec<_>>().join(", "));
        bail!(
            "--examples {count}: {folder} holds checkpoints up to {newest} examples ({names}); choose another folder, or at least {newest}"
        );
    }
    Ok(())
}
