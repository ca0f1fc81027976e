//! `likra train`: one head alone; and the training of a head, for an experiment too.

use std::time::Instant;

use anyhow::{Result, ensure};
use likra_data::{AnswerKind, Question, Tokenizer, TrainingExample, read_questions};
use likra_lora::{Adapter, LoraConfig};
use likra_model::Model;
use likra_results::HeadDir;
use likra_train::{Settings, train_head};

use crate::cli::TrainArgs;
use crate::progress::Progress;
use crate::questions::{hash_examples, hash_files, training_examples};
use crate::steps::Key;

/// What decides a head, beside the model and the examples.
pub(crate) struct Training {
    /// What the progress is called.
    pub(crate) title: String,
    pub(crate) lora: LoraConfig,
    pub(crate) settings: Settings,
    /// Seed of the initial adapter.
    pub(crate) seed: u32,
    /// A hash of everything that decides the head's checkpoints.
    pub(crate) fingerprint: String,
}

/// Trains a head and shows how far it is.
///
/// All heads of a seed start from the same adapter and see the questions in the same order: they
/// differ in the answers alone.
pub(crate) fn train(
    model: &Model,
    training: &Training,
    examples: &[TrainingExample],
    head: &HeadDir,
) -> Result<()> {
    let Training {
        title,
        lora,
        settings,
        seed,
        fingerprint,
    } = training;
    let start = Adapter::init(
        lora.clone(),
        &model.targets(),
        u64::from(*seed),
        model.device(),
    )?;
    let mut progress = Progress::new(title, examples.len(), "examples");
    let (mut seen, mut tokens, mut started) = (0, 0, Instant::now());
    train_head(
        model,
        start,
        examples,
        settings,
        head,
        fingerprint,
        &mut |record, resumed| {
            if resumed {
                progress.resume(record.examples);
                started = Instant::now();
            } else {
                progress.advance(record.examples - seen, &format!("loss {:.3}", record.loss));
                tokens += record.tokens;
            }
            seen = record.examples;
        },
    )?;
    progress.finish(&format!(
        ", {:.0} tokens/s",
        tokens as f64 / started.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Trains one head on questions from files.
pub(crate) fn run(arguments: &TrainArgs) -> Result<()> {
    ensure!(
        arguments.kind != AnswerKind::Unrelated,
        "--kind unrelated needs another benchmark's answers; expected correct, incorrect or irrelevant"
    );
    let mut questions: Vec<Question> = Vec::new();
    for path in &arguments.questions {
        questions.extend(read_questions(arguments.benchmark, path)?);
    }
    let tokenizer = Tokenizer::open(&arguments.model, arguments.bos)?;
    let examples = training_examples(
        &tokenizer,
        &questions,
        arguments.kind,
        arguments.wrong_answer,
        arguments.seed,
    )?;
    let count = arguments
        .examples
        .unwrap_or(examples.len())
        .min(examples.len());
    ensure!(count > 0, "--examples 0: expected at least 1");
    let training = training(arguments, &examples)?;
    training.settings.validate()?;
    training.lora.validate()?;
    let chosen = arguments.device.resolve()?;
    let model = Model::open(&arguments.model, chosen.dtype, &chosen.device)?;
    let head = HeadDir::new(&arguments.out);
    train(&model, &training, &examples[..count], &head)?;
    eprintln!(
        "Adapters: {}, the last in {}",
        head.path().display(),
        head.checkpoint(count).display()
    );
    Ok(())
}

fn training(arguments: &TrainArgs, examples: &[TrainingExample]) -> Result<Training> {
    let lora = LoraConfig {
        rank: arguments.rank,
        alpha: arguments.alpha,
        ..LoraConfig::default()
    };
    let settings = Settings {
        learning_rate: arguments.learning_rate,
        batch_size: arguments.batch_size,
        ..Settings::default()
    };
    let fingerprint = Key::default()
        .with("model", hash_files(&Model::files(&arguments.model)?)?)
        .with("examples", hash_examples(examples))
        .with("lora", format!("{lora:?}"))
        .with("settings", format!("{settings:?}"))
        .with("seed", arguments.seed.to_le_bytes())
        .finish();
    let title = format!("train {}", arguments.kind);
    Ok(Training {
        title,
        lora,
        settings,
        seed: arguments.seed,
        fingerprint,
    })
}
