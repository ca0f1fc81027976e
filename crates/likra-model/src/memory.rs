//! How much memory a model takes, before it is loaded.
//!
//! What is counted is what lives at the same time: the weights, what a pass keeps of each token, and the
//! logits. The factors were measured with a model of 1 and one of 135 million parameters on a CPU, where the
//! estimate is within a quarter of the peak; on other devices it is a guess.

use burn::tensor::{DType, FloatDType};

use crate::{Config, Dtype};

/// What the program and a tokenizer take.
const PROGRAM: usize = 45 << 20;

/// How many answer tokens are projected to the vocabulary at a time, on a CPU and on a GPU: bounds memory at so
/// many rows of logits, and how often a GPU is waited for.
pub(crate) const TARGETS: [usize; 2] = [256, 2048];

impl Config {
    /// The bytes of the weights.
    pub fn weight_bytes(&self, dtype: Dtype) -> usize {
        let targets = self.targets().into_iter();
        let linears: usize = targets.map(|target| target.input * target.output).sum();
        let tables = if self.tie_word_embeddings { 1 } else { 2 };
        (linears + tables * self.vocab_size * self.hidden_size) * bytes(dtype)
    }

    /// The bytes that scoring takes in all: passes of so many tokens after a prefix of so many.
    pub fn scoring_bytes(&self, dtype: Dtype, prefix: usize, tokens: usize) -> usize {
        let (f32, width) = (size_of::<f32>(), self.hidden_size + self.intermediate_size);
        let keys = 2 * self.num_key_value_heads * self.head_dim;
        let kept = prefix * keys * self.num_hidden_layers * f32;
        // One layer at a time.
        let pass = prefix.max(tokens) * (4 * width + keys) * f32;
        let logits = TARGETS[0].min(tokens) * self.vocab_size * f32;
        self.fixed_bytes(dtype) + kept + pass + logits
    }

    /// The bytes that training takes in all: batches of so many tokens, so many of them answers, and an
    /// adapter of so many parameters.
    pub fn training_bytes(
        &self,
        dtype: Dtype,
        tokens: usize,
        answers: usize,
        parameters: usize,
    ) -> usize {
        let f32 = size_of::<f32>();
        let (queries, keys) = (self.num_attention_heads, self.num_key_value_heads);
        let attention = (2 * queries + 4 * keys) * self.head_dim;
        // The graph keeps what the backward pass needs, of every layer.
        let layer = 6 * self.hidden_size + 3 * self.intermediate_size + attention;
        let graph = tokens * layer * self.num_hidden_layers * f32;
        let logits = 2 * answers * self.vocab_size * f32;
        // The adapter, its gradient and the optimiser's two moments; a step makes new ones before it lets go of the old, and
        // terms between them. Measured with adapters of 5 and 41 million parameters.
        self.fixed_bytes(dtype) + graph + logits + 10 * parameters * f32
    }

    /// The program and the weights. In f32 the output head once more: a product with it turned copies it.
    fn fixed_bytes(&self, dtype: Dtype) -> usize {
        let head = match dtype {
            Dtype::F32 => self.vocab_size * self.hidden_size * bytes(dtype),
            Dtype::Bf16 => 0,
        };
        PROGRAM + self.weight_bytes(dtype) + head
    }
}

/// The bytes of a number.
fn bytes(dtype: Dtype) -> usize {
    DType::from(FloatDType::from(dtype)).size()
}
