//! Whether a text begins with the BOS token.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a sequence begins with the beginning-of-sequence token.
///
/// lm-evaluation-harness 0.4.13 does as `Auto`, its 0.4.2 (the paper's) as `Never`; the paper's
/// training code does as `Always`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bos {
    /// As the tokenizer's class in transformers does: by its post-processor.
    #[default]
    Auto,
    /// Also if the post-processor does not.
    Always,
    /// Special tokens are not added, whatever the post-processor says.
    Never,
}
