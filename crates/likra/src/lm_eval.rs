//! Scores in the files of lm-evaluation-harness 0.4.13 (`loggers/evaluation_tracker.py`): `results_DATE.json` and
//! `samples_TASK_DATE.jsonl` in a folder named as the model, which its own tools read.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use chrono::Local;
use likra_analysis::{HarnessMetric, standard_error};
use likra_data::{HARNESS_SEED, Question, Task};
use likra_experiment::Inputs;
use likra_files::{PythonJson, python_float, write_atomically};
use likra_results::{ScoreRecord, sha256};
use serde::Serialize;
use serde_json::ser::Serializer;
use serde_json::{Value, json};

/// A question as a line of a samples file.
#[derive(Serialize)]
struct Sample<'a, D: Serialize> {
    doc_id: usize,
    doc: &'a D,
    target: &'a str,
    arguments: BTreeMap<String, BTreeMap<&'static str, String>>,
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

/// Writes the files of one head below `out`: its scores of all questions, or of the first `limit` of each task, in
/// order. `adapter` is the folder of its adapter. Returns the folder that has the files.
pub(crate) fn write(
    out: &Path,
    inputs: &Inputs,
    adapter: Option<&Path>,
    records: &[ScoreRecord],
    limit: Option<usize>,
    took: Duration,
) -> Result<PathBuf> {
    let (evaluation, benchmark) = (&inputs.experiment.spec.evaluation, &inputs.benchmark);
    let mut results = about(inputs, adapter, limit, took);
    let folder = results["model_name_sanitized"].as_str();
    let folder = out.join(folder.unwrap_or_default());
    let date = Local::now().format("%Y-%m-%dT%H-%M-%S%.6f");
    let prefixes = benchmark.prefixes(&evaluation.shots(), benchmark.test().len())?;
    let mut records = records.chunk_by(|a, b| a.question_id == b.question_id);
    for (task, range) in benchmark.tasks() {
        let definition: Value = serde_json::from_str(&task.definition)?;
        let metrics = HarnessMetric::of_task(&definition, task.counts_probability);
        let samples = range.enumerate().map(|(doc_id, place)| {
            let (question, prefix) = (&benchmark.test()[place], &prefixes[place]);
            let scored = records.next().unwrap_or_default();
            sample(doc_id, question, prefix, scored, &metrics)
        });
        let samples: Vec<_> = samples.collect::<Result<_>>()?;
        let path = folder.join(format!("samples_{}_{date}.jsonl", task.name));
        write_atomically(&path, |file| write_lines(file, &samples))?;
        let all = limit.is_none().then_some(samples.len());
        results["n-samples"][&task.name] = json!({"original": all, "effective": samples.len()});
        results["n-shot"][&task.name] = evaluation.num_shots.into();
        add(&mut results, task, definition, &metrics, &samples);
    }
    let text = serde_json::to_vec_pretty(&results)?;
    let path = format!("results_{date}.json");
    write_atomically(&folder.join(path), |file| file.write_all(&text))?;
    Ok(folder)
}

/// What the results say of the whole run.
fn about(inputs: &Inputs, adapter: Option<&Path>, limit: Option<usize>, took: Duration) -> Value {
    let spec = &inputs.experiment.spec;
    let (evaluation, took) = (&spec.evaluation, took.as_secs_f64());
    let mut name = spec.model.clone().unwrap_or_default();
    let mut model_args = json!({"pretrained": name});
    if let Some(adapter) = adapter {
        // The harness names a run after its adapter.
        name = adapter.display().to_string();
        model_args["peft"] = json!(name);
    }
    json!({
        "group_subtasks": {},
        "config": {
            "model": "hf",
            "model_args": model_args,
            "device": inputs.base.placement.name,
            "limit": limit.map(|limit| limit as f64),
            "fewshot_seed": evaluation.shot_seed.unwrap_or(HARNESS_SEED),
        },
        "date": Local::now().timestamp_micros() as f64 / 1e6 - took,
        "lm_eval_version": concat!("likra ", env!("CARGO_PKG_VERSION")),
        "max_length": inputs.base.config.max_positions,
        "model_source": "hf",
        "model_name_sanitized": sanitized(&name),
        "model_name": name,
        "system_instruction": null,
        "fewshot_as_multiturn": evaluation.fewshot_as_multiturn,
        "chat_template": null,
        "total_evaluation_time_seconds": took.to_string(),
    })
}

fn write_lines(mut file: &mut dyn Write, samples: &[impl Serialize]) -> io::Result<()> {
    for sample in samples {
        sample.serialize(&mut Serializer::with_formatter(&mut file, PythonJson))?;
        file.write_all(b"\n")?;
    }
    Ok(())
}

/// As the harness names a model's folder.
fn sanitized(name: &str) -> String {
    let special = ['"', '<', '>', ':', '|', '\\', '?', '*', '[', ']'];
    let mut text = name.replace(special, "/");
    while text.contains("//") {
        text = text.replace("//", "/");
    }
    text.replace('/', "__")
}

fn sample<'a>(
    doc_id: usize,
    question: &'a Question,
    prefix: &str,
    scored: &[ScoreRecord],
    metrics: &[HarnessMetric],
) -> Result<Sample<'a, impl Serialize + use<>>> {
    let (doc, target) = (question.doc(), &question.target);
    let context = |choice| format!("{prefix}{}", question.context(choice));
    let arguments = |choice| {
        let continued = question.continued(question.answer(choice));
        let arguments = [("arg_0", context(choice)), ("arg_1", continued)];
        (format!("gen_args_{choice}"), arguments.into())
    };
    let response = |record: &ScoreRecord| {
        let greedy = match record.greedy {
            Some(true) => "True",
            _ => "False",
        };
        [python_float(record.log_likelihood), greedy.to_owned()]
    };
    let value = |metric: &HarnessMetric| (metric.name(), metric.value(scored));
    Ok(Sample {
        doc_id,
        doc,
        target,
        arguments: (0..question.choices.len()).map(arguments).collect(),
        resps: scored.iter().map(|record| [response(record)]).collect(),
        filtered_resps: scored.iter().map(response).collect(),
        filter: "none",
        metrics: metrics.iter().map(|metric| metric.name()).collect(),
        doc_hash: sha256(&serde_json::to_vec_pretty(doc)?),
        prompt_hash: sha256(context(0).as_bytes()),
        target_hash: sha256(target.as_bytes()),
        values: metrics.iter().map(value).collect(),
    })
}

/// Adds to `results` what comes of a task's samples.
fn add<D: Serialize>(
    results: &mut Value,
    task: &Task,
    mut config: Value,
    metrics: &[HarnessMetric],
    samples: &[Sample<D>],
) {
    let name = &task.name;
    let alias = config.get("task_alias").cloned().unwrap_or(json!(name));
    results["results"][name] = json!({"name": name, "alias": alias, "sample_len": samples.len()});
    let version = config.pointer("/metadata/version").cloned();
    results["versions"][name] = version.unwrap_or("Yaml".into());
    let hashes = samples.iter();
    let hashes = hashes.flat_map(|s| [&*s.doc_hash, &s.prompt_hash, &s.target_hash]);
    results["task_hashes"][name] = sha256(hashes.collect::<String>().as_bytes()).into();
    for metric in metrics.iter().map(|metric| metric.name()) {
        let values: Vec<f64> = samples.iter().map(|sample| sample.values[metric]).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let error = standard_error(&values).map_or("N/A".into(), Value::from);
        results["results"][name][format!("{metric},none")] = mean.into();
        results["results"][name][format!("{metric}_stderr,none")] = error;
        results["higher_is_better"][name][metric] = true.into();
    }
    let entry = |metric: &HarnessMetric| json!({"metric": metric.name(), "aggregation": "mean", "higher_is_better": true});
    // The task's file, with what was asked.
    config["num_fewshot"] = results["n-shot"][name].clone();
    config["metric_list"] = metrics.iter().map(entry).collect();
    // A file may have a version alone there.
    let metadata = &mut config["metadata"];
    if metadata.is_null() || metadata.is_object() {
        let arguments = results["config"]["model_args"].as_object();
        for (key, value) in arguments.into_iter().flatten() {
            metadata[key] = value.clone();
        }
    }
    results["configs"][name] = config;
}
