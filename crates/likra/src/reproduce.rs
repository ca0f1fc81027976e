//! `likra reproduce`: an experiment from its files to its report.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use likra_experiment::{Run, draw, part_of_paper, peak_memory};
use likra_report::humantime;
use tempfile::TempDir;

use crate::cli::ReproduceArgs;
use crate::jobs;
use crate::progress::{listener, print, say};

/// Runs an experiment and prints what it found; or says what that would be.
pub(crate) fn run(arguments: &ReproduceArgs) -> Result<()> {
    if arguments.run.study().is_some() {
        return jobs::study(arguments);
    }
    let started = Instant::now();
    let (spec, out) = (arguments.run.spec()?, arguments.run.out());
    let show = listener();
    // What the program carries is unpacked elsewhere if a dry run is to leave nothing.
    let scratch = arguments.dry_run.then(tempfile::tempdir).transpose();
    let scratch = scratch.context("a temporary folder")?;
    let run = Run::open(spec, &out, scratch.as_ref().map(TempDir::path), &show)?;
    if arguments.dry_run {
        return print(&run.describe()?);
    }
    let _claims = run.begin(&command(words()), arguments.fresh)?;
    let (spec, device) = (&run.inputs.experiment.spec, &run.inputs.base.placement.name);
    say!("{}, on {device}, into {}", spec.title, out.display());
    if let Some(part) = part_of_paper(&spec.task, run.inputs.benchmark.train().len()) {
        say!("  {part}");
    }
    run.run_all()?;
    print(&format_args!("{}\n", draw(&run.dir)?))?;
    let memory = peak_memory().map(|peak| format!(", at most {peak} MiB of memory"));
    let (took, memory) = (humantime(started.elapsed()), memory.unwrap_or_default());
    let page = run.dir.report().join("index.html");
    say!("Done in {took}{memory}. The report: {}", page.display());
    Ok(())
}

/// The words of the command line, behind the program's name.
pub(crate) fn words() -> impl Iterator<Item = String> {
    let words = std::env::args_os().skip(1);
    words.map(|word| word.to_string_lossy().into_owned())
}

/// The command that does all of a run again, with names in place of paths; where its files went decides nothing.
pub(crate) fn command(mut words: impl Iterator<Item = String>) -> String {
    let mut command = "cargo xtask".to_owned();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--out" => drop(words.next()),
            "--fresh" | "--json" => {}
            "plan" if command == "cargo xtask" => command.push_str(" reproduce"),
            _ if word.starts_with("--out=") => {}
            _ => command.extend([" ", &without_path(&word)]),
        }
    }
    command
}

/// `/data/arc` and `model=/data/arc` without what leads there; quoted if a shell would split it.
fn without_path(word: &str) -> String {
    let (before, value) = word.split_at(word.find('=').map_or(0, |at| at + 1));
    let name = Path::new(value).file_name().unwrap_or(value.as_ref());
    let word = format!("{before}{}", name.to_string_lossy());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.:,/+".contains(c);
    match word.chars().all(plain) {
        true => word,
        false => format!("'{word}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_names_in_place_of_paths() {
        let words = "reproduce /x/mine.toml --model ../m/SmolLM2 --out /y/run --limit 20 --fresh \
                     --set data=/x/arc --seed=3";
        let mut words: Vec<String> = words.split(' ').map(String::from).collect();
        words.extend(["--set".into(), "replicates.seeds=[2, 3]".into()]);
        assert_eq!(
            command(words.into_iter()),
            "cargo xtask reproduce mine.toml --model SmolLM2 --limit 20 --set data=arc --seed=3 \
             --set 'replicates.seeds=[2, 3]'"
        );
    }
}
