#![doc = include_str!("../README.md")]

mod error;
mod fetch;
mod name;

pub use error::{Error, Result};
pub use fetch::{Event, Kind, Listener, Snapshot, fetch};
pub use name::Name;
