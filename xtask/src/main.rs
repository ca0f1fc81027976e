//! `cargo xtask`: builds and runs `likra` with the right features, and does the repository's chores.

mod check;
mod likra;
mod peers;

use std::process::ExitCode;

const HELP: &str = include_str!("../help.txt");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Some("check") => check::run(),
        Some(script @ ("parity" | "compare" | "bf16" | "size" | "serve" | "loads")) => {
            peers::run(script, &arguments[1..])
        }
        // likra knows its own commands, and says what it does not know.
        Some(_) => likra::run(&arguments),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
