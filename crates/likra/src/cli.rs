//! The command line.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use likra_analysis::Norm;
use likra_data::{Answers, ShotRule, WrongAnswer};
use likra_experiment::{Assignment, Finder, Judge, Listener, LongPrompt, Spec, Study, protocols};
use likra_model::{DeviceName, Dtype};
use likra_tokenizer::Bos;
use likra_train::{LongExample, Objective};
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use serde::{Deserialize, Serialize};

/// Shows what a language model learns from negative examples.
#[derive(Debug, Parser)]
#[command(version, after_help = include_str!("../help/likra.txt"))]
pub(crate) struct Cli {
    /// Log more: which checkpoints are written, which model tensors are unused.
    #[arg(short, long, global = true, display_order = 100)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an experiment: train its heads, score its questions, draw the report.
    Reproduce(ReproduceArgs),
    /// List the jobs of an experiment, for machines that share its folder.
    #[command(after_help = include_str!("../help/plan.txt"))]
    #[command(mut_arg("objective", |objective| objective.hide(true)))]
    Plan {
        #[command(flatten)]
        run: RunArgs,
        /// Print JSON: each job with its name, the jobs it needs, GPUs, memory in MiB, minutes at most, and whether it is
        /// done.
        #[arg(long)]
        json: bool,
    },
    /// Do one job of a plan.
    #[command(after_help = include_str!("../help/step.txt"))]
    Step {
        /// The job's name, as `likra plan` lists it.
        job: String,
        /// The run's folder, with its plan.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Redraw the report of a run from its scores, without a model.
    #[command(after_help = include_str!("../help/report.txt"))]
    Report {
        /// The run's folder.
        run: PathBuf,
    },
    /// Train one head on questions, or both heads on feedback.
    Train(TrainArgs),
    /// Score the candidate answers of questions under the base and any number of adapters.
    Score(ScoreArgs),
    /// Judge how good answers are, with the two heads from `train --feedback`.
    Judge(JudgeArgs),
    /// Serve a judge over HTTP: scores of texts in OpenAI's completions format, and judgements of answers.
    Serve(ServeArgs),
    /// Print the prompts a model would get, one JSON object per candidate answer.
    Prompts(PromptsArgs),
}

// Flags that commands share. Each stands for the key of an experiment that it is named for; these structs
// are the only place that says which. A command takes those that mean something to it.

/// What is learned or asked.
#[derive(Debug, Args, Serialize)]
pub(crate) struct TaskFlags {
    /// The task: a name such as openbookqa, or a path to a task file in YAML
    /// [default: `arc_challenge` unless an experiment sets it].
    #[arg(long, alias = "benchmark", value_name = "TASK")]
    task: Option<String>,
    /// The folder with the task's rows [default: they are taken from the Hugging Face hub].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A named set of defaults for keys that neither a flag nor the experiment sets.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(protocols()))]
    protocol: Option<String>,
    /// Wrap questions in the model's own chat template.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    #[serde(rename = "evaluation.chat-template")]
    chat_template: Option<bool>,
}

/// Which questions are asked, and after which solved ones.
#[derive(Debug, Args, Serialize)]
pub(crate) struct QuestionFlags {
    /// Ask only the first N test questions of each task.
    #[arg(long, value_name = "N")]
    #[serde(rename = "evaluation.questions")]
    limit: Option<NonZero<usize>>,
    /// How many few-shot examples precede each question [default: 0 unless an experiment sets it; for prompts and
    /// score: the task file's, else 0].
    #[arg(long, value_name = "K")]
    #[serde(rename = "evaluation.num-shots")]
    num_shots: Option<usize>,
    /// Which few-shot examples: task (as its file says: drawn per question, or the split's first), fixed
    /// for all questions, or per-question (as the harness draws them).
    #[arg(long, value_name = "RULE", value_parser = named::<ShotRule>)]
    #[serde(rename = "evaluation.shots")]
    shots: Option<ShotRule>,
    /// The seed that draws few-shot examples [default: fixed ones are the split's first K; per-question
    /// ones use the harness's seed, 1234].
    #[arg(long, value_name = "S")]
    #[serde(rename = "evaluation.shot-seed")]
    shot_seed: Option<u64>,
    /// Whether shots are separate messages in a chat [default: true].
    #[arg(long, value_name = "BOOL")]
    #[serde(rename = "evaluation.fewshot-as-multiturn")]
    fewshot_as_multiturn: Option<bool>,
}

/// Which questions are asked, and how they are scored.
#[derive(Debug, Args, Serialize)]
pub(crate) struct ScoringFlags {
    #[command(flatten)]
    #[serde(flatten)]
    asking: QuestionFlags,
    /// What to do with a question too long for the model: refuse, or truncate as lm-evaluation-harness does.
    #[arg(long, value_name = "RULE", value_parser = named::<LongPrompt>)]
    #[serde(rename = "evaluation.too-long")]
    too_long: Option<LongPrompt>,
}

/// The model, and how it is run.
#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ModelFlags {
    /// The checkpoint folder, or its name on the Hugging Face hub.
    #[arg(long, value_name = "DIR|OWNER/NAME")]
    model: Option<String>,
    /// Whether texts begin with the BOS token: auto (as the tokenizer does), always or never.
    #[arg(long, value_name = "RULE", value_parser = named::<Bos>)]
    bos: Option<Bos>,
    /// Where to compute: auto, cpu, cuda, cuda:N or wgpu [default: auto unless an experiment sets it].
    #[arg(long, value_name = "D", value_parser = named::<DeviceName>)]
    device: Option<DeviceName>,
    /// The type of the model's weights: f32 or bf16 [default: f32 on a CPU, bf16 on a GPU].
    #[arg(long, value_name = "TYPE", value_parser = named::<Dtype>)]
    dtype: Option<Dtype>,
    /// Score N tokens in one pass: fewer take less memory [default: 768 on a CPU, 16384 on a GPU].
    #[arg(long, value_name = "N")]
    batch_tokens: Option<NonZero<usize>>,
}

/// How heads are trained.
#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct TrainingFlags {
    /// Train each head on the first N examples of the shuffled order [default: all unless an experiment sets it].
    #[arg(long, value_name = "N")]
    examples: Option<usize>,
    /// The seed of the examples' order, the wrong answers and the initial adapters.
    #[arg(long, value_name = "S")]
    seed: Option<u32>,
    /// The training objective: likelihood; or, to contrast wrong answers with right ones, unlikelihood, dpo, ipo, kto,
    /// kto-negatives, choice or bradley-terry [default: likelihood unless an experiment sets it].
    #[arg(long, value_name = "NAME", value_parser = named::<Objective>)]
    #[serde(rename = "training.objective")]
    objective: Option<Objective>,
    /// How far dpo, ipo and kto may move from the base: smaller is farther [default: 0.1 unless an experiment sets it].
    #[arg(long, value_name = "B")]
    #[serde(rename = "training.beta")]
    beta: Option<f64>,
    /// The learning rate, or with a schedule its largest [default: 0.0001 unless an experiment sets it].
    #[arg(long, value_name = "RATE")]
    #[serde(rename = "training.learning-rate")]
    learning_rate: Option<f64>,
    /// How many examples an optimiser step takes [default: 8 unless an experiment sets it].
    #[arg(long, value_name = "N")]
    #[serde(rename = "training.batch-size")]
    batch_size: Option<usize>,
    /// An adapter's rank [default: 8 unless an experiment sets it].
    #[arg(long, value_name = "R")]
    #[serde(rename = "lora.rank")]
    rank: Option<usize>,
    /// LoRA's alpha, the scale's numerator [default: 8 unless an experiment sets it].
    #[arg(long, value_name = "ALPHA")]
    #[serde(rename = "lora.alpha")]
    alpha: Option<f64>,
    /// Which wrong choice a negative head learns: random or first.
    #[arg(long, value_name = "RULE", value_parser = named::<WrongAnswer>)]
    wrong_answer: Option<WrongAnswer>,
}

/// What only a whole experiment has.
#[derive(Debug, Args, Serialize)]
struct ExperimentFlags {
    /// The folder of the benchmark that unrelated answers are from.
    #[arg(long, value_name = "DIR")]
    #[serde(rename = "unrelated.data")]
    unrelated: Option<PathBuf>,
    /// What scores are divided by: chars (as the harness does), bytes, tokens or none.
    #[arg(long, value_name = "UNIT", value_parser = named::<Norm>)]
    #[serde(rename = "analysis.normalisation")]
    normalisation: Option<Norm>,
}

/// What these flags change: the keys that they stand for, and the values of those that are given.
fn keys(flags: &impl Serialize) -> Result<Vec<Assignment>> {
    let mut keys = toml::Table::try_from(flags)?;
    if let Some(bos) = keys.remove("bos") {
        keys.insert("training.bos".into(), bos.clone());
        keys.insert("evaluation.bos".into(), bos);
    }
    let keys = keys.into_iter();
    Ok(keys.map(|(key, value)| Assignment { key, value }).collect())
}

/// A run: an experiment, what the command line changes of it, and its folder.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A built-in experiment (tiny, smollm2-arc, mistral-7b-v0.1-arc, ...) or an experiment's or study's TOML file
    /// [default: general if --model or --task is given, else tiny].
    spec: Option<String>,
    #[command(flatten)]
    model: ModelFlags,
    #[command(flatten)]
    task: TaskFlags,
    #[command(flatten)]
    own: ExperimentFlags,
    #[command(flatten)]
    scoring: ScoringFlags,
    #[command(flatten)]
    training: TrainingFlags,
    /// Set any key of the experiment, such as training.batch-size=4. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The folder for the run's files [default: runs/NAME].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = include_str!("../help/reproduce.txt"))]
// Heads have objectives of their own.
#[command(mut_arg("objective", |objective| objective.hide(true)))]
pub(crate) struct ReproduceArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Only say which jobs there are, which are done, and how much time and memory the rest takes.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Start over: remove what an earlier run left in the folder.
    #[arg(long)]
    pub(crate) fresh: bool,
}

impl RunArgs {
    /// The experiment's name or path.
    fn name(&self) -> &str {
        let own = self.model.model.is_some() || self.task.task.is_some();
        let default = if own { "general" } else { "tiny" };
        self.spec.as_deref().unwrap_or(default)
    }

    /// The file of a study, if it is one.
    pub(crate) fn study(&self) -> Option<&str> {
        Some(self.name()).filter(|name| Study::is_one(name))
    }

    /// The experiment as the command line changes it.
    pub(crate) fn spec(&self) -> Result<Spec> {
        Spec::open(self.name(), &self.assignments()?)
    }

    /// What the command line changes: by `--set` first, so that flags win.
    pub(crate) fn assignments(&self) -> Result<Vec<Assignment>> {
        let set = self.set.iter().map(|text| Assignment::parse(text));
        let mut all: Vec<Assignment> = set.collect::<Result<_>>()?;
        let flags = [keys(&self.model)?, keys(&self.task)?, keys(&self.own)?];
        let flags = [flags.concat(), keys(&self.scoring)?, keys(&self.training)?];
        all.extend(flags.concat());
        Ok(all)
    }

    /// The run's folder.
    pub(crate) fn out(&self) -> PathBuf {
        let name = Path::new(self.name().trim_end_matches(".toml"));
        let default = || Path::new("runs").join(name.file_name().unwrap_or_default());
        self.out.clone().unwrap_or_else(default)
    }
}

#[derive(Debug, Args)]
#[command(after_help = include_str!("../help/train.txt"))]
#[command(mut_arg("model", |model| model.required(true)))]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    model: ModelFlags,
    #[command(flatten)]
    task: TaskFlags,
    /// Files to train on, in place of the training split in the folder of --data.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) questions: Vec<PathBuf>,
    /// Which answers the head learns: correct, incorrect, or irrelevant (wrong for another question).
    #[arg(long, value_name = "KIND", value_parser = named::<Answers>, required_unless_present = "feedback")]
    pub(crate) kind: Option<Answers>,
    /// Train both heads on feedback, a file of rows or a data set's name on the hub: chosen and rejected answers to
    /// prompts, completions with labels, or questions with choices.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kind", "questions", "task", "data", "examples", "chat_template", "wrong_answer", "objective", "beta"])]
    pub(crate) feedback: Option<String>,
    /// The share of prompts held out of training, to choose weight and calibration on: at most 0.5.
    #[arg(
        long,
        value_name = "SHARE",
        default_value_t = 0.2,
        conflicts_with = "kind"
    )]
    pub(crate) held_out: f64,
    /// The folder for the head's adapters, or for both heads.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// What to do with an example too long for the model: refuse or skip [default: refuse].
    #[arg(long, value_name = "RULE", value_parser = named::<LongExample>)]
    too_long: Option<LongExample>,
    #[command(flatten)]
    training: TrainingFlags,
}

impl TrainArgs {
    /// An experiment of this head alone.
    pub(crate) fn spec(&self) -> Result<Spec> {
        let too_long = BTreeMap::from([("training.too-long", self.too_long)]);
        let training = [keys(&too_long)?, keys(&self.training)?].concat();
        let flags = [training, keys(&self.task)?, keys(&self.model)?];
        Spec::of_command(self.kind.unwrap_or(Answers::Correct), &flags.concat())
    }
}

/// What --model means to a judge.
const JUDGED: &str = "The base's checkpoint folder, or its name on the Hugging Face hub [default: as likra.toml says]";

/// A judge, and where it computes.
#[derive(Debug, Args)]
pub(crate) struct JudgeFlags {
    /// The folder of the heads, as `train --feedback` leaves it.
    #[arg(long, value_name = "DIR")]
    pub(crate) heads: PathBuf,
    #[command(flatten)]
    model: ModelFlags,
}

impl JudgeFlags {
    /// The judge on its base: the one that it was trained on, at the same place unless the flags say another.
    pub(crate) fn open(&self, listener: &Listener) -> Result<Judge> {
        ensure!(
            self.model.bos.is_none(),
            "--bos: the heads were trained with a rule for it, which likra.toml has"
        );
        let mut spec = Spec::of_command(Answers::Correct, &keys(&self.model)?)?;
        let model = Judge::read(&self.heads)?.model;
        spec.model.get_or_insert(model);
        let base = Finder::new(None, listener).base(&spec);
        let moved = "the base of these heads; --model DIR says where it is now";
        Judge::open(&self.heads, base.context(moved)?)
    }
}

#[derive(Debug, Args)]
#[command(after_help = include_str!("../help/judge.txt"))]
#[command(mut_arg("bos", |bos| bos.hide(true)), mut_arg("model", |model| model.help(JUDGED)))]
pub(crate) struct JudgeArgs {
    #[command(flatten)]
    pub(crate) judge: JudgeFlags,
    /// JSON lines, each with a prompt, answers and, if known, the right one's index as a label; `-` is standard
    /// input.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = include_str!("../help/serve.txt"))]
#[command(mut_arg("bos", |bos| bos.hide(true)), mut_arg("model", |model| model.help(JUDGED)))]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) judge: JudgeFlags,
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// The port to listen on; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(crate) port: u16,
    /// The bearer token that clients must send [default: `$LIKRA_TOKEN`, else none is asked for].
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// How many requests are taken in at once, a few if they are large; more are refused.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) queue: u32,
    /// How many seconds a request may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 330, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) deadline: u64,
}

#[derive(Debug, Args)]
#[command(after_help = include_str!("../help/score.txt"))]
#[command(mut_arg("model", |model| model.required(true)))]
pub(crate) struct ScoreArgs {
    #[command(flatten)]
    model: ModelFlags,
    #[command(flatten)]
    task: TaskFlags,
    /// A head's name, and its adapter folder in PEFT's format. May be repeated.
    #[arg(long = "adapter", value_name = "NAME=DIR", value_parser = parse_adapter)]
    pub(crate) adapters: Vec<(String, PathBuf)>,
    /// A ratio of two heads as a row of the table: positive/negative, or base/negative@0.9 with
    /// a weight. May be repeated.
    #[arg(long = "ratio", value_name = "POS/NEG[@WEIGHT]", value_parser = parse_ratio)]
    pub(crate) ratios: Vec<Ratio>,
    /// A file of questions, instead of the task's test split in the --data folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) questions: Option<PathBuf>,
    /// The CSV file to write, compressed if its name ends in .gz; `-` is standard output. With --format
    /// lm-eval, a folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// What to write: csv, or lm-eval (lm-evaluation-harness's files, for each head).
    #[arg(long, value_name = "FORMAT", default_value = "csv", value_parser = named::<Format>)]
    pub(crate) format: Format,
    /// The file that few-shot examples come from, instead of a split in --data.
    #[arg(long, value_name = "FILE")]
    pub(crate) shots_from: Option<PathBuf>,
    #[command(flatten)]
    scoring: ScoringFlags,
}

/// What scores are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    Csv,
    LmEval,
}

impl ScoreArgs {
    /// What is asked, of which model, and how.
    pub(crate) fn spec(&self) -> Result<Spec> {
        let flags = [keys(&self.scoring)?, keys(&self.task)?, keys(&self.model)?];
        Spec::of_command(Answers::Correct, &flags.concat())
    }
}

#[derive(Debug, Args)]
#[command(after_help = include_str!("../help/prompts.txt"))]
#[command(mut_arg("task", |task| task.hide(true)))]
pub(crate) struct PromptsArgs {
    /// The task: a name such as openbookqa, or a path to a task file in YAML.
    #[arg(value_name = "TASK")]
    #[arg(required_unless_present = "task", conflicts_with = "task")]
    name: Option<String>,
    /// The split to print, if not the task's test split.
    #[arg(long, value_name = "SPLIT")]
    pub(crate) split: Option<String>,
    /// The model whose chat template is used: its folder, or its name on the Hugging Face hub.
    #[arg(long, value_name = "DIR|OWNER/NAME")]
    model: Option<String>,
    #[command(flatten)]
    asking: QuestionFlags,
    #[command(flatten)]
    task: TaskFlags,
}

impl PromptsArgs {
    /// What is asked, and how.
    pub(crate) fn spec(&self) -> Result<Spec> {
        let name = BTreeMap::from([("task", &self.name), ("model", &self.model)]);
        let flags = [keys(&self.asking)?, keys(&self.task)?, keys(&name)?];
        Spec::of_command(Answers::Correct, &flags.concat())
    }
}

/// A setting by the name that it has in experiment files.
fn named<T: DeserializeOwned>(name: &str) -> Result<T, String> {
    let name: StrDeserializer<ValueError> = name.into_deserializer();
    T::deserialize(name).map_err(|error| error.to_string())
}

/// A ratio of two heads, positive and negative, and the weight of the latter: log p+ - weight * log p-.
#[derive(Debug, Clone)]
pub(crate) struct Ratio(pub(crate) String, pub(crate) String, pub(crate) f64);

fn parse_ratio(text: &str) -> Result<Ratio, String> {
    let expected = "expected POS/NEG or POS/NEG@WEIGHT";
    let (positive, rest) = text.split_once('/').ok_or(expected)?;
    let (negative, weight) = match rest.rsplit_once('@') {
        Some((negative, weight)) => (negative, weight.parse().map_err(|_| expected)?),
        None => (rest, 1.0),
    };
    let is_ratio = !positive.is_empty() && !negative.is_empty() && f64::is_finite(weight);
    let ratio = Ratio(positive.into(), negative.into(), weight);
    is_ratio.then_some(ratio).ok_or(expected.into())
}

fn parse_adapter(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, dir)) if !name.is_empty() && !dir.is_empty() => Ok((name.into(), dir.into())),
        _ => Err("expected NAME=DIR".into()),
    }
}
