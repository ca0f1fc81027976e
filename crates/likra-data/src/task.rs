//! A benchmark as a task file: YAML of lm-evaluation-harness 0.4.13, and a few keys of our own under `likra`.

mod fields;
mod load;
mod target;
pub(crate) mod yaml;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;

use minijinja::value::{Value, ValueKind};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::values::{get, items, pairs, texts};
use crate::{Error, Result};

pub(crate) use fields::questions;
pub use load::open;

/// Options of the harness's library for data sets that change what it finds in a file.
const READING: &str = "field index_col usecols columns dtype converters true_values false_values skiprows nrows na_values \
                       keep_default_na na_filter quotechar escapechar comment";

/// A multiple-choice task, with all that its file includes.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// The split whose questions are asked.
    pub(crate) evaluated: String,
    /// How many shots it is asked with if nobody says so.
    pub num_shots: Option<usize>,
    /// Whether what counts is the share of the probability that right choices have, and not which choice
    /// has the most.
    pub counts_probability: bool,
    /// What the paper says of it.
    pub paper: Option<InPaper>,
    /// The file, as errors name it.
    pub(crate) file: String,
    pub(crate) keys: Keys,
    pub(crate) few_shot: FewShot,
    pub(crate) own: Own,
    /// All its keys, as JSON.
    pub definition: String,
}

/// The keys of a task file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "some have no effect on what is asked")]
pub(crate) struct Keys {
    task: String,
    pub(crate) dataset_path: Option<String>,
    pub(crate) dataset_name: Option<String>,
    dataset_kwargs: Option<BTreeMap<String, Value>>,
    pub(crate) training_split: Option<String>,
    pub(crate) validation_split: Option<String>,
    pub(crate) test_split: Option<String>,
    fewshot_split: Option<String>,
    doc_to_text: Value,
    doc_to_target: Value,
    doc_to_choice: Value,
    description: Option<String>,
    target_delimiter: Option<String>,
    fewshot_delimiter: Option<String>,
    num_fewshot: Option<usize>,
    fewshot_config: Option<FewShot>,
    output_type: Option<IgnoredAny>,
    metric_list: Option<IgnoredAny>,
    repeats: Option<i64>,
    likra: Option<Own>,
    task_alias: Option<IgnoredAny>,
    tag: Option<IgnoredAny>,
    metadata: Option<IgnoredAny>,
    should_decontaminate: Option<IgnoredAny>,
    doc_to_decontamination_query: Option<IgnoredAny>,
    generation_kwargs: Option<IgnoredAny>,
    unsafe_code: Option<IgnoredAny>,
}

impl Keys {
    /// An option that changes what is found in a file.
    fn reading(&self, own: &Own) -> Option<&String> {
        let is_reading = |(name, value): &(&String, &Value)| match name.as_str() {
            "names" | "column_names" | "header" => own.header.is_none(),
            "sep" | "delimiter" => value.as_str() != Some(","),
            "encoding" => value
                .as_str()
                .is_none_or(|name| !name.eq_ignore_ascii_case("utf-8")),
            name => READING.split(' ').any(|option| option == name),
        };
        let mut options = self.dataset_kwargs.iter().flatten();
        options.find(is_reading).map(|(name, _)| name)
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FewShot {
    sampler: Option<String>,
    split: Option<String>,
    /// Rows in the file itself.
    pub(crate) samples: Option<Vec<Value>>,
    #[serde(rename = "fewshot_indices")]
    _indices: Option<IgnoredAny>,
}

/// Our own keys, for what the harness does with Python.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Own {
    /// Rows are kept where these columns, if they are there, have these values.
    keep: Value,
    /// Columns that are made, in order: a map of names and templates.
    columns: Value,
    /// A template of a question's id, in place of its split and row.
    id: Option<String>,
    /// The answers' texts, where the choices only name them by letters: a column or template.
    answers: Option<String>,
    /// Which choices are right, as a list of 0 and 1: a column or template.
    labels: Option<String>,
    /// Whether what counts is the share of the probability that right choices have.
    probability: bool,
    /// What heads are trained on: if the file does not say so, the training split.
    pub(crate) training: Option<Vec<Part>>,
    /// Names under which a split's file may be found, without their endings; `*` stands for anything.
    pub(crate) files: BTreeMap<String, Vec<String>>,
    /// The columns of a table that has no line of names.
    pub(crate) header: Option<Vec<String>>,
    /// The benchmark in the paper.
    paper: Option<InPaper>,
}

/// A split of another task, or of this one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    task: Option<String>,
    split: String,
}

/// What the paper says of a benchmark.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InPaper {
    /// Its name there.
    pub name: String,
    /// How many questions it trains on (section 3.1): fewer in a user's files are a part of them.
    pub questions: usize,
}

impl Task {
    /// From the keys of a file, with what it includes.
    fn new(file: String, value: &Value) -> Result<Self> {
        let refused = |key: &str, message: &str| Error::task(&file, key, message);
        if let Some((key, name)) = function(value) {
            let message = "is not supported; docs/tasks.md says what takes its place";
            let message = format!("the Python function {name} {message}");
            return Err(refused(&key, &message));
        }
        let output = get(value, "output_type").filter(|value| !value.is_none());
        let output = output.unwrap_or("generate_until".into());
        if output.as_str() != Some("multiple_choice") {
            let message = format!("{output} is not supported; expected multiple_choice");
            return Err(refused("output_type", &message));
        }
        let has = |key: &str| get(value, key).is_some_and(|value| !value.is_none());
        let asked = ["doc_to_text", "doc_to_target", "doc_to_choice"];
        if let Some(key) = asked.into_iter().find(|key| !has(key)) {
            return Err(refused(key, "is missing"));
        }
        // A key that is null is as good as none: it undoes an included one.
        let given = pairs(value)
            .into_iter()
            .filter(|(_, value)| !value.is_none());
        let keys: Result<Keys, _> = serde_path_to_error::deserialize(Value::from_pairs(given));
        let mut keys = keys.map_err(|error| match error.path().to_string().as_str() {
            "." => refused("task file", &error.inner().to_string()),
            path => refused(path, &error.inner().to_string()),
        })?;
        let evaluated = keys.test_split.clone().or(keys.validation_split.clone());
        let evaluated = evaluated.ok_or_else(|| refused("test_split", "is missing"))?;
        if let Some(repeats) = keys.repeats.filter(|repeats| *repeats != 1) {
            return Err(refused("repeats", &format!("found {repeats}; expected 1")));
        }
        let mut few_shot = keys.fewshot_config.take().unwrap_or_default();
        few_shot.split = few_shot.split.or(keys.fewshot_split.take());
        let sampler = few_shot.sampler.as_deref().unwrap_or("default");
        if !["default", "first_n"].contains(&sampler) {
            let message = format!("{sampler} is not supported; expected default or first_n");
            return Err(refused("fewshot_config.sampler", &message));
        }
        let mut own = keys.likra.take().unwrap_or_default();
        if let Some(name) = keys.reading(&own) {
            let message = "changes how files are read, which is not supported; write the rows as JSON lines, or \
                           name a table's columns in the key likra.header";
            return Err(refused(&format!("dataset_kwargs.{name}"), message));
        }
        let split = keys.training_split.clone();
        let usual = split.map(|split| vec![Part { task: None, split }]);
        own.training = own.training.or(usual);
        Ok(Self {
            name: keys.task.clone(),
            evaluated,
            num_shots: keys.num_fewshot,
            counts_probability: own.probability,
            paper: own.paper.take(),
            definition: serde_json::to_string(value).unwrap_or_default(),
            file,
            few_shot,
            own,
            keys,
        })
    }

    /// The split that shots come from (`fewshot_docs` of the harness); none if they are samples in the file.
    pub(crate) fn pool(&self) -> Option<&str> {
        let FewShot { split, samples, .. } = &self.few_shot;
        if split.is_none() && samples.is_some() {
            return None;
        }
        let mut splits = split.iter().chain(self.splits());
        splits.next().map(String::as_str)
    }

    /// The splits for training, validation and test, those that the file names.
    pub(crate) fn splits(&self) -> impl Iterator<Item = &String> {
        let splits = self.keys.training_split.iter();
        let splits = splits.chain(&self.keys.validation_split);
        splits.chain(&self.keys.test_split)
    }

    /// Whether the first shots are taken, the same for all questions, rather than drawn for each.
    pub(crate) fn takes_first(&self) -> bool {
        self.few_shot.sampler.as_deref() == Some("first_n")
    }

    /// Whether one shot more is drawn, in case that the question itself is among them: where the split of
    /// the shots is the test split, or neither is named.
    pub(crate) fn draws_spare(&self) -> bool {
        self.few_shot.split == self.keys.test_split
    }

    /// The splits that heads are trained on, each of a task; none if it has no training set.
    pub(crate) fn training(&self) -> Result<Vec<(Self, String)>> {
        let mut splits = Vec::new();
        for Part { task, split } in self.own.training.iter().flatten() {
            let tasks = match task {
                Some(name) => open(name)?,
                None => vec![self.clone()],
            };
            splits.extend(tasks.into_iter().map(|task| (task, split.clone())));
        }
        Ok(splits)
    }

    /// The files of a split that `dataset_kwargs` names.
    pub(crate) fn data_files(&self, split: &str) -> Option<Vec<PathBuf>> {
        let named = self.keys.dataset_kwargs.as_ref()?.get("data_files")?;
        let files = texts(&get(named, split)?).into_iter();
        Some(files.map(PathBuf::from).collect())
    }

    pub(crate) fn refused(&self, key: &str, message: impl Display) -> Error {
        Error::task(&self.file, key, message)
    }
}

/// A Python function, and the key of the file that needs it. A metric's own way to be aggregated changes no
/// prompt.
fn function(file: &Value) -> Option<(String, Value)> {
    fn inside(value: &Value) -> Option<Value> {
        let found = get(value, yaml::FUNCTION);
        found.or_else(|| match value.kind() {
            ValueKind::Map => pairs(value).iter().find_map(|(_, value)| inside(value)),
            ValueKind::Seq => items(value).find_map(|value| inside(&value)),
            _ => None,
        })
    }
    let mut keys = pairs(file).into_iter();
    keys.find_map(|(key, value)| match key.as_str() {
        Some("metric_list") => None,
        _ => inside(&value).map(|name| (key.to_string(), name)),
    })
}
