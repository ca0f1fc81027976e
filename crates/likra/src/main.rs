//! `likra`: shows on your model and benchmark what a language model learns from negative examples.

mod allocator;
mod cli;
mod command;
mod jobs;
mod judge;
mod lm_eval;
mod progress;
mod prompts;
mod reproduce;
mod score;
mod serve;
mod train;

use std::process::ExitCode;

use clap::Parser as _;
use likra_experiment::{Refused, is_for_later};
use likra_results::RunDir;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};
use crate::progress::say;

fn main() -> ExitCode {
    // Usage errors end here, with exit code 2.
    let cli = Cli::parse();
    // A server computes now and then, and its memory is wanted by others between.
    if !matches!(cli.command, Command::Serve(_)) {
        allocator::keep_pages();
    }
    let level = if cli.verbose { "info" } else { "warn" };
    let filter = EnvFilter::try_from_env("LIKRA_LOG");
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new(level)))
        .with_writer(std::io::stderr)
        // It would do so on the standard error, which is what has failed then.
        .log_internal_errors(false)
        .init();
    // On a thread of the pool that computes: from outside of it, each of thousands of operations a
    // second would put this thread to sleep and wake it again.
    let done = rayon::scope(|_| run(&cli.command));
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    say!("error: {}", describe(&error));
    // What engines tell apart, as sysexits.h numbers it.
    ExitCode::from(match error.downcast_ref() {
        Some(Refused::NoJob(..)) => 2,
        _ if is_for_later(&error) => 75,
        _ => 1,
    })
}

fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Reproduce(arguments) => reproduce::run(arguments),
        Command::Plan { run, json } => jobs::plan(run, *json),
        Command::Step { job, out } => jobs::step(job, &RunDir::new(out)),
        Command::Report { run } => jobs::report(&RunDir::new(run)),
        Command::Train(arguments) => train::run(arguments),
        Command::Score(arguments) => score::run(arguments),
        Command::Judge(arguments) => judge::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Prompts(arguments) => prompts::run(arguments),
    }
}

/// The error and its causes on one line, each once: many messages already hold their cause.
fn describe(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
