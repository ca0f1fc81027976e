#![doc = include_str!("../README.md")]

mod error;
mod event;
mod fetch;
mod name;

pub use error::{Error, Result};
pub use event::{Event, Listener};
pub use fetch::{Snapshot, fetch};
pub use hf_hub::RepoType;
pub use name::Name;
