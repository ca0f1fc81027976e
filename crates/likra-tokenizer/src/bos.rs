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
    /// As transformers 4.57 does for this checkpoint: if the post-processor in `tokenizer.json` puts it
    /// there; but where `tokenizer_config.json` names the class `LlamaTokenizer`, which replaces that
    /// post-processor, if `add_bos_token` there is not false.
    #[default]
    Auto,
    /// Also if the post-processor does not.
    Always,
    /// Special tokens are not added, whatever the post-processor says.
    Never,
}
