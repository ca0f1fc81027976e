//! `cargo xtask`: builds and runs `likra` with the right features, and does the repository's chores.

mod bench;
mod check;
mod files;
mod likra;
mod parity;
mod peers;

use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask COMMAND [ARGUMENTS]

Commands of the tool (built in release, then run; `cargo xtask reproduce --help` says more):
  reproduce [SPEC]   run an experiment; `tiny`, which needs nothing else, by default
  report RUN         redraw a finished run's tables and figures
  train              train one head
  score              score questions under the base and any number of adapters
  probe JOBS         compute what a file of jobs asks for, to compare it with another program's

Comparisons (Python, in an environment of its own):
  parity             the same numbers as transformers, PEFT, torch and lm-evaluation-harness
  bench              how long the same work takes likra and them

Chores:
  check              formatting, lints, documentation, dependency arrows, the CUDA build
  help               this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Some("check") => check::run(),
        Some("bench") => bench::run(&arguments),
        Some("parity") => parity::run(&arguments),
        Some("reproduce" | "report" | "train" | "score" | "probe") => likra::run(&arguments),
        Some(other) => {
            eprintln!("error: no command `{other}`\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
