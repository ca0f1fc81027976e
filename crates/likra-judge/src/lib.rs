#![doc = include_str!("../README.md")]

mod calibration;
mod error;
mod feedback;
mod judgement;
mod message;

pub use calibration::{Calibration, Interval, Labelled, Performance, Scored, accuracy_of};
pub use error::{Error, Result};
pub use feedback::{Feedback, LeftOut, feedback};
pub use judgement::{Judgement, Question};
pub use message::{Message, Prompt};
