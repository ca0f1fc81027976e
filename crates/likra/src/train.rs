//! `likra train`: one head alone.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use likra_data::{Answers, Benchmark, Draw, Needs, Source};
use likra_experiment::{
    Listener, Memory, Training, copies, define, find_data, find_model, hash_files, parameters,
    training_key, training_set,
};
use likra_files::check_room;
use likra_lora::LoraConfig;
use likra_model::{Config, Model};
use likra_results::HeadDir;
use likra_tokenizer::Tokenizer;
use likra_train::TrainSettings;

use crate::cli::TrainArgs;
use crate::progress::{Progress, say};

/// Trains one head on questions from files.
pub(crate) fn run(arguments: &TrainArgs) -> Result<()> {
    let (kind, common) = (arguments.kind, &arguments.common);
    ensure!(
        !kind.is_ranked() && kind != Answers::Unrelated,
        "--kind {}: only an experiment has such answers; expected correct, incorrect or irrelevant",
        kind.name()
    );
    let (settings, lora) = settings(arguments);
    settings.validate()?;
    lora.validate()?;
    let draw = Draw::new(kind, arguments.wrong_answer, arguments.seed);
    let progress = Progress::default();
    let show = |event| progress.show(event);
    let model_dir = find_model(&arguments.model, &show)?.folder;
    let benchmark = benchmark(arguments, &show)?;
    let questions = benchmark.train();
    let count = arguments.examples.unwrap_or(questions.len());
    ensure!(count > 0, "--examples 0: expected at least 1");
    let set = training_set(&model_dir, &settings, questions, &draw, count)?;

    let head = HeadDir::new(&arguments.out);
    let _lock = head.lock()?;
    refuse_fewer(&head, count)?;
    let config = Config::read(&model_dir.join("config.json"))?;
    let checkpoints = settings.checkpoints(set.examples.len());
    let numbers = copies(&head, &checkpoints)? * parameters(&config, &lora)?;
    check_room(&head.log(), (numbers * size_of::<f32>()) as u64)?;

    let placement = common.placement()?;
    let mut memory = Memory::new(&config, &placement);
    memory.train(&lora, &set.examples, settings.batch_size)?;
    memory.check()?;
    let (_, mut hashes) = hash_files([
        ("model", Model::files(&model_dir)?),
        ("tokenizer", Tokenizer::files(&model_dir)),
        ("data", benchmark.files().to_vec()),
    ])?;
    define(&mut hashes, "data", &benchmark.definition());
    let training = Training {
        title: &format!("train {}", kind.name()),
        base: &base(arguments)?,
        lora: &lora,
        settings: &settings,
        seed: arguments.seed,
        key: &training_key(&hashes, &placement, &settings, &lora, &draw)?,
    };
    let model = Model::open(&model_dir, placement.dtype.into(), &placement.device)?;
    if set.skipped > 0 {
        let (skipped, positions) = (set.skipped, config.max_positions);
        say!(
            "Warning: examples longer than the model's {positions} positions, which are skipped: {skipped}"
        );
    }
    training.run(&model, &set.examples, &head, &show)?;
    let examples = set.examples.len();
    say!(
        "Adapters: {}, the last in {}",
        head.path().display(),
        head.checkpoint(examples).display()
    );
    Ok(())
}

/// What adapters call the model: a name stays a name, by which PEFT finds it, too.
fn base(arguments: &TrainArgs) -> Result<String> {
    let model = Path::new(&arguments.model);
    Ok(match model.exists() {
        true => std::path::absolute(model)?.display().to_string(),
        false => arguments.model.clone(),
    })
}

/// The task's training questions.
fn benchmark(arguments: &TrainArgs, listener: &Listener) -> Result<Benchmark> {
    let common = &arguments.common;
    let source = match arguments.questions.as_slice() {
        [] => find_data(&common.task, common.data.clone(), listener)?.0,
        files => Source {
            train: files.to_vec(),
            ..Source::default()
        },
    };
    let needs = Needs {
        train: true,
        ..Needs::default()
    };
    Ok(Benchmark::open(&arguments.common.task, &source, &needs)?)
}

fn settings(arguments: &TrainArgs) -> (TrainSettings, LoraConfig) {
    let settings = TrainSettings {
        learning_rate: arguments.learning_rate,
        batch_size: arguments.batch_size,
        bos: arguments.common.bos,
        too_long: arguments.too_long,
        ..TrainSettings::default()
    };
    let lora = LoraConfig {
        rank: arguments.rank,
        alpha: arguments.alpha,
        ..LoraConfig::default()
    };
    (settings, lora)
}

/// Refuses fewer examples than there are: the run of so many would not be the one in the folder.
fn refuse_fewer(head: &HeadDir, count: usize) -> Result<()> {
    let there = head.checkpoints()?;
    if let Some(newest) = there.keys().next_back().filter(|newest| **newest > count) {
        let names: Vec<String> = there.values().map(|path| file_name(path)).collect();
        bail!(
            "--examples {count}: {} holds checkpoints up to {newest} examples ({}); choose another folder, or at least {newest}",
            head.path().display(),
            names.join(", ")
        );
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
