//! Where tasks are found: those that the program carries, and files of a user's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use minijinja::Value;
use minijinja::value::ValueKind;

use super::{Task, yaml};
use crate::rows::pairs;
use crate::{Error, Result};

static CARRIED: Dir = include_dir!("$CARGO_MANIFEST_DIR/tasks");

/// The names of the tasks and groups that the program carries.
///
/// # Errors
///
/// If one of their files is wrong.
pub fn carried() -> Result<Vec<String>> {
    let index = Index::of(&Folder::Carried)?;
    let mut names: Vec<String> = index
        .0
        .iter()
        .filter_map(|(_, entry)| entry.name())
        .collect();
    names.sort();
    Ok(names)
}

/// The tasks of a name that the program carries, of a tag or a group, or of a path to a YAML file.
///
/// # Errors
///
/// If there is none, or it asks for what is not supported; the message names file and key.
pub fn open(name: &str) -> Result<Vec<Task>> {
    let path = Path::new(name);
    let is_path = name.contains(std::path::MAIN_SEPARATOR)
        || path
            .extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml");
    if !is_path {
        let index = [Index::of(&Folder::Carried)?];
        let found = Group::default().named(&index, name)?;
        return match found {
            Some(tasks) => Ok(tasks),
            None => Err(Error::UnknownTask {
                name: name.into(),
                known: carried()?
                    .into_iter()
                    .filter(|name| !name.starts_with("mmlu_"))
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        };
    }
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = Folder::Disk(folder.unwrap_or(Path::new(".")).into());
    let file = File {
        folder: folder.clone(),
        path: path.into(),
    };
    let entry = file.load(&mut BTreeSet::new())?;
    // Only a group needs the files beside it.
    let index = match entry.key("group") {
        Some(_) => vec![Index::of(&folder)?, Index::of(&Folder::Carried)?],
        None => Vec::new(),
    };
    Group::default().tasks(&index, &file, &entry)
}

/// A folder tree of task files.
#[derive(Debug, Clone)]
enum Folder {
    Carried,
    Disk(PathBuf),
}

/// A task file.
#[derive(Debug, Clone)]
struct File {
    folder: Folder,
    path: PathBuf,
}

/// The keys of a file, with what it includes.
struct Entry(Value);

impl Folder {
    /// Its files that are indexed, in the order of their paths.
    fn files(&self) -> Result<Vec<File>> {
        let mut paths = Vec::new();
        match self {
            Self::Carried => {
                let folders = CARRIED.dirs().chain([&CARRIED]);
                let files = folders
                    .flat_map(Dir::files)
                    .map(|file| file.path().to_owned());
                paths.extend(
                    files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")),
                );
            }
            Self::Disk(folder) => list(folder, &mut paths, 0)?,
        }
        paths.sort();
        let file = |path| File {
            folder: self.clone(),
            path,
        };
        Ok(paths.into_iter().map(file).collect())
    }
}

fn list(folder: &Path, paths: &mut Vec<PathBuf>, depth: usize) -> Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() && depth < 8 {
            // A folder that may not be listed holds none of the task's files.
            let _ = list(&path, paths, depth + 1);
        } else if path.extension().is_some_and(|ending| ending == "yaml") {
            paths.push(path);
        }
    }
    Ok(())
}

impl File {
    fn name(&self) -> String {
        match &self.folder {
            Folder::Carried => format!("likra:{}", self.path.display()),
            Folder::Disk(_) => self.path.display().to_string(),
        }
    }

    fn refused(&self, key: &str, message: impl Into<String>) -> Error {
        Error::Task {
            file: self.name(),
            key: key.into(),
            message: message.into(),
        }
    }

    /// The keys, with those of the files that it includes where it has none of its own; `seen` are the
    /// files on the way.
    fn load(&self, seen: &mut BTreeSet<PathBuf>) -> Result<Entry> {
        if !seen.insert(self.path.clone()) {
            return Err(self.refused("include", "the file is included twice"));
        }
        let text = match &self.folder {
            Folder::Carried => CARRIED
                .get_file(&self.path)
                .and_then(|file| file.contents_utf8())
                .map(String::from),
            Folder::Disk(_) => {
                let bytes = likra_files::read(&self.path)?;
                Some(
                    String::from_utf8(bytes)
                        .map_err(|_| self.refused("task file", "is not UTF-8"))?,
                )
            }
        };
        let text = text.ok_or_else(|| self.refused("include", "there is no such file"))?;
        let own = yaml::parse(&text).map_err(|message| self.refused("YAML", message))?;
        let mut maps = Vec::new();
        let include = own.get_attr("include").unwrap_or_default();
        let names = match include.as_str() {
            Some(name) => vec![name.to_owned()],
            None => include
                .try_iter()
                .into_iter()
                .flatten()
                .map(|name| name.to_string())
                .collect(),
        };
        for name in names {
            maps.push(pairs(&self.beside(&name).load(seen)?.0));
        }
        maps.push(pairs(&own));
        let mut keys = merged(maps);
        keys.retain(|(key, _)| key.as_str() != Some("include"));
        Ok(Entry(Value::from_pairs(keys)))
    }

    /// The file that an `include` names: beside this one, or one that the program carries.
    fn beside(&self, name: &str) -> Self {
        let path = self.path.parent().unwrap_or(Path::new("")).join(name);
        if matches!(self.folder, Folder::Disk(_))
            && !path.exists()
            && CARRIED.get_file(name).is_some()
        {
            return Self {
                folder: Folder::Carried,
                path: name.into(),
            };
        }
        Self {
            folder: self.folder.clone(),
            path,
        }
    }
}

impl Entry {
    fn key(&self, name: &str) -> Option<Value> {
        let value = self.0.get_attr(name).ok()?;
        (!value.is_undefined() && !value.is_none()).then_some(value)
    }

    fn name(&self) -> Option<String> {
        let name = self.key("group").or_else(|| self.key("task"))?;
        name.as_str().map(String::from)
    }

    fn has_tag(&self, name: &str) -> bool {
        let tag = self.key("tag").unwrap_or_default();
        tag.as_str() == Some(name)
            || tag.as_str().is_none()
                && tag
                    .try_iter()
                    .into_iter()
                    .flatten()
                    .any(|tag| tag.as_str() == Some(name))
    }
}

/// The files of a folder tree, read.
struct Index(Vec<(File, Entry)>);

impl Index {
    /// Of a user's files those that cannot be read are passed over: they may be anything.
    fn of(folder: &Folder) -> Result<Self> {
        let mut entries = Vec::new();
        for file in folder.files()? {
            match file.load(&mut BTreeSet::new()) {
                Ok(entry) => entries.push((file, entry)),
                Err(error) if matches!(folder, Folder::Carried) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(Self(entries))
    }
}

/// The groups around a task, and the keys that they hand down to it.
#[derive(Default)]
struct Group {
    names: Vec<String>,
    keys: Vec<(Value, Value)>,
}

/// The keys of a group that are not handed down to its tasks.
const OF_GROUP: [&str; 6] = [
    "group",
    "group_alias",
    "task",
    "aggregate_metric_list",
    "metadata",
    "tag",
];

impl Group {
    /// The tasks of a name: of the first file with it, else of all with that tag.
    fn named(&self, indices: &[Index], name: &str) -> Result<Option<Vec<Task>>> {
        for Index(entries) in indices {
            if let Some((file, entry)) = entries
                .iter()
                .find(|(_, entry)| entry.name().as_deref() == Some(name))
            {
                return self.tasks(indices, file, entry).map(Some);
            }
            let tagged = entries.iter().filter(|(_, entry)| entry.has_tag(name));
            let found: Vec<Vec<Task>> = tagged
                .map(|(file, entry)| self.tasks(indices, file, entry))
                .collect::<Result<_>>()?;
            if !found.is_empty() {
                return Ok(Some(found.concat()));
            }
        }
        Ok(None)
    }

    /// The task of a file, or those of its group.
    fn tasks(&self, indices: &[Index], file: &File, entry: &Entry) -> Result<Vec<Task>> {
        let Some(name) = entry.key("group").map(|name| name.to_string()) else {
            let keys = merged([pairs(&entry.0), self.keys.clone()]);
            return Ok(vec![Task::new(file.name(), &Value::from_pairs(keys))?]);
        };
        let refused = |message: String| file.refused("task", message);
        if self.names.contains(&name) {
            return Err(refused(format!("the group {name} is in itself")));
        }
        let handed_down = |value: &Value| {
            let own = |(key, _): &(Value, Value)| !OF_GROUP.map(Some).contains(&key.as_str());
            pairs(value).into_iter().filter(own).collect::<Vec<_>>()
        };
        let parts = entry.key("task").filter(|parts| parts.as_str().is_none());
        let parts = parts.ok_or_else(|| refused("expected a list of tasks".into()))?;
        let mut found = Vec::new();
        for part in parts.try_iter().into_iter().flatten() {
            let task = match part.as_str() {
                Some(_) => Some(part.clone()),
                None => Entry(part.clone())
                    .key("task")
                    .filter(|name| name.as_str().is_some()),
            };
            let task = task
                .ok_or_else(|| refused(format!("{part}: expected a name, or a map with `task`")))?;
            let group = Self {
                names: [self.names.clone(), vec![name.clone()]].concat(),
                keys: merged([handed_down(&part), handed_down(&entry.0), self.keys.clone()]),
            };
            let tasks = group.named(indices, &task.to_string())?;
            found
                .extend(tasks.ok_or_else(|| refused(format!("there is no task or group {task}")))?);
        }
        Ok(found)
    }
}

/// All pairs, of those with one key the last. Only our own key, and the maps in it, are merged in their turn.
fn merged(maps: impl IntoIterator<Item = Vec<(Value, Value)>>) -> Vec<(Value, Value)> {
    fn add(merged: &mut Vec<(Value, Value)>, own: Vec<(Value, Value)>, deep: bool) {
        for (key, value) in own {
            let into = deep || key.as_str() == Some("likra");
            match merged.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) if into && known.kind() == ValueKind::Map => {
                    let mut both = pairs(known);
                    add(&mut both, pairs(&value), true);
                    *known = Value::from_pairs(both);
                }
                Some(known) => known.1 = value,
                None => merged.push((key, value)),
            }
        }
    }
    let mut merged = Vec::new();
    for pairs in maps {
        add(&mut merged, pairs, false);
    }
    merged
}
