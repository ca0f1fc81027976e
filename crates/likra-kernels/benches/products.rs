//! The products of a linear layer, where most of a forward pass goes: without an update, with one, and with the
//! gradients of one. Sizes are those of the feed-forward of SmolLM2-135M and of Llama-3.2-3B.
//!
//! `cargo bench -p likra-kernels`. The last column but one says multiply-adds a second.

use burn::tensor::{Device, Distribution, Tensor};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use likra_kernels::{Update, adapted_linear};

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

#[divan::bench(args = SIZES)]
fn adapted(bencher: Bencher, size: [usize; 3]) {
    let device = Device::flex();
    let [tokens, input, output] = size;
    let (x, weight) = (
        random([tokens, input], &device),
        random([output, input], &device),
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
    let weight = random([output, input], &device);
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
