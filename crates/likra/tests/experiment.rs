//! What an experiment says is what is done: which answers heads learn, which steps there are, what is set on the
//! command line, and a report at any point of a run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use likra_data::{Benchmark, Needs, Question, Source};
use likra_results::{AnswerKind, AnswerRecord, RunDir, ScoreRecord, read_rows};

use crate::common::{fail, fixture, succeed};

const WORDS: [&str; 8] = [
    "reproduce",
    "tiny",
    "--device",
    "cpu",
    "--examples",
    "64",
    "--limit",
    "20",
];

fn with(out: &Path, more: &[&str]) -> Vec<String> {
    let out = ["--out", out.to_str().unwrap()];
    let words = [&WORDS[..], &out, more].concat();
    words.into_iter().map(String::from).collect()
}

fn run(out: &Path, more: &[&str]) -> String {
    let words = with(out, more);
    succeed(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The answers that a head of a run learned.
fn answers(run: &Path, head: &str) -> Vec<AnswerRecord> {
    read_rows(&RunDir::new(run).head(head).answers()).unwrap()
}

/// The training questions of the tiny experiment by id.
fn training_questions() -> BTreeMap<String, Question> {
    let source = Source::folder(fixture("tiny"));
    let benchmark = Benchmark::open("arc_challenge", &source, &Needs::all()).unwrap();
    let questions = benchmark.train().iter().cloned();
    questions
        .map(|question| (question.id.clone(), question))
        .collect()
}

#[test]
fn a_run_holds_what_its_experiment_names() {
    let dir = tempfile::tempdir().unwrap();
    let half = "heads.half.answers=incorrect";
    let half = ["--set", half, "--set", "heads.half.contamination=0.5"];
    run(dir.path(), &half);
    heads_learn_the_answers_that_they_are_named_for(dir.path());
    a_ranked_head_learns_the_choice_that_the_base_ranks_so(dir.path());
    every_question_is_scored_with_an_answer_of_each_further_kind(dir.path());
}

fn heads_learn_the_answers_that_they_are_named_for(dir: &Path) {
    let train = training_questions();
    let answers = |head| answers(dir, head);
    let ids = |head| -> Vec<String> { answers(head).into_iter().map(|a| a.question_id).collect() };

    assert_eq!(ids("positive").len(), 64);
    for head in [
        "incorrect",
        "irrelevant",
        "unrelated",
        "hardest",
        "easiest",
        "half",
    ] {
        assert_eq!(
            ids(head),
            ids("positive"),
            "heads of a seed see the same questions: {head}"
        );
    }
    assert_ne!(ids("contaminated"), ids("positive"));
    let kinds = [
        ("positive", AnswerKind::Correct),
        ("incorrect", AnswerKind::Incorrect),
        ("irrelevant", AnswerKind::Irrelevant),
        ("unrelated", AnswerKind::Unrelated),
        ("hardest", AnswerKind::Incorrect),
        ("easiest", AnswerKind::Incorrect),
        ("contaminated", AnswerKind::Correct),
    ];
    for (head, kind) in kinds {
        for AnswerRecord {
            question_id,
            kind: found,
            answer,
        } in answers(head)
        {
            let question = &train[&question_id];
            let own = question.choices.contains(&answer);
            let right = question.choices[question.gold().unwrap()] == answer;
            assert_eq!(found, kind, "{head}");
            assert_eq!(right, kind == AnswerKind::Correct, "{head}: {answer}");
            assert_eq!(own, kind.is_choice(), "{head}: {answer}");
        }
    }
    let right = answers("half")
        .iter()
        .filter(|a| a.kind == AnswerKind::Correct)
        .count();
    assert!((16..=48).contains(&right), "{right} of 64");
}

fn a_ranked_head_learns_the_choice_that_the_base_ranks_so(dir: &Path) {
    let train = training_questions();
    let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for record in read_rows::<ScoreRecord>(&dir.join("scores/base-train.csv.gz")).unwrap() {
        let of_question = scores.entry(record.question_id).or_default();
        of_question.push(record.log_likelihood / record.chars as f64);
    }
    let mut differ = 0;
    for (hard, easy) in answers(dir, "hardest").iter().zip(answers(dir, "easiest")) {
        let question = &train[&hard.question_id];
        let score = |answer: &String| {
            let place = question.choices.iter().position(|choice| choice == answer);
            scores[&question.id][place.unwrap()]
        };
        for choice in question.wrong().map(|place| &question.choices[place]) {
            assert!(score(&hard.answer) >= score(choice) && score(choice) >= score(&easy.answer));
        }
        differ += usize::from(hard.answer != easy.answer);
    }
    assert!(differ > 48, "{differ} of 64");
}

fn every_question_is_scored_with_an_answer_of_each_further_kind(dir: &Path) {
    for file in [
        "base",
        "answer-only",
        "easiest-n00064",
        "incorrect-seed3-n00032",
    ] {
        let records = read_rows::<ScoreRecord>(&dir.join(format!("scores/{file}.csv.gz"))).unwrap();
        let count = |kind| records.iter().filter(|record| record.kind == kind).count();
        assert_eq!(
            (count(AnswerKind::Irrelevant), count(AnswerKind::Unrelated)),
            (20, 20),
            "{file}"
        );
    }
}

#[test]
fn a_dry_run_says_what_is_left_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let before = run(&out, &["--dry-run"]);
    assert!(!out.exists());
    let job = |text: &str, name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .to_owned()
    };
    assert!(job(&before, "base").contains("20 questions, about "));
    assert!(job(&before, "hardest").contains("64 examples, 2 checkpoints of 20 questions, about "));
    assert!(
        before.contains("0 of 12 jobs are done") && before.contains("MiB of memory on cpu"),
        "{before}"
    );

    run(&out, &[]);
    let after = run(&out, &["--dry-run"]);
    assert!(job(&after, "hardest").ends_with("  done"));
    assert!(
        after.contains("12 of 12 jobs") && after.contains("Nothing is left"),
        "{after}"
    );

    // A changed key redoes what depends on it, and nothing else.
    let changed = run(&out, &["--dry-run", "--set", "heads.easiest.seed=5"]);
    for (name, done) in [
        ("positive", true),
        ("incorrect", true),
        ("hardest", true),
        ("easiest", false),
    ] {
        assert_eq!(job(&changed, name).ends_with("  done"), done, "{changed}");
    }
    // Without its adapters a head is trained again only if something of it is to be scored.
    fs::remove_dir_all(out.join("heads")).unwrap();
    fs::remove_file(out.join("scores/unrelated-n00032.csv.gz")).unwrap();
    let partly = run(&out, &["--dry-run"]);
    assert!(job(&partly, "positive").ends_with("  done"), "{partly}");
    assert!(
        job(&partly, "unrelated").contains("64 examples, 1 checkpoints of"),
        "{partly}"
    );
}

/// And a verdict on every claim but the first, which looks beyond 64 examples.
#[test]
fn a_run_of_all_heads_has_every_table_and_figure() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &[]);
    let page = fs::read_to_string(dir.path().join("report/index.html")).unwrap();
    let report = dir.path().join("report");
    let drawn = ["1", "2", "3", "4", "5", "6-1", "6-2"].map(|number| format!("figure{number}.svg"));
    let numbers = ["1", "2", "3", "4", "5", "6"].map(|number| format!("figure{number}.csv"));
    let others = ["table1.csv", "controls.svg", "seeds.svg", "comparisons.csv"];
    let others = others.map(String::from);
    for name in drawn.iter().chain(&numbers).chain(&others) {
        let text = fs::read_to_string(report.join(name)).unwrap();
        let rows = text.lines().count();
        assert!(rows > 2, "{name}: {rows} lines");
        assert!(page.contains(&format!("href=\"{name}\"")), "{name}");
    }
    let claims = fs::read_to_string(report.join("claims.csv")).unwrap();
    let mut further = claims.lines().filter(|line| !line.starts_with("1,"));
    assert!(
        further.all(|line| !line.contains("not measured")),
        "{claims}"
    );
}

#[test]
fn heads_of_other_objectives_stand_beside_likra() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let objectives = ["dpo", "kto-negatives", "choice", "bradley-terry"];
    let keys = objectives.map(|name| {
        let answers = format!("heads.{name}.answers=incorrect");
        [answers, format!("heads.{name}.objective={name}")]
    });
    let keys = keys.iter().flatten().flat_map(|key| ["--set", key]);
    let fewer = ["--set", "replicates.seeds=[]"];
    let more: Vec<&str> = keys.chain(fewer).collect();
    run(&out, &more);
    let table = fs::read_to_string(out.join("report/rivals.csv")).unwrap();
    for objective in objectives {
        let has = |method: String| table.lines().any(|line| line.starts_with(&method));
        assert!(has(format!("{objective},64,")), "{table}");
        // A reward is not compared with the base's log-likelihoods.
        let gives_rewards = objective == "bradley-terry";
        assert_eq!(
            has(format!("{objective}-base,64,")),
            !gives_rewards,
            "{table}"
        );
        // None of them is a negative head.
        let controls = fs::read_to_string(out.join("report/controls.csv")).unwrap();
        assert!(!controls.contains(objective), "{controls}");
    }
    // The wrong answers are those of the negative head, beside the right one; `choice` has all.
    let [incorrect, dpo, alone, choice] =
        ["incorrect", "dpo", "kto-negatives", "choice"].map(|head| answers(&out, head));
    let wrong = |records: &[AnswerRecord]| {
        let wrong = records
            .iter()
            .filter(|record| record.kind == AnswerKind::Incorrect);
        wrong.cloned().collect::<Vec<_>>()
    };
    assert_eq!(wrong(&dpo), incorrect);
    assert_eq!(alone, incorrect);
    assert_eq!((dpo.len(), choice.len()), (128, 256));
}

#[test]
fn a_weight_is_chosen_by_questions_that_no_head_has_learned() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    run(
        &out,
        &[
            "--set",
            "selection.share=0.1",
            "--set",
            "replicates.seeds=[]",
        ],
    );
    let scores = |name: &str| -> Vec<ScoreRecord> {
        read_rows(&out.join(format!("scores/{name}.csv.gz"))).unwrap()
    };
    let ids = |records: &[ScoreRecord]| {
        let ids = records.iter().map(|record| record.question_id.clone());
        ids.collect::<BTreeSet<_>>()
    };
    let (base, positive) = (scores("base-n00000-aside"), scores("positive-n00064-aside"));
    let aside = ids(&base);
    assert_eq!(aside.len(), training_questions().len() / 10);
    assert_eq!(aside, ids(&positive));
    for head in ["positive", "incorrect", "hardest", "contaminated"] {
        let learned = answers(&out, head);
        assert!(
            learned
                .iter()
                .all(|record| !aside.contains(&record.question_id)),
            "{head}"
        );
    }
    let table = |name: &str| fs::read_to_string(out.join(format!("report/{name}.csv"))).unwrap();
    for name in ["table1", "rivals", "measures", "comparisons"] {
        for method in ["sft-likra-chosen,", "logistic,"] {
            assert!(table(name).contains(method), "{name}");
        }
    }
    assert!(
        table("figure4").contains("base-likra-aside,64,0.9"),
        "{}",
        table("figure4")
    );
    // Nothing is computed twice, and without the key heads are others.
    let again = run(
        &out,
        &[
            "--set",
            "selection.share=0.1",
            "--set",
            "replicates.seeds=[]",
            "--dry-run",
        ],
    );
    assert!(again.contains("Nothing is left"), "{again}");
    let other = run(&out, &["--set", "replicates.seeds=[]", "--dry-run"]);
    assert!(!other.contains("Nothing is left"), "{other}");
}

#[test]
fn rate_and_beta_are_chosen_on_questions_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let keys = [
        "replicates.seeds=[]",
        "selection.share=0.1",
        "selection.betas=[0.5]",
        "selection.learning-rates=[0.01]",
        "heads.dpo.answers=incorrect",
        "heads.dpo.objective=dpo",
    ];
    let keys = keys.iter().flat_map(|key| ["--set", key]);
    run(&out, &keys.collect::<Vec<_>>());
    let heads = [
        "positive-rate0.01",
        "incorrect-rate0.01",
        "dpo-beta0.5",
        "dpo-rate0.01",
        "dpo-beta0.5-rate0.01",
    ];
    for head in heads {
        assert!(
            out.join(format!("scores/{head}-n00064-aside.csv.gz"))
                .exists(),
            "{head}"
        );
        assert_eq!(
            answers(&out, head),
            answers(&out, head.split('-').next().unwrap())
        );
    }
    assert!(!out.join("heads/hardest-rate0.01").exists());
    let table = fs::read_to_string(out.join("report/rivals.csv")).unwrap();
    for method in ["sft-chosen,64,", "sft-likra-chosen,64,", "dpo-chosen,64,"] {
        assert_eq!(table.matches(method).count(), 1, "{table}");
    }
    let controls = fs::read_to_string(out.join("report/controls.csv")).unwrap();
    assert!(!controls.contains("rate0.01"), "{controls}");
    let error = fail(
        &[
            "reproduce",
            "tiny",
            "--set",
            "selection.share=0.1",
            "--set",
            "selection.betas=[-1]",
        ],
        1,
    );
    assert!(
        error.contains("selection.betas: expected positive numbers, found -1"),
        "{error}"
    );
}

#[test]
fn a_report_can_be_drawn_at_any_point() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    run(dir.path(), &[]);
    let page = || fs::read_to_string(dir.path().join("report/index.html")).unwrap();
    assert!(!page().contains("not finished"));
    for missing in [
        "irrelevant-n00032",
        "irrelevant-n00064",
        "positive-seed2-n00032",
    ] {
        fs::remove_file(dir.path().join(format!("scores/{missing}.csv.gz"))).unwrap();
    }
    let summary = succeed(&["report", out]);
    assert!(
        page().contains("not finished: 3 of its"),
        "{}",
        &page()[..900]
    );
    assert!(summary.contains("5. [not measured]"), "{summary}");
}

#[test]
fn what_is_set_and_missing_is_named() {
    let error = |words: &[&str]| fail(words, 1);
    let found = error(&["reproduce", "tiny", "--set", "training.rate=1"]);
    assert!(
        found.contains("--set training.rate=1") && found.contains("unknown field `rate`"),
        "{found}"
    );
    let found = error(&[
        "reproduce",
        "smollm2-arc",
        "--out",
        "/nonexistent/x",
        "--dry-run",
    ]);
    assert!(found.contains("--model DIR"), "{found}");
    let tiny = fixture("tiny");
    let tiny = tiny.to_str().unwrap();
    let found = error(&[
        "reproduce",
        "smollm2-arc",
        "--model",
        tiny,
        "--task",
        "arc_challenge",
        "--data",
        tiny,
        "--dry-run",
    ]);
    assert!(
        found.contains("Rowan/hellaswag: not in the cache"),
        "{found}"
    );
}
