#![doc = include_str!("../README.md")]

mod attention;
mod batch;
mod config;
mod device;
mod error;
mod family;
mod keys;
mod layer;
mod memory;
mod model;
mod norm;
mod projections;
mod rope;
mod tensor_file;
mod weights;

pub use batch::{Batch, Row, common};
pub use config::Config;
pub use device::{DeviceName, Dtype, Placement, check_threads};
pub use error::{Error, Result};
pub use likra_kernels::BLOCK;
pub use model::{Model, Prefix, Reading};
