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
    let mut sources: BTreeMap<String, String> = BTreeMap::new();
    collect(src, None, &mut sources)?;
    let names: BTreeSet<&String> = sources.keys().collect();
    let mut imports = Imports::new();
    for (name, text) in &sources {
        let used = names
            .iter()
            .filter(|other| ***other != *name && uses(text, other));
        imports.insert(name.clone(), used.map(|other| (*other).clone()).collect());
    }
    Ok(imports)
}

/// Adds the text of every file below `folder` to its top module, without tests.
fn collect(folder: &Path, top: Option<&str>, sources: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let top = top.unwrap_or(&stem);
        let is_test = stem == "tests" || stem.ends_with("_tests");
        if path.is_dir() {
            collect(&path, Some(top), sources)?;
        } else if path.extension() == Some("rs".as_ref())
            && !is_test
            && !["lib", "main"].contains(&top)
        {
            let text = fs::read_to_string(&path)?;
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            *sources.entry(top.to_owned()).or_default() += code;
        }
    }
    Ok(())
}

/// Whether a source imports or names a module of its crate.
fn uses(text: &str, module: &str) -> bool {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.collect::<Vec<_>>().join("\n");
    let word = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let path = format!("crate::{module}");
    let named = code
        .match_indices(&path)
        .any(|(at, _)| word(&code[at + path.len()..]));
    // `use crate::{a, b::C}`, which may go over several lines.
    let listed = code.match_indices("use crate::{").any(|(at, _)| {
        let list = code[at..].split(';').next().unwrap_or_default();
        let mut names = list["use crate::{".len()..]
            .split([',', '{', '}'])
            .map(str::trim);
        names.any(|name| name.split("::").next() == Some(module))
    });
    named || listed
}

/// A way from a module back to itself, if there is any.
pub(crate) fn cycle(imports: &Imports) -> Option<Vec<String>> {
    fn walk<'a>(
        imports: &'a Imports,
        way: &mut Vec<&'a String>,
        done: &mut BTreeSet<&'a String>,
    ) -> bool {
        let Some(last) = way.last().copied() else {
            return false;
        };
        for next in imports.get(last).into_iter().flatten() {
            if let Some(start) = way.iter().position(|name| *name == next) {
                way.drain(..start);
                way.push(next);
                return true;
            }
            if !done.contains(next) {
                way.push(next);
                if walk(imports, way, done) {
                    return true;
                }
            }
        }
        done.extend(way.pop());
        false
    }
    let mut done = BTreeSet::new();
    imports.keys().find_map(|name| {
        let mut way = vec![name];
        walk(imports, &mut way, &mut done).then(|| way.into_iter().cloned().collect())
    })
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
