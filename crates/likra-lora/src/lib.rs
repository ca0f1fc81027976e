#![doc = include_str!("../README.md")]

mod adapter;
mod config;
mod error;
mod linear;
mod peft;
mod selection;
mod tensors;

pub use adapter::{Adapter, LowRank, Target, joined};
pub use config::{LoraConfig, OUTSIDE, TargetModules};
pub use error::{Error, Result};
pub use linear::Linear;
pub use tensors::{load_metadata, load_tensors, save_tensors};
