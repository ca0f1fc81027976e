//! What is done again when a key of an experiment changes, and what is not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use likra_data::{Answers, Needs, Source};
use likra_experiment::{Assignment, Experiment, Finder, Inputs, Run, Spec, training_key};
use likra_model::{DeviceName, Dtype, Placement};

/// The key of every file of scores of the tiny experiment, by its stamp.
fn keys(set: &[&str]) -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().unwrap();
    let all = [
        &["device=cpu", "examples=64", "evaluation.questions=20"],
        set,
    ]
    .concat();
    let assignments: Vec<Assignment> = all
        .iter()
        .map(|text| Assignment::parse(text).unwrap())
        .collect();
    let spec = Spec::open("tiny", &assignments).unwrap();
    let run = Run::open(spec, &dir.path().join("run"), Some(dir.path()), &drop).unwrap();
    let scores = run.jobs.into_iter().flat_map(|job| job.scores);
    let stamp = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    scores
        .map(|product| (stamp(&product.stamp), product.key))
        .collect()
}

/// The heads whose files have other keys.
fn changed(set: &[&str]) -> Vec<String> {
    let (before, after) = (keys(&[]), keys(set));
    let mut names: Vec<String> = before
        .iter()
        .filter(|(stamp, key)| after.get(*stamp).is_some_and(|other| other != *key))
        .map(|(stamp, _)| stamp.trim_start_matches("score-").to_owned())
        .map(|name| name.split("-n0").next().unwrap_or_default().to_owned())
        .collect();
    names.dedup();
    names
}

#[test]
fn only_what_depends_on_a_key_is_done_again() {
    // How it is called and drawn decides no score.
    assert!(changed(&["title=other", "analysis.normalisation=tokens"]).is_empty());
    // The ranking covers more questions; what the other ranked head learns stays.
    assert_eq!(changed(&["heads.easiest.examples=48"]), ["base-train"]);
    assert_eq!(changed(&["heads.irrelevant.seed=9"]), ["irrelevant"]);
    // More examples continue a head.
    assert!(changed(&["heads.irrelevant.examples=40"]).is_empty());
    let heads = changed(&["training.learning-rate=1e-3"]);
    assert!(
        heads.len() == 11 && !heads.contains(&"base".into()),
        "{heads:?}"
    );
    // Each pass has an order of its own, so the ranking covers others.
    assert!(changed(&["training.epochs=2"]).contains(&"base-train".into()));
    // Irrelevant answers come from all test questions.
    let few = |all: &str| {
        keys(&[
            "replicates.questions=8",
            &format!("evaluation.questions={all}"),
        ])
    };
    let (few, fewer) = (few("16"), few("12"));
    let of_replicate = |stamp: &&String| stamp.contains("positive-seed2");
    let mut stamps = few.keys().filter(of_replicate).peekable();
    assert!(stamps.peek().is_some() && stamps.all(|stamp| few[stamp] != fewer[stamp]));
    let asked = changed(&["evaluation.num-shots=1"]);
    assert!(
        asked.contains(&"base".into()) && !asked.contains(&"base-train".into()),
        "{asked:?}"
    );
}

/// A head that was begun on a CPU is not continued elsewhere, nor in another type.
#[test]
fn a_training_is_bound_to_its_kind_of_device_and_its_type() {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny");
    let folder = |key: &str| Assignment {
        key: key.into(),
        value: tiny.to_str().unwrap().into(),
    };
    let spec = Spec::of_command(Answers::Correct, &[folder("model"), folder("data")]).unwrap();
    let needs = Needs {
        train: true,
        ..Needs::default()
    };
    let finder = Finder::new(None, &drop);
    let inputs = Inputs::open(spec, Source::default(), &needs, finder).unwrap();
    let (_, hashes) = inputs.hash().unwrap();
    let Experiment { spec, heads, .. } = &inputs.experiment;
    let key = |placement: &Placement| training_key(&hashes, placement, spec, &heads[0]).unwrap();
    let cpu = DeviceName::Cpu.place(None, None);
    let narrower = Placement {
        dtype: Dtype::Bf16,
        ..cpu.clone()
    };
    let cuda = |number: usize| Placement {
        name: DeviceName::Cuda(number),
        ..cpu.clone()
    };
    assert_ne!(key(&cpu), key(&narrower));
    assert_ne!(key(&cpu), key(&cuda(0)));
    // Two devices of one kind give the same numbers.
    assert_eq!(key(&cuda(0)), key(&cuda(1)));
}

/// A run goes on with the day on which it began, where that decides its prompts.
#[test]
fn the_day_counts_where_a_template_asks_for_it() {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny");
    let dir = tempfile::tempdir().unwrap();
    for file in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        std::fs::copy(tiny.join(file), dir.path().join(file)).unwrap();
    }
    let model = format!("model={}", dir.path().display());
    let of_day = |day: &str| {
        keys(&[
            &model,
            "evaluation.chat-template=true",
            &format!("evaluation.today={day}"),
        ])
    };
    for (asked, differ) in [("{{ strftime_now('%d') }}", true), ("", false)] {
        let template = format!("{asked}{{% for m in messages %}}{{{{ m.content }}}}{{% endfor %}}");
        std::fs::write(dir.path().join("chat_template.jinja"), template).unwrap();
        assert_eq!(of_day("2026-11-27") != of_day("2026-11-28"), differ);
        let assignments = ["device=cpu", "evaluation.chat-template=true", &model];
        let assignments = assignments.map(|text| Assignment::parse(text).unwrap());
        let spec = Spec::open("tiny", &assignments).unwrap();
        let out = dir.path().join(if differ { "run" } else { "other" });
        std::fs::create_dir(&out).unwrap();
        let begin = || Run::open(spec.clone(), &out, Some(dir.path()), &drop).unwrap();
        let run = begin();
        let day = run.inputs.experiment.spec.evaluation.today.clone();
        assert_eq!(day.is_some(), differ);
        let claims = run.begin("likra", false).unwrap();
        drop(claims);
        let Some(day) = day else {
            continue;
        };
        let manifest = run.dir.manifest();
        let text = std::fs::read_to_string(&manifest).unwrap();
        std::fs::write(&manifest, text.replace(&day, "2020-02-02")).unwrap();
        assert_eq!(
            begin().inputs.experiment.spec.evaluation.today.as_deref(),
            Some("2020-02-02")
        );
    }
}
