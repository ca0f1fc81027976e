#![doc = include_str!("../README.md")]

mod json;
mod read;
mod write;

pub use json::parse_json;
pub use read::{check_kind, decode_text, is_damage, read};
pub use write::{check_room, is_stream, write_atomically};
