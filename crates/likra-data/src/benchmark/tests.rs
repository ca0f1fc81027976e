use minijinja::Value;

use super::*;

const ARC: &str = include_str!("../../../../fixtures/data/arc-sample.jsonl");

/// Eight questions to train on and take shots from, four for the test.
fn sample() -> Benchmark {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<&str> = ARC.lines().collect();
    std::fs::write(dir.path().join("train.jsonl"), lines[..8].join("\n")).unwrap();
    std::fs::write(dir.path().join("test.jsonl"), lines[8..].join("\n")).unwrap();
    Benchmark::open("arc_challenge", &Source::folder(dir.path()), &Needs::all()).unwrap()
}

fn text(shots: Vec<&Question>) -> String {
    shots.into_iter().map(|shot| shot.shot().unwrap()).collect()
}

#[test]
fn shots_per_question_are_the_draws_of_one_generator() {
    let benchmark = sample();
    let prefixes = |rule, seed, count| {
        let shots = Shots {
            count: 3,
            rule,
            ids: None,
            seed,
        };
        benchmark.prefixes(&shots, count).unwrap()
    };
    let found = prefixes(ShotRule::PerQuestion, None, 4);
    let (test, pool) = (benchmark.test(), &benchmark.parts[0].pool);
    let drawn = shots::per_question(test, pool, 3, shots::HARNESS_SEED, false).unwrap();
    let expected = drawn.into_iter().map(text);
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert_eq!(found.iter().collect::<HashSet<_>>().len(), 4);
    assert_eq!(prefixes(ShotRule::PerQuestion, Some(1234), 4), found);
    assert_eq!(prefixes(ShotRule::Task, None, 4), found);
    assert_ne!(prefixes(ShotRule::PerQuestion, Some(1), 4), found);
    // Fewer questions have the same shots.
    assert_eq!(prefixes(ShotRule::PerQuestion, None, 2), found[..2]);
}

#[test]
fn fixed_shots_are_the_first_or_named_or_sampled() {
    let benchmark = sample();
    let pool = &benchmark.parts[0].pool;
    let fixed = |ids: Option<Vec<String>>, seed| {
        let rule = ShotRule::Fixed;
        let shots = Shots {
            count: 2,
            rule,
            ids,
            seed,
        };
        let found = benchmark.prefixes(&shots, 3).unwrap();
        assert_eq!(found, vec![found[0].clone(); 3]);
        found[0].clone()
    };
    assert_eq!(fixed(None, None), text(vec![&pool[0], &pool[1]]));
    let ids = [7, 4, 1].map(|place| pool[place].id.clone());
    assert_eq!(
        fixed(Some(ids.into()), None),
        text(vec![&pool[7], &pool[4]])
    );
    let sample = shots::fixed(pool, 2, Some(7)).unwrap()[..2].to_vec();
    assert_eq!(fixed(None, Some(7)), text(sample));
}

const FILES: [(&str, &str); 6] = [
    ("ARC-Easy", "Train"),
    ("ARC-Easy", "Dev"),
    ("ARC-Easy", "Test"),
    ("ARC-Challenge", "Train"),
    ("ARC-Challenge", "Dev"),
    ("ARC-Challenge", "Test"),
];

/// AI2's files with one line of the sample each, flat or in a folder for each set.
fn ai2(nested: bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for ((set, split), line) in FILES.into_iter().zip(ARC.lines()) {
        let folder = if nested {
            dir.path().join(set)
        } else {
            dir.path().into()
        };
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{set}-{split}.jsonl")), line).unwrap();
    }
    dir
}

fn ids(questions: &[Question]) -> Vec<&str> {
    questions.iter().map(|question| &*question.id).collect()
}

#[test]
fn the_papers_arc_is_trained_on_all_but_the_challenge_test() {
    let lines = ARC
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let all: Vec<String> = lines
        .map(|row| row.get_attr("id").unwrap().to_string())
        .collect();
    for nested in [false, true] {
        let dir = ai2(nested);
        let benchmark = Benchmark::open("arc", &Source::folder(dir.path()), &Needs::all()).unwrap();
        assert_eq!(ids(benchmark.train()), all[..5]);
        assert_eq!(ids(benchmark.test()), all[5..6]);
        assert_eq!(ids(&benchmark.parts[0].pool), all[3..4]);
        assert_eq!(benchmark.files.len(), 6);
        let paper = benchmark.parts[0].task.paper.as_ref().unwrap();
        assert_eq!(
            (paper.name.as_str(), paper.questions),
            ("ARC-Challenge", 6615)
        );
    }
}

#[test]
fn what_is_missing_or_in_both_sets_is_named() {
    let open = |dir: &Path| {
        Benchmark::open("arc", &Source::folder(dir), &Needs::all())
            .unwrap_err()
            .to_string()
    };
    let dir = ai2(false);
    std::fs::remove_file(dir.path().join("ARC-Challenge-Dev.jsonl")).unwrap();
    let error = open(dir.path());
    let expected = "task arc: no file of split `validation` found; looked for ";
    assert!(
        error.starts_with(expected) && error.contains("ARC-Challenge-Dev,"),
        "{error}"
    );
    let dir = ai2(false);
    std::fs::copy(
        dir.path().join("ARC-Easy-Dev.jsonl"),
        dir.path().join("ARC-Challenge-Test.jsonl"),
    )
    .unwrap();
    let error = open(dir.path());
    assert!(
        error.contains("in the training set and in the test set"),
        "{error}"
    );
    std::fs::copy(
        dir.path().join("ARC-Easy-Dev.jsonl"),
        dir.path().join("ARC-Easy-Test.jsonl"),
    )
    .unwrap();
    let error = open(dir.path());
    assert!(error.contains("in the training set twice"), "{error}");
}

/// A group's tasks have their own shots and descriptions, and a limit is of each.
#[test]
fn a_group_is_its_tasks_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tasks/rows");
    for name in ["mmlu_anatomy", "mmlu_world_religions"] {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        for split in ["dev.jsonl", "test.jsonl"] {
            std::fs::copy(rows.join(name).join(split), folder.join(split)).unwrap();
        }
    }
    let group = dir.path().join("two.yaml");
    std::fs::write(&group, "group: two\ntask:\n  - mmlu_anatomy\n  - task: mmlu_world_religions\n    description: 'Two. '\n").unwrap();
    let needs = Needs {
        test: true,
        limit: Some(2),
        shots: true,
        ..Needs::default()
    };
    let benchmark =
        Benchmark::open(group.to_str().unwrap(), &Source::folder(dir.path()), &needs).unwrap();
    let first = [
        "mmlu_anatomy/test#0",
        "mmlu_anatomy/test#1",
        "mmlu_world_religions/test#0",
    ];
    assert_eq!(ids(benchmark.test())[..3], first);
    let prefixes = benchmark
        .prefixes(
            &Shots {
                count: 1,
                ..Shots::default()
            },
            4,
        )
        .unwrap();
    assert!(prefixes[1].starts_with(
        "The following are multiple choice questions (with answers) about anatomy.\n\n"
    ));
    assert!(prefixes[2].starts_with("Two. ") && prefixes[2] == prefixes[3] && prefixes.len() == 4);
    let train =
        Benchmark::open("mmlu_anatomy", &Source::folder(dir.path()), &Needs::all()).unwrap_err();
    assert!(
        train.to_string().contains("has no training split"),
        "{train}"
    );
}

#[test]
fn columns_that_are_made_decide_which_rows_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let task = "output_type: multiple_choice\nvalidation_split: all\ndoc_to_text: q\ndoc_to_choice: ['yes', 'no']\n\
                doc_to_target: 0\nlikra:\n  columns: {half: '{{ q|length % 2 }}'}\n";
    let odd = "task: odd\ninclude: even.yaml\nlikra: {keep: {half: 1}}\n";
    std::fs::write(
        dir.path().join("even.yaml"),
        format!("task: even\n{task}  keep: {{half: 0}}\n"),
    )
    .unwrap();
    std::fs::write(dir.path().join("odd.yaml"), odd).unwrap();
    let rows = ["a", "bb", "cc", "ddd"].map(|q| format!("{{\"q\": \"{q}\"}}"));
    std::fs::write(dir.path().join("all.jsonl"), rows.join("\n")).unwrap();
    let asked = |name: &str| {
        let path = dir.path().join(name).display().to_string();
        let benchmark = Benchmark::open(
            &path,
            &Source::folder(dir.path()),
            &Needs {
                train: false,
                shots: false,
                ..Needs::all()
            },
        );
        let benchmark = benchmark.unwrap();
        benchmark
            .test()
            .iter()
            .map(|q| q.context(0).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(asked("even.yaml"), ["bb", "cc"]);
    assert_eq!(asked("odd.yaml"), ["a", "ddd"]);
}

/// The harness takes the keys of a column's map, and asks for the length of whatever a choice is.
#[test]
fn choices_are_texts() {
    let dir = tempfile::tempdir().unwrap();
    let open = |choices: &str, column: &str| {
        let file = dir.path().join("t.yaml");
        let keys = "task: t\noutput_type: multiple_choice\ntest_split: all\ndoc_to_text: q\ndoc_to_target: 0\n";
        std::fs::write(&file, format!("{keys}doc_to_choice: {choices}\n")).unwrap();
        let row = format!("{{\"q\": \"?\", \"c\": {column}}}");
        std::fs::write(dir.path().join("all.jsonl"), row).unwrap();
        let needs = Needs {
            test: true,
            ..Needs::default()
        };
        let (file, source) = (file.display().to_string(), Source::folder(dir.path()));
        let found = Benchmark::open(&file, &source, &needs);
        let found = found.map(|benchmark| benchmark.test()[0].choices.clone());
        found.map_err(|error| error.to_string())
    };
    for (choices, column) in [
        ("c", "[\"x\", \"y\"]"),
        ("{A: x, B: y}", "0"),
        ("'{{[c, \"y\"]}}'", "\"x\""),
    ] {
        assert_eq!(
            open(choices, column),
            Ok(vec!["x".into(), "y".into()]),
            "{choices}"
        );
    }
    for (choices, column, wanted) in [
        ("[yes, no]", "0", "True is one of the list"),
        ("[a, ~]", "0", "None is one of the list"),
        ("c", "[1.5, 2.0]", "1.5 is one of the list"),
        ("c", "[[\"a\"], [\"b\"]]", "['a'] is one of the list"),
        (
            "c",
            "{\"A\": \"x\", \"B\": \"y\"}",
            "{'A': 'x', 'B': 'y'}: expected a list",
        ),
        ("'{{[c, d]}}'", "\"x\"", "doc_to_choice"),
    ] {
        let found = open(choices, column).unwrap_err();
        assert!(found.contains(wanted), "{choices} {column}: {found}");
    }
}
