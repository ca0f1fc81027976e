//! Sharing context changes the work, not the numbers: scores through a plan are those of every
//! candidate run alone, from its first token to its last.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use burn::tensor::{Device, FloatDType};
use likra_data::{Benchmark, Needs, Source};
use likra_lora::Adapter;
use likra_model::{Batch, Model, Row};
use likra_results::AnswerKind;
use likra_score::{Error, Head, Plan, score};
use likra_tokenizer::{Asked, Bos, Candidate, EncodedPair, Request, Tokenizer};

const TOLERANCE: f64 = 1e-4;

fn open(name: &str) -> (Model, Adapter) {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/models")
        .join(name);
    let device = Device::flex();
    let model = Model::open(&dir, FloatDType::F32, &device).unwrap();
    let adapter = Adapter::load(&dir.join("adapter"), &device).unwrap();
    (model, adapter)
}

/// A question from the tokens before its answers and the tokens of each answer; the first is right.
fn request(id: &str, context: &[u32], answers: &[&[u32]]) -> Request {
    let candidates = answers.iter().enumerate().map(|(place, answer)| Candidate {
        encoded: EncodedPair {
            tokens: [context, answer].concat(),
            start: context.len(),
        },
        chars: 3 * answer.len(),
        bytes: 4 * answer.len(),
        kind: if place == 0 {
            AnswerKind::Correct
        } else {
            AnswerKind::Incorrect
        },
    });
    Request {
        question_id: id.into(),
        candidates: candidates.collect(),
    }
}

/// Questions of several lengths after the same shots.
fn requests() -> Vec<Request> {
    let shots: Vec<u32> = (0..9).map(|i| (i * 7 + 3) % 48).collect();
    let after = |rest: &[u32]| [&shots, rest].concat();
    vec![
        request("a", &after(&[1, 2, 3]), &[&[4], &[5, 6, 7], &[5, 6]]),
        request(
            "b",
            &after(&[1, 9]),
            &[&[10, 11], &[12], &[13, 14, 15, 16], &[17]],
        ),
        // Answers that begin alike, and a question of one token.
        request("c", &after(&[20]), &[&[21, 22], &[21, 23]]),
        request("d", &after(&[1, 2, 3, 30, 31, 32, 33]), &[&[4], &[40]]),
    ]
}

/// Every candidate by itself.
fn alone(model: &Model, adapter: Option<&Adapter>, requests: &[Request]) -> Vec<f64> {
    let mut sums = Vec::new();
    let candidates = requests.iter().flat_map(|request| &request.candidates);
    for candidate in candidates.map(|candidate| &candidate.encoded) {
        let batch = Batch::new(&[Row::sequence(&candidate.tokens)]);
        let hidden = model.forward(&batch, None, adapter).unwrap();
        let targets: Vec<(usize, u32)> = (candidate.start..candidate.tokens.len())
            .map(|place| (place - 1, candidate.tokens[place]))
            .collect();
        let values = model.log_likelihoods(&hidden, &targets).unwrap();
        sums.push(
            values
                .try_into_vec_as::<f32>()
                .unwrap()
                .into_iter()
                .map(f64::from)
                .sum(),
        );
    }
    sums
}

fn through_plan(
    model: &Model,
    adapter: Option<&Adapter>,
    requests: &[Request],
    batch_tokens: usize,
) -> Vec<f64> {
    let plan = Plan::new(requests, batch_tokens).unwrap();
    let head = Head {
        name: "head",
        examples: 32,
        adapter,
        greedy: false,
    };
    let mut done = 0;
    let records = score(model, &head, &plan, &mut |more| done += more).unwrap();
    assert_eq!(done, requests.len());
    records
        .into_iter()
        .map(|record| record.log_likelihood)
        .collect()
}

fn assert_close(found: &[f64], expected: &[f64], case: &str) {
    assert_eq!(found.len(), expected.len(), "{case}");
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() < TOLERANCE,
            "{case}, {place}: {found} is not {expected}"
        );
    }
}

#[test]
fn a_plan_gives_the_numbers_of_every_candidate_alone() {
    for name in ["llama", "llama3", "mistral"] {
        let (model, adapter) = open(name);
        let requests = requests();
        for adapter in [None, Some(&adapter)] {
            let expected = alone(&model, adapter, &requests);
            for batch_tokens in [1, 20, 1000] {
                let found = through_plan(&model, adapter, &requests, batch_tokens);
                assert_close(
                    &found,
                    &expected,
                    &format!("{name}, batches of {batch_tokens}"),
                );
            }
        }
    }
}

#[test]
fn questions_that_share_nothing_need_no_prefix() {
    let (model, _) = open("llama");
    let requests = vec![
        request("a", &[1, 2], &[&[3], &[4, 5]]),
        request("b", &[6, 7, 8], &[&[9], &[10]]),
    ];
    let plan = Plan::new(requests.clone(), 100).unwrap();
    assert_eq!(plan.prefixes().collect::<Vec<_>>(), [&[] as &[u32]]);
    assert_close(
        &through_plan(&model, None, &requests, 100),
        &alone(&model, None, &requests),
        "no prefix",
    );
}

/// Texts on both sides of the length from which the model turns all tokens otherwise; and in a window, texts that share
/// no token.
#[test]
fn what_cannot_be_shared_is_not() {
    let (model, adapter) = open("phi3-longrope");
    let after = |tokens: u32| -> Vec<u32> { (0..tokens).map(|i| (i * 7 + 3) % 48).collect() };
    let long: Vec<u32> = after(20);
    for before in [[3, 6], [4, 14], [18, 19], [30, 31]] {
        let [one, other] = before.map(|tokens| request("x", &after(tokens), &[&[4, 2], &long]));
        let requests = [one, other];
        assert_close(
            &through_plan(&model, Some(&adapter), &requests, 100),
            &alone(&model, Some(&adapter), &requests),
            &format!("after {before:?}"),
        );
    }
    let (model, adapter) = open("mistral");
    let mut request = request("x", &after(20), &[&[4], &[5, 6], &long]);
    for (place, candidate) in request.candidates.iter_mut().enumerate() {
        candidate.encoded.tokens.drain(..place);
        candidate.encoded.start -= place;
    }
    let requests = [request];
    assert_close(
        &through_plan(&model, Some(&adapter), &requests, 100),
        &alone(&model, Some(&adapter), &requests),
        "cut at the beginning",
    );
}

#[test]
fn candidates_may_differ_before_their_answers() {
    let (model, _) = open("llama");
    // The border between question and answer may fall into a merged token.
    let mut request = request("a", &[1, 2, 3], &[&[4], &[5, 6]]);
    request.candidates[1].encoded.tokens[2] = 30;
    let requests = [request];
    assert_close(
        &through_plan(&model, None, &requests, 100),
        &alone(&model, None, &requests),
        "border",
    );
}

#[test]
fn the_prefix_is_what_all_questions_share() {
    let requests = requests();
    let plan = Plan::new(requests.clone(), 1000).unwrap();
    // `c` has one token of its own before its answers, which the prefix must leave to it.
    let lengths = |plan: &Plan| plan.prefixes().map(<[u32]>::len).collect::<Vec<_>>();
    assert_eq!(lengths(&plan), [9]);
    assert_eq!(plan.requests().len(), 4);
    // The prefix, then each question's own tokens without its answers' last ones; those of `c` begin alike.
    assert_eq!(plan.tokens(), 9 + (3 + 3) + (2 + 4) + (1 + 1) + 7);
    assert_eq!(plan.batches().count(), 1);
    // Alone, a question keeps its last token for itself.
    let plan = Plan::new(&requests[..1], 1000).unwrap();
    assert_eq!(lengths(&plan), [11]);
}

/// One question after other shots than the rest, as one has that is among the shots itself; and two subjects with shots
/// of their own.
#[test]
fn questions_after_different_shots_share_what_each_group_can() {
    let (model, adapter) = open("llama");
    let after = |shots: u32, question: u32| -> Request {
        let shots = (0..30).map(|i| (i * shots + 3) % 48);
        let context: Vec<u32> = shots.chain([question, question + 1]).collect();
        request("x", &context, &[&[4], &[5, 6]])
    };
    let groups = |requests: &[Request]| {
        let plan = Plan::new(requests, 24).unwrap();
        let lengths = plan.prefixes().map(<[u32]>::len).collect::<Vec<_>>();
        assert_close(
            &through_plan(&model, Some(&adapter), requests, 24),
            &alone(&model, Some(&adapter), requests),
            "groups",
        );
        (lengths, plan.tokens())
    };
    let mut requests: Vec<Request> = (10..16).map(|question| after(7, question)).collect();
    requests[2] = after(5, 12);
    // The lone one is a prefix and its question's last token, and a candidate's first.
    assert_eq!(groups(&requests), (vec![31, 30], 31 + 2 + 30 + 5 * 3));
    requests[4] = after(5, 14);
    requests[5] = after(5, 15);
    assert_eq!(groups(&requests), (vec![30, 30], 2 * (30 + 3 * 3)));
    // Where a group of its own saves less than its passes cost, there is none.
    let plan = Plan::new(requests, 4 * 400).unwrap();
    assert_eq!(plan.prefixes().collect::<Vec<_>>(), [[3]]);
}

#[test]
fn batches_hold_their_bound_and_every_question_once() {
    let requests = requests();
    let plan = Plan::new(requests.clone(), 24).unwrap();
    let mut places: Vec<usize> = plan.batches().flatten().copied().collect();
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2, 3]);
    assert!(plan.batches().count() > 1);
    let plan = Plan::new(requests.clone(), 1).unwrap();
    assert_eq!(plan.batches().count(), 4);
}

#[test]
fn records_carry_what_analysis_needs() {
    let (model, _) = open("llama");
    let requests = requests();
    let plan = Plan::new(requests.clone(), 1000).unwrap();
    let head = Head {
        name: "base",
        examples: 0,
        adapter: None,
        greedy: false,
    };
    let records = score(&model, &head, &plan, &mut drop).unwrap();
    let places: Vec<(&str, usize)> = records
        .iter()
        .map(|record| (record.question_id.as_str(), record.candidate))
        .collect();
    assert_eq!(places[..4], [("a", 0), ("a", 1), ("a", 2), ("b", 0)]);
    assert_eq!(records[0].kind, AnswerKind::Correct);
    assert_eq!(records[1].kind, AnswerKind::Incorrect);
    let lengths = (records[1].tokens, records[1].chars, records[1].bytes);
    assert_eq!(lengths, (3, 9, 12));
}

#[test]
fn a_candidate_without_an_answer_is_refused_by_name() {
    let empty = request("q7", &[1, 2], &[&[3], &[]]);
    let error = Plan::new([empty], 100).map(drop).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Candidate {
                candidate: 1,
                start: 2,
                tokens: 2,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("q7"), "{error}");
    let error = Plan::new([request("q8", &[1], &[])], 100)
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, Error::NoCandidates { .. }), "{error}");
}

#[derive(serde::Deserialize)]
struct Reference {
    golden: Golden,
}

/// What PyTorch measured (`fixtures/tiny/make.py --reference`).
#[derive(serde::Deserialize)]
struct Golden {
    /// Of the base, for every choice of the first test questions.
    log_likelihoods: Vec<Vec<f64>>,
}

#[test]
fn log_likelihoods_of_real_text_are_pytorch_s() {
    let tiny = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny");
    let reference = std::fs::read(tiny.join("reference.json")).unwrap();
    let Reference { golden } = serde_json::from_slice(&reference).unwrap();
    let model = Model::open(&tiny, FloatDType::F32, &Device::flex()).unwrap();
    let tokenizer = Tokenizer::open(&tiny, Bos::Never).unwrap();
    let benchmark =
        Benchmark::open("arc_challenge", &Source::folder(&tiny), &Needs::all()).unwrap();
    let asked = benchmark.test()[..golden.log_likelihoods.len()].iter();
    let asked = asked.map(|question| Asked::after("", question));
    let requests = tokenizer.requests(asked, &[]).unwrap();
    let found = through_plan(&model, None, &requests, 512);
    assert_close(&found, &golden.log_likelihoods.concat(), "tiny");
}
