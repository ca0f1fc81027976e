//! `HellaSwag` against what lm-evaluation-harness 0.4.13 asks (`fixtures/data/make_hellaswag.py`): a
//! sample, and the whole where this machine has it (`../shared/data/hellaswag` beside the workspace).

use std::collections::HashMap;
use std::path::PathBuf;

use likra_data::{
    Benchmark, HellaswagFiles, Question, parse_hellaswag, prompt, read_hellaswag_benchmark, shots,
};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

#[derive(Deserialize)]
struct Golden {
    seed: u64,
    prompts: Prompts,
    stripped: Prompts,
    digests: HashMap<String, Digest>,
}

#[derive(Deserialize)]
struct Prompts {
    #[serde(rename = "0")]
    without_shots: Vec<Prompt>,
    #[serde(rename = "2")]
    with_2_shots: Vec<Prompt>,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Prompt {
    id: String,
    gold: usize,
    context: String,
    continuations: Vec<String>,
}

#[derive(Deserialize)]
struct Digest {
    shots: usize,
    questions: usize,
    sha256: String,
}

fn golden() -> Golden {
    let text = include_str!("../../../fixtures/data/hellaswag.json");
    serde_json::from_str(text).expect("golden file")
}

fn parse(sample: &str) -> Vec<Question> {
    parse_hellaswag(sample.as_bytes(), "sample".as_ref()).expect("sample")
}

/// The generator script's division: 8 questions for shots, the others for the test.
fn sample() -> (Vec<Question>, Vec<Question>) {
    let mut pool = parse(include_str!(
        "../../../fixtures/data/hellaswag-sample.jsonl"
    ));
    let mut test = pool.split_off(8);
    test.extend(parse(include_str!(
        "../../../fixtures/data/hellaswag-made-up.jsonl"
    )));
    (pool, test)
}

fn prompts<'a>(
    pool: &'a [Question],
    test: &'a [Question],
    count: usize,
) -> impl Iterator<Item = Prompt> + 'a {
    let shots = shots::PerQuestion::with_spare(pool, count, shots::HARNESS_SEED).expect("shots");
    test.iter().zip(shots).map(|(question, shots)| Prompt {
        id: question.id().into(),
        gold: question.gold(),
        context: prompt::few_shot_prefix(shots) + &prompt::context(question),
        continuations: question
            .choices()
            .iter()
            .map(|choice| prompt::continuation(choice))
            .collect(),
    })
}

fn assert_same(golden: &Prompts, pool: &[Question], test: &[Question]) {
    for (expected, count) in [(&golden.without_shots, 0), (&golden.with_2_shots, 2)] {
        let found: Vec<_> = prompts(pool, test, count).collect();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn prompts_are_the_harness_s_without_and_with_shots() {
    let (golden, (pool, test)) = (golden(), sample());
    assert_eq!(golden.seed, shots::HARNESS_SEED);
    assert_eq!((pool.len(), test.len()), (8, 9));
    assert_same(&golden.prompts, &pool, &test);
}

#[test]
fn stripped_rows_get_back_the_capital_and_nothing_else() {
    let (golden, (pool, _)) = (golden(), sample());
    let stripped = include_str!("../../../fixtures/data/hellaswag-stripped.jsonl");
    assert_same(&golden.stripped, &pool, &parse(stripped));
}

/// The folder, or nothing and a notice: the data is not part of the project.
fn folder() -> Option<PathBuf> {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let folder = PathBuf::from(shared).join("hellaswag");
    let there = folder.is_dir();
    if !there {
        eprintln!("skipped: no HellaSwag in {}", folder.display());
    }
    there.then_some(folder)
}

fn benchmark() -> Option<Benchmark> {
    Some(read_hellaswag_benchmark(&folder()?).expect("HellaSwag, and its stripped copy"))
}

fn assert_digest(name: &str, pool: &[Question], test: &[Question]) {
    let golden = &golden().digests[name];
    assert_eq!(test.len(), golden.questions, "{name}");
    let mut digest = Sha256::new();
    for prompt in prompts(pool, test, golden.shots) {
        digest.update(format!("{}\0{}\0", prompt.gold, prompt.context));
        for continuation in prompt.continuations {
            digest.update(continuation + "\0");
        }
    }
    let hex = |hex: String, byte: &u8| hex + &format!("{byte:02x}");
    let found = digest.finalize().iter().fold(String::new(), hex);
    assert_eq!(found, golden.sha256, "{name}");
}

#[test]
fn every_prompt_of_the_harness_is_met() {
    let Some(benchmark) = benchmark() else { return };
    let (train, test) = (benchmark.train(), benchmark.test());
    assert_digest("train", train, train);
    assert_digest("train_past_3000", &train[..3000], &train[3000..]);
    assert_digest("stripped", train, test);
    assert_digest("stripped_after_train", benchmark.shots(), test);
}

#[test]
fn the_files_are_found_by_name() {
    let Some(folder) = folder() else { return };
    let files = HellaswagFiles::find(&folder).unwrap();
    let train = folder.join("hellaswag_train.partial3368.jsonl");
    let test = folder.join("hellaswag_val.preprocessed.jsonl");
    assert_eq!(files, HellaswagFiles { train, test });
}
