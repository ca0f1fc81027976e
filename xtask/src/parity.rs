//! `cargo xtask parity`: the same inputs through transformers, PEFT, torch and lm-evaluation-harness, and
//! through `likra`; one table of how far apart they are, and exit code 1 if a bound is broken.

mod case;
mod checks;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Parser;

use crate::files::{absolute, write};
use crate::likra::{self, root};
use crate::peers::Peers;
use case::Case;
use table::{Row, Table};

/// The small random checkpoints that `families.py` makes, and whether likra reads them with the config as
/// transformers 5 spells it.
const FAMILIES: [(&str, bool); 5] = [
    ("mistral-7b-v0.1", false),
    ("mistral-7b-instruct-v0.3", true),
    ("llama-3.2-3b-instruct", true),
    ("smollm2-135m", false),
    ("llama-biases", false),
];

/// Compares likra with the libraries that people trust.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask parity")]
pub(crate) struct Arguments {
    /// A checkpoint folder of your own to compare on, instead of the small random ones.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// A folder with ARC's JSONL files: all its prompts and pairs are compared, and some scores.
    #[arg(long, value_name = "DIR")]
    arc: Option<PathBuf>,
    /// A folder with HellaSwag's `hellaswag_train*.jsonl` and `hellaswag_val*.jsonl`.
    #[arg(long, value_name = "DIR")]
    hellaswag: Option<PathBuf>,
    /// How many test questions of each benchmark the harness scores.
    #[arg(long, value_name = "N", default_value_t = 20)]
    questions: usize,
    /// How many solved questions stand before each of those.
    #[arg(long, value_name = "K", default_value_t = 5)]
    shots: usize,
    /// Where the table goes, beside the terminal.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs every comparison.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let started = Instant::now();
    likra::build(false)?;
    let peers = Peers::prepare()?;
    let mut table = Table::default();
    for (name, model, read) in arguments.models(&peers)? {
        eprintln!("parity: {name}");
        table.extend(model_rows(&peers, &name, &model, &read)?);
        table.extend(arguments.score_rows(&peers, &name, &model, &read)?);
    }
    table.extend(arguments.text_rows(&peers)?);
    let broken = table.broken();
    let text = table.markdown(&peers.versions()?);
    println!("{text}");
    if let Some(out) = &arguments.out {
        write(out, &text)?;
        eprintln!("parity: table in {}", out.display());
    }
    let seconds = started.elapsed().as_secs();
    if broken == 0 {
        eprintln!("parity: all bounds hold, in {seconds} s");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("parity: {broken} bounds are broken, in {seconds} s");
    Ok(ExitCode::FAILURE)
}

impl Arguments {
    /// Name, folder for the peer, folder for likra.
    fn models(&self, peers: &Peers) -> Result<Vec<(String, PathBuf, PathBuf)>> {
        if let Some(model) = &self.model {
            let model = absolute(model)?;
            let name = model.file_name().context("--model names no folder")?;
            return Ok(vec![(
                name.to_string_lossy().into_owned(),
                model.clone(),
                model,
            )]);
        }
        let models = peers.folder("models");
        peers.script("families.py", [models.as_path(), &peers.tokenizers()?])?;
        let folder = |(name, respelled): (&str, bool)| {
            let model = models.join(name);
            let read = if respelled {
                models.join(format!("{name}.v5"))
            } else {
                model.clone()
            };
            (name.to_owned(), model, read)
        };
        Ok(FAMILIES.map(folder).into())
    }

    /// `BENCHMARK=DIR` for each that was given.
    fn data(&self) -> Result<Vec<String>> {
        [("arc", &self.arc), ("hellaswag", &self.hellaswag)]
            .into_iter()
            .filter_map(|(name, dir)| dir.as_ref().map(|dir| (name, dir)))
            .map(|(name, dir)| Ok(format!("{name}={}", absolute(dir)?.display())))
            .collect()
    }

    /// Log-likelihoods and accuracies of the harness's `hf` model; over the questions that the project
    /// carries if no others are given.
    fn score_rows(&self, peers: &Peers, name: &str, model: &Path, read: &Path) -> Result<Vec<Row>> {
        let mut data = self.data()?;
        if data.is_empty() {
            data.push(format!(
                "arc-format={}",
                root().join("fixtures/tiny").display()
            ));
        }
        let case = Case::new(peers, &format!("{name}-scores"));
        let mut arguments = vec!["scores".into(), case.folder().into(), model.into()];
        arguments.extend(data.iter().map(PathBuf::from));
        arguments.extend(["--read".into(), read.into()]);
        for (flag, value) in [("--questions", self.questions), ("--shots", self.shots)] {
            arguments.extend([PathBuf::from(flag), PathBuf::from(value.to_string())]);
        }
        peers.script("harness.py", &arguments)?;
        case.probe()?;
        case.rows(name)
    }

    /// What needs no model: draws, training pairs, prompts.
    fn text_rows(&self, peers: &Peers) -> Result<Vec<Row>> {
        eprintln!("parity: draws and prompts");
        let data = self.data()?;
        let case = Case::new(peers, "draws");
        let arc = data.iter().filter(|data| data.starts_with("arc="));
        let draws = [case.folder().to_owned()]
            .into_iter()
            .chain(arc.map(PathBuf::from));
        peers.script("draws.py", draws.collect::<Vec<_>>())?;
        case.probe()?;
        let mut rows = case.rows("")?;
        if !data.is_empty() {
            let case = Case::new(peers, "prompts");
            let prompts = ["prompts".into(), case.folder().to_owned()].into_iter();
            let data = data.iter().map(PathBuf::from);
            peers.script("harness.py", prompts.chain(data).collect::<Vec<_>>())?;
            case.probe()?;
            rows.extend(case.rows("")?);
        }
        Ok(rows)
    }
}

/// Tokens, logits, adapters, gradients and training of one checkpoint.
fn model_rows(peers: &Peers, name: &str, model: &Path, read: &Path) -> Result<Vec<Row>> {
    let case = Case::new(peers, name);
    let folder = case.folder();
    peers.script("model.py", [model, folder, Path::new("--read"), read])?;
    case.probe()?;
    peers.script(
        "model.py",
        [model, folder, Path::new("--verify"), case.ours()],
    )?;
    case.rows(name)
}
