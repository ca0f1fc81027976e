#![doc = include_str!("../README.md")]

mod adapter;
mod config;
mod error;
mod linear;
mod peft;
mod tensors;

pub use adapter::{Adapter, LowRank, Target};
pub use config::LoraConfig;
pub use error::{Error, Result};
pub use linear::Linear;
pub use peft::adapter_files;
pub use tensors::{load_metadata, load_tensors, save_tensors};
