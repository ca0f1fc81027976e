//! The command line.

use std::num::NonZero;
use std::path::PathBuf;

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use likra_analysis::Norm;
use likra_data::{Answers, ShotRule, WrongAnswer};
use likra_experiment::{Assignment, LongPrompt, protocols};
use likra_model::{DeviceName, Dtype, Placement};
use likra_tokenizer::Bos;
use likra_train::LongExample;
use serde::Serialize;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};

/// Shows what a language model learns from negative examples.
#[derive(Debug, Parser)]
#[command(version, after_help = include_str!("../help/likra.txt"))]
pub(crate) struct Cli {
    /// Say more: which checkpoints are left, which tensors of a model are not used.
    #[arg(short, long, global = true, display_order = 100)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an experiment: train its heads, score its questions, draw the report.
    Reproduce(ReproduceArgs),
    /// Redraw the report of a run from its scores, without a model.
    #[command(after_help = include_str!("../help/report.txt"))]
    Report {
        /// The run's folder.
        run: PathBuf,
    },
    /// Train one head on questions and leave its adapters along the way.
    Train(TrainArgs),
    /// Score the candidate answers of questions under the base and any number of adapters.
    Score(ScoreArgs),
    /// Print what a model would be asked, a JSON object for each candidate answer.
    Prompts(PromptsArgs),
    /// Compute what a file of jobs asks for, to compare it with another program.
    Probe(ProbeArgs),
}

#[derive(Debug, Args)]
#[command(after_help = include_str!("../help/reproduce.txt"))]
pub(crate) struct ReproduceArgs {
    /// A built-in experiment (tiny, smollm2-arc, mistral-7b-v0.1-arc, ...) or a path to a TOML file
    /// [default: general if --model or --task is given, else tiny].
    spec: Option<String>,
    #[command(flatten)]
    flags: Flags,
    /// Set any key of the experiment, such as training.batch-size=4. May be given many times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The folder for the run's files [default: runs/NAME].
    #[arg(long, value_name = "DIR", display_order = 3)]
    pub(crate) out: Option<PathBuf>,
    /// Only say which jobs there are, which are done, and how much time and memory the rest takes.
    #[arg(long, display_order = 4)]
    pub(crate) dry_run: bool,
    /// Start over: remove what an earlier run left in the folder.
    #[arg(long, display_order = 5)]
    pub(crate) fresh: bool,
}

/// The flags that stand for a key of the experiment. This is the only place that says which.
#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Flags {
    /// The checkpoint folder, or its name on the Hugging Face hub.
    #[arg(long, value_name = "DIR|OWNER/NAME", display_order = 1)]
    model: Option<String>,
    /// The task: a name such as openbookqa, or a path to a task file in YAML.
    #[arg(long, value_name = "TASK", display_order = 1)]
    task: Option<String>,
    /// The folder with the task's rows [default: they are taken from the Hugging Face hub].
    #[arg(long, value_name = "DIR", display_order = 1)]
    data: Option<PathBuf>,
    /// The folder of the benchmark that unrelated answers are from.
    #[arg(long, value_name = "DIR", display_order = 1)]
    #[serde(rename = "unrelated.data")]
    unrelated: Option<PathBuf>,
    /// Where to compute: auto, cpu, cuda or cuda:N [default: the experiment's, else auto].
    #[arg(long, value_name = "D", display_order = 2, value_parser = named::<DeviceName>)]
    device: Option<DeviceName>,
    /// What the model's weights are held in: f32 or bf16 [default: f32 on a CPU, bf16 on a GPU].
    #[arg(long, value_name = "TYPE", display_order = 2, value_parser = named::<Dtype>)]
    dtype: Option<Dtype>,
    /// Score N tokens in one pass: fewer take less memory [default: 768 on a CPU, 16384 on a GPU].
    #[arg(long, value_name = "N", display_order = 2)]
    batch_tokens: Option<usize>,
    /// Score only the first N test questions.
    #[arg(long, value_name = "N", display_order = 2)]
    #[serde(rename = "evaluation.questions")]
    limit: Option<usize>,
    /// Train each head on N examples.
    #[arg(long, value_name = "N", display_order = 2)]
    examples: Option<usize>,
    /// The seed of the examples' order, the wrong answers and the initial adapters.
    #[arg(long, value_name = "S", display_order = 2)]
    seed: Option<u32>,
    /// A set of keys that applies where the experiment says nothing.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(protocols()))]
    protocol: Option<String>,
    /// Which wrong choice a negative head learns: random or first.
    #[arg(long, value_name = "RULE", value_parser = named::<WrongAnswer>)]
    wrong_answer: Option<WrongAnswer>,
    /// How many solved questions stand before each question.
    #[arg(long, value_name = "K")]
    #[serde(rename = "evaluation.num-shots")]
    num_shots: Option<usize>,
    /// Whether they are the same for all questions: task (as its file says), fixed or per-question.
    #[arg(long, value_name = "RULE", value_parser = named::<ShotRule>)]
    #[serde(rename = "evaluation.shots")]
    shots: Option<ShotRule>,
    /// The seed that they are drawn by.
    #[arg(long, value_name = "S")]
    #[serde(rename = "evaluation.shot-seed")]
    shot_seed: Option<u32>,
    /// What becomes of a question that is longer than the model can run: refuse, or truncate as the harness does.
    #[arg(long, value_name = "RULE", value_parser = named::<LongPrompt>)]
    #[serde(rename = "evaluation.too-long")]
    too_long: Option<LongPrompt>,
    /// What scores are divided by: chars (as the harness does), bytes, tokens or none.
    #[arg(long, value_name = "UNIT", value_parser = named::<Norm>)]
    #[serde(rename = "analysis.normalisation")]
    normalisation: Option<Norm>,
}

impl ReproduceArgs {
    /// The experiment's name or path.
    pub(crate) fn spec(&self) -> &str {
        let own = self.flags.model.is_some() || self.flags.task.is_some();
        let default = if own { "general" } else { "tiny" };
        self.spec.as_deref().unwrap_or(default)
    }

    /// What the command line says of the experiment: `--set` first, so that flags win.
    pub(crate) fn assignments(&self) -> Result<Vec<Assignment>> {
        let set = self.set.iter().map(|text| Assignment::parse(text));
        let mut assignments: Vec<Assignment> = set.collect::<Result<_, _>>()?;
        for (key, value) in toml::Table::try_from(&self.flags)? {
            assignments.push(Assignment { key, value });
        }
        Ok(assignments)
    }
}

#[derive(Debug, Args)]
#[command(after_help = include_str!("../help/train.txt"))]
pub(crate) struct TrainArgs {
    /// The checkpoint folder, or its name on the Hugging Face hub.
    #[arg(long, value_name = "DIR|OWNER/NAME")]
    pub(crate) model: String,
    /// Files to train on, in place of the training split in the folder of --data.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) questions: Vec<PathBuf>,
    /// Which answers the head learns: correct, incorrect, or irrelevant (wrong for another question).
    #[arg(long, value_name = "KIND", value_parser = named::<Answers>)]
    pub(crate) kind: Answers,
    /// The folder for the head's adapters.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Train on the first N examples of the shuffled order [default: all].
    #[arg(long, value_name = "N")]
    pub(crate) examples: Option<usize>,
    /// The seed of the examples' order, the wrong answers and the initial adapter.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u32,
    /// The constant learning rate.
    #[arg(long, value_name = "RATE", default_value_t = 1e-4)]
    pub(crate) learning_rate: f64,
    /// How many examples an optimiser step takes.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) batch_size: usize,
    /// The adapter's rank.
    #[arg(long, value_name = "R", default_value_t = 8)]
    pub(crate) rank: usize,
    /// The numerator of the adapter's scale.
    #[arg(long, value_name = "ALPHA", default_value_t = 8.0)]
    pub(crate) alpha: f64,
    /// Which wrong choice a wrong answer is: random or first.
    #[arg(long, value_name = "RULE", default_value = "random", value_parser = named::<WrongAnswer>)]
    pub(crate) wrong_answer: WrongAnswer,
    /// What becomes of an example that is longer than the model can run: refuse or skip.
    #[arg(long, value_name = "RULE", default_value = "refuse", value_parser = named::<LongExample>)]
    pub(crate) too_long: LongExample,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
#[command(after_help = include_str!("../help/score.txt"))]
pub(crate) struct ScoreArgs {
    /// The checkpoint folder, or its name on the Hugging Face hub.
    #[arg(long, value_name = "DIR|OWNER/NAME")]
    pub(crate) model: String,
    /// The name of a head and its adapter in PEFT's format. May be given many times.
    #[arg(long = "adapter", value_name = "NAME=DIR", value_parser = parse_adapter)]
    pub(crate) adapters: Vec<(String, PathBuf)>,
    /// Two heads by name, of which the first is divided by the second, such as positive/negative or
    /// base/negative@0.9 with a weight: a line of the table. May be given many times.
    #[arg(long = "ratio", value_name = "POS/NEG[@WEIGHT]", value_parser = parse_ratio)]
    pub(crate) ratios: Vec<Ratio>,
    /// A file of questions, in place of the split in the folder of --data that the task is tested on.
    #[arg(long, value_name = "FILE")]
    pub(crate) questions: Option<PathBuf>,
    /// The CSV file to write; compressed if its name ends in .gz. `-` is the standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The file that solved questions come from, in place of a split in the folder of --data.
    #[arg(long, value_name = "FILE")]
    pub(crate) shots_from: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) shots: ShotArgs,
    /// What becomes of a question that is longer than the model can run: refuse, or truncate as the harness does.
    #[arg(long, value_name = "RULE", default_value = "refuse", value_parser = named::<LongPrompt>)]
    pub(crate) too_long: LongPrompt,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
#[command(after_help = include_str!("../help/prompts.txt"))]
pub(crate) struct PromptsArgs {
    /// The task: a name such as openbookqa, or a path to a task file in YAML.
    pub(crate) task: String,
    /// The folder with the task's rows [default: they are taken from the Hugging Face hub].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Print another split than the one that the task is tested on.
    #[arg(long, value_name = "SPLIT")]
    pub(crate) split: Option<String>,
    #[command(flatten)]
    pub(crate) shots: ShotArgs,
}

/// Which questions are asked, and after which solved ones.
#[derive(Debug, Args)]
pub(crate) struct ShotArgs {
    /// Ask only the first N questions of each task.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<NonZero<usize>>,
    /// How many solved questions stand before each question [default: as the task file says, else 0].
    #[arg(long, value_name = "K")]
    pub(crate) num_shots: Option<usize>,
    /// Whether they are the same for all questions: task (as its file says: drawn anew for each, or the first
    /// of the split), fixed, or per-question (drawn as the harness does).
    #[arg(long, value_name = "RULE", default_value = "task", value_parser = named::<ShotRule>)]
    pub(crate) shots: ShotRule,
    /// Draw them with this seed [default: fixed ones are the first K of the split; those per question are
    /// drawn with the harness's seed, 1234].
    #[arg(long, value_name = "S")]
    pub(crate) shot_seed: Option<u64>,
}

/// What `train` and `score` have in common.
#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// The task: a name such as openbookqa, or a path to a task file in YAML.
    #[arg(
        long,
        alias = "benchmark",
        value_name = "TASK",
        default_value = "arc_challenge"
    )]
    pub(crate) task: String,
    /// The folder with the task's rows [default: they are taken from the Hugging Face hub].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Whether texts begin with the BOS token: auto (as the tokenizer does), always or never.
    #[arg(long, value_name = "RULE", default_value = "auto", value_parser = named::<Bos>)]
    pub(crate) bos: Bos,
    /// Where to compute: auto, cpu, cuda or cuda:N.
    #[arg(long, value_name = "D", default_value = "auto", value_parser = named::<DeviceName>)]
    pub(crate) device: DeviceName,
    /// What the model's weights are held in: f32 or bf16 [default: f32 on a CPU, bf16 on a GPU].
    #[arg(long, value_name = "TYPE", value_parser = named::<Dtype>)]
    pub(crate) dtype: Option<Dtype>,
    /// Score N tokens in one pass: fewer take less memory [default: 768 on a CPU, 16384 on a GPU].
    #[arg(long, value_name = "N")]
    pub(crate) batch_tokens: Option<NonZero<usize>>,
}

impl CommonArgs {
    /// Where to compute, and in what.
    pub(crate) fn placement(&self) -> Result<Placement> {
        let batch_tokens = self.batch_tokens.map(NonZero::get);
        Ok(self.device.find_with(self.dtype, batch_tokens)?)
    }
}

#[derive(Debug, Args)]
#[command(after_help = include_str!("../help/probe.txt"))]
pub(crate) struct ProbeArgs {
    /// A JSON file of jobs; paths in it are relative to its folder.
    pub(crate) jobs: PathBuf,
    /// The folder for `tensors.safetensors`, `answers.json` and `adapters/`.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Where to compute: auto, cpu, cuda or cuda:N.
    #[arg(long, value_name = "D", default_value = "auto", value_parser = named::<DeviceName>)]
    pub(crate) device: DeviceName,
}

/// A setting by the name that it has in experiment files.
fn named<T: DeserializeOwned>(name: &str) -> Result<T, String> {
    let name: StrDeserializer<ValueError> = name.into_deserializer();
    T::deserialize(name).map_err(|error| error.to_string())
}

/// A ratio of two heads: log p+ - weight * log p-.
#[derive(Debug, Clone)]
pub(crate) struct Ratio {
    pub(crate) positive: String,
    pub(crate) negative: String,
    pub(crate) weight: f64,
}

fn parse_ratio(text: &str) -> Result<Ratio, String> {
    let expected = "expected POS/NEG or POS/NEG@WEIGHT";
    let (positive, rest) = text.split_once('/').ok_or(expected)?;
    let (negative, weight) = match rest.rsplit_once('@') {
        Some((negative, weight)) => (negative, weight.parse().map_err(|_| expected)?),
        None => (rest, 1.0),
    };
    match positive.is_empty() || negative.is_empty() || !f64::is_finite(weight) {
        true => Err(expected.into()),
        false => Ok(Ratio {
            positive: positive.into(),
            negative: negative.into(),
            weight,
        }),
    }
}

fn parse_adapter(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, dir)) if !name.is_empty() && !dir.is_empty() => Ok((name.into(), dir.into())),
        _ => Err("expected NAME=DIR".into()),
    }
}
