//! The command line.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use likra_analysis::Norm;
use likra_data::{AnswerKind, Bos, Source, WrongAnswer};
use serde::Serialize;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};

use crate::device::{Choice, Dtype};
use crate::experiment::{Overrides, Shots};
use crate::protocol::Protocol;

/// Shows what a language model learns from negative examples.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an experiment: train its heads, score its questions, write the tables and figures.
    Reproduce(ReproduceArgs),
    /// Redraw the tables and figures of a finished run from its scores, without a model.
    Report(ReportArgs),
    /// Train one head on questions and leave its adapters along the way.
    Train(TrainArgs),
    /// Score the candidates of questions under the base and any number of adapters.
    Score(ScoreArgs),
    /// Compute what a file of jobs asks for (logits, gradients, losses, prompts, draws), to be compared
    /// with what another program computed.
    Probe(ProbeArgs),
    /// Time what a file of jobs asks for (training, scoring, a first score, products of matrices), to be
    /// compared with what another program took.
    Bench(BenchArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ReproduceArgs {
    /// A built-in experiment (tiny, smollm2-arc, mistral-7b-v0.1-arc, ...), or a path to a TOML file.
    #[arg(default_value = "tiny")]
    pub(crate) spec: String,
    /// The checkpoint folder: config.json, safetensors, tokenizer.json.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// The folder with the benchmark's files.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The folder of the benchmark that unrelated answers are from.
    #[arg(long, value_name = "DIR")]
    unrelated: Option<PathBuf>,
    /// Where to compute: auto, cpu, cuda or cuda:N [default: the experiment's, else auto].
    #[arg(long, value_name = "D")]
    pub(crate) device: Option<Choice>,
    /// Where the run's files go [default: runs/NAME].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Score only the first N test questions.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Train each head on N examples.
    #[arg(long, value_name = "N")]
    examples: Option<usize>,
    /// Whose settings stand in for those that the experiment does not make: paper, authors or
    /// harness-0.4.13.
    #[arg(long, value_name = "NAME", value_parser = named::<Protocol>)]
    pub(crate) protocol: Option<Protocol>,
    /// Which wrong choice a negative head learns: random, or first.
    #[arg(long, value_name = "RULE", value_parser = named::<WrongAnswer>)]
    wrong_answer: Option<WrongAnswer>,
    /// Put K solved questions before each question.
    #[arg(long, value_name = "K")]
    num_shots: Option<usize>,
    /// Whether they are the same for all: fixed, or per-question.
    #[arg(long, value_name = "RULE", value_parser = named::<Shots>)]
    shots: Option<Shots>,
    /// Draw them with this seed.
    #[arg(long, value_name = "S")]
    shot_seed: Option<u32>,
    /// What scores are divided by: chars (as the harness does), bytes, tokens or none.
    #[arg(long, value_name = "UNIT", value_parser = named::<Norm>)]
    normalisation: Option<Norm>,
    /// Seed of the examples' order, the wrong answers and the initial adapters.
    #[arg(long, value_name = "S")]
    seed: Option<u32>,
    /// Set a key of the experiment, such as training.batch-size=4; may be given many times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Say which steps there are, which are done, and what time and memory the rest will take.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Remove what an earlier run left in the folder, rather than going on from it.
    #[arg(long)]
    pub(crate) fresh: bool,
}

impl ReproduceArgs {
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            set: self.set.clone(),
            model: self.model.clone(),
            data: self.data.clone(),
            unrelated: self.unrelated.clone(),
            questions: self.limit,
            examples: self.examples,
            num_shots: self.num_shots,
            shots: self.shots,
            shot_seed: self.shot_seed,
            wrong_answer: self.wrong_answer,
            normalisation: self.normalisation,
            seed: self.seed,
        }
    }

    /// The command that does this again, with names in place of paths.
    pub(crate) fn command(&self) -> String {
        let name = |path: &Path| {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        let mut words = vec![
            "cargo xtask reproduce".to_owned(),
            name(Path::new(&self.spec)),
        ];
        let mut add = |flag: &str, value: Option<String>| {
            words.extend(value.map(|value| format!("--{flag} {value}")));
        };
        let path = |path: &Option<PathBuf>| path.as_deref().map(name);
        add("model", path(&self.model));
        add("data", path(&self.data));
        add("unrelated", path(&self.unrelated));
        add("device", self.device.map(String::from));
        add("limit", self.limit.map(|n| n.to_string()));
        add("examples", self.examples.map(|n| n.to_string()));
        add("protocol", self.protocol.and_then(|rule| word(&rule)));
        add(
            "wrong-answer",
            self.wrong_answer.and_then(|rule| word(&rule)),
        );
        add("num-shots", self.num_shots.map(|n| n.to_string()));
        add("shots", self.shots.and_then(|rule| word(&rule)));
        add("shot-seed", self.shot_seed.map(|n| n.to_string()));
        add(
            "normalisation",
            self.normalisation.and_then(|unit| word(&unit)),
        );
        add("seed", self.seed.map(|n| n.to_string()));
        for assignment in &self.set {
            add("set", Some(format!("'{assignment}'")));
        }
        words.join(" ")
    }
}

/// A setting's name in experiment files.
fn word(setting: &impl Serialize) -> Option<String> {
    let value = toml::Value::try_from(setting).ok()?;
    value.as_str().map(String::from)
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The run's folder.
    pub(crate) run: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// The checkpoint folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Which benchmark the questions are of: arc, hellaswag or mmlu.
    #[arg(long, value_name = "NAME", default_value = "arc", value_parser = named::<Source>)]
    pub(crate) benchmark: Source,
    /// Files of questions: the benchmark's own JSONL or CSV, or the hub's JSON or parquet.
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    pub(crate) questions: Vec<PathBuf>,
    /// Which answers the head learns: correct, incorrect, or irrelevant (wrong for another question).
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: AnswerKind,
    /// Which wrong choice it is, for kinds of wrong answers: random, or first.
    #[arg(long, value_name = "RULE", default_value = "random", value_parser = named::<WrongAnswer>)]
    pub(crate) wrong_answer: WrongAnswer,
    /// Whether an example begins with the BOS token: auto (as the tokenizer does), always or never.
    #[arg(long, value_name = "RULE", default_value = "auto", value_parser = named::<Bos>)]
    pub(crate) bos: Bos,
    /// Where the head's adapters go.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Train on the first N examples of the shuffled order; all of them if absent.
    #[arg(long, value_name = "N")]
    pub(crate) examples: Option<usize>,
    /// Seed of the examples' order, the wrong answers and the initial adapter.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u32,
    /// The constant learning rate.
    #[arg(long, value_name = "RATE", default_value_t = 1e-4)]
    pub(crate) learning_rate: f64,
    /// Examples of an optimiser step.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) batch_size: usize,
    /// The adapter's rank.
    #[arg(long, value_name = "R", default_value_t = 8)]
    pub(crate) rank: usize,
    /// The numerator of the adapter's scale.
    #[arg(long, value_name = "ALPHA", default_value_t = 8.0)]
    pub(crate) alpha: f64,
    /// Where to compute: auto, cpu, cuda or cuda:N.
    #[arg(long, value_name = "D", default_value = "auto")]
    pub(crate) device: Choice,
}

#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// The checkpoint folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// An adapter in PEFT's format, and the name of its head; may be given many times.
    #[arg(long = "adapter", value_name = "NAME=DIR", value_parser = parse_adapter)]
    pub(crate) adapters: Vec<(String, PathBuf)>,
    /// Which benchmark the questions are of: arc, hellaswag or mmlu.
    #[arg(long, value_name = "NAME", default_value = "arc", value_parser = named::<Source>)]
    pub(crate) benchmark: Source,
    /// A file of questions: the benchmark's own JSONL or CSV, or the hub's JSON or parquet.
    #[arg(long, value_name = "FILE")]
    pub(crate) questions: PathBuf,
    /// Where the solved questions come from, of the same benchmark.
    #[arg(long, value_name = "FILE")]
    pub(crate) shots_from: Option<PathBuf>,
    /// How many solved questions stand before each question.
    #[arg(long, value_name = "K", default_value_t = 0, requires = "shots_from")]
    pub(crate) num_shots: usize,
    /// Whether they are the same for all: fixed, or per-question (drawn anew, as the harness does).
    #[arg(long, value_name = "RULE", default_value = "fixed", value_parser = named::<Shots>)]
    pub(crate) shots: Shots,
    /// Draw the solved questions with this seed; without it, fixed ones are the first K of the file, and
    /// those per question are drawn with the harness's seed, 1234.
    #[arg(long, value_name = "S")]
    pub(crate) shot_seed: Option<u64>,
    /// Whether a prompt begins with the BOS token: auto (as the tokenizer does), always or never.
    #[arg(long, value_name = "RULE", default_value = "auto", value_parser = named::<Bos>)]
    pub(crate) bos: Bos,
    /// Score only the first N questions.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// The CSV file to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Where to compute: auto, cpu, cuda or cuda:N.
    #[arg(long, value_name = "D", default_value = "auto")]
    pub(crate) device: Choice,
}

#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// A JSON file of jobs; paths in it are relative to its folder.
    pub(crate) jobs: PathBuf,
    /// The folder for `tensors.safetensors`, `answers.json` and `adapters/`.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Where to compute: auto, cpu, cuda or cuda:N.
    #[arg(long, value_name = "D", default_value = "auto")]
    pub(crate) device: Choice,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// A JSON file of jobs; paths in it are relative to its folder.
    pub(crate) jobs: PathBuf,
    /// The JSON file to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Where to compute: auto, cpu, cuda or cuda:N.
    #[arg(long, value_name = "D", default_value = "auto")]
    pub(crate) device: Choice,
    /// The type of the base model's weights, f32 or bf16 [default: bf16 on a GPU, f32 on a CPU].
    #[arg(long, value_name = "TYPE", value_parser = named::<Dtype>)]
    pub(crate) dtype: Option<Dtype>,
}

/// A setting by the name that it has in experiment files.
fn named<T: DeserializeOwned>(name: &str) -> Result<T, String> {
    let name: StrDeserializer<ValueError> = name.into_deserializer();
    T::deserialize(name).map_err(|error| error.to_string())
}

fn parse_adapter(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, dir)) if !name.is_empty() && !dir.is_empty() => Ok((name.into(), dir.into())),
        _ => Err("expected NAME=DIR".into()),
    }
}
