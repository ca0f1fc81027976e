//! The tensors of a head: one low-rank update for each layer that it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use burn::tensor::{Device, Tensor, TensorData};
use likra_kernels::Update;
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

/// A head's tensors: a low-rank update for each of some linear layers, by module path.
#[derive(Debug, Clone)]
pub struct Adapter {
    config: LoraConfig,
    /// The name or path of the model that it updates, which PEFT writes down.
    base: Option<String>,
    updates: BTreeMap<String, LowRank>,
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
        Ok(Self::from_parts(config, updates))
    }

    pub(crate) fn from_parts(config: LoraConfig, updates: BTreeMap<String, LowRank>) -> Self {
        Self {
            config,
            base: None,
            updates,
        }
    }

    /// The same adapter with the name or path of its base model written down.
    #[must_use]
    pub fn of_base(self, base: Option<String>) -> Self {
        Self { base, ..self }
    }

    /// The name or path of its base model, if that is known.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        self.base.as_deref()
    }

    /// Rank, scale and targets.
    #[must_use]
    pub fn config(&self) -> &LoraConfig {
        &self.config
    }

    /// The updates by module path, in the order of the paths.
    pub fn updates(&self) -> impl Iterator<Item = (&str, &LowRank)> {
        let updates = self.updates.iter();
        updates.map(|(module, update)| (module.as_str(), update))
    }

    /// Every tensor under its name in a PEFT file, less the prefix: `<module>.lora_A.weight`, then
    /// `<module>.lora_B.weight`, module after module.
    #[must_use]
    pub fn tensors(&self) -> Vec<(String, Tensor<2>)> {
        let halves = |(module, LowRank { a, b, .. }): (&str, &LowRank)| {
            [("lora_A", a), ("lora_B", b)]
                .map(|(half, tensor)| (format!("{module}.{half}.weight"), tensor.clone()))
        };
        self.updates().flat_map(halves).collect()
    }

    /// The same adapter with each tensor replaced; `replace` hears its name, too.
    ///
    /// # Errors
    ///
    /// The first that `replace` returns.
    pub fn try_map<E>(
        &self,
        mut replace: impl FnMut(&str, &Tensor<2>) -> Result<Tensor<2>, E>,
    ) -> Result<Self, E> {
        let update = |(module, LowRank { a, b, scale }): (&String, &LowRank)| {
            let a = replace(&format!("{module}.lora_A.weight"), a)?;
            let b = replace(&format!("{module}.lora_B.weight"), b)?;
            let scale = *scale;
            Ok((module.clone(), LowRank { a, b, scale }))
        };
        Ok(Self {
            config: self.config.clone(),
            base: self.base.clone(),
            updates: self.updates.iter().map(update).collect::<Result<_, E>>()?,
        })
    }

    /// The same adapter as leaves of a new autodiff graph, ready for one backward pass.
    #[must_use]
    pub fn tracked(&self) -> Self {
        let Ok(tracked) =
            self.try_map::<Infallible>(|_, tensor| Ok(tensor.clone().autodiff().require_grad()));
        tracked
    }

    /// The update of `module`, if there is one.
    pub(crate) fn update(&self, module: &str) -> Option<Update<'_>> {
        let LowRank { a, b, scale } = self.updates.get(module)?;
        let scale = *scale;
        Some(Update { a, b, scale })
    }
}
