//! Modules of a crate that import each other, however long the way round.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use fs_err as fs;

/// Which names behind `crate::` the modules at the top of a crate use.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The modules of the crate whose sources lie in `src` that are on a way back to themselves, or lead to such.
pub(crate) fn cycle(src: &Path) -> Result<Vec<String>> {
    let mut left = Imports::new();
    collect(src, None, &mut left)?;
    loop {
        let names: Vec<String> = left.keys().cloned().collect();
        // What imports nothing that is left is on no such way.
        left.retain(|name, used| {
            names
                .iter()
                .any(|other| other != name && used.contains(other))
        });
        if left.len() == names.len() {
            return Ok(names);
        }
    }
}

/// Adds what every file below `folder` imports to its top module; tests may import what they like.
fn collect(folder: &Path, top: Option<&str>, imports: &mut Imports) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let top = top.unwrap_or(&stem);
        let is_test = stem == "tests" || stem.ends_with("_tests");
        if path.is_dir() {
            collect(&path, Some(top), imports)?;
        } else if !is_test && !["lib", "main"].contains(&top) {
            let text = fs::read_to_string(&path)?;
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let used = imports.entry(top.to_owned()).or_default();
            used.extend(named(code));
        }
    }
    Ok(())
}

/// What a source names behind `crate::`, alone or in a list, which may go over several lines.
fn named(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim_start);
    let code: Vec<&str> = lines.filter(|line| !line.starts_with("//")).collect();
    let code = code.join("\n");
    let items = code.split("crate::").skip(1).flat_map(|path| match path {
        list if list.starts_with('{') => list
            .split(';')
            .next()
            .unwrap_or(list)
            .split(['{', ','])
            .collect(),
        path => vec![path],
    });
    let ends = |c: char| !c.is_alphanumeric() && c != '_';
    let names = items.filter_map(|item| item.trim().split(ends).next());
    names.map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        cycle(dir.path()).unwrap()
    }

    #[test]
    fn a_circle_is_found_however_it_is_written() {
        let lib = ("lib.rs", "mod a; mod b; mod c;");
        let b_to_a = ("b.rs", "use crate::{\n    Error,\n    a::X,\n};");
        assert_eq!(
            found(&[lib, ("a.rs", "use crate::b::Y;"), b_to_a]),
            ["a", "b"]
        );
        // A part of a module counts as the module, and the way may be long.
        let parts = [
            lib,
            ("a/part.rs", "fn f() { crate::c::g() }"),
            ("c.rs", "use crate::b;"),
            b_to_a,
        ];
        assert_eq!(found(&parts), ["a", "b", "c"]);
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
        assert!(found(&files).is_empty());
    }
}
