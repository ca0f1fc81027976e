//! The tensors of a head: one low-rank update for each layer that it changes.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{Error, LoraConfig, Result};

/// One update `s (x Aᵀ) Bᵀ` of a linear layer (Hu et al. 2021, equation 3), in f32.
#[derive(Debug, Clone)]
pub struct LowRank {
    /// `lora_A`: `[rank, in]`.
    pub a: Tensor<2>,
    /// `lora_B`: `[out, rank]`.
    pub b: Tensor<2>,
    /// The factor `s`.
    pub scale: f64,
}

/// A linear layer that an adapter could update: its module path and its sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The layer's module path, such as `model.layers.0.mlp.gate_proj`.
    pub module: String,
    /// Features in.
    pub input: usize,
    /// Features out.
    pub output: usize,
}

/// The reward's tensor in a PEFT file, less the prefix.
pub(crate) const SCORE: &str = "score.weight";

/// A head's tensors: a low-rank update for each of some linear layers, by module path.
#[derive(Debug, Clone)]
pub struct Adapter {
    pub(crate) config: LoraConfig,
    /// The name or path of the model that it updates, if that is known: PEFT writes it down.
    pub base: Option<String>,
    /// The updates by module path.
    pub updates: BTreeMap<String, LowRank>,
    /// A layer on the last hidden state of a text, `[1, hidden]`, whose output is the text's reward: transformers'
    /// `score` of a model for one label, which PEFT saves beside the updates.
    pub reward: Option<Tensor<2>>,
}

impl Adapter {
    /// A fresh adapter that changes nothing yet: A uniform in ±1/√in and B zero.
    ///
    /// The bound is that of PEFT 0.18, which calls torch's `kaiming_uniform_(A, a=√5)`:
    /// √(6 / ((1 + 5) in)). The numbers come from a generator of the host (ChaCha8), in the order of
    /// `layers`, so that every device starts a head from the same adapter.
    ///
    /// # Errors
    ///
    /// If the configuration is impossible or names none of `layers`.
    pub fn init(config: LoraConfig, layers: &[Target], seed: u64, device: &Device) -> Result<Self> {
        config.validate()?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut updates = BTreeMap::new();
        for layer in layers {
            let module = &layer.module;
            if !config.targets(module)? {
                continue;
            }
            let (rank, bound) = (config.rank_of(module)?, (layer.input as f32).sqrt().recip());
            let a = (0..rank * layer.input).map(|_| rng.random_range(-bound..bound));
            let a = TensorData::new(a.collect::<Vec<f32>>(), [rank, layer.input]);
            let update = LowRank {
                a: Tensor::from_data(a, device),
                b: Tensor::zeros([layer.output, rank], device),
                scale: config.scale_of(module)?,
            };
            updates.insert(module.clone(), update);
        }
        if updates.is_empty() {
            let targets = serde_json::json!(config.target_modules).to_string();
            // The names by which `target_modules` could refer to the layers, each once.
            let names = layers.iter().map(|layer| layer.module.rsplit('.').next());
            let names: BTreeSet<&str> = names.flatten().collect();
            let known = names.into_iter().map(String::from).collect();
            return Err(Error::NoTarget(targets, known));
        }
        Ok(Self {
            config,
            base: None,
            updates,
            reward: None,
        })
    }

    /// Rank, scale and targets.
    pub fn config(&self) -> &LoraConfig {
        &self.config
    }

    /// Every tensor under its name in a PEFT file, less the prefix: `<module>.lora_A.weight`, then
    /// `<module>.lora_B.weight`, module after module; `score.weight` is the last.
    pub fn tensors(&self) -> Vec<(String, Tensor<2>)> {
        let halves = |(module, LowRank { a, b, .. }): (&String, &LowRank)| {
            [("lora_A", a), ("lora_B", b)]
                .map(|(half, tensor)| (format!("{module}.{half}.weight"), tensor.clone()))
        };
        let reward = self.reward.iter();
        let reward = reward.map(|tensor| (SCORE.to_owned(), tensor.clone()));
        self.updates.iter().flat_map(halves).chain(reward).collect()
    }

    /// The numbers of all tensors, one behind the other in the order of [`tensors`](Self::tensors):
    /// `[parameters]`.
    pub fn joined(&self) -> Tensor<1> {
        joined(self.tensors().into_iter().map(|(_, tensor)| tensor))
    }

    /// The same adapter with other numbers, as [`joined`](Self::joined) gives them.
    pub fn with(&self, joined: &Tensor<1>) -> Self {
        let mut end = 0;
        self.map(|tensor| {
            let (start, shape) = (end, tensor.dims());
            end += tensor.shape().num_elements();
            joined.clone().slice(start..end).reshape(shape)
        })
    }

    /// The same adapter as leaves of a new autodiff graph, ready for one backward pass.
    pub fn tracked(&self) -> Self {
        self.map(|tensor| tensor.clone().autodiff().require_grad())
    }

    fn map(&self, mut replace: impl FnMut(&Tensor<2>) -> Tensor<2>) -> Self {
        let update = |(module, update): (&String, &LowRank)| {
            let (a, b) = (replace(&update.a), replace(&update.b));
            let scale = update.scale;
            (module.clone(), LowRank { a, b, scale })
        };
        Self {
            config: self.config.clone(),
            base: self.base.clone(),
            updates: self.updates.iter().map(update).collect(),
            reward: self.reward.as_ref().map(replace),
        }
    }
}

/// The numbers of `tensors`, one behind the other.
pub fn joined(tensors: impl IntoIterator<Item = Tensor<2>>) -> Tensor<1> {
    let flat = tensors.into_iter().map(|tensor| tensor.flatten(0, 1));
    Tensor::cat(flat.collect(), 0)
}
