#![doc = include_str!("../README.md")]
#![allow(
    clippy::inline_always,
    reason = "what is not inlined into a dispatch is compiled for the oldest CPU"
)]

mod attention;
mod avx512;
mod flex;
mod frozen;
mod graph;
mod likelihood;
mod linear;
mod math;
mod matrix;
mod norm;
mod packed;
mod rotary;
mod swiglu;
#[cfg(test)]
mod tests;
mod vectors;

pub use attention::{BLOCK, KeyValue, Scores, Sight, Visibility, attention};
pub use flex::{is_cpu, takes_rows_of_any_length};
pub use frozen::Frozen;
pub use likelihood::log_likelihoods;
pub use linear::{Update, adapted_linear};
pub use norm::rms_norm;
pub use rotary::rotate;
pub use swiglu::{geglu, swiglu};
