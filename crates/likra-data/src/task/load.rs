//! Where tasks are found: those that the program carries, and files of a user's.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use include_dir::{Dir, include_dir};
use minijinja::value::{Value, ValueKind};

use super::{Task, yaml};
use crate::values::{get, items, pairs, texts};
use crate::{Error, Result};

static CARRIED: Dir = include_dir!("$CARGO_MANIFEST_DIR/tasks");

/// The tasks of a name that the program carries, of a tag or a group, or of a path to a YAML file.
///
/// # Errors
///
/// If there is none, or it asks for what is not supported; the message names file and key.
pub fn open(name: &str) -> Result<Vec<Task>> {
    let path = Path::new(name);
    let ending = path.extension().and_then(OsStr::to_str);
    if name.contains(MAIN_SEPARATOR) || matches!(ending, Some("yaml" | "yml")) {
        let entry = load(path, false, &mut BTreeSet::new())?;
        // Only a group needs the files beside it.
        let indices = match entry.key("group") {
            Some(_) => vec![beside(path)?, carried()?],
            None => Vec::new(),
        };
        return Group::default().tasks(&indices, &entry);
    }
    let indices = [carried()?];
    if let Some(tasks) = Group::default().named(&indices, name)? {
        return Ok(tasks);
    }
    let known = indices.iter().flatten().filter_map(Entry::name);
    let mut known: Vec<String> = known.filter(|name| !name.starts_with("mmlu_")).collect();
    known.sort();
    let known = known.join(", ");
    let others = "a subject such as mmlu_anatomy, or a path to a .yaml file";
    let message = format!("no task `{name}`: expected one of {known}, {others}");
    Err(Error::Refused(message))
}

/// The files that the program carries, in the order of their paths.
fn carried() -> Result<Vec<Entry>> {
    let folders = CARRIED.dirs().chain([&CARRIED]);
    let paths = folders.flat_map(Dir::files).map(|file| file.path().into());
    let entry = |path: PathBuf| load(&path, true, &mut BTreeSet::new());
    indexed(paths.collect()).map(entry).collect()
}

/// The key of an entry that stands for a file which cannot be read: why.
const BROKEN: &str = "!broken";

/// Those in the folder of a user's file, likewise. What cannot be read may be anything, and is an error for whoever asks
/// for it by the name that stands in it.
fn beside(path: &Path) -> Result<Vec<Entry>> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let mut paths = Vec::new();
    list(folder.unwrap_or(Path::new(".")), &mut paths, 0)?;
    let entry = |path: PathBuf| {
        let error = match load(&path, false, &mut BTreeSet::new()) {
            Ok(entry) => return Some(entry),
            Err(error) => error.to_string(),
        };
        let text = fs_err::read_to_string(&path).ok()?;
        let mut lines = text.lines();
        let name =
            lines.find_map(|line| line.strip_prefix("task:").or(line.strip_prefix("group:")));
        let name = name?.trim().to_owned();
        Some(Entry {
            file: path.display().to_string(),
            keys: Value::from_pairs([("task", name), (BROKEN, error)]),
        })
    };
    Ok(indexed(paths).filter_map(entry).collect())
}

/// The files that the harness looks into.
fn indexed(mut paths: Vec<PathBuf>) -> impl Iterator<Item = PathBuf> {
    paths.sort();
    let paths = paths.into_iter();
    paths.filter(|path| path.extension() == Some("yaml".as_ref()))
}

fn list(folder: &Path, paths: &mut Vec<PathBuf>, depth: usize) -> Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        // As the harness passes over them: they hold copies.
        if path.ends_with("__pycache__") || path.ends_with(".ipynb_checkpoints") {
            continue;
        }
        if path.is_dir() && !path.is_symlink() && depth < 8 {
            // A folder that may not be listed holds none of the task's files.
            let _ = list(&path, paths, depth + 1);
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

/// A task file.
struct Entry {
    /// The file, as errors name it.
    file: String,
    /// Its keys, with what it includes.
    keys: Value,
}

/// Reads a file, which has the keys of those that it includes where it has none of its own; `seen` are the files
/// on the way.
fn load(path: &Path, is_carried: bool, seen: &mut BTreeSet<PathBuf>) -> Result<Entry> {
    let file = match is_carried {
        true => format!("likra:{}", path.display()),
        false => path.display().to_string(),
    };
    let refused = |key: &str, message: &str| Error::task(&file, key, message);
    if !seen.insert(path.into()) {
        return Err(refused("include", "the file is included twice"));
    }
    let missing = || refused("include", "there is no such file");
    let carried = || CARRIED.get_file(path).ok_or_else(missing);
    let bytes = match is_carried {
        true => carried()?.contents().into(),
        false => likra_files::read(path)?,
    };
    let text = String::from_utf8(bytes).map_err(|_| refused("task file", "is not UTF-8"))?;
    let own = yaml::parse(&text).map_err(|message| refused("YAML", &message))?;
    let mut keys = Value::default();
    for name in texts(&get(&own, "include").unwrap_or_default()) {
        // Beside this one, or one that the program carries.
        let beside = path.parent().unwrap_or(Path::new("")).join(&name);
        let is_missing = !is_carried && !beside.exists();
        let included = match is_missing && CARRIED.get_file(&name).is_some() {
            true => load(Path::new(&name), true, seen)?,
            false => load(&beside, is_carried, seen)?,
        };
        keys = merged(&keys, &included.keys, false);
    }
    let keys = pairs(&merged(&keys, &own, false)).into_iter();
    let keys = Value::from_pairs(keys.filter(|(key, _)| key.as_str() != Some("include")));
    Ok(Entry { file, keys })
}

impl Entry {
    fn key(&self, name: &str) -> Option<Value> {
        get(&self.keys, name).filter(|value| !value.is_none())
    }

    fn name(&self) -> Option<String> {
        let name = self.key("group").or_else(|| self.key("task"))?;
        name.as_str().map(String::from)
    }
}

/// The groups around a task, and the keys that they hand down to it.
#[derive(Default)]
struct Group {
    names: Vec<String>,
    keys: Value,
}

impl Group {
    /// The tasks of a name: of the first file with it, else of all with that tag.
    fn named(&self, indices: &[Vec<Entry>], name: &str) -> Result<Option<Vec<Task>>> {
        for entries in indices {
            let has_name = |entry: &&Entry| entry.name().as_deref() == Some(name);
            if let Some(entry) = entries.iter().find(has_name) {
                return self.tasks(indices, entry).map(Some);
            }
            let has_tag = |entry: &&Entry| {
                let tags = entry.key("tag").unwrap_or_default();
                texts(&tags).iter().any(|tag| tag == name)
            };
            let tagged = entries.iter().filter(has_tag);
            let found = tagged.map(|entry| self.tasks(indices, entry));
            let found: Vec<Vec<Task>> = found.collect::<Result<_>>()?;
            if !found.is_empty() {
                return Ok(Some(found.concat()));
            }
        }
        Ok(None)
    }

    /// The task of a file, or those of its group.
    fn tasks(&self, indices: &[Vec<Entry>], entry: &Entry) -> Result<Vec<Task>> {
        let Entry { file, keys } = entry;
        if let Some(error) = entry.key(BROKEN) {
            return Err(Error::Refused(error.to_string()));
        }
        let Some(name) = entry.key("group").map(|name| name.to_string()) else {
            let keys = merged(keys, &self.keys, false);
            return Ok(vec![Task::new(file.clone(), &keys)?]);
        };
        let refused = |message: String| Error::task(file, "task", message);
        if self.names.contains(&name) {
            return Err(refused(format!("the group {name} is in itself")));
        }
        let parts = entry.key("task").filter(|parts| parts.as_str().is_none());
        let parts = parts.ok_or_else(|| refused("expected a list of tasks".into()))?;
        let mut found = Vec::new();
        for part in items(&parts) {
            let task = match part.as_str() {
                Some(_) => Some(part.clone()),
                None => get(&part, "task").filter(|name| name.as_str().is_some()),
            };
            let expected = || refused(format!("{part}: expected a name, or a map with `task`"));
            let task = task.ok_or_else(expected)?.to_string();
            // Those of the groups around count above this one's, and those of the part above all.
            let keys = merged(&handed_down(keys), &self.keys, false);
            let group = Self {
                names: [self.names.clone(), vec![name.clone()]].concat(),
                keys: merged(&keys, &handed_down(&part), false),
            };
            let missing = || refused(format!("there is no task or group {task}"));
            found.extend(group.named(indices, &task)?.ok_or_else(missing)?);
        }
        Ok(found)
    }
}

/// The keys of a group that its tasks have, too.
fn handed_down(group: &Value) -> Value {
    let is_of_group = |key: &Value| {
        matches!(
            key.as_str(),
            Some("group" | "group_alias" | "task" | "tag" | "metadata" | "aggregate_metric_list")
        )
    };
    let keys = pairs(group).into_iter();
    Value::from_pairs(keys.filter(|(key, _)| !is_of_group(key)))
}

/// The pairs of both maps, of those with one key the second. Only our own key is merged in its turn, and with
/// `deep` all maps.
fn merged(map: &Value, over: &Value, deep: bool) -> Value {
    let over = pairs(over).into_iter().map(|(key, value)| {
        let known = map.get_item(&key).unwrap_or_default();
        let into = deep || key.as_str() == Some("likra");
        match into && known.kind() == ValueKind::Map {
            true => (key, merged(&known, &value, true)),
            false => (key, value),
        }
    });
    Value::from_pairs(pairs(map).into_iter().chain(over))
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};

    use super::*;

    const TASK: &str = "output_type: multiple_choice\ntest_split: test\ndoc_to_text: q\ndoc_to_choice: [x, y]\ndoc_to_target: 0\n";

    /// As lm-evaluation-harness 0.4.13 merges them.
    #[test]
    fn a_part_s_keys_count_above_its_group_s_and_copies_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: String| {
            let path = dir.path().join(name);
            create_dir_all(path.parent().unwrap()).unwrap();
            write(&path, text).unwrap();
            path
        };
        let outer =
            "group: outer\ntask: [{task: inner, description: OUTER}, b]\ndescription: LEAST\n";
        let outer = file("outer.yaml", outer.into());
        let inner = "group: inner\ntask: [a, {task: b, description: PART}]\ndescription: INNER\n";
        file("inner.yaml", inner.into());
        for name in ["a", "b"] {
            let text = format!("task: {name}\n{TASK}description: OWN\n");
            file(&format!("tasks/{name}.yaml"), text.clone());
            file(
                &format!("__pycache__/{name}.yaml"),
                text.replace("OWN", "COPY"),
            );
        }
        let descriptions = |path: &Path| {
            let tasks = open(path.to_str().unwrap()).unwrap().into_iter();
            tasks
                .map(|task| task.keys.description.unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(descriptions(&outer), ["OUTER", "PART", "LEAST"]);
        file("tasks/a.yaml", "task: a\noutput_type: [\n".into());
        let error = open(outer.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("a.yaml: YAML: "), "{error}");
    }

    #[test]
    fn options_of_reading_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        for (options, refused) in [
            ("{field: data}", Some("dataset_kwargs.field")),
            (
                "{keep_default_na: no}",
                Some("dataset_kwargs.keep_default_na"),
            ),
            ("{sep: ';'}", Some("dataset_kwargs.sep")),
            ("{column_names: [q]}", Some("dataset_kwargs.column_names")),
            ("{column_names: [q]}\nlikra: {header: [q]}", None),
            (
                "{sep: ',', encoding: UTF-8, data_files: {test: a.csv}, revision: x}",
                None,
            ),
        ] {
            write(&path, format!("task: a\n{TASK}dataset_kwargs: {options}\n")).unwrap();
            let error = open(path.to_str().unwrap())
                .err()
                .map(|error| error.to_string());
            let found = error.as_deref().unwrap_or_default();
            assert!(
                found.contains(refused.unwrap_or_default()),
                "{options}: {found}"
            );
            assert_eq!(error.is_some(), refused.is_some(), "{options}: {found}");
        }
    }
}
