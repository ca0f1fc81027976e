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

/// What `lm_eval` 0.4.13 fails at when it opens a task, or when it counts answers, is refused.
#[test]
fn what_the_harness_cannot_count_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    // Keys of a task file in place of the usual ones, and its rows, each with the columns c and t.
    let open = |keys: &str, rows: &[(&str, &str)]| {
        let file = dir.path().join("t.yaml");
        let usual = ["doc_to_text: q", "doc_to_choice: c", "doc_to_target: t"];
        let usual = usual.map(
            |line| match keys.starts_with(line.split(' ').next().unwrap()) {
                true => keys,
                false => line,
            },
        );
        let usual = usual.join("\n");
        let text = format!("task: t\noutput_type: multiple_choice\ntest_split: all\n{usual}\n");
        std::fs::write(&file, text).unwrap();
        let rows = rows
            .iter()
            .map(|(c, t)| format!("{{\"q\": \"?\", \"c\": {c}, \"t\": {t}}}"));
        let rows = rows.collect::<Vec<_>>().join("\n");
        std::fs::write(dir.path().join("all.jsonl"), rows).unwrap();
        let needs = Needs {
            test: true,
            ..Needs::default()
        };
        let (file, source) = (file.display().to_string(), Source::folder(dir.path()));
        let found = Benchmark::open(&file, &source, &needs);
        found.map_or_else(|error| error.to_string(), |_| "read".into())
    };
    let (two, a_map) = (r#"["a", "b"]"#, r#"{"A": "x", "B": "y"}"#);
    let printed = "doc_to_target: '{{t}}'";
    for (keys, rows, expected) in [
        ("doc_to_choice: {A: x, B: y}", &[("0", "0")][..], "read"),
        ("doc_to_choice: '{{[c, \"y\"]}}'", &[("\"x\"", "0")], "read"),
        (
            "doc_to_choice: [yes, no]",
            &[("0", "0")],
            "doc_to_choice: True is one of the list",
        ),
        (
            "doc_to_choice: [a, ~]",
            &[("0", "0")],
            "doc_to_choice: None is one of the list",
        ),
        (
            "",
            &[("[1.5, 2.0]", "0")],
            "doc_to_choice: 1.5 is one of the list",
        ),
        (
            "",
            &[("[[\"a\"], [\"b\"]]", "0")],
            "doc_to_choice: ['a'] is one of the list",
        ),
        (
            "",
            &[(a_map, "0")],
            "doc_to_choice: {'A': 'x', 'B': 'y'}: expected a list",
        ),
        (
            "",
            &[(two, "2")],
            "doc_to_target `2` is not one of 2 choices",
        ),
        ("", &[(two, "-1"), (two, "2")], "read"),
        ("", &[(two, "\"z\"")], "read"),
        (
            "",
            &[(two, "[]"), (two, "[1]")],
            "doc_to_target is an empty list",
        ),
        ("", &[(two, "[1]"), (two, "[]")], "read"),
        (
            "",
            &[(two, r#"["a"]"#)],
            "doc_to_target `['a']` is not a list of numbers",
        ),
        (
            printed,
            &[(two, "0"), (two, "[0]")],
            "doc_to_target `[0]` is not a number or a text",
        ),
        (
            printed,
            &[(two, "[0]"), (two, "0")],
            "doc_to_target `0` is not a list",
        ),
    ] {
        let found = open(keys, rows);
        assert!(found.contains(expected), "{keys} {rows:?}: {found}");
    }
}
