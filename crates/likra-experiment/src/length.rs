//! Texts that are longer than a model can run: found before the model is loaded.

use std::path::Path;

use likra_data::TrainingPair;
use likra_model::Config;
use likra_tokenizer::{EncodedPair, Request};
use likra_train::LongExample;

use crate::error::{At as _, Error, Result};
use crate::spec::LongPrompt;

/// How many positions the model in the folder `model` has.
pub(crate) fn positions(model: &Path) -> Result<usize> {
    Ok(Config::read(&model.join("config.json"))?.max_positions)
}

/// Refuses what a model of so many positions cannot run, or cuts it; returns how many candidates' texts
/// were cut.
pub(crate) fn fit(requests: &mut [Request], positions: usize, rule: LongPrompt) -> Result<usize> {
    let mut cut = 0;
    for request in requests {
        for candidate in &mut request.candidates {
            let encoded = &mut candidate.encoded;
            if rule == LongPrompt::Refuse && !encoded.fits(positions) {
                return Err(Error::TooLong {
                    what: "question",
                    id: request.question_id.clone(),
                    tokens: encoded.tokens.len(),
                    positions,
                    remedy: "--too-long truncate (evaluation.too-long) keeps the end of the text, as \
                             lm-evaluation-harness does",
                });
            }
            let truncated = encoded.truncate(positions);
            cut += usize::from(truncated.at(|| format!("question `{}`", request.question_id))?);
        }
    }
    Ok(cut)
}

/// Refuses examples that a model of so many positions cannot run, or returns how many are skipped.
pub(crate) fn skipped(
    pairs: &[TrainingPair],
    examples: &[EncodedPair],
    positions: usize,
    rule: LongExample,
) -> Result<usize> {
    let mut long = pairs
        .iter()
        .zip(examples)
        .filter(|(_, example)| !example.fits(positions));
    match rule {
        LongExample::Skip => Ok(long.count()),
        LongExample::Refuse => match long.next() {
            None => Ok(0),
            Some((pair, example)) => Err(Error::TooLong {
                what: "training question",
                id: pair.question.id().into(),
                tokens: example.tokens.len(),
                positions,
                remedy: "training.too-long = \"skip\" leaves such examples out (train: --too-long skip)",
            }),
        },
    }
}
