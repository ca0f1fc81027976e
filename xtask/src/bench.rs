//! `cargo xtask bench`: how long the same work takes `likra` and transformers, PEFT and
//! lm-evaluation-harness; one page of medians, ratios and verdicts, and exit code 1 if the two did not
//! compute the same.

mod absolute;
#[cfg(test)]
mod fixture;
mod goals;
mod machine;
mod numbers;
mod page;
mod readme;
mod report;
mod runs;
mod stats;
mod study;
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Parser;

use crate::files::{absolute, write};
use crate::likra::{self, root};
use crate::peers::Peers;
use machine::Machine;
use page::About;
use runs::Runner;
use work::{PEERS, Side, Sizes};

pub(crate) use readme::check as readme_agrees;

/// Measures likra and the libraries that people use for the same work.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
pub(crate) struct Arguments {
    /// The checkpoint folder.
    #[arg(long, value_name = "DIR", required_unless_present = "readme")]
    model: Option<PathBuf>,
    /// The folder with ARC's JSONL files.
    #[arg(long, value_name = "DIR", required_unless_present = "readme")]
    data: Option<PathBuf>,
    /// Where to compute: auto, cpu, cuda or cuda:N.
    #[arg(long, value_name = "D", default_value = "auto")]
    device: String,
    /// How often each workload is run; the long ones half as often.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    #[command(flatten)]
    amount: Amount,
    /// End what runs after so many minutes; what was not measured by then is marked so.
    #[arg(long, value_name = "N")]
    minutes: Option<f64>,
    /// Leave the peer out: what needs no Python.
    #[arg(long)]
    no_peer: bool,
    /// The types of the peer's base.
    #[arg(
        long,
        value_name = "TYPES",
        value_delimiter = ',',
        default_value = "f32,bf16"
    )]
    peers: Vec<Side>,
    /// A Python that has the peer's libraries, in place of the pinned environment.
    #[arg(long, value_name = "FILE", conflicts_with = "no_peer")]
    python: Option<PathBuf>,
    /// The page to write [default: results/bench-MACHINE.md; with --quick below target/].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only write the README's table anew, from results/bench-*.md.
    #[arg(long)]
    readme: bool,
}

/// How much less than all.
#[derive(Debug, clap::Args)]
struct Amount {
    /// Shrink every workload: shows that all parts work, in minutes; the numbers mean little.
    #[arg(long)]
    quick: bool,
    /// Fewer questions and steps, and nothing of how time grows: for a model of billions on a machine
    /// that is lent by the minute.
    #[arg(long, conflicts_with = "quick")]
    brief: bool,
}

/// Measures, or writes the README's table.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    if arguments.readme {
        readme::update()?;
        return Ok(ExitCode::SUCCESS);
    }
    arguments.measure()
}

impl Arguments {
    fn measure(&self) -> Result<ExitCode> {
        let started = Instant::now();
        let runner = self.runner()?;
        let (gpu, runs) = (runner.gpu(), usize::from(self.runs));
        runner.prepare()?;
        let sizes = self.sizes(gpu);
        let peers = if self.no_peer { &[] } else { &self.peers[..] };
        let found = runner.all(&work::groups(&sizes, peers));
        let about = About {
            machine: Machine::here(&runner.device),
            model: name(&runner.model),
            device: runner.device.clone(),
            commit: machine::commit(),
            command: self.command(),
            full: self.amount.quick.then(|| Sizes::new(runs, gpu)),
            sizes,
        };
        let (text, same) = page::page(&found, &about);
        println!("{text}");
        let out = self.place(&runner, &about.machine);
        write(&out, &text)?;
        readme::update()?;
        let minutes = started.elapsed().as_secs_f64() / 60.0;
        eprintln!("bench: {} in {minutes:.0} min", out.display());
        if !same {
            eprintln!("bench: the two sides did not compute the same");
        }
        let failed = found.missing().len();
        if failed > 0 {
            eprintln!("bench: {failed} parts were not measured; the page says why");
        }
        Ok(if same && failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn sizes(&self, gpu: bool) -> Sizes {
        let runs = usize::from(self.runs);
        match self.amount {
            Amount { quick: true, .. } => Sizes::quick(gpu),
            Amount { brief: true, .. } => Sizes::brief(runs, gpu),
            Amount { .. } => Sizes::new(runs, gpu),
        }
    }

    fn runner(&self) -> Result<Runner> {
        let folder = |given: &Option<PathBuf>, what: &str| {
            let given = given
                .as_deref()
                .with_context(|| format!("--{what} is missing"))?;
            absolute(given)
        };
        let (model, data) = (folder(&self.model, "model")?, folder(&self.data, "data")?);
        let peers = match &self.python {
            _ if self.no_peer => None,
            Some(python) => Some(Peers::with_python(python)),
            None => Some(Peers::prepare()?),
        };
        Ok(Runner {
            folder: root().join("target/bench"),
            benchmark: benchmark(&data)?,
            model,
            data,
            device: device(&self.device, likra::gpu_present()),
            peers,
            deadline: self.deadline()?,
        })
    }

    fn deadline(&self) -> Result<Option<Instant>> {
        let Some(minutes) = self.minutes else {
            return Ok(None);
        };
        let time = Duration::try_from_secs_f64(60.0 * minutes)
            .with_context(|| format!("--minutes {minutes}: expected a time"))?;
        Ok(Some(Instant::now() + time))
    }

    /// As it was given, but for where things lie on this machine.
    fn command(&self) -> String {
        let folder = |path: &Option<PathBuf>| path.as_deref().map_or_else(String::new, name);
        let mut words = vec![
            "cargo xtask bench".into(),
            format!("--model {}", folder(&self.model)),
            format!("--data {}", folder(&self.data)),
            format!("--device {}", self.device),
            format!("--runs {}", self.runs),
        ];
        words.extend(self.minutes.map(|minutes| format!("--minutes {minutes}")));
        if self.peers != PEERS {
            let names = self.peers.iter().filter_map(|side| side.dtype());
            words.push(format!("--peers {}", names.collect::<Vec<_>>().join(",")));
        }
        let flags = [
            (self.amount.quick, "--quick"),
            (self.amount.brief, "--brief"),
            (self.no_peer, "--no-peer"),
            (self.python.is_some(), "--python ..."),
        ];
        let given = flags.into_iter().filter(|(given, _)| *given);
        words.extend(given.map(|(_, flag)| flag.into()));
        words.join(" ")
    }

    /// Where the page goes. A shrunk one is no result.
    fn place(&self, runner: &Runner, machine: &Machine) -> PathBuf {
        let file = format!("bench-{}.md", machine.slug());
        match &self.out {
            Some(out) => out.clone(),
            None if self.amount.quick => runner.folder.join(file),
            None => root().join("results").join(file),
        }
    }
}

/// The layout of the questions' folder, as both sides call it.
fn benchmark(data: &Path) -> Result<&'static str> {
    let layouts = [
        ("arc", "ARC-Challenge-Test.jsonl"),
        ("arc-format", "test.jsonl"),
    ];
    let found = layouts
        .into_iter()
        .find(|(_, file)| data.join(file).is_file());
    match found {
        Some((layout, _)) => Ok(layout),
        None => bail!(
            "--data {}: no {} (nor {}) in it",
            data.display(),
            layouts[0].1,
            layouts[1].1
        ),
    }
}

/// The device that both sides are told: `auto` is for one program to decide.
fn device(asked: &str, gpu_present: bool) -> String {
    match asked {
        "auto" if gpu_present => "cuda".into(),
        "auto" => "cpu".into(),
        other => other.into(),
    }
}

/// A folder's name.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn a_command_names_no_place() {
        let line = "bench --model /a/model --data b/arc --quick --runs 3";
        assert_eq!(
            parse(line).unwrap().command(),
            "cargo xtask bench --model model --data arc --device auto --runs 3 --quick"
        );
        assert!(parse("bench --model m").is_err());
        assert!(parse("bench --model m --data d --runs 0").is_err());
        assert!(parse("bench --readme").is_ok());
        let brief = "bench --model m --data d --brief --minutes 7.5 --peers bf16";
        assert_eq!(
            parse(brief).unwrap().command(),
            "cargo xtask bench --model m --data d --device auto --runs 5 --minutes 7.5 --peers bf16 --brief"
        );
        assert!(parse("bench --model m --data d --peers f16").is_err());
    }

    #[test]
    fn auto_is_decided_once() {
        assert_eq!(device("auto", true), "cuda");
        assert_eq!(device("auto", false), "cpu");
        assert_eq!(device("cuda:1", false), "cuda:1");
    }

    #[test]
    fn questions_are_found_by_their_files() {
        let tiny = root().join("fixtures/tiny");
        assert_eq!(benchmark(&tiny).unwrap(), "arc-format");
        let error = benchmark(&root().join("xtask")).unwrap_err().to_string();
        assert!(error.contains("no ARC-Challenge-Test.jsonl"), "{error}");
    }
}
