//! Facts about the whole of ARC, where this machine has it (`../shared/data/arc` beside the workspace).

use std::collections::HashSet;
use std::path::PathBuf;

use likra_data::{
    AnswerKind, ArcFiles, Benchmark, Question, WrongAnswer, prompt, read_arc, read_arc_benchmark,
    shots, training_pairs,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The folder, or nothing and a notice: the data is not part of the project.
fn arc() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/arc"
    ));
    let there = folder.is_dir();
    if !there {
        eprintln!("skipped: no ARC in {}", folder.display());
    }
    there.then_some(folder)
}

fn benchmark() -> Option<Benchmark> {
    Some(read_arc_benchmark(&arc()?).expect("ARC as AI2 made it"))
}

#[test]
fn the_papers_division_has_its_sizes() {
    let Some(benchmark) = benchmark() else { return };
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
fn the_reference_runs_shots_are_drawn_again() {
    let (Some(folder), Some(benchmark)) = (arc(), benchmark()) else {
        return;
    };
    let expected = read_arc(&folder.join("shots-42.jsonl")).unwrap();
    let drawn = shots::fixed(benchmark.shots(), 25, Some(42)).unwrap();
    assert!(drawn.into_iter().eq(&expected));
}

#[test]
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
    let Some(benchmark) = benchmark() else { return };
    let golden = include_str!("../../../fixtures/data/harness.json");
    let Golden { arc: golden } = serde_json::from_str(golden).unwrap();
    assert_eq!(benchmark.test().len(), golden.questions);
    let shots = shots::PerQuestion::new(benchmark.shots(), golden.shots, golden.seed).unwrap();
    let mut digest = Sha256::new();
    for (question, shots) in benchmark.test().iter().zip(shots) {
        let context = prompt::few_shot_prefix(shots) + &prompt::context(question);
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
fn negatives_are_never_the_right_answer() {
    let Some(benchmark) = benchmark() else { return };
    for kind in [AnswerKind::Incorrect, AnswerKind::Irrelevant] {
        for seed in 0..5 {
            for pair in
                training_pairs(benchmark.train(), kind, WrongAnswer::Random, seed, &[]).unwrap()
            {
                let own = pair
                    .question
                    .choices()
                    .iter()
                    .any(|choice| choice == pair.answer);
                assert_ne!(pair.answer, pair.question.gold_choice());
                assert_eq!(own, kind == AnswerKind::Incorrect);
            }
        }
    }
}

#[test]
fn the_files_are_found_by_name() {
    let Some(folder) = arc() else { return };
    let files = ArcFiles::find(&folder).unwrap();
    assert_eq!(files.train[3], folder.join("ARC-Challenge-Train.jsonl"));
    assert_eq!(files.test, folder.join("ARC-Challenge-Test.jsonl"));
}
