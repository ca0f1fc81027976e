//! The command line of a run, as its `run.toml` has it.

use std::path::Path;

/// The words of the command line, behind the program's name.
pub(crate) fn words() -> impl Iterator<Item = String> {
    let words = std::env::args_os().skip(1);
    words.map(|word| word.to_string_lossy().into_owned())
}

/// The command that does all of a run again, with names in place of paths; where its files went decides nothing.
pub(crate) fn command(mut words: impl Iterator<Item = String>) -> String {
    let mut command = "likra".to_owned();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--out" => drop(words.next()),
            "--fresh" | "--json" => {}
            "plan" if command == "likra" => command.push_str(" reproduce"),
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
            "likra reproduce mine.toml --model SmolLM2 --limit 20 --set data=arc --seed=3 \
             --set 'replicates.seeds=[2, 3]'"
        );
    }
}
