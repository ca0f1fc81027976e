#![doc = include_str!("../README.md")]

mod base;
mod check;
mod estimate;
mod experiment;
mod feedback;
mod finder;
mod inputs;
mod jobs;
mod judge;
mod memory;
mod pace;
mod plan;
mod report;
mod run;
mod source;
mod spec;
mod study;
mod work;

pub use anyhow::{Error, Result};
pub use base::{Base, Planned};
pub use experiment::{Experiment, Head};
pub use feedback::train_judge;
pub use finder::Finder;
pub use inputs::{Asked, Hashes, Inputs, TrainingSet, chat};
pub use jobs::{Job, Product, training_key};
pub use judge::{Format, Judge, JudgeFile};
pub use likra_hub::{Event, Listener};
pub use memory::peak_memory;
pub use plan::{JobState, Refused, RunPlan, is_for_later};
pub use report::{draw, part_of_paper};
pub use run::Run;
pub use source::{Assignment, protocols};
pub use spec::{
    AnalysisSettings, CandidateScore, Evaluation, HeadSpec, LongPrompt, Replicates, Selection,
    Spec, UnrelatedSpec,
};
pub use study::Study;
pub use work::{score, train};
