//! `cargo xtask`: builds and runs `likra` with the right features, and does the repository's chores.

mod check;
mod cycles;
mod likra;
mod peers;

use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask COMMAND [ARGUMENTS]

Commands of likra (built in release, then run):
  reproduce [SPEC]   run an experiment; without SPEC one that needs no files
  report RUN         redraw the report of a run
  train, score       train one head; score questions under the base and any number of adapters
  probe JOBS         compute what a file of jobs asks for, to compare it with another program
  COMMAND --help     say more

Comparisons with other programs (Python, in an environment of its own):
  parity             compare numbers with transformers, PEFT, torch and lm-evaluation-harness
  compare            compare speed and memory with them

Chores:
  check              formatting, lints, documentation, dependencies, the CUDA build: run it before a commit
  help               this text

Examples:
  cargo xtask reproduce
  cargo xtask parity --arc ARC
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Some("check") => check::run(),
        Some(script @ ("parity" | "compare")) => peers::run(script, &arguments[1..]),
        // likra knows its own commands, and says what it does not know.
        Some(_) => likra::run(&arguments),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
