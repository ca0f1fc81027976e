#![doc = include_str!("../README.md")]

mod guard;
mod json;
mod read;
mod write;

pub use guard::guarded;
pub use json::{PythonJson, parse_json, python_float};
pub use read::{check_kind, decode_text, error_at, is_damage, read};
pub use write::{check_room, sweep, write_atomically, write_folder};
