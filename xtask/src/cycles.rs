//! Modules of a crate that import each other, however long the way round.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use fs_err as fs;

/// Which modules of a crate a module imports, by name.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The modules at the top of the crate whose sources lie in `src`, with what they import of each other; tests may
/// import what they like.
pub(crate) fn imports(src: &Path) -> Result<Imports> {
    let mut sources = BTreeMap::new();
    collect(src, None, &mut sources)?;
    let mut imports = Imports::new();
    for (name, text) in &sources {
        let used = named(text).into_iter();
        let used = used.filter(|other| other != name && sources.contains_key(other));
        imports.insert(name.clone(), used.collect());
    }
    Ok(imports)
}

/// Adds the text of every file below `folder` to its top module, without tests.
fn collect(folder: &Path, top: Option<&str>, sources: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let top = top.unwrap_or(&stem);
        if path.is_dir() {
            collect(&path, Some(top), sources)?;
            continue;
        }
        let is_test = stem == "tests" || stem.ends_with("_tests");
        let is_source = path.extension() == Some("rs".as_ref());
        if is_source && !is_test && !["lib", "main"].contains(&top) {
            let text = fs::read_to_string(&path)?;
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            *sources.entry(top.to_owned()).or_default() += code;
        }
    }
    Ok(())
}

/// What a source names behind `crate::`, alone or in a list, which may go over several lines.
fn named(text: &str) -> BTreeSet<String> {
    let lines = text.lines();
    let code: Vec<&str> = lines
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let mut names = BTreeSet::new();
    for path in code.join("\n").split("crate::").skip(1) {
        let list = path
            .strip_prefix('{')
            .and_then(|list| list.split(';').next());
        let items = list.map_or(vec![path], |list| list.split([',', '{', '}']).collect());
        for item in items {
            let mut words = item
                .trim()
                .split(|c: char| !c.is_alphanumeric() && c != '_');
            names.extend(words.next().map(String::from));
        }
    }
    names
}

/// A way from a module back to itself, if there is any.
pub(crate) fn cycle(imports: &Imports) -> Option<Vec<String>> {
    // What imports nothing that is left is on no such way.
    let mut left = imports.clone();
    let mut count = 0;
    while count != left.len() {
        count = left.len();
        let names: BTreeSet<String> = left.keys().cloned().collect();
        left.retain(|_, used| {
            used.retain(|name| names.contains(name));
            !used.is_empty()
        });
    }
    let mut way = vec![left.keys().next()?];
    loop {
        let next = left[*way.last()?].first()?;
        let start = way.iter().position(|name| *name == next);
        way.push(next);
        if let Some(start) = start {
            return Some(way[start..].iter().map(|name| (*name).clone()).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Option<Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        cycle(&imports(dir.path()).unwrap())
    }

    #[test]
    fn a_circle_is_found_however_it_is_written() {
        let lib = ("lib.rs", "mod a; mod b; mod c;");
        let b_to_a = ("b.rs", "use crate::{\n    Error,\n    a::X,\n};");
        assert_eq!(
            found(&[lib, ("a.rs", "use crate::b::Y;"), b_to_a]).unwrap(),
            ["a", "b", "a"]
        );
        // A part of a module counts as the module, and the way may be long.
        let parts = [
            lib,
            ("a/part.rs", "fn f() { crate::c::g() }"),
            ("c.rs", "use crate::b;"),
            b_to_a,
        ];
        assert_eq!(found(&parts).unwrap(), ["a", "c", "b", "a"]);
    }

    #[test]
    fn tests_comments_and_longer_names_are_no_imports() {
        let files = [
            (
                "a.rs",
                "use crate::b::Y;\n#[cfg(test)]\nmod tests { use crate::c; }",
            ),
            ("a/tests.rs", "use crate::c;"),
            ("b.rs", "//! See [`crate::a`].\nuse crate::a_longer_name;"),
            ("c.rs", "use crate::{Error, a};"),
        ];
        assert_eq!(found(&files), None);
    }
}
