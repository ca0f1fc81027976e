//! Prompts and shots against what lm-evaluation-harness 0.4.13 asks (`fixtures/data/make_harness.py`).

use likra_data::{
    Benchmark, HARNESS_SEED, Layout, Question, ShotRule, Shots, prompt, read_questions,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    seed: u64,
    prompts: Prompts,
}

#[derive(Deserialize)]
struct Prompts {
    #[serde(rename = "0")]
    without_shots: Vec<Prompt>,
    #[serde(rename = "3")]
    with_3_shots: Vec<Prompt>,
}

#[derive(Deserialize)]
struct Prompt {
    id: String,
    context: String,
    continuations: Vec<String>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../fixtures/data/harness.json")).expect("golden file")
}

/// The generator script's division: 8 questions for shots, 4 for the test.
fn sample() -> (Vec<Question>, Vec<Question>) {
    let sample = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/data/arc-sample.jsonl"
    );
    let mut pool = read_questions(Layout::Arc, sample.as_ref()).expect("sample");
    let test = pool.split_off(8);
    (pool, test)
}

fn assert_same(golden: &Prompt, prefix: &str, question: &Question) {
    assert_eq!(golden.id, question.id());
    assert_eq!(
        golden.context,
        format!("{prefix}{}", prompt::context(question))
    );
    let continuations: Vec<_> = question
        .choices()
        .iter()
        .map(|choice| prompt::continuation(choice))
        .collect();
    assert_eq!(golden.continuations, continuations);
}

#[test]
fn prompts_are_the_harness_s_without_and_with_shots() {
    let (golden, (pool, test)) = (golden(), sample());
    let Prompts {
        without_shots,
        with_3_shots,
    } = &golden.prompts;
    assert_eq!([without_shots.len(), with_3_shots.len()], [test.len(); 2]);
    for (golden, question) in without_shots.iter().zip(&test) {
        assert_same(golden, "", question);
    }
    assert_eq!(golden.seed, HARNESS_SEED);
    let benchmark = Benchmark::new(Layout::Arc, Vec::new(), test.clone(), pool).unwrap();
    let shots = Shots {
        count: 3,
        rule: ShotRule::PerQuestion,
        ids: None,
        seed: Some(golden.seed),
    };
    let prefixes = benchmark.prefixes(&shots, test.len()).unwrap();
    for ((golden, question), prefix) in with_3_shots.iter().zip(&test).zip(prefixes) {
        assert_same(golden, &prefix, question);
    }
}
