//! A benchmark as a task file: YAML of lm-evaluation-harness 0.4.13, and a few keys of our own under `likra`.

mod columns;
mod fields;
mod load;
mod target;
pub(crate) mod yaml;

use std::collections::BTreeMap;
use std::path::PathBuf;

use minijinja::Value;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::{Error, Result};

pub(crate) use fields::questions;
pub use load::{carried, open};

/// A multiple-choice task, with all that its file includes.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// The file, as errors name it.
    pub(crate) file: String,
    pub(crate) keys: Keys,
    /// Metrics of the file that are not computed.
    pub left_out: Vec<String>,
    /// All its keys, as JSON.
    pub(crate) definition: String,
}

/// The keys of a task file that decide something here.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    pub(crate) task: String,
    pub(crate) dataset_path: Option<String>,
    pub(crate) dataset_name: Option<String>,
    #[serde(default)]
    pub(crate) dataset_kwargs: Option<BTreeMap<String, Value>>,
    pub(crate) training_split: Option<String>,
    pub(crate) validation_split: Option<String>,
    pub(crate) test_split: Option<String>,
    fewshot_split: Option<String>,
    pub(crate) doc_to_text: Option<Value>,
    pub(crate) doc_to_target: Option<Value>,
    pub(crate) doc_to_choice: Option<Value>,
    #[serde(default)]
    pub(crate) description: Value,
    target_delimiter: Option<String>,
    fewshot_delimiter: Option<String>,
    pub(crate) num_fewshot: Option<usize>,
    fewshot_config: Option<FewShot>,
    output_type: Option<String>,
    metric_list: Option<Vec<Metric>>,
    repeats: Option<i64>,
    #[serde(default)]
    pub(crate) likra: Option<Own>,
    // Words, and what has no effect on prompts and log-likelihoods.
    #[serde(default, rename = "task_alias")]
    _alias: IgnoredAny,
    #[serde(default, rename = "tag")]
    _tag: IgnoredAny,
    #[serde(default, rename = "metadata")]
    _metadata: IgnoredAny,
    #[serde(default, rename = "should_decontaminate")]
    _should: IgnoredAny,
    #[serde(default, rename = "doc_to_decontamination_query")]
    _query: IgnoredAny,
    #[serde(default, rename = "generation_kwargs")]
    _generation: IgnoredAny,
    #[serde(default, rename = "unsafe_code")]
    _unsafe: IgnoredAny,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FewShot {
    sampler: Option<String>,
    split: Option<String>,
    samples: Option<Vec<Value>>,
    #[serde(default, rename = "fewshot_indices")]
    _indices: IgnoredAny,
}

#[derive(Debug, Clone, Deserialize)]
struct Metric {
    metric: Value,
    aggregation: Option<Value>,
}

/// Our own keys, for what the harness does with Python.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Own {
    /// Rows are kept where these columns, if they are there, have these values.
    pub(crate) keep: Option<Value>,
    /// Columns that are made, in order: a map of names and templates.
    pub(crate) columns: Option<Value>,
    /// A template of a question's id, in place of its split and row.
    pub(crate) id: Option<String>,
    /// The answers' texts, where the choices only name them by letters: a column or template.
    pub(crate) answers: Option<String>,
    /// Which choices are right, as a list of 0 and 1: a column or template.
    pub(crate) labels: Option<String>,
    /// What heads are trained on, in place of the training split.
    pub(crate) training: Option<Vec<Part>>,
    /// Names under which a split's file may be found, without their endings; `*` stands for anything.
    pub(crate) files: BTreeMap<String, Vec<String>>,
    /// The columns of a table that has no line of names.
    pub(crate) header: Option<Vec<String>>,
    /// The benchmark in the paper.
    pub(crate) paper: Option<InPaper>,
}

/// A split of another task, or of this one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    pub(crate) task: Option<String>,
    pub(crate) split: String,
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

/// Where shots come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pool {
    /// A split of the task.
    Split(String),
    /// Rows in the file itself.
    Samples(Vec<Value>),
}

impl Task {
    /// From the keys of a file, with what it includes.
    pub(crate) fn new(file: String, value: &Value) -> Result<Self> {
        refuse_functions(&file, value)?;
        let refused = |key: &str, message: String| Error::Task {
            file: file.clone(),
            key: key.into(),
            message,
        };
        let keys = Keys::deserialize(value.clone());
        let keys = keys.map_err(|error| refused("task file", error.to_string()))?;
        if keys.output_type.as_deref() != Some("multiple_choice") {
            let found = keys.output_type.as_deref().unwrap_or("generate_until");
            return Err(refused(
                "output_type",
                format!("{found} is not supported; expected multiple_choice"),
            ));
        }
        let evaluated = keys.test_split.as_ref().or(keys.validation_split.as_ref());
        for (key, there) in [
            ("doc_to_text", keys.doc_to_text.is_some()),
            ("doc_to_target", keys.doc_to_target.is_some()),
            ("doc_to_choice", keys.doc_to_choice.is_some()),
            ("test_split", evaluated.is_some()),
        ] {
            if !there {
                return Err(refused(key, "is missing".into()));
            }
        }
        if keys.repeats.is_some_and(|repeats| repeats != 1) {
            return Err(refused("repeats", "expected 1".into()));
        }
        if let Some(sampler) = keys
            .fewshot_config
            .as_ref()
            .and_then(|shots| shots.sampler.as_deref())
            && !["default", "first_n"].contains(&sampler)
        {
            let message = format!("{sampler} is not supported; expected default or first_n");
            return Err(refused("fewshot_config.sampler", message));
        }
        let left_out = keys
            .metric_list
            .iter()
            .flatten()
            .filter_map(Metric::left_out)
            .collect();
        let name = keys.task.clone();
        Ok(Self {
            name,
            definition: serde_json::to_string(value).unwrap_or_default(),
            file,
            keys,
            left_out,
        })
    }

    /// The split whose questions are asked.
    #[must_use]
    pub fn evaluated(&self) -> &str {
        let Keys {
            test_split,
            validation_split,
            ..
        } = &self.keys;
        test_split
            .as_deref()
            .or(validation_split.as_deref())
            .unwrap_or_default()
    }

    /// How many shots it is asked with if nobody says so.
    #[must_use]
    pub fn num_shots(&self) -> usize {
        self.keys.num_fewshot.unwrap_or_default()
    }

    /// What the paper says of it.
    #[must_use]
    pub fn in_paper(&self) -> Option<&InPaper> {
        self.keys.likra.as_ref()?.paper.as_ref()
    }

    /// Where shots come from (`fewshot_docs` of the harness).
    pub(crate) fn pool(&self) -> Pool {
        let keys = &self.keys;
        let config = keys.fewshot_config.as_ref();
        if let Some(split) = self.fewshot_split() {
            return Pool::Split(split.into());
        }
        if let Some(samples) = config.and_then(|config| config.samples.clone()) {
            return Pool::Samples(samples);
        }
        let split = keys
            .training_split
            .as_deref()
            .or(keys.validation_split.as_deref());
        Pool::Split(
            split
                .or(keys.test_split.as_deref())
                .unwrap_or_default()
                .into(),
        )
    }

    fn fewshot_split(&self) -> Option<&str> {
        let config = self.keys.fewshot_config.as_ref();
        config
            .and_then(|config| config.split.as_deref())
            .or(self.keys.fewshot_split.as_deref())
    }

    /// Whether the first shots are taken, the same for all questions, rather than drawn for each.
    pub(crate) fn takes_first(&self) -> bool {
        let config = self.keys.fewshot_config.as_ref();
        config.is_some_and(|config| config.sampler.as_deref() == Some("first_n"))
    }

    /// Whether one shot more is drawn, in case that the question itself is among them: where the split of
    /// the shots is the test split, or neither is named.
    pub(crate) fn draws_spare(&self) -> bool {
        self.fewshot_split() == self.keys.test_split.as_deref()
    }

    pub(crate) fn target_delimiter(&self) -> &str {
        self.keys.target_delimiter.as_deref().unwrap_or(" ")
    }

    pub(crate) fn fewshot_delimiter(&self) -> &str {
        self.keys.fewshot_delimiter.as_deref().unwrap_or("\n\n")
    }

    pub(crate) fn own(&self) -> Own {
        self.keys.likra.clone().unwrap_or_default()
    }

    /// The task's files that `dataset_kwargs` names, by split.
    pub(crate) fn data_files(&self) -> BTreeMap<String, Vec<PathBuf>> {
        let named = self
            .keys
            .dataset_kwargs
            .as_ref()
            .and_then(|kwargs| kwargs.get("data_files"));
        let mut files = BTreeMap::new();
        for split in named
            .iter()
            .filter_map(|files| files.try_iter().ok())
            .flatten()
        {
            let found = named
                .and_then(|files| files.get_item(&split).ok())
                .unwrap_or_default();
            let paths = match found.as_str() {
                Some(path) => vec![PathBuf::from(path)],
                None => found
                    .try_iter()
                    .into_iter()
                    .flatten()
                    .map(|path| path.to_string().into())
                    .collect(),
            };
            files.insert(split.to_string(), paths);
        }
        files
    }

    pub(crate) fn refused(&self, key: &str, message: impl Into<String>) -> Error {
        Error::Task {
            file: self.file.clone(),
            key: key.into(),
            message: message.into(),
        }
    }
}

impl Metric {
    /// Its name, if it is not computed here.
    fn left_out(&self) -> Option<String> {
        let known = ["acc", "acc_norm"]
            .map(Some)
            .contains(&self.metric.as_str());
        let mean = self
            .aggregation
            .as_ref()
            .is_none_or(|how| how.as_str() == Some("mean"));
        (!known || !mean).then(|| self.metric.to_string())
    }
}

/// Refuses Python, by the key that needs it. A metric's own way to be aggregated changes no prompt.
fn refuse_functions(file: &str, value: &Value) -> Result<()> {
    fn function(value: &Value) -> Option<Value> {
        let found = value
            .get_attr(yaml::FUNCTION)
            .ok()
            .filter(|name| !name.is_undefined());
        let nested = || {
            let keys: Vec<Value> = value.try_iter().ok()?.collect();
            let inner = |key: Value| match value.get_item(&key) {
                Ok(inner) if !inner.is_undefined() => function(&inner),
                _ => function(&key),
            };
            keys.into_iter().find_map(inner)
        };
        found.or_else(|| value.as_str().is_none().then(nested).flatten())
    }
    for key in value.try_iter().into_iter().flatten() {
        let inner = value.get_item(&key).unwrap_or_default();
        if key.as_str() != Some("metric_list")
            && let Some(name) = function(&inner)
        {
            return Err(Error::Task {
                file: file.into(),
                key: key.to_string(),
                message: format!(
                    "the Python function {name} is not supported; docs/tasks.md says what takes its place"
                ),
            });
        }
    }
    Ok(())
}
