//! Prompts and shots against what lm-evaluation-harness 0.4.13 asks (`fixtures/data/make_harness.py`).

use likra_data::{
    AnswerKind, Asked, Bos, Question, ScoringRequest, Tokenizer, TrainingExample, WrongAnswer,
    parse_arc, prompt, scoring_requests, shots, training_pairs,
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
    let sample = include_bytes!("../../../fixtures/data/arc-sample.jsonl");
    let mut pool = parse_arc(sample, "arc-sample.jsonl".as_ref()).expect("sample");
    let test = pool.split_off(8);
    (pool, test)
}

fn tokenizer() -> Tokenizer {
    Tokenizer::open("../../fixtures/data/metaspace".as_ref(), Bos::Auto).expect("tokenizer")
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
    let shots = shots::PerQuestion::new(&pool, 3, golden.seed).unwrap();
    assert_eq!(golden.seed, shots::HARNESS_SEED);
    for ((golden, question), shots) in with_3_shots.iter().zip(&test).zip(shots) {
        assert_same(golden, &prompt::few_shot_prefix(shots), question);
    }
}

#[test]
fn requests_hold_every_choice_after_its_own_prompt() {
    let (tokenizer, (pool, test)) = (tokenizer(), sample());
    let shots = shots::PerQuestion::new(&pool, 3, shots::HARNESS_SEED).unwrap();
    let prefixes: Vec<String> = shots
        .take(test.len())
        .map(prompt::few_shot_prefix)
        .collect();
    let others = vec![(AnswerKind::Unrelated, "a violin")];
    let asked = prefixes.iter().zip(&test).map(|(prefix, question)| Asked {
        prefix,
        question,
        others: others.clone(),
    });
    let asked: Vec<_> = asked.collect();
    let requests = scoring_requests(&tokenizer, &asked).unwrap();
    assert_eq!(requests.len(), test.len());
    for (asked, mut request) in asked.into_iter().zip(requests) {
        let Asked {
            prefix, question, ..
        } = asked;
        let bare = ScoringRequest::answer_only(&tokenizer, &asked).unwrap();
        let other = request.candidates.pop().unwrap();
        assert_eq!(
            (other.kind, other.chars, other.bytes),
            (AnswerKind::Unrelated, 8, 8)
        );
        let answer = bare.candidates.last().unwrap();
        assert_eq!(answer.tokens[answer.start..], other.tokens[other.start..]);
        let context = tokenizer.encode_pair("Answer:", " a violin").unwrap();
        assert_eq!(
            (answer.start, &answer.tokens),
            (context.start, &context.tokens)
        );
        assert_eq!(
            request,
            ScoringRequest::new(&tokenizer, prefix, question).unwrap()
        );
        assert_eq!(request.question_id, question.id());
        let context = format!("{prefix}{}", prompt::context(question));
        for (choice, candidate) in question.choices().iter().zip(&request.candidates) {
            let pair = tokenizer
                .encode_pair(&context, &prompt::continuation(choice))
                .unwrap();
            assert_eq!(
                (&candidate.tokens, candidate.start),
                (&pair.tokens, pair.start)
            );
            let right = candidate.kind == AnswerKind::Correct;
            assert_eq!(right, choice == question.gold_choice());
            assert_eq!(candidate.chars, choice.chars().count());
            assert_eq!(candidate.bytes, choice.len());
        }
    }
}

#[test]
fn a_training_example_is_the_pair_without_shots() {
    let (tokenizer, (pool, _)) = (tokenizer(), sample());
    for pair in training_pairs(&pool, AnswerKind::Incorrect, WrongAnswer::Random, 1, &[]).unwrap() {
        let example = TrainingExample::new(&tokenizer, &pair).unwrap();
        let request = ScoringRequest::new(&tokenizer, "", pair.question).unwrap();
        let choice = pair
            .question
            .choices()
            .iter()
            .position(|choice| choice == pair.answer)
            .unwrap();
        let candidate = &request.candidates[choice];
        assert_eq!(
            (example.tokens, example.answer_start),
            (candidate.tokens.clone(), candidate.start)
        );
    }
}

#[test]
fn a_question_that_cannot_be_encoded_is_named() {
    let words = br#"{"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "unk_token": "?", "vocab": {"Question": 0, ":": 1}}}"#;
    let tokenizer = Tokenizer::parse(words, None, "words".as_ref(), Bos::Auto).unwrap();
    let (pool, _) = sample();
    let expected = "question `Mercury_SC_415702`: cannot encode a text: ";
    let error = ScoringRequest::new(&tokenizer, "", &pool[0])
        .unwrap_err()
        .to_string();
    assert!(error.starts_with(expected), "{error}");
    let pairs = training_pairs(&pool, AnswerKind::Correct, WrongAnswer::Random, 1, &[]).unwrap();
    let error = TrainingExample::new(&tokenizer, &pairs[0])
        .unwrap_err()
        .to_string();
    assert!(error.starts_with(expected), "{error}");
}
