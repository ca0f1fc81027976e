//! Training on a small model: against PyTorch and PEFT step by step, and against itself when it is
//! stopped and goes on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, FloatDType, Tensor};
use likra_data::{Benchmark, Needs, Source};
use likra_lora::{Adapter, LoraConfig, joined};
use likra_model::Model;
use likra_results::{HeadDir, StepRecord, read_rows, sha256_file};
use likra_tokenizer::{Bos, EncodedPair, Tokenizer};
use likra_train::{
    Error, Example, LongExample, Objective, TrainSettings, loss_and_gradients, train_head,
};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(name)
}

fn small_model() -> Model {
    Model::open(&fixture("models/llama"), FloatDType::F32, &Device::flex()).unwrap()
}

/// Texts of different lengths over the small model's 48 tokens.
fn examples(count: usize) -> Vec<Example> {
    (0..count as u32)
        .map(|n| {
            let tokens: Vec<u32> = (0..6 + n % 5)
                .map(|i| (n * 13 + i * i * 5 + 1) % 48)
                .collect();
            EncodedPair {
                start: tokens.len() - 1 - n as usize % 3,
                tokens,
            }
            .into()
        })
        .collect()
}

fn settings() -> TrainSettings {
    TrainSettings {
        learning_rate: 1e-2,
        batch_size: 4,
        first_checkpoint: 8,
        ..TrainSettings::default()
    }
}

fn start(model: &Model, seed: u64) -> Adapter {
    Adapter::init(
        LoraConfig::default(),
        &model.targets(),
        seed,
        model.device(),
    )
    .unwrap()
}

fn run(model: &Model, count: usize, dir: &Path, key: &str) -> Result<Vec<StepRecord>, Error> {
    let mut steps = Vec::new();
    train_head(
        model,
        start(model, 1),
        &examples(count),
        &settings(),
        &HeadDir::new(dir),
        key,
        &mut |record, _| steps.push(record.clone()),
    )?;
    Ok(steps)
}

/// Every file below `dir` with the hash of its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let below = files(&path).into_iter();
            found.extend(
                below.map(|(name, bytes)| (Path::new(path.file_name().unwrap()).join(name), bytes)),
            );
        } else {
            found.insert(
                path.file_name().unwrap().into(),
                sha256_file(&path).unwrap(),
            );
        }
    }
    found
}

#[test]
fn a_head_learns_and_leaves_adapters_along_the_way() {
    let (model, dir) = (small_model(), tempfile::tempdir().unwrap());
    let steps = run(&model, 40, dir.path(), "x").unwrap();
    assert_eq!(steps.len(), 10);
    let head = HeadDir::new(dir.path());
    let loss = |examples_seen| {
        let adapter = Adapter::load(&head.checkpoint(examples_seen), model.device()).unwrap();
        let (loss, _) = loss_and_gradients(&model, &adapter, &examples(40), &settings()).unwrap();
        loss.try_into_scalar::<f32>().unwrap()
    };
    assert!(loss(40) < loss(0), "{} then {}", loss(0), loss(40));
    let counts: Vec<usize> = head.checkpoints().unwrap().into_keys().collect();
    assert_eq!(counts, [0, 8, 16, 32, 40]);
    assert_eq!(read_rows::<StepRecord>(&head.log()).unwrap(), steps);
    for count in counts {
        let adapter = Adapter::load(&head.checkpoint(count), model.device()).unwrap();
        model.config().check_adapter(&adapter).unwrap();
        // Only the newest keeps the optimiser's state.
        assert_eq!(
            head.checkpoint(count)
                .join("optimizer.safetensors")
                .exists(),
            count == 40
        );
    }
}

#[test]
fn training_that_was_stopped_ends_with_the_same_bytes() {
    let model = small_model();
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(&model, 40, whole.path(), "x").unwrap();
    run(&model, 16, parts.path(), "x").unwrap();
    // What a kill in the middle of a later checkpoint leaves: a log that is ahead.
    let head = HeadDir::new(parts.path());
    let log = fs::read_to_string(head.log()).unwrap();
    fs::write(head.log(), format!("{log}5,20,1.5,0.5,8,30\n")).unwrap();
    let steps = run(&model, 40, parts.path(), "x").unwrap();
    assert_eq!(
        steps.first().map(|record| record.examples),
        Some(16),
        "it went on, rather than over"
    );
    assert_eq!(files(whole.path()), files(parts.path()));
    // A finished run has nothing to do.
    assert_eq!(run(&model, 40, parts.path(), "x").unwrap().len(), 1);
    assert_eq!(files(whole.path()), files(parts.path()));
}

/// The optimiser's step is counted in the log: a shorter one would silently give other weights.
#[test]
fn a_log_without_the_steps_to_its_checkpoint_is_damage() {
    let (model, dir) = (small_model(), tempfile::tempdir().unwrap());
    run(&model, 16, dir.path(), "x").unwrap();
    let log = HeadDir::new(dir.path()).log();
    let whole = fs::read_to_string(&log).unwrap();
    for lines in [1, 3] {
        let short: String = whole.split_inclusive('\n').take(lines).collect();
        fs::write(&log, short).unwrap();
        let error = run(&model, 40, dir.path(), "x").unwrap_err();
        assert!(error.is_damage(), "{error}");
        let expected = format!(
            "log.csv: {} steps up to the newest checkpoint, expected 4",
            lines - 1
        );
        assert!(error.to_string().ends_with(&expected), "{error}");
    }
}

/// 18 examples in batches of 4: the last batch is half a one.
#[test]
fn a_head_that_ends_within_a_batch_is_not_trained_again() {
    let (model, dir) = (small_model(), tempfile::tempdir().unwrap());
    let steps = run(&model, 18, dir.path(), "x").unwrap();
    assert_eq!(steps.len(), 5);
    let before = files(dir.path());
    // Only the last step of the earlier run is heard of.
    let again = run(&model, 18, dir.path(), "x").unwrap();
    assert_eq!(again, steps[4..]);
    assert_eq!(files(dir.path()), before);
}

#[test]
fn a_longer_run_continues_a_shorter_one_at_a_whole_batch() {
    let model = small_model();
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(&model, 40, whole.path(), "x").unwrap();
    // 18 examples end in a half batch, which the longer run does not have.
    run(&model, 18, parts.path(), "x").unwrap();
    let steps = run(&model, 40, parts.path(), "x").unwrap();
    assert_eq!(steps[0].examples, 16, "it went on, rather than over");
    let last = |dir: &Path| files(&HeadDir::new(dir).checkpoint(40));
    assert_eq!(last(whole.path()), last(parts.path()));
}

/// The first two batches of 4 have an example that the model cannot run; the third has nothing else.
#[test]
fn what_is_too_long_is_refused_or_counted_and_skipped() {
    let model = small_model();
    let positions = model.config().max_positions;
    let mut long = examples(14);
    for place in [1, 6, 8, 9, 10, 11] {
        long[place].chosen[0].tokens = vec![1; positions + 2];
    }
    let train = |dir: &Path, count: usize, too_long| -> Result<Vec<StepRecord>, Error> {
        let settings = TrainSettings {
            too_long,
            ..settings()
        };
        let (head, mut steps) = (HeadDir::new(dir), Vec::new());
        let mut keep = |step: &StepRecord, _| steps.push(step.clone());
        let start = start(&model, 1);
        train_head(
            &model,
            start,
            &long[..count],
            &settings,
            &head,
            "x",
            &mut keep,
        )?;
        Ok(steps)
    };
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let error = train(whole.path(), 14, LongExample::Refuse).unwrap_err();
    assert!(matches!(error, Error::Example(1, _)), "{error}");
    assert!(error.to_string().contains("too-long = "), "{error}");
    let steps = train(whole.path(), 14, LongExample::Skip).unwrap();
    let seen: Vec<_> = steps
        .iter()
        .map(|step| (step.step, step.examples))
        .collect();
    assert_eq!(seen, [(1, 4), (2, 8), (3, 14)]);
    let names: Vec<usize> = HeadDir::new(whole.path())
        .checkpoints()
        .unwrap()
        .into_keys()
        .collect();
    assert_eq!(names, [0, 8, 14]);
    // It goes on where it was, with the optimiser at the step that it had.
    train(parts.path(), 12, LongExample::Skip).unwrap();
    train(parts.path(), 14, LongExample::Skip).unwrap();
    let last = |dir: &Path| files(&HeadDir::new(dir).checkpoint(14));
    assert_eq!(last(whole.path()), last(parts.path()));
}

#[test]
fn another_run_s_folder_is_refused() {
    let (model, dir) = (small_model(), tempfile::tempdir().unwrap());
    run(&model, 8, dir.path(), "one").unwrap();
    let error = run(&model, 8, dir.path(), "two").unwrap_err();
    assert!(matches!(error, Error::OtherRun { .. }), "{error}");
}

#[test]
fn an_example_without_an_answer_is_refused() {
    let (model, dir) = (small_model(), tempfile::tempdir().unwrap());
    let bad = [Example::from(EncodedPair {
        tokens: vec![1, 2],
        start: 2,
    })];
    let head = HeadDir::new(dir.path());
    let error = train_head(
        &model,
        start(&model, 1),
        &bad,
        &settings(),
        &head,
        "x",
        &mut |_, _| {},
    );
    assert!(matches!(error.unwrap_err(), Error::Example(0, _)));
    assert!(!head.log().exists());
}

#[test]
fn a_loss_that_is_no_number_stops_with_its_step() {
    let (model, dir) = (small_model(), tempfile::tempdir().unwrap());
    let settings = TrainSettings {
        learning_rate: 1e38,
        ..settings()
    };
    let head = HeadDir::new(dir.path());
    let error = train_head(
        &model,
        start(&model, 1),
        &examples(40),
        &settings,
        &head,
        "x",
        &mut |_, _| {},
    )
    .unwrap_err();
    let Error::NotFinite { step, .. } = error else {
        panic!("{error}")
    };
    assert!(
        step > 1,
        "the first step starts from a head that changes nothing"
    );
}

/// With windows that hide a part of the question, and soft caps. The last model turns texts of more than 24 tokens
/// otherwise, so that such a one cannot share its question.
#[test]
fn answers_to_a_question_run_together_and_teach_what_each_does_alone() {
    let cases = [
        ("llama", 5),
        ("mistral", 9),
        ("gemma2", 9),
        ("gemma3", 9),
        ("qwen3-yarn", 9),
        ("phi3-longrope", 23),
    ];
    for (name, longest) in cases {
        let dir = fixture("models").join(name);
        let model = Model::open(&dir, FloatDType::F32, &Device::flex()).unwrap();
        let adapter = start(&model, 1);
        let adapter = adapter.with(&(adapter.joined() + 0.02));
        let text = |length: u32, by: u32| EncodedPair {
            tokens: (1..=4)
                .chain((0..length).map(|n| (n * by + by) % 48))
                .collect(),
            start: 3,
        };
        let [right, wrong, worse] = [text(9, 5), text(7, 11), text(longest, 13)];
        let settings = TrainSettings {
            objective: Objective::Unlikelihood,
            ..settings()
        };
        let example = |chosen: &[&EncodedPair], rejected: &[&EncodedPair]| {
            let all = |texts: &[&EncodedPair]| texts.iter().copied().cloned().collect();
            Example {
                chosen: all(chosen),
                rejected: all(rejected),
            }
        };
        let together = [example(&[&right], &[&wrong, &worse])];
        let alone = [
            example(&[&right], &[]),
            example(&[], &[&wrong]),
            example(&[], &[&worse]),
        ];
        let numbers = |examples: &[Example]| {
            let (loss, gradients) =
                loss_and_gradients(&model, &adapter, examples, &settings).unwrap();
            let all = Tensor::cat(vec![loss, joined(gradients)], 0);
            all.try_into_vec_as::<f32>().unwrap()
        };
        let (one, other) = (numbers(&together), numbers(&alone));
        let largest = other.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let apart = one.iter().zip(&other).map(|(a, b)| (a - b).abs());
        let apart = apart.fold(0.0, f32::max);
        assert!(
            largest > 0.1 && apart < 1e-5,
            "{name}: {apart} of {largest}"
        );
        // The last token of each is not run.
        let run = 4 + 8 + 6 + longest as usize - 1;
        assert_eq!(together[0].tokens(settings.objective), run, "{name}");
    }
}

#[derive(serde::Deserialize)]
struct Reference {
    golden: Golden,
}

/// What PyTorch and PEFT measured (`fixtures/tiny/make.py --reference`).
#[derive(serde::Deserialize)]
struct Golden {
    losses: Vec<f64>,
    grad_norms: Vec<f64>,
}

/// Twenty steps on the tiny model from PEFT's own initial adapter: every loss, every gradient norm, and
/// the adapter that comes out.
#[test]
fn steps_follow_pytorch_and_peft() {
    let (tiny, device) = (fixture("tiny"), Device::flex());
    let reference = fs::read(tiny.join("reference.json")).unwrap();
    let Reference { golden } = serde_json::from_slice(&reference).unwrap();
    let model = Model::open(&tiny, FloatDType::F32, &device).unwrap();
    let tokenizer = Tokenizer::open(&tiny, Bos::Never).unwrap();
    let benchmark =
        Benchmark::open("arc_challenge", &Source::folder(&tiny), &Needs::all()).unwrap();
    let questions = benchmark.train();
    let examples: Vec<Example> = questions[..160]
        .iter()
        .map(|question| {
            let answer = question.continued(question.answer(question.gold().unwrap()));
            let pair = tokenizer.encode_pair(question.context(0), &answer);
            pair.unwrap().into()
        })
        .collect();
    let start = Adapter::load(&tiny.join("golden/adapter_init"), &device).unwrap();
    let settings = TrainSettings {
        learning_rate: 3e-3,
        ..TrainSettings::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let (head, mut steps) = (HeadDir::new(dir.path()), Vec::new());
    train_head(
        &model,
        start,
        &examples,
        &settings,
        &head,
        "x",
        &mut |step, _| steps.push(step.clone()),
    )
    .unwrap();

    assert_eq!(steps.len(), golden.losses.len());
    let expected = golden.losses.iter().zip(&golden.grad_norms);
    for (step, (loss, norm)) in steps.iter().zip(expected) {
        assert!(
            (step.loss / loss - 1.0).abs() < 1e-4,
            "step {}: {} is not {loss}",
            step.step,
            step.loss
        );
        let found = step.grad_norm;
        assert!(
            (found / norm - 1.0).abs() < 1e-3,
            "step {}: {found} is not {norm}",
            step.step
        );
    }
    let expected = Adapter::load(&tiny.join("golden/adapter_20"), &device).unwrap();
    let found = Adapter::load(&head.checkpoint(160), &device).unwrap();
    for ((name, found), (_, expected)) in found.tensors().into_iter().zip(expected.tensors()) {
        let error = (found - expected.clone())
            .square()
            .sum()
            .sqrt()
            .into_scalar::<f32>();
        let size = expected.square().sum().sqrt().into_scalar::<f32>();
        assert!(error < 2e-3 * size, "{name}: off by {error} of {size}");
    }
}
