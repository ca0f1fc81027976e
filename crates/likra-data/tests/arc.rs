//! Facts about the whole of ARC, which is not part of the project:
//!
//! ```sh
//! LIKRA_ARC=DIR cargo test -p likra-data --test arc -- --ignored
//! ```

use std::collections::HashSet;
use std::path::PathBuf;

use likra_data::{
    Answers, Benchmark, Draw, Layout, Question, ShotRule, Shots, WrongAnswer, prompt,
    read_questions, training_pairs,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

fn arc() -> PathBuf {
    std::env::var_os("LIKRA_ARC")
        .expect("LIKRA_ARC names a folder with ARC's six files")
        .into()
}

fn benchmark() -> Benchmark {
    Benchmark::open(Layout::Arc, &arc()).expect("ARC as AI2 made it")
}

#[test]
#[ignore = "needs ARC: LIKRA_ARC=DIR cargo test -p likra-data --test arc -- --ignored"]
fn the_papers_division_has_its_sizes() {
    let benchmark = benchmark();
    let (train, test) = (benchmark.train(), benchmark.test());
    assert_eq!(
        (train.len(), test.len(), benchmark.shots().len()),
        (6615, 1172, 1119)
    );
    let ids: HashSet<_> = train.iter().chain(test).map(Question::id).collect();
    assert_eq!(ids.len(), 7787);
    assert_eq!(train[0].id(), "Mercury_7220990");
    assert_eq!(train[2251 + 570 + 2376].id(), benchmark.shots()[0].id());
}

#[test]
#[ignore = "needs ARC: LIKRA_ARC=DIR cargo test -p likra-data --test arc -- --ignored"]
fn the_reference_runs_shots_are_drawn_again() {
    let (folder, benchmark) = (arc(), benchmark());
    let expected = read_questions(Layout::Arc, &folder.join("shots-42.jsonl")).unwrap();
    let shots = Shots {
        count: 25,
        seed: Some(42),
        ..Shots::default()
    };
    let drawn = benchmark.prefixes(&shots, 1).unwrap();
    assert_eq!(drawn[0], prompt::few_shot_prefix(&expected));
}

#[test]
#[ignore = "needs ARC: LIKRA_ARC=DIR cargo test -p likra-data --test arc -- --ignored"]
fn every_prompt_of_the_harness_is_met() {
    #[derive(Deserialize)]
    struct Golden {
        arc: Prompts,
    }
    #[derive(Deserialize)]
    struct Prompts {
        seed: u64,
        shots: usize,
        questions: usize,
        sha256: String,
    }
    let benchmark = benchmark();
    let golden = include_str!("../../../fixtures/data/harness.json");
    let Golden { arc: golden } = serde_json::from_str(golden).unwrap();
    assert_eq!(benchmark.test().len(), golden.questions);
    let shots = Shots {
        count: golden.shots,
        rule: ShotRule::PerQuestion,
        ids: None,
        seed: Some(golden.seed),
    };
    let prefixes = benchmark.prefixes(&shots, golden.questions).unwrap();
    let mut digest = Sha256::new();
    for (question, prefix) in benchmark.test().iter().zip(prefixes) {
        let context = format!("{prefix}{}", prompt::context(question));
        digest.update(format!("{}\0{context}\0", question.id()));
        question
            .choices()
            .iter()
            .for_each(|choice| digest.update(format!(" {choice}\0")));
    }
    let hex = |hex: String, byte: &u8| hex + &format!("{byte:02x}");
    assert_eq!(
        digest.finalize().iter().fold(String::new(), hex),
        golden.sha256
    );
}

#[test]
#[ignore = "needs ARC: LIKRA_ARC=DIR cargo test -p likra-data --test arc -- --ignored"]
fn negatives_are_never_the_right_answer() {
    let benchmark = benchmark();
    for answers in [Answers::Incorrect, Answers::Irrelevant] {
        for seed in 0..5 {
            let draw = Draw {
                answers,
                wrong: WrongAnswer::Random,
                contamination: 0.0,
                seed,
                unrelated: &[],
                ranking: None,
            };
            for pair in training_pairs(benchmark.train(), &draw, usize::MAX).unwrap() {
                let own = pair
                    .question
                    .choices()
                    .iter()
                    .any(|choice| choice == pair.answer);
                assert_ne!(pair.answer, pair.question.gold_choice());
                assert_eq!(own, answers == Answers::Incorrect);
            }
        }
    }
}

#[test]
#[ignore = "needs ARC: LIKRA_ARC=DIR cargo test -p likra-data --test arc -- --ignored"]
fn the_files_are_found_by_name() {
    let benchmark = benchmark();
    assert_eq!(
        benchmark.files()[3],
        arc().join("ARC-Challenge-Train.jsonl")
    );
    assert_eq!(benchmark.files()[5], arc().join("ARC-Challenge-Test.jsonl"));
}
