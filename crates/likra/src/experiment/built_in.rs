//! The experiments that the program carries.

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../experiments/", $name, ".toml")))),*]
    };
}

/// Their names and texts.
pub(super) const BUILT_IN: &[(&str, &str)] = built_in![
    "tiny",
    "smollm2-arc",
    "smollm2-hellaswag",
    "mistral-7b-v0.1-arc",
    "mistral-7b-v0.1-hellaswag",
    "mistral-7b-instruct-v0.3-arc",
    "mistral-7b-instruct-v0.3-hellaswag",
    "llama-3.2-3b-instruct-arc",
    "llama-3.2-3b-instruct-hellaswag",
];
