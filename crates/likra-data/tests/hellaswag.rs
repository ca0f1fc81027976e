//! `HellaSwag` against what lm-evaluation-harness 0.4.13 asks (`fixtures/data/make_hellaswag.py`): a
//! sample, and the whole, which is not part of the project:
//!
//! ```sh
//! LIKRA_HELLASWAG=DIR cargo test -p likra-data --test hellaswag -- --ignored
//! ```

use std::collections::HashMap;
use std::path::PathBuf;

use likra_data::{
    Benchmark, HARNESS_SEED, Layout, Question, ShotRule, Shots, prompt, read_questions,
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

fn read(name: &str) -> Vec<Question> {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/data");
    read_questions(Layout::Hellaswag, &PathBuf::from(fixtures).join(name)).expect("sample")
}

/// The generator script's division: 8 questions for shots, the others for the test.
fn sample() -> (Vec<Question>, Vec<Question>) {
    let mut pool = read("hellaswag-sample.jsonl");
    let mut test = pool.split_off(8);
    test.extend(read("hellaswag-made-up.jsonl"));
    (pool, test)
}

fn prompts(pool: &[Question], test: &[Question], count: usize) -> Vec<Prompt> {
    let shots = Shots {
        count,
        rule: ShotRule::PerQuestion,
        ids: None,
        seed: Some(HARNESS_SEED),
    };
    let (pool, test) = (pool.to_vec(), test.to_vec());
    let benchmark = Benchmark::new(Layout::Hellaswag, Vec::new(), test, pool).expect("benchmark");
    let test = benchmark.test();
    let prefixes = benchmark.prefixes(&shots, test.len()).expect("shots");
    let prompts = test.iter().zip(prefixes).map(|(question, prefix)| Prompt {
        id: question.id().into(),
        gold: question.gold(),
        context: format!("{prefix}{}", prompt::context(question)),
        continuations: question
            .choices()
            .iter()
            .map(|choice| prompt::continuation(choice))
            .collect(),
    });
    prompts.collect()
}

fn assert_same(golden: &Prompts, pool: &[Question], test: &[Question]) {
    for (expected, count) in [(&golden.without_shots, 0), (&golden.with_2_shots, 2)] {
        let found = prompts(pool, test, count);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn prompts_are_the_harness_s_without_and_with_shots() {
    let (golden, (pool, test)) = (golden(), sample());
    assert_eq!(golden.seed, HARNESS_SEED);
    assert_eq!((pool.len(), test.len()), (8, 9));
    assert_same(&golden.prompts, &pool, &test);
}

#[test]
fn stripped_rows_get_back_the_capital_and_nothing_else() {
    let (golden, (pool, _)) = (golden(), sample());
    assert_same(&golden.stripped, &pool, &read("hellaswag-stripped.jsonl"));
}

fn folder() -> PathBuf {
    let folder = std::env::var_os("LIKRA_HELLASWAG");
    folder
        .expect("LIKRA_HELLASWAG names a folder with HellaSwag's files")
        .into()
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

/// The digests were made of the first 3368 rows of the training file and of a stripped validation file.
#[test]
#[ignore = "needs HellaSwag: LIKRA_HELLASWAG=DIR cargo test -p likra-data --test hellaswag -- --ignored"]
fn every_prompt_of_the_harness_is_met() {
    let read = |name: &str| read_questions(Layout::Hellaswag, &folder().join(name)).unwrap();
    let train = read("hellaswag_train.partial3368.jsonl");
    let test = read("hellaswag_val.preprocessed.jsonl");
    assert_digest("train_past_3000", &train[..3000], &train[3000..]);
    assert_digest("stripped_after_train", &train, &test);
}
