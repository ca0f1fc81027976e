//! The tokenizer classes of transformers that are known here.

use serde_json::Value;

/// A class, with or without `Fast` at its end: `AutoTokenizer` takes the fast one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Llama,
    /// Llama's, made of `tokenizer.model`.
    ConvertedLlama,
    CodeLlama,
    Gemma,
    Qwen2,
    Gpt2,
    /// `PreTrainedTokenizerFast`: what the files say, without any default.
    Plain,
}

impl Class {
    pub(crate) const NAMES: &str = "LlamaTokenizer, CodeLlamaTokenizer, GemmaTokenizer, Qwen2Tokenizer, \
         GPT2Tokenizer or PreTrainedTokenizerFast";

    /// The class of this name.
    pub(crate) fn named(name: &Value) -> Option<Self> {
        let name = name.as_str()?;
        Some(match name.strip_suffix("Fast").unwrap_or(name) {
            "LlamaTokenizer" => Self::Llama,
            "CodeLlamaTokenizer" => Self::CodeLlama,
            "GemmaTokenizer" => Self::Gemma,
            "Qwen2Tokenizer" => Self::Qwen2,
            "GPT2Tokenizer" => Self::Gpt2,
            "PreTrainedTokenizer" => Self::Plain,
            _ => return None,
        })
    }

    /// The class of a model type (`TOKENIZER_MAPPING_NAMES` in `tokenization_auto.py`).
    pub(crate) fn of_model(model_type: &Value) -> Option<Self> {
        Some(match model_type.as_str()? {
            "llama" | "mistral" | "mixtral" | "phi3" => Self::Llama,
            "code_llama" => Self::CodeLlama,
            "gemma" | "gemma2" | "gemma3" | "gemma3_text" => Self::Gemma,
            "qwen2" | "qwen2_moe" | "qwen3" | "qwen3_moe" => Self::Qwen2,
            "gpt2" => Self::Gpt2,
            "smollm3" => Self::Plain,
            _ => return None,
        })
    }

    /// Whether the class replaces the post-processor of `tokenizer.json` by one of its own, from
    /// `add_bos_token` and `add_eos_token`.
    pub(crate) fn rebuilds_template(self) -> bool {
        !matches!(self, Self::Qwen2 | Self::Gpt2 | Self::Plain)
    }

    /// The special token that the class has where no file says anything of it.
    pub(crate) fn default_token(self, key: &str) -> Option<&'static str> {
        Some(match (self, key) {
            (Self::Gemma, "bos_token") => "<bos>",
            (Self::Gemma, "eos_token") => "<eos>",
            (Self::Gemma, "pad_token") => "<pad>",
            (Self::Llama | Self::ConvertedLlama | Self::CodeLlama, "bos_token") => "<s>",
            (Self::Llama | Self::ConvertedLlama | Self::CodeLlama, "eos_token") => "</s>",
            (Self::Llama | Self::ConvertedLlama | Self::CodeLlama | Self::Gemma, "unk_token") => {
                "<unk>"
            }
            (Self::Qwen2, "unk_token" | "eos_token" | "pad_token")
            | (Self::Gpt2, "unk_token" | "bos_token" | "eos_token") => "<|endoftext|>",
            (Self::CodeLlama, "prefix_token") => "▁<PRE>",
            (Self::CodeLlama, "middle_token") => "▁<MID>",
            (Self::CodeLlama, "suffix_token") => "▁<SUF>",
            (Self::CodeLlama, "eot_token") => "▁<EOT>",
            _ => return None,
        })
    }
}
