//! The products of a linear layer, where most of a forward pass goes: without an update, with one, and with the
//! gradients of one. Sizes are those of the feed-forward of SmolLM2-135M and of Llama-3.2-3B.
//!
//! `cargo bench -p likra-kernels`. The last column but one says multiply-adds a second.

use std::convert::Infallible;
use std::ops::Range;

use burn::tensor::{Device, Distribution, Tensor, bf16};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use likra_kernels::{Frozen, Update, adapted_linear};

const RANK: usize = 8;

/// Tokens, in and out.
const SIZES: [[usize; 3]; 4] = [
    [8, 576, 1536],
    [128, 576, 1536],
    [512, 576, 1536],
    [128, 3072, 8192],
];

fn main() {
    divan::main();
}

fn random(shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
}

fn products([tokens, input, output]: [usize; 3]) -> ItemsCount {
    ItemsCount::new(tokens * input * output)
}

#[divan::bench(args = SIZES)]
fn frozen(bencher: Bencher, size: [usize; 3]) {
    let device = Device::flex();
    let [tokens, input, output] = size;
    let (x, weight) = (
        random([tokens, input], &device),
        random([output, input], &device),
    );
    bencher
        .counter(products(size))
        .bench_local(|| black_box(x.clone().matmul(weight.clone().transpose())));
}

/// The same in bf16, packed.
#[divan::bench(args = SIZES)]
fn frozen_bf16(bencher: Bencher, size: [usize; 3]) {
    let [tokens, input, output] = size;
    let (x, weight) = (
        random([tokens, input], &Device::flex()),
        packed(input, output),
    );
    bencher
        .counter(products(size))
        .bench_local(|| black_box(weight.product(x.clone())));
}

/// The way back through it.
#[divan::bench(args = SIZES)]
fn frozen_bf16_back(bencher: Bencher, size: [usize; 3]) {
    let [tokens, input, output] = size;
    let weight = packed(input, output);
    let x = random([tokens, input], &Device::flex())
        .autodiff()
        .require_grad();
    bencher.counter(products(size)).bench_local(|| {
        // Forward and back.
        black_box(weight.product(x.clone()).sum().backward())
    });
}

fn packed(input: usize, output: usize) -> Frozen {
    let number = |at: usize| bf16::from_f32((at % 251) as f32 / 251.0 - 0.5);
    let read = |rows: Range<usize>| {
        let numbers = rows.start * input..rows.end * input;
        Ok::<_, Infallible>(numbers.map(number).collect())
    };
    let Ok(packed) = Frozen::packed([output, input], read);
    packed
}

#[divan::bench(args = SIZES)]
fn adapted(bencher: Bencher, size: [usize; 3]) {
    let device = Device::flex();
    let [tokens, input, output] = size;
    let (x, weight) = (
        random([tokens, input], &device),
        random([output, input], &device).into(),
    );
    let (a, b) = (
        random([RANK, input], &device),
        random([output, RANK], &device),
    );
    let update = Update {
        a: &a,
        b: &b,
        scale: 1.0,
    };
    bencher
        .counter(products(size))
        .bench_local(|| black_box(adapted_linear(x.clone(), &weight, None, update)));
}

#[divan::bench(args = SIZES)]
fn adapted_with_gradients(bencher: Bencher, size: [usize; 3]) {
    let device = Device::flex();
    let [tokens, input, output] = size;
    let weight = random([output, input], &device).into();
    let [x, a, b] = [[tokens, input], [RANK, input], [output, RANK]]
        .map(|shape| random(shape, &device).autodiff().require_grad());
    let update = Update {
        a: &a,
        b: &b,
        scale: 1.0,
    };
    // Forward, and back to the input: twice the products.
    bencher
        .counter(products([2 * tokens, input, output]))
        .bench_local(|| {
            let y = adapted_linear(x.clone(), &weight, None, update);
            black_box(y.sum().backward())
        });
}
