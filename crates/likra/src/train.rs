//! `likra train`: one head alone.

use anyhow::{Result, ensure};
use likra_data::{Answers, Draw, Question, read_questions};
use likra_experiment::{Training, hash_files, training_key, training_set};
use likra_lora::LoraConfig;
use likra_model::Model;
use likra_results::HeadDir;
use likra_tokenizer::Tokenizer;
use likra_train::TrainSettings;

use crate::cli::TrainArgs;
use crate::progress::Progress;

/// Trains one head on questions from files.
pub(crate) fn run(arguments: &TrainArgs) -> Result<()> {
    let (kind, common) = (arguments.kind, &arguments.common);
    ensure!(
        !kind.is_ranked() && kind != Answers::Unrelated,
        "--kind {}: only an experiment has such answers; expected correct, incorrect or irrelevant",
        kind.name()
    );
    let settings = TrainSettings {
        learning_rate: arguments.learning_rate,
        batch_size: arguments.batch_size,
        bos: common.bos,
        ..TrainSettings::default()
    };
    let lora = LoraConfig {
        rank: arguments.rank,
        alpha: arguments.alpha,
        ..LoraConfig::default()
    };
    settings.validate()?;
    lora.validate()?;
    let draw = Draw::new(kind, arguments.wrong_answer, arguments.seed);
    let mut questions: Vec<Question> = Vec::new();
    for path in &arguments.questions {
        questions.extend(read_questions(common.benchmark, path)?);
    }
    let count = arguments.examples.unwrap_or(questions.len());
    ensure!(count > 0, "--examples 0: expected at least 1");
    let set = training_set(&arguments.model, common.bos, &questions, &draw, count)?;

    let placement = common.device.find()?;
    let (_, hashes) = hash_files([
        ("model", Model::files(&arguments.model)?),
        ("tokenizer", Tokenizer::files(&arguments.model)),
        ("data", arguments.questions.clone()),
    ])?;
    let training = Training {
        title: &format!("train {}", kind.name()),
        lora: &lora,
        settings: &settings,
        seed: arguments.seed,
        key: &training_key(&hashes, &placement, &settings, &lora, &draw)?,
    };
    let model = Model::open(&arguments.model, placement.dtype.into(), &placement.device)?;
    let head = HeadDir::new(&arguments.out);
    let progress = Progress::default();
    training.run(&model, &set.examples, &head, &|event| progress.show(event))?;
    let examples = set.examples.len();
    eprintln!(
        "Adapters: {}, the last in {}",
        head.path().display(),
        head.checkpoint(examples).display()
    );
    Ok(())
}
