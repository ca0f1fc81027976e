//! Scores in the files of lm-evaluation-harness 0.4.13 (`loggers/evaluation_tracker.py`): `results_DATE.json` and
//! `samples_TASK_DATE.jsonl` in a folder named as the model, which its own tools read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use chrono::Local;
use likra_analysis::{HarnessMetric, standard_error};
use likra_data::{HARNESS_SEED, Question, Task};
use likra_experiment::Inputs;
use likra_files::{PythonJson, write_atomically};
use likra_results::{ScoreRecord, sha256};
use serde::Serialize;
use serde_json::ser::Serializer;
use serde_json::{Map, Value, json};

/// A question as a line of a samples file.
#[derive(Serialize)]
struct Sample<'a, D: Serialize> {
    doc_id: usize,
    doc: &'a D,
    target: &'a str,
    arguments: BTreeMap<String, Arguments>,
    resps: Vec<[[String; 2]; 1]>,
    filtered_resps: Vec<[String; 2]>,
    filter: &'static str,
    metrics: Vec<&'static str>,
    doc_hash: String,
    prompt_hash: String,
    target_hash: String,
    #[serde(flatten)]
    values: BTreeMap<&'static str, f64>,
}

/// What a candidate was asked as.
#[derive(Serialize)]
struct Arguments {
    arg_0: String,
    arg_1: String,
}

/// One head's scores of all questions, in order.
pub(crate) struct HeadScores<'a> {
    /// The folder of its adapter; the base has none.
    pub(crate) adapter: Option<&'a Path>,
    pub(crate) records: &'a [ScoreRecord],
    /// How many questions of each task were asked, if not all.
    pub(crate) limit: Option<usize>,
    /// How long it took.
    pub(crate) seconds: f64,
}

impl HeadScores<'_> {
    /// Writes the files below `out`; returns the folder that has them.
    pub(crate) fn write(&self, out: &Path, inputs: &Inputs) -> Result<PathBuf> {
        let spec = &inputs.experiment.spec;
        let model = spec.model.clone().unwrap_or_default();
        let mut model_args =
            Map::from_iter([("pretrained".to_owned(), Value::from(model.clone()))]);
        let mut name = model;
        if let Some(adapter) = self.adapter {
            // The harness names a run after its adapter.
            name = adapter.display().to_string();
            model_args.insert("peft".into(), name.clone().into());
        }
        let folder = out.join(sanitized(&name));
        let ended = Local::now();
        let date = ended.format("%Y-%m-%dT%H-%M-%S%.6f").to_string();
        let tasks = self.tasks(inputs, &folder, &date)?;
        let evaluation = &spec.evaluation;
        let shots = evaluation.num_shots;
        let of_tasks = |part: &dyn Fn(&TaskResults) -> Value| {
            let parts = tasks.iter().map(|task| (task.name.clone(), part(task)));
            Value::from(parts.collect::<Map<_, _>>())
        };
        let counts = |task: &TaskResults| {
            let all = self.limit.is_none().then_some(task.questions);
            json!({"original": all, "effective": task.questions})
        };
        let results = json!({
            "results": of_tasks(&|task| task.results.clone()),
            "group_subtasks": {},
            "configs": of_tasks(&|task| task.config(shots, &model_args)),
            "versions": of_tasks(&|task| task.version.clone()),
            "n-shot": of_tasks(&|_| shots.into()),
            "higher_is_better": of_tasks(&|task| task.higher_is_better.clone()),
            "n-samples": of_tasks(&counts),
            "config": {
                "model": "hf",
                "model_args": model_args,
                "batch_sizes": [],
                "device": inputs.base.placement.name,
                "limit": self.limit.map(|limit| limit as f64),
                "bootstrap_iters": 0,
                "gen_kwargs": {},
                "fewshot_seed": evaluation.shot_seed.unwrap_or(HARNESS_SEED),
            },
            "git_hash": null,
            "date": ended.timestamp_micros() as f64 / 1e6 - self.seconds,
            "lm_eval_version": concat!("likra ", env!("CARGO_PKG_VERSION")),
            "max_length": inputs.base.config.max_positions,
            "task_hashes": of_tasks(&|task| task.hash.clone().into()),
            "model_source": "hf",
            "model_name": name,
            "model_name_sanitized": sanitized(&name),
            "system_instruction": null,
            "fewshot_as_multiturn": evaluation.fewshot_as_multiturn,
            "chat_template": null,
            "total_evaluation_time_seconds": self.seconds.to_string(),
        });
        let path = folder.join(format!("results_{date}.json"));
        let text = serde_json::to_vec_pretty(&results)?;
        write_atomically(&path, |file| file.write_all(&text))?;
        Ok(folder)
    }

    /// Writes the samples of each task, and says what comes of them.
    fn tasks(&self, inputs: &Inputs, folder: &Path, date: &str) -> Result<Vec<TaskResults>> {
        let benchmark = &inputs.benchmark;
        let shots = inputs.experiment.spec.evaluation.shots();
        let prefixes = benchmark.prefixes(&shots, benchmark.test().len())?;
        let mut records = self.records.chunk_by(|a, b| a.question_id == b.question_id);
        let mut tasks = Vec::new();
        for (task, range) in benchmark.tasks() {
            let definition: Value = serde_json::from_str(&task.definition)?;
            let metrics = HarnessMetric::of_task(&definition, task.counts_probability());
            let (mut lines, mut hashes) = (Vec::new(), String::new());
            let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
            for (doc_id, place) in range.enumerate() {
                let question = &benchmark.test()[place];
                let scored = records.next().unwrap_or_default();
                let sample = sample(doc_id, question, &prefixes[place], scored, &metrics)?;
                hashes += &[&*sample.doc_hash, &sample.prompt_hash, &sample.target_hash].concat();
                for (metric, value) in &sample.values {
                    values.entry(metric).or_default().push(*value);
                }
                sample.serialize(&mut Serializer::with_formatter(&mut lines, PythonJson))?;
                lines.push(b'\n');
            }
            let path = folder.join(format!("samples_{}_{date}.jsonl", task.name));
            write_atomically(&path, |file| file.write_all(&lines))?;
            let hash = sha256(hashes.as_bytes());
            tasks.push(TaskResults::new(task, definition, &metrics, &values, hash));
        }
        Ok(tasks)
    }
}

/// As the harness names a model's folder.
fn sanitized(name: &str) -> String {
    let special = |c: char| "\"<>:/|\\?*[]".contains(c);
    let mut text = String::new();
    let mut rest = name;
    while let Some(at) = rest.find(special) {
        text += &rest[..at];
        text += "__";
        rest = rest[at..].trim_start_matches(special);
    }
    text + rest
}

fn sample<'a>(
    doc_id: usize,
    question: &'a Question,
    prefix: &str,
    scored: &[ScoreRecord],
    metrics: &[HarnessMetric],
) -> Result<Sample<'a, impl Serialize + use<>>> {
    let arguments = |choice| Arguments {
        arg_0: format!("{prefix}{}", question.context(choice)),
        arg_1: question.continued(question.answer(choice)),
    };
    let response = |record: &ScoreRecord| {
        let greedy = if record.greedy == Some(true) {
            "True"
        } else {
            "False"
        };
        [
            likra_files::python_float(record.log_likelihood),
            greedy.to_owned(),
        ]
    };
    let filtered: Vec<_> = scored.iter().map(response).collect();
    let hash = |text: &[u8]| sha256(text);
    Ok(Sample {
        doc_id,
        doc: question.doc(),
        target: question.target(),
        arguments: (0..question.choices().len())
            .map(|choice| (format!("gen_args_{choice}"), arguments(choice)))
            .collect(),
        resps: filtered.iter().map(|response| [response.clone()]).collect(),
        filtered_resps: filtered,
        filter: "none",
        metrics: metrics.iter().map(|metric| metric.name()).collect(),
        doc_hash: hash(&serde_json::to_vec_pretty(question.doc())?),
        prompt_hash: hash(arguments(0).arg_0.as_bytes()),
        target_hash: hash(question.target().as_bytes()),
        values: metrics
            .iter()
            .map(|metric| (metric.name(), metric.value(scored)))
            .collect(),
    })
}

/// What the results file says of a task.
struct TaskResults {
    name: String,
    definition: Value,
    metrics: Vec<Value>,
    results: Value,
    version: Value,
    higher_is_better: Value,
    questions: usize,
    hash: String,
}

impl TaskResults {
    fn new(
        task: &Task,
        definition: Value,
        metrics: &[HarnessMetric],
        values: &BTreeMap<&str, Vec<f64>>,
        hash: String,
    ) -> Self {
        let alias = definition.get("task_alias").cloned();
        let questions = values.values().next().map_or(0, Vec::len);
        let mut results = json!({
            "name": task.name,
            "alias": alias.unwrap_or_else(|| task.name.clone().into()),
            "sample_len": questions,
        });
        for (metric, values) in values {
            let error = standard_error(values);
            results[format!("{metric},none")] =
                (values.iter().sum::<f64>() / values.len() as f64).into();
            results[format!("{metric}_stderr,none")] = error.map_or("N/A".into(), Value::from);
        }
        let entry = |metric: &HarnessMetric| json!({"metric": metric.name(), "aggregation": "mean", "higher_is_better": true});
        let better = metrics
            .iter()
            .map(|metric| (metric.name().to_owned(), true.into()));
        Self {
            name: task.name.clone(),
            metrics: metrics.iter().map(entry).collect(),
            results,
            version: definition
                .pointer("/metadata/version")
                .cloned()
                .unwrap_or("Yaml".into()),
            higher_is_better: Value::from(better.collect::<Map<_, _>>()),
            definition,
            questions,
            hash,
        }
    }

    /// The task's file, with what was asked.
    fn config(&self, shots: usize, model_args: &Map<String, Value>) -> Value {
        let mut config = self.definition.clone();
        config["num_fewshot"] = shots.into();
        config["metric_list"] = self.metrics.clone().into();
        for (key, value) in model_args {
            config["metadata"][key] = value.clone();
        }
        config
    }
}
