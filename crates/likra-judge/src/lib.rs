#![doc = include_str!("../README.md")]

mod calibration;
mod error;
mod feedback;
mod judgement;

pub use calibration::{Calibration, Interval, Labelled, Performance, Scored, accuracy_of};
pub use error::{Error, Result};
pub use feedback::{Feedback, LeftOut, Message, Prompt, feedback};
pub use judgement::{Judgement, Question};
