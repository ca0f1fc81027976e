//! The training log: one line for each step of the optimiser.
//!
//! It holds no wall times, so that the same training leaves the same bytes.

use std::path::Path;

use crate::Result;
use crate::csv_file::{Fields, Row, float, read_rows, write_rows};

/// One step of the optimiser.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    /// The step's number, from 1.
    pub step: usize,
    /// How many training examples have been seen, this step's included.
    pub examples: usize,
    /// The mean negative log-likelihood of the step's answer tokens before the update, in nats per
    /// token (paper, equation 1, with its sign turned).
    pub loss: f64,
    /// The Euclidean norm of all gradients together, before clipping.
    pub grad_norm: f64,
    /// How many answer tokens the loss is the mean of.
    pub answer_tokens: usize,
    /// How many tokens were run, questions included and padding not.
    pub tokens: usize,
}

impl Row for StepRecord {
    const COLUMNS: &'static [&'static str] = &[
        "step",
        "examples",
        "loss",
        "grad_norm",
        "answer_tokens",
        "tokens",
    ];

    fn to_fields(&self) -> Vec<String> {
        vec![
            self.step.to_string(),
            self.examples.to_string(),
            float(self.loss),
            float(self.grad_norm),
            self.answer_tokens.to_string(),
            self.tokens.to_string(),
        ]
    }

    fn from_fields(fields: &Fields) -> Result<Self> {
        Ok(Self {
            step: fields.count("step")?,
            examples: fields.count("examples")?,
            loss: fields.finite("loss")?,
            grad_norm: fields.finite("grad_norm")?,
            answer_tokens: fields.count("answer_tokens")?,
            tokens: fields.count("tokens")?,
        })
    }
}

/// Writes a training log as CSV, one step a line.
///
/// # Errors
///
/// If a loss or gradient norm is not finite, or the file cannot be written.
pub fn write_log(path: &Path, steps: &[StepRecord]) -> Result<()> {
    write_rows(path, steps)
}

/// Reads a training log.
///
/// # Errors
///
/// If the file cannot be read, has other columns, or has a value that is malformed or not finite;
/// the error names file, line and column.
pub fn read_log(path: &Path) -> Result<Vec<StepRecord>> {
    read_rows(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn step(loss: f64) -> StepRecord {
        StepRecord {
            step: 1,
            examples: 32,
            loss,
            grad_norm: 0.125,
            answer_tokens: 90,
            tokens: 700,
        }
    }

    #[test]
    fn the_file_is_what_the_format_says() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("log.csv");
        let steps = [step(2.1), step(0.1 + 0.2)];
        write_log(&path, &steps).unwrap();
        let expected = "step,examples,loss,grad_norm,answer_tokens,tokens\n\
                        1,32,2.1,0.125,90,700\n1,32,0.30000000000000004,0.125,90,700\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(read_log(&path).unwrap(), steps);
    }

    #[test]
    fn a_score_file_is_not_a_log() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("scores.csv");
        crate::write_scores(&path, &[]).unwrap();
        assert!(matches!(read_log(&path).unwrap_err(), Error::Header { .. }));
    }

    #[test]
    fn a_diverged_loss_is_not_written() {
        let path = Path::new("never-written.csv");
        let error = write_log(path, &[step(1.0), step(f64::NAN)]).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Value {
                    line: 3,
                    column: "loss",
                    ..
                }
            ),
            "{error}"
        );
    }
}
