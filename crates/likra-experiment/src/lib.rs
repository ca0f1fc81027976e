#![doc = include_str!("../README.md")]

mod assets;
mod check;
mod error;
mod estimate;
mod event;
mod experiment;
mod hub;
mod inputs;
mod jobs;
mod length;
mod memory;
mod pace;
mod report;
mod run;
mod source;
mod spec;
mod work;

pub use error::{Error, Mistake, Result};
pub use event::{Event, Listener};
pub use experiment::{Experiment, Head};
pub use hub::{Found, find_data, find_model};
pub use inputs::{
    Asked, Hashes, Inputs, Requests, TrainingSet, define, hash_files, requests, training_set,
};
pub use jobs::{Job, Product, Work, training_key};
pub use memory::{Memory, copies, parameters};
pub use pace::peak_memory;
pub use report::{draw, part_of_paper};
pub use run::Run;
pub use source::{Assignment, experiments, protocols};
pub use spec::{
    AnalysisSettings, CandidateScore, Evaluation, HeadSpec, LongPrompt, Replicates, Spec,
    UnrelatedSpec,
};
pub use work::{Training, score};
