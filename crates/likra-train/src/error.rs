//! Why a head could not be trained.

use std::io;
use std::path::PathBuf;

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a head could not be trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting makes no sense.
    #[error("{setting} = {found}: expected {expected}")]
    Setting {
        /// The setting's key in an experiment's file.
        setting: &'static str,
        /// The value found.
        found: String,
        /// What would be accepted.
        expected: &'static str,
    },

    /// An example, by its place among those given, from 0, that cannot be learned, and why.
    #[error("training example {0}: {1}")]
    Example(usize, String),

    /// An adapter gives rewards and its objective goes by log-likelihoods, or the reverse.
    #[error(
        "objective {}: expected an adapter {}, found one {}", .0,
        if .0.has_reward() { "with a reward (score.weight)" } else { "without a reward" },
        if .0.has_reward() { "without" } else { "with one" }
    )]
    Reward(crate::Objective),

    /// Training has left the range of numbers.
    #[error(
        "{quantity} is {value} at step {step} (after {examples} examples); try a lower learning rate"
    )]
    NotFinite {
        /// The loss or the gradient norm.
        quantity: &'static str,
        /// Its value.
        value: f64,
        /// The optimiser step, from 1.
        step: usize,
        /// How many examples had been seen before it.
        examples: usize,
    },

    /// The folder holds checkpoints of a run with other settings or other data, such as this one.
    #[error(
        "{path}: made with other settings, another model, other examples or on another kind of device; \
         remove the folder or choose another", path = .0.display()
    )]
    OtherRun(PathBuf),

    /// The log does not have the steps that led to the newest checkpoint: how many it has, and how many it
    /// should have.
    #[error("{path}: {1} steps up to the newest checkpoint, expected {2}", path = .0.display())]
    Log(PathBuf, usize, usize),

    /// A file or folder could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// The loss does not depend on a tensor, of this name, that is to learn.
    #[error("no gradient for tensor `{0}` of the adapter: the loss does not depend on it")]
    Gradient(String),

    /// The base model could not run.
    #[error(transparent)]
    Model(#[from] likra_model::Error),

    /// An adapter, or an optimiser's state, could not be read or written.
    #[error(transparent)]
    Lora(#[from] likra_lora::Error),

    /// The training log could not be read or written.
    #[error(transparent)]
    Results(#[from] likra_results::Error),
}

impl Error {
    /// Whether a file of an earlier run is damaged, as opposed to one that cannot be read or written now.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Log(..) => true,
            Self::Lora(error) => error.is_damage(),
            Self::Results(error) => error.is_damage(),
            _ => false,
        }
    }
}
