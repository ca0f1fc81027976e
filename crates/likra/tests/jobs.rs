//! `likra plan` and `likra step`: a run that many processes share ends like one that a single process did.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::common::{fail, files, fixture, likra, small, succeed, without_cost};

/// Plans the small run in `out`.
fn plan(out: &Path) -> Value {
    let mut words = small(out);
    words[0] = "plan".into();
    words.push("--json".into());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    serde_json::from_str(&succeed(&words)).unwrap()
}

fn names(plan: &Value) -> Vec<String> {
    let jobs = plan["jobs"].as_array().unwrap();
    jobs.iter()
        .map(|job| job["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Does a job, again and again while it is not to be done yet; in the first second it may be killed and begun anew.
fn step(job: &str, out: &Path, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let words = ["step", job, "--out", out.to_str().unwrap()];
    let mut child = likra(&words)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_millis(random.random_range(0..1000)));
    child.kill().unwrap();
    child.wait().unwrap();
    for _ in 0..1000 {
        let output = likra(&words).output().unwrap();
        match output.status.code() {
            Some(0) => return,
            Some(75) => thread::sleep(Duration::from_millis(100)),
            _ => panic!("{job}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    panic!("{job} is never done");
}

#[test]
fn ten_processes_for_each_job_end_like_one() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, shared] = ["whole", "shared"].map(|name| dir.path().join(name));
    let words = small(&whole);
    succeed(&words.iter().map(String::as_str).collect::<Vec<_>>());

    let planned = plan(&shared);
    let mut jobs = names(&planned);
    assert_eq!(jobs.last().unwrap(), "report");
    let mut random = ChaCha8Rng::seed_from_u64(7);
    jobs.shuffle(&mut random);
    let threads: Vec<_> = (0..10)
        .map(|process| {
            let (mut jobs, shared) = (jobs.clone(), shared.clone());
            thread::spawn(move || {
                let by = process as usize * 3 % jobs.len();
                jobs.rotate_left(by);
                // The report needs all others.
                jobs.sort_by_key(|job| job == "report");
                for job in &jobs {
                    step(job, &shared, process);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }

    let done = plan(&shared);
    assert!(
        done["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .all(|job| job["done"] == true),
        "{done}"
    );
    let [mut one, mut many] = [&whole, &shared].map(|dir| files(dir));
    let page = Path::new("report/index.html");
    assert!(one.remove(page).is_some() && many.remove(page).is_some());
    assert!(many.remove(Path::new("plan.json")).is_some());
    // What a killed process has left half-written, and its claim, stays if another finishes the job at that moment.
    many.retain(|name, _| {
        !name.to_string_lossy().ends_with(".partial") && !name.starts_with("claims")
    });
    let differs = |name: &&PathBuf| one.get(*name) != many.get(*name);
    let different: Vec<&PathBuf> = one.keys().chain(many.keys()).filter(differs).collect();
    assert!(different.is_empty(), "{different:?}");
    let [one, many] = [whole, shared].map(|dir| fs::read_to_string(dir.join(page)).unwrap());
    assert_eq!(without_cost(&many), without_cost(&one));
}

#[test]
fn a_job_says_by_its_exit_code_what_an_engine_shall_do() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let folder = out.to_str().unwrap();
    let message = fail(&["step", "base", "--out", folder], 1);
    assert!(message.contains("likra plan EXPERIMENT --out"), "{message}");
    let planned = plan(&out);
    let jobs = planned["jobs"].as_array().unwrap();
    let of = |name: &str| jobs.iter().find(|job| job["name"] == name).unwrap();
    assert_eq!(of("easiest")["needs"], serde_json::json!(["base"]));
    assert_eq!(of("positive")["needs"], serde_json::json!([]));
    assert_eq!(
        of("report")["needs"].as_array().unwrap().len(),
        jobs.len() - 1
    );
    for job in jobs {
        assert_eq!(
            (&job["gpus"], &job["done"]),
            (&0.into(), &false.into()),
            "{job}"
        );
        assert!(
            job["minutes"].as_u64() > Some(0) && job["memory_mib"].as_u64() > Some(0),
            "{job}"
        );
    }
    let message = fail(&["step", "nonesuch", "--out", folder], 2);
    assert!(message.contains("base, positive"), "{message}");
    let message = fail(&["step", "easiest", "--out", folder], 75);
    assert!(message.contains("needs `base`"), "{message}");
    let claim = likra_results::RunDir::new(&out).claim("base");
    let claim = likra_results::Claim::take(claim).unwrap();
    fail(&["step", "base", "--out", folder], 75);
    drop(claim);
    succeed(&["step", "base", "--out", folder]);
    succeed(&["step", "base", "--out", folder]);
    let again = plan(&out);
    assert_eq!(again["jobs"][0]["done"], true, "{again}");

    // A plan that nothing has changed is read and not made.
    let before = fs::metadata(out.join("plan.json"))
        .unwrap()
        .modified()
        .unwrap();
    plan(&out);
    let after = fs::metadata(out.join("plan.json"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(before, after);

    // Other settings would be drawn with the scores of these.
    let other = ["--set", "evaluation.num-shots=1", "--out", folder];
    let message = fail(
        &[&["plan", "tiny", "--device", "cpu"], &other[..]].concat(),
        1,
    );
    assert!(message.contains("made with other settings"), "{message}");
    // A folder of the task's name is no task file.
    fs::create_dir_all(dir.path().join("arc_challenge")).unwrap();
    let words = [
        "plan",
        "tiny",
        "--device",
        "cpu",
        "--examples",
        "32",
        "--out",
        "there",
    ];
    let done = likra(&words).current_dir(dir.path()).output().unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Two seeds of an experiment that is asked in two ways.
const STUDY: &str = r#"
title = "Two ways to ask"

[matrix]
experiment = ["tiny"]
seed = [1, 7]
"evaluation.num-shots" = [0, 1]

[set]
device = "cpu"
examples = 32
"evaluation.questions" = 24
"#;

#[test]
fn a_study_is_planned_done_and_compared() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("study.toml"), dir.path().join("out"));
    fs::write(&file, STUDY).unwrap();
    let (file, folder) = (file.to_str().unwrap(), out.to_str().unwrap());
    let planned = succeed(&["plan", file, "--out", folder, "--json"]);
    let planned: Value = serde_json::from_str(&planned).unwrap();
    let jobs = names(&planned);
    assert!(
        jobs.contains(&"tiny-num-shots1-seed7/incorrect".into()),
        "{jobs:?}"
    );
    // One experiment may stand where all share it.
    let other = dir.path().join("other.toml");
    let shared = STUDY.replacen("[matrix]\nexperiment = [\"tiny\"]", "[matrix]", 1);
    fs::write(&other, format!("{shared}experiment = \"tiny\"\n")).unwrap();
    let (other, there) = (other.to_str().unwrap(), dir.path().join("there"));
    let words = ["plan", other, "--out", there.to_str().unwrap(), "--json"];
    let planned: Value = serde_json::from_str(&succeed(&words)).unwrap();
    assert!(
        names(&planned).contains(&"num-shots1-seed7/irrelevant".into()),
        "{planned}"
    );
    let message = fail(&["step", "report", "--out", folder], 75);
    assert!(message.contains("/report`"), "{message}");
    succeed(&["step", &jobs[0], "--out", folder]);
    let said = succeed(&["reproduce", file, "--out", folder]);
    assert!(said.contains("4 of 4 runs"), "{said}");
    let planned = succeed(&["plan", file, "--out", folder, "--json"]);
    let planned: Value = serde_json::from_str(&planned).unwrap();
    assert!(
        planned["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .all(|job| job["done"] == true),
        "{planned}"
    );

    let mut table = csv::Reader::from_path(out.join("report/comparison.csv")).unwrap();
    let header = table.headers().unwrap().clone();
    let of = |row: &csv::StringRecord, name: &str| {
        row[header.iter().position(|column| column == name).unwrap()].to_owned()
    };
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    // Each method, asked in two ways; the base is the same for both seeds.
    let methods: BTreeSet<String> = rows.iter().map(|row| of(row, "method")).collect();
    assert!(
        ["base", "sft-likra", "dexperts", "shortest"]
            .iter()
            .all(|name| methods.contains(*name)),
        "{methods:?}"
    );
    assert_eq!(rows.len(), 2 * methods.len());
    for row in &rows {
        assert_eq!(
            (of(row, "seeds"), of(row, "questions")),
            ("2".into(), "24".into()),
            "{row:?}"
        );
        let spread: f64 = of(row, "spread").parse().unwrap();
        let untrained = ["base", "base-pmi", "answer-only", "p-true", "shortest"];
        let trained = !untrained.contains(&&*of(row, "method"));
        assert!(spread == 0.0 || trained, "{row:?}");
        let [low, mean, high] = ["acc_norm_low", "acc_norm", "acc_norm_high"]
            .map(|name| of(row, name).parse::<f64>().unwrap());
        assert!(low <= mean && mean <= high, "{row:?}");
    }
    assert!(rows.iter().any(|row| of(row, "spread") != "0.00000"));
    let svg = fs::read_to_string(out.join("report/comparison.svg")).unwrap();
    assert!(
        svg.contains("sft-likra") && svg.contains("num-shots 1") && !svg.contains("tiny, num"),
        "{svg}"
    );
}

/// Tables may be written as tables; what cannot be a study is named.
#[test]
fn a_study_is_read_as_it_is_meant() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("out");
    let folder = folder.to_str().unwrap();
    let wrong = dir.path().join("wrong.toml");
    for (from, to, words) in [
        (
            "[set]",
            "[data]\narc_chalenge = \"x\"\n[set]",
            "no run has the task `arc_chalenge`",
        ),
        ("seed = [1, 7]", "seed = []", "at least one value"),
    ] {
        fs::write(&wrong, STUDY.replacen(from, to, 1)).unwrap();
        let words_of = ["plan", wrong.to_str().unwrap(), "--out", folder];
        let message = fail(&words_of, 1);
        assert!(message.contains(words), "{message}");
    }
    // Its runs are named for what their matrix says.
    fs::write(&wrong, STUDY).unwrap();
    for given in ["--seed=3", "--set=evaluation.num-shots=2"] {
        let words = ["plan", wrong.to_str().unwrap(), "--out", folder, given];
        let message = fail(&words, 1);
        assert!(message.contains("by which runs are named"), "{message}");
    }
    let parent = "title = \"Outside\"\n[matrix]\nmodel = [\"..\"]\n[set]\nexperiment = \"tiny\"\n";
    fs::write(&wrong, parent).unwrap();
    let message = fail(&["plan", wrong.to_str().unwrap(), "--out", folder], 1);
    assert!(message.contains("a run would be called `..`"), "{message}");
    let merged = STUDY.replacen(
        "examples = 32",
        "examples = 32\ntraining.learning-rate = 2e-3",
        1,
    );
    fs::write(&wrong, merged.replacen("[1, 7]", "[1]", 1)).unwrap();
    let elsewhere = dir.path().join("elsewhere");
    succeed(&[
        "plan",
        wrong.to_str().unwrap(),
        "--out",
        elsewhere.to_str().unwrap(),
    ]);
    let run = fs::read_to_string(elsewhere.join("tiny-num-shots0-seed1/run.toml")).unwrap();
    assert!(
        run.contains("learning-rate = 0.002") && run.contains("bos = \"never\""),
        "{run}"
    );
}

/// The tokens of all jobs of a plan, to train and to score, and the operations that they take, in 10^9: forward two a
/// parameter and token, back twice as many.
fn work(out: &Path) -> [u64; 3] {
    let text = fs::read_to_string(out.join("plan.json")).unwrap();
    let plan: Value = serde_json::from_str(&text).unwrap();
    let jobs = plan["jobs"].as_array().unwrap().iter();
    let products = jobs.flat_map(|job| job["products"].as_array().unwrap());
    let costs = products.map(|product| [0, 1].map(|kind| product["cost"][kind].as_u64().unwrap()));
    let [train, score] = costs.fold([0, 0], |sum, cost| [sum[0] + cost[0], sum[1] + cost[1]]);
    let operations = 2 * plan["parameters"].as_u64().unwrap() * (3 * train + score);
    [train, score, operations / 1_000_000_000]
}

/// A guard that needs no clock: whoever computes more tokens for the same numbers has to change these.
#[test]
fn the_tokens_and_the_operations_of_a_plan_are_as_few_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = dir.path().join("run");
    succeed(&[
        "plan",
        "tiny",
        "--device",
        "cpu",
        "--out",
        tiny.to_str().unwrap(),
    ]);
    assert_eq!(work(&tiny), [54_779, 677_044, 1295]);

    // Questions of ARC, each three times, for a model with enough positions for 25 of them.
    let (model, data) = (dir.path().join("model"), dir.path().join("arc"));
    fs::create_dir(&model).unwrap();
    fs::create_dir(&data).unwrap();
    for file in [
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        fs::copy(fixture("tiny").join(file), model.join(file)).unwrap();
    }
    let config = fs::read_to_string(fixture("tiny/config.json")).unwrap();
    fs::write(
        model.join("config.json"),
        config.replace(": 512", ": 65536"),
    )
    .unwrap();
    let rows = fs::read_to_string(fixture("data/arc-sample.jsonl")).unwrap();
    for split in ["Train", "Test"] {
        let copies = ["a", "b", "c"].map(|copy| {
            // A question is never a solved one before itself, so each has words of its own.
            let [id, stem] = ["id", "stem"].map(|key| format!(r#""{key}":""#));
            let named = rows.replace(&id, &format!("{id}{split}-{copy}-"));
            named.replace(&stem, &format!("{stem}{split} {copy}: "))
        });
        let file = format!("ARC-Challenge-{split}.jsonl");
        fs::write(data.join(file), copies.concat()).unwrap();
    }
    for (rule, expected) in [
        ("fixed", [9591, 58_767, 134]),
        ("per-question", [9591, 629_106, 1013]),
    ] {
        let out = dir.path().join(rule);
        let [model, data, folder] = [&model, &data, &out].map(|path| path.to_str().unwrap());
        let words = [
            "plan",
            "general",
            "--model",
            model,
            "--task",
            "arc_challenge",
            "--data",
            data,
        ];
        let shots = [
            "--num-shots",
            "25",
            "--shots",
            rule,
            "--device",
            "cpu",
            "--out",
            folder,
        ];
        succeed(&[&words[..], &shots].concat());
        assert_eq!(work(&out), expected, "{rule}");
    }
}

/// A run is read elsewhere, where paths of this machine say nothing.
#[test]
fn a_run_names_its_task_file_without_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let [task, out] = ["capitals.yaml", "run"].map(|name| dir.path().join(name));
    let text = "task: capitals\noutput_type: multiple_choice\ntraining_split: train\ntest_split: test\n\
                doc_to_text: q\ndoc_to_choice: [Lima, Cusco]\ndoc_to_target: 0\n";
    fs::write(&task, text).unwrap();
    for split in ["train", "test"] {
        let rows = [1, 2, 3].map(|row| format!("{{\"q\": \"{split} {row}?\"}}"));
        fs::write(
            dir.path().join(split).with_extension("jsonl"),
            rows.join("\n"),
        )
        .unwrap();
    }
    let [task, data, folder] = [&task, dir.path(), &out].map(|path: &Path| path.to_str().unwrap());
    let model = fixture("tiny");
    let words = [
        "plan",
        "general",
        "--model",
        model.to_str().unwrap(),
        "--task",
        task,
    ];
    succeed(
        &[
            &words[..],
            &["--data", data, "--device", "cpu", "--out", folder],
        ]
        .concat(),
    );
    let said = fs::read_to_string(out.join("run.toml")).unwrap();
    assert!(
        said.contains("task = \"capitals.yaml\"") && !said.contains(data),
        "{said}"
    );
}
