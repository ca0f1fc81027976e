//! The tensors of a head: one low-rank update for each layer that it changes.

use std::collections::BTreeMap;
use std::convert::Infallible;

use burn::tensor::{Device, Tensor, TensorData};
use likra_kernels::Update;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{Error, Linear, LoraConfig, Result};

/// One update `s (x Aᵀ) Bᵀ` of a linear layer (Hu et al. 2021, equation 3), in f32.
#[derive(Debug, Clone)]
pub struct LowRank {
    /// `lora_A`: `[rank, in]`.
    pub a: Tensor<2>,
    /// `lora_B`: `[out, rank]`.
    pub b: Tensor<2>,
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

impl From<&Linear> for Target {
    fn from(layer: &Linear) -> Self {
        let (input, output) = layer.features();
        Self {
            module: layer.name().to_owned(),
            input,
            output,
        }
    }
}

/// A head's tensors: a low-rank update for each of some linear layers, by module path.
#[derive(Debug, Clone)]
pub struct Adapter {
    config: LoraConfig,
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
        let updates: BTreeMap<_, _> = layers
            .iter()
            .filter(|layer| config.targets(&layer.module))
            .map(|layer| {
                (
                    layer.module.clone(),
                    initial(layer, config.rank, &mut rng, device),
                )
            })
            .collect();
        if updates.is_empty() {
            return Err(Error::NoTarget {
                targets: config.target_modules,
                known: last_components(layers),
            });
        }
        Ok(Self { config, updates })
    }

    pub(crate) fn from_parts(config: LoraConfig, updates: BTreeMap<String, LowRank>) -> Self {
        Self { config, updates }
    }

    /// Rank, scale and targets.
    #[must_use]
    pub fn config(&self) -> &LoraConfig {
        &self.config
    }

    /// The updates by module path, in the order of the paths.
    pub fn updates(&self) -> impl Iterator<Item = (&str, &LowRank)> {
        self.updates
            .iter()
            .map(|(module, update)| (module.as_str(), update))
    }

    /// Every tensor under its name in a PEFT file, less the prefix: `<module>.lora_A.weight`, then
    /// `<module>.lora_B.weight`, module after module.
    #[must_use]
    pub fn tensors(&self) -> Vec<(String, Tensor<2>)> {
        self.updates()
            .flat_map(|(module, update)| {
                [
                    (format!("{module}.lora_A.weight"), update.a.clone()),
                    (format!("{module}.lora_B.weight"), update.b.clone()),
                ]
            })
            .collect()
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
        let update = |(module, LowRank { a, b }): (&String, &LowRank)| {
            let a = replace(&format!("{module}.lora_A.weight"), a)?;
            let b = replace(&format!("{module}.lora_B.weight"), b)?;
            Ok((module.clone(), LowRank { a, b }))
        };
        Ok(Self {
            config: self.config.clone(),
            updates: self.updates.iter().map(update).collect::<Result<_, E>>()?,
        })
    }

    /// The same adapter as leaves of a new autodiff graph, ready for one backward pass.
    #[must_use]
    pub fn tracked(&self) -> Self {
        let track = |_: &str, tensor: &Tensor<2>| {
            Ok::<_, Infallible>(tensor.clone().autodiff().require_grad())
        };
        let Ok(tracked) = self.try_map(track);
        tracked
    }

    /// How many numbers a head learns.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.tensors()
            .iter()
            .map(|(_, tensor)| tensor.shape().num_elements())
            .sum()
    }

    /// The update of `module`, if there is one.
    pub(crate) fn update(&self, module: &str) -> Option<Update<'_>> {
        let LowRank { a, b } = self.updates.get(module)?;
        let scale = self.config.scale();
        Some(Update { a, b, scale })
    }
}

fn initial(layer: &Target, rank: usize, rng: &mut ChaCha8Rng, device: &Device) -> LowRank {
    let bound = (layer.input as f32).sqrt().recip();
    let a: Vec<f32> = (0..rank * layer.input)
        .map(|_| rng.random_range(-bound..bound))
        .collect();
    LowRank {
        a: Tensor::from_data(TensorData::new(a, [rank, layer.input]), device),
        b: Tensor::zeros([layer.output, rank], device),
    }
}

/// The names by which `target_modules` could refer to `layers`, each once.
fn last_components(layers: &[Target]) -> Vec<String> {
    let mut names: Vec<String> = layers
        .iter()
        .filter_map(|layer| layer.module.rsplit('.').next().map(String::from))
        .collect();
    names.sort();
    names.dedup();
    names
}
