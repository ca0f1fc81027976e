//! Whole passes over questions, as `likra score` makes them.
//!
//! `cargo bench -p likra-score` uses the small model of `fixtures/tiny`. Set `LIKRA_MODEL` to a checkpoint folder to
//! measure that one. The last column but one says tokens a second.

use std::path::PathBuf;

use burn::tensor::{Device, FloatDType};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use likra_data::{Benchmark, Needs, ShotRule, Shots, Source};
use likra_lora::{Adapter, LoraConfig};
use likra_model::Model;
use likra_score::{Head, Plan, score};
use likra_tokenizer::{Asked, Bos, Tokenizer};

const QUESTIONS: usize = 64;
const BATCH_TOKENS: usize = 2048;

fn main() {
    divan::main();
}

fn tiny() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny")
}

/// The model, and a plan of questions after `count` solved ones, the same for all.
fn prepare(count: usize) -> (Model, Plan) {
    let dir = std::env::var_os("LIKRA_MODEL").map_or_else(tiny, PathBuf::from);
    let model = Model::open(&dir, FloatDType::F32, &Device::flex()).expect("a checkpoint folder");
    let tokenizer = Tokenizer::open(&dir, Bos::Auto).expect("the checkpoint's tokenizer");
    let benchmark = Benchmark::open("arc_challenge", &Source::folder(tiny()), &Needs::all())
        .expect("the fixture's questions");
    let shots = Shots {
        count,
        rule: ShotRule::Fixed,
        ..Shots::default()
    };
    let prefixes = benchmark
        .prefixes(&shots, QUESTIONS)
        .expect("enough questions");
    let asked = benchmark.test().iter().zip(prefixes);
    let asked = asked.map(|(question, prefix)| Asked::after(&prefix, question));
    let requests = tokenizer
        .requests(asked, &[])
        .expect("questions with tokens");
    (model, Plan::new(requests, BATCH_TOKENS).expect("a plan"))
}

fn pass(bencher: Bencher, model: &Model, plan: &Plan, adapter: Option<&Adapter>) {
    let head = Head {
        name: "bench",
        examples: 0,
        adapter,
        greedy: false,
    };
    bencher
        .counter(ItemsCount::new(plan.tokens()))
        .bench_local(|| black_box(score(model, &head, plan, &mut |_| {})));
}

#[divan::bench(args = [0, 5, 25])]
fn base(bencher: Bencher, shots: usize) {
    let (model, plan) = prepare(shots);
    pass(bencher, &model, &plan, None);
}

#[divan::bench(args = [0, 5, 25])]
fn head(bencher: Bencher, shots: usize) {
    let (model, plan) = prepare(shots);
    let adapter = Adapter::init(LoraConfig::default(), &model.targets(), 1, model.device())
        .expect("targets that the model has");
    pass(bencher, &model, &plan, Some(&adapter));
}
