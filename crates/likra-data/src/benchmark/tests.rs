use super::*;

const ARC: &str = include_str!("../../../../fixtures/data/arc-sample.jsonl");

fn parse(layout: Layout, text: &str) -> Vec<Question> {
    crate::layout::parse(layout, text.into(), Path::new("sample")).unwrap()
}

fn per_question(count: usize, seed: Option<u64>) -> Shots {
    Shots {
        count,
        rule: ShotRule::PerQuestion,
        ids: None,
        seed,
    }
}

/// Eight questions to train on and take shots from, four for the test.
fn sample() -> Benchmark {
    let mut pool = parse(Layout::Arc, ARC);
    let test = pool.split_off(8);
    Benchmark::new(Layout::Arc, pool.clone(), test, pool).unwrap()
}

#[test]
fn shots_per_question_are_the_draws_of_one_generator() {
    let benchmark = sample();
    let prefixes = |seed, count| benchmark.prefixes(&per_question(3, seed), count).unwrap();
    let found = prefixes(None, 4);
    let mut drawn = PerQuestion::new(benchmark.shots(), 3, shots::HARNESS_SEED, false).unwrap();
    let test = benchmark.test().iter();
    let expected = test.map(|question| prompt::few_shot_prefix(drawn.next(question).unwrap()));
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert_eq!(found.iter().collect::<HashSet<_>>().len(), 4);
    assert_eq!(prefixes(Some(1234), 4), found);
    assert_ne!(prefixes(Some(1), 4), found);
    // Fewer questions have the same shots.
    assert_eq!(prefixes(None, 2), found[..2]);
}

#[test]
fn fixed_shots_are_the_first_or_named_or_sampled() {
    let benchmark = sample();
    let pool = benchmark.shots();
    let text = |shots: Vec<&Question>| prompt::few_shot_prefix(shots);
    let fixed = |ids: Option<Vec<String>>, seed| {
        let shots = Shots {
            count: 2,
            rule: ShotRule::Fixed,
            ids,
            seed,
        };
        let found = benchmark.prefixes(&shots, 3).unwrap();
        assert_eq!(found, vec![found[0].clone(); 3]);
        found[0].clone()
    };
    assert_eq!(fixed(None, None), text(vec![&pool[0], &pool[1]]));
    let ids = [7, 4, 1].map(|place| pool[place].id().to_owned());
    assert_eq!(
        fixed(Some(ids.into()), None),
        text(vec![&pool[7], &pool[4]])
    );
    let (sample, _) = shots::fixed(pool, 2, Some(7)).unwrap();
    assert_eq!(fixed(None, Some(7)), text(sample));
}

/// The task's description stands before the shots, once.
#[test]
fn mmlu_is_described_before_its_shots() {
    let table = include_str!("../../../../fixtures/data/philosophy_test.csv");
    let path = Path::new("philosophy_test.csv");
    let questions = crate::layout::parse(Layout::Mmlu, table.into(), path).unwrap();
    let benchmark = Benchmark::new(
        Layout::Mmlu,
        Vec::new(),
        questions[1..].into(),
        questions[..1].into(),
    )
    .unwrap();
    let shots = Shots {
        count: 1,
        ..Shots::default()
    };
    let prefix = &benchmark.prefixes(&shots, 1).unwrap()[0];
    let expected = "The following are multiple choice questions (with answers) about philosophy.\n\n\
                    Aesthetics deals with objects that are_____.\nA. essential to our existence\n\
                    B. unimportant to most people\nC. not essential to our existence\nD. rarely viewed\n\
                    Answer: C\n\n";
    assert_eq!(prefix, expected);
    let error = Benchmark::open(Layout::Mmlu, path).unwrap_err().to_string();
    assert!(error.contains("no training set"), "{error}");
}

const FILES: [(&str, &str); 6] = [
    ("ARC-Easy", "Train"),
    ("ARC-Easy", "Dev"),
    ("ARC-Easy", "Test"),
    ("ARC-Challenge", "Train"),
    ("ARC-Challenge", "Dev"),
    ("ARC-Challenge", "Test"),
];

/// One line of the sample in each file: flat, or in a folder for each set.
fn write(dir: &Path, nested: bool) {
    for ((set, split), line) in FILES.into_iter().zip(ARC.lines()) {
        let folder = if nested { dir.join(set) } else { dir.into() };
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{set}-{split}.jsonl")), line).unwrap();
    }
}

#[test]
fn both_layouts_give_the_papers_division_in_order() {
    let sample = ARC;
    let sample = parse(Layout::Arc, sample);
    for nested in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), nested);
        let benchmark = Benchmark::open(Layout::Arc, dir.path()).unwrap();
        assert_eq!(benchmark.train(), &sample[..5]);
        assert_eq!(benchmark.test(), &sample[5..6]);
        assert_eq!(benchmark.shots(), &sample[3..4]);
    }
}

#[test]
fn the_hubs_folders_are_found() {
    let dir = tempfile::tempdir().unwrap();
    for (set, split) in FILES {
        let hub = match split {
            "Train" => "train",
            "Dev" => "validation",
            _ => "test",
        };
        let folder = dir.path().join(set);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{hub}-00000-of-00001.parquet")), "").unwrap();
    }
    let files = Layout::Arc.files(dir.path()).unwrap();
    let test = "ARC-Challenge/test-00000-of-00001.parquet";
    assert_eq!(files.test, [dir.path().join(test)]);
    let dev = "ARC-Easy/validation-00000-of-00001.parquet";
    assert_eq!(files.train[1], dir.path().join(dev));
}

#[test]
fn a_missing_file_is_reported_with_every_place() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), false);
    std::fs::remove_file(dir.path().join("ARC-Challenge-Dev.jsonl")).unwrap();
    let dir = dir.path();
    let error = Benchmark::open(Layout::Arc, dir).unwrap_err().to_string();
    let begins = format!(
        "ARC-Challenge-Dev.jsonl not found; looked for {0}/ARC-Challenge-Dev.jsonl, \
         {0}/ARC-Challenge/ARC-Challenge-Dev.jsonl, {0}/ARC-Challenge-Dev.csv, ",
        dir.display()
    );
    assert!(error.starts_with(&begins), "{error}");
    let ends = "ARC-Challenge/validation-00000-of-00001.parquet";
    assert!(error.ends_with(ends), "{error}");
}

#[test]
fn a_test_question_in_a_training_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), false);
    let train = dir.path().join("ARC-Easy-Dev.jsonl");
    std::fs::copy(train, dir.path().join("ARC-Challenge-Test.jsonl")).unwrap();
    let error = Benchmark::open(Layout::Arc, dir.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("in the training set and in the test set"),
        "{error}"
    );
}

const SAMPLE: &str = include_str!("../../../../fixtures/data/hellaswag-sample.jsonl");
const STRIPPED: &str = include_str!("../../../../fixtures/data/hellaswag-stripped.jsonl");

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

#[test]
fn training_files_give_the_shots_and_validation_the_test() {
    let sample = parse(Layout::Hellaswag, SAMPLE);
    for (train, val) in [
        ("hellaswag_train.jsonl", "hellaswag_val.jsonl"),
        ("hellaswag_train.part.jsonl", "hellaswag_validation.jsonl"),
    ] {
        let dir = folder(&[(train, SAMPLE), (val, STRIPPED)]);
        let benchmark = Benchmark::open(Layout::Hellaswag, dir.path()).unwrap();
        assert_eq!(benchmark.train(), sample);
        assert_eq!(benchmark.shots(), sample);
        let ids: Vec<_> = benchmark.test().iter().map(Question::id).collect();
        assert_eq!(ids, ["row#0", "row#1828", "row#1692", "row#4041"]);
    }
}

#[test]
fn hellaswags_shots_are_drawn_with_one_to_spare() {
    let dir = folder(&[
        ("hellaswag_train.jsonl", SAMPLE),
        ("hellaswag_val.jsonl", STRIPPED),
    ]);
    let benchmark = Benchmark::open(Layout::Hellaswag, dir.path()).unwrap();
    let found = benchmark.prefixes(&per_question(2, None), 4).unwrap();
    let text = |spare| -> Vec<String> {
        let seed = shots::HARNESS_SEED;
        let mut shots = PerQuestion::new(benchmark.shots(), 2, seed, spare).unwrap();
        let test = benchmark.test().iter();
        test.map(|question| prompt::few_shot_prefix(shots.next(question).unwrap()))
            .collect()
    };
    let (with, without) = (text(true), text(false));
    assert_eq!(found, with);
    assert_ne!(with, without);
}

#[test]
fn the_plain_name_comes_first() {
    let dir = folder(&[
        ("hellaswag_train.jsonl", SAMPLE),
        ("hellaswag_train.old.jsonl", "?"),
        ("hellaswag_val.jsonl", STRIPPED),
        ("hellaswag_val.jsonl.bak", "?"),
    ]);
    assert!(Benchmark::open(Layout::Hellaswag, dir.path()).is_ok());
    // The hub's name for it, beside a prepared copy.
    let dir = folder(&[
        ("hellaswag_train.jsonl", SAMPLE),
        ("hellaswag_val.preprocessed.jsonl", "?"),
        ("hellaswag_validation.jsonl", STRIPPED),
    ]);
    assert!(Benchmark::open(Layout::Hellaswag, dir.path()).is_ok());
}

#[test]
fn a_missing_or_ambiguous_file_is_named() {
    let dir = folder(&[("hellaswag_train.jsonl", SAMPLE)]);
    let expected = format!(
        "hellaswag_val.jsonl not found; looked for {0}/hellaswag_val.jsonl, \
         {0}/hellaswag_validation.jsonl, {0}/data/validation-00000-of-00001.parquet, {0}/hellaswag_val*.jsonl",
        dir.path().display()
    );
    let error = Layout::Hellaswag.files(dir.path()).unwrap_err();
    assert_eq!(error.to_string(), expected);

    let dir = folder(&[
        ("hellaswag_train.b.jsonl", ""),
        ("hellaswag_train.a.jsonl", ""),
    ]);
    let expected = format!(
        "more than one file could be hellaswag_train.jsonl: {0}/hellaswag_train.a.jsonl, \
         {0}/hellaswag_train.b.jsonl; expected one",
        dir.path().display()
    );
    let error = Layout::Hellaswag.files(dir.path()).unwrap_err();
    assert_eq!(error.to_string(), expected);

    let error = Layout::Hellaswag.files(Path::new("nowhere")).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn a_test_question_in_the_training_file_is_refused() {
    let line = SAMPLE.lines().nth(3).unwrap();
    let dir = folder(&[
        ("hellaswag_train.jsonl", SAMPLE),
        ("hellaswag_val.jsonl", line),
    ]);
    let error = Benchmark::open(Layout::Hellaswag, dir.path()).unwrap_err();
    assert!(matches!(error, Error::Leak { .. }), "{error}");
}
