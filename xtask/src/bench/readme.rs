//! The README's table of speed: what stands in `results/bench-*.md`, between two marks.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::page::PEERS_HEADING;
use crate::likra::root;

const BEGIN: &str = "<!-- cargo xtask bench --readme writes from here -->\n";
const END: &str = "<!-- to here -->";

/// Writes the table of this repository's README anew.
pub(crate) fn update() -> Result<()> {
    let (path, found, expected) = both()?;
    if found == expected {
        return Ok(());
    }
    let named = || path.display().to_string();
    fs::write(&path, expected).with_context(named)
}

/// That README and results agree.
pub(crate) fn check() -> Result<()> {
    let (path, found, expected) = both()?;
    ensure!(
        found == expected,
        "{}: its table of speed is not that of results/bench-*.md; `cargo xtask bench --readme` writes it",
        path.display()
    );
    Ok(())
}

/// The README's place, its text, and its text as it should be.
fn both() -> Result<(PathBuf, String, String)> {
    let path = root().join("README.md");
    let found = read(&path)?;
    let pages = pages(&root().join("results"))?;
    let expected = replaced(&found, &pages).with_context(|| path.display().to_string())?;
    Ok((path, found, expected))
}

/// Names and texts of all results, by name.
fn pages(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("bench-") && path.extension().is_some_and(|end| end == "md") {
            pages.push((name, read(&path)?));
        }
    }
    pages.sort();
    Ok(pages)
}

/// `readme` with the tables of `pages` between the marks.
fn replaced(readme: &str, pages: &[(String, String)]) -> Result<String> {
    let cut = readme.split_once(BEGIN);
    let cut = cut.and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = cut.with_context(|| format!("no marks {BEGIN:?} and {END:?}"))?;
    let mut text = format!("{before}{BEGIN}\n");
    for (name, page) in pages {
        let (title, table) = summary(page).with_context(|| name.clone())?;
        _ = write!(text, "{title} ([all of it](results/{name})):\n\n{table}\n");
    }
    Ok(text + END + after)
}

/// A page's title, and its table against the peers.
fn summary(page: &str) -> Result<(String, String)> {
    let title = page
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("# Benchmark: "));
    let title = title.context("its first line is not `# Benchmark: ...`")?;
    let model = page.lines().find_map(|line| line.strip_prefix("- model: "));
    let model = model.context("no line `- model: ...`")?;
    let rows = page.lines().skip_while(|line| *line != PEERS_HEADING);
    let rows = rows.skip(1).skip_while(|line| line.is_empty());
    let rows: Vec<&str> = rows.take_while(|line| line.starts_with('|')).collect();
    ensure!(!rows.is_empty(), "no table under `{PEERS_HEADING}`");
    Ok((format!("{title}, {model}"), rows.join("\n") + "\n"))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Benchmark: A CPU\n\n- model: M, on cpu\n\n## Against the peers\n\n| a |\n| --- |\n| 1 |\n\nNotes.\n| 2 |\n";

    #[test]
    fn the_tables_stand_between_the_marks() {
        let readme = format!("Before.\n\n{BEGIN}old\n{END}\n\nAfter.\n");
        let pages = [("bench-a.md".to_owned(), PAGE.to_owned())];
        let text = replaced(&readme, &pages).unwrap();
        let table =
            "A CPU, M, on cpu ([all of it](results/bench-a.md)):\n\n| a |\n| --- |\n| 1 |\n\n";
        assert_eq!(
            text,
            format!("Before.\n\n{BEGIN}\n{table}{END}\n\nAfter.\n")
        );
        assert_eq!(replaced(&text, &pages).unwrap(), text);
        assert_eq!(
            replaced(&readme, &[]).unwrap(),
            format!("Before.\n\n{BEGIN}\n{END}\n\nAfter.\n")
        );
    }

    #[test]
    fn what_has_no_marks_or_table_is_named() {
        assert!(
            replaced("Nothing.", &[])
                .unwrap_err()
                .to_string()
                .contains("no marks")
        );
        let page = [(
            "bench-b.md".to_owned(),
            "# Benchmark: B\n\n- model: M\n".to_owned(),
        )];
        let error = replaced(&format!("{BEGIN}{END}"), &page).unwrap_err();
        assert!(
            format!("{error:#}").starts_with("bench-b.md: no table under"),
            "{error:#}"
        );
    }
}
