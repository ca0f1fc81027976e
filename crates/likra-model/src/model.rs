//! The model: from token ids to hidden states, and from hidden states to log-likelihoods.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData, bf16};
use likra_kernels::{Frozen, KeyValue, is_cpu, log_likelihoods, takes_rows_of_any_length};
use likra_lora::{Adapter, Target};
use rayon::prelude::*;

use crate::attention::Context;
use crate::batch::{Batch, Row};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::layer::Layer;
use crate::memory::TARGETS;
use crate::norm::RmsNorm;
use crate::rope::Rope;
use crate::weights::{HEAD, Weights, weight_files};

/// A frozen causal language model.
///
/// Its tensors are plain constants outside autodiff. A head is an [`Adapter`] that is passed to a
/// forward pass; the same model serves all heads, in training and in scoring.
#[derive(Debug)]
pub struct Model {
    config: Config,
    /// `[vocab, hidden]`.
    embed_tokens: Frozen,
    layers: Vec<Layer>,
    norm: RmsNorm,
    /// `[vocab, hidden]`; the embedding itself if the two are tied.
    lm_head: Frozen,
    /// What activations are computed in.
    dtype: FloatDType,
    device: Device,
}

/// The keys and values of a text that many rows continue, under one head.
#[derive(Debug, Clone)]
pub struct Prefix {
    layers: Vec<KeyValue>,
}

impl Prefix {
    /// How many tokens the prefix has.
    pub fn tokens(&self) -> usize {
        self.layers[0].keys.dims()[0]
    }
}

/// What a token came to, given those before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Its log-likelihood, in nats.
    pub log_likelihood: f32,
    /// The likeliest token at its place, and that one's log-likelihood: if it is the same token, the same number.
    pub likeliest: (u32, f32),
}

impl Model {
    /// Opens the checkpoint folder `dir` (`config.json` and safetensors files under Hugging Face's
    /// names) with its weights converted to `dtype` on `device`. On a CPU activations are in f32, whatever the weights
    /// are; products with weights in bf16 are those of activations rounded to bf16, with sums in f32.
    ///
    /// # Errors
    ///
    /// If a file is missing or malformed, or describes a model that this crate does not compute; the
    /// message names the file, and the key or tensor.
    pub fn open(dir: &Path, dtype: FloatDType, device: &Device) -> Result<Self> {
        let config = Config::read(&dir.join("config.json"))?;
        let weights = Weights::open(dir, &config, dtype, device)?;
        let table = [config.vocab_size, config.hidden_size];
        let embedding = || weights.load_frozen("model.embed_tokens.weight", table);
        let load = |number| Layer::load(&weights, number);
        let numbers = 0..config.num_hidden_layers;
        // What takes the time on a CPU is that the system finds pages: each thread waits for its own.
        let (embed_tokens, layers) = if is_cpu(device) {
            rayon::join(embedding, || numbers.into_par_iter().map(load).collect())
        } else {
            // A device is spoken to by one thread.
            let layers = numbers.map(|number| {
                weights.read_ahead(&format!("model.layers.{number}."));
                load(number)
            });
            (embedding(), layers.collect::<Result<Vec<_>>>())
        };
        let (embed_tokens, layers) = (embed_tokens?, layers?);
        let norm = RmsNorm::load(&weights, "model.norm", config.hidden_size)?;
        let lm_head = if config.tie_word_embeddings {
            embed_tokens.clone()
        } else {
            weights.load_frozen(HEAD, table)?
        };
        weights.report_unused();
        let dtype = weights.activations();
        Ok(Self {
            embed_tokens,
            layers,
            norm,
            lm_head,
            config,
            dtype,
            device: device.clone(),
        })
    }

    /// The files that [`Model::open`] reads from `dir`: the configuration, then the weights.
    ///
    /// # Errors
    ///
    /// If there are no weights.
    pub fn files(dir: &Path) -> Result<Vec<PathBuf>> {
        let mut files = vec![dir.join("config.json")];
        files.extend(weight_files(dir)?);
        Ok(files)
    }

    /// The model's shape.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where the model is.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Every linear layer that an adapter can update, in the order of the forward pass.
    pub fn targets(&self) -> Vec<Target> {
        self.config.targets()
    }

    /// How many targets [`log_likelihoods`](Self::log_likelihoods) is to be given at a time.
    pub fn targets_at_once(&self) -> usize {
        let [on_cpu, on_gpu] = TARGETS;
        if is_cpu(&self.device) { on_cpu } else { on_gpu }
    }

    /// Lays out `rows` in the way that is fastest where the model is.
    pub fn batch(&self, rows: &[Row]) -> Batch {
        if takes_rows_of_any_length(self.dtype, &self.device) {
            Batch::new(rows)
        } else {
            // What a GPU multiplies matrices with takes 8 or 16 rows at a time.
            Batch::padded(rows, if is_cpu(&self.device) { 1 } else { 16 })
        }
    }

    /// Runs `tokens` under a head and keeps what rows need to continue them.
    ///
    /// # Errors
    ///
    /// If a token is outside of the vocabulary.
    pub fn prefill(&self, tokens: &[u32], adapter: Option<&Adapter>) -> Result<Prefix> {
        Ok(self.begin(tokens, adapter)?.0)
    }

    /// The same, and the hidden states of its tokens, as [`forward`](Self::forward) gives them.
    ///
    /// # Errors
    ///
    /// If a token is outside of the vocabulary.
    pub fn begin(&self, tokens: &[u32], adapter: Option<&Adapter>) -> Result<(Prefix, Tensor<2>)> {
        let batch = Batch::new(&[Row::sequence(tokens)]);
        let mut layers = Vec::with_capacity(self.layers.len());
        let hidden = self.run(&batch, None, adapter, |own| layers.push(own))?;
        Ok((Prefix { layers }, hidden))
    }

    /// Runs a batch under a head, after a prefix of the same head if there is one.
    ///
    /// Returns the last layer's output before the final norm, `[tokens, hidden]` in the model's
    /// type; [`Batch::index`] says where each token is, unless [`Batch::only`] some are asked for. It is part of an
    /// autodiff graph if the adapter is [tracked](Adapter::tracked).
    ///
    /// # Errors
    ///
    /// If a token is outside of the vocabulary.
    pub fn forward(
        &self,
        batch: &Batch,
        prefix: Option<&Prefix>,
        adapter: Option<&Adapter>,
    ) -> Result<Tensor<2>> {
        self.run(batch, prefix, adapter, drop)
    }

    fn run(
        &self,
        batch: &Batch,
        prefix: Option<&Prefix>,
        adapter: Option<&Adapter>,
        mut keep: impl FnMut(KeyValue),
    ) -> Result<Tensor<2>> {
        let mut x = self.embed(&batch.ids)?;
        let prefix_tokens = prefix.map_or(0, Prefix::tokens);
        self.check_rotations(batch, prefix)?;
        let places = batch.positions(prefix_tokens);
        let turned = |rope: &Rope| rope.at(&places, self.dtype, &self.device);
        let visibility = |window| Arc::new(batch.visibility(prefix_tokens, window));
        let mut context = Context {
            angles: self.config.ropes.iter().map(turned).collect(),
            visibility: [None, self.config.sliding_window].map(visibility),
            asked: None,
        };
        for (number, layer) in self.layers.iter().enumerate() {
            if number + 1 == self.layers.len() {
                let asked = batch.asked.as_ref().map(|asked| asked.iter());
                context.asked = asked.map(|asked| self.indices(asked.map(|&at| at as i32)));
            }
            let prefix = prefix.map(|prefix| &prefix.layers[number]);
            let (y, own) = layer.forward(x, &context, prefix, adapter);
            keep(own);
            x = y;
        }
        Ok(x)
    }

    /// Whether texts of these lengths can share what they begin with: some models turn all tokens of a long text otherwise.
    pub fn can_share(&self, lengths: &[usize]) -> bool {
        let alike = |rope: &Rope| {
            let mut pairs = lengths.windows(2);
            pairs.all(|pair| rope.regime(pair[0]) == rope.regime(pair[1]))
        };
        self.config.ropes.iter().all(alike)
    }

    /// What a text shares with others has to be turned as it would be alone.
    fn check_rotations(&self, batch: &Batch, prefix: Option<&Prefix>) -> Result<()> {
        let all = |before: usize| {
            let texts = batch.texts.iter().flatten().map(|text| before + text);
            texts.chain([before]).collect()
        };
        let together = prefix.map(|prefix| vec![all(prefix.tokens())]);
        let together = together.as_ref().unwrap_or(&batch.texts);
        match together.iter().find(|texts| !self.can_share(texts)) {
            Some(texts) => Err(Error::Rotations(texts.iter().max().copied().unwrap_or(0))),
            None => Ok(()),
        }
    }

    fn check_ids(&self, mut ids: impl Iterator<Item = u32>) -> Result<()> {
        let vocab_size = self.config.vocab_size;
        match ids.find(|&id| id as usize >= vocab_size) {
            Some(id) => Err(Error::Token(id, vocab_size)),
            None => Ok(()),
        }
    }

    fn embed(&self, ids: &[u32]) -> Result<Tensor<2>> {
        self.check_ids(ids.iter().copied())?;
        let x = self.embed_tokens.select(ids, &self.device);
        if !self.config.family.scaled_embedding {
            return Ok(x);
        }
        let scale = (self.config.hidden_size as f64).sqrt();
        // Rounded to the model's type, as transformers does.
        Ok(match self.dtype {
            FloatDType::BF16 => x.mul_scalar(bf16::from_f64(scale).to_f64()),
            _ => x.mul_scalar(scale),
        })
    }

    fn indices(&self, values: impl Iterator<Item = i32>) -> Tensor<1, Int> {
        let values: Vec<i32> = values.collect();
        let shape = [values.len()];
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    /// The final norm and the output head: `[tokens, hidden]` to `[tokens, vocab]`, in f32.
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        let normed = self.norm.forward(hidden);
        let logits = self.lm_head.product(normed);
        let logits = match self.config.final_softcap {
            Some(cap) => logits.div_scalar(cap).tanh().mul_scalar(cap),
            None => logits,
        };
        logits.cast(FloatDType::F32)
    }

    /// The log-likelihood, in nats, of given next tokens: `[targets]`, in f32.
    ///
    /// Each of `targets` is the index in `hidden: [tokens, hidden]` of the token before, and the
    /// next token's id. Only those rows are projected to the vocabulary.
    ///
    /// # Errors
    ///
    /// If a token is outside of the vocabulary.
    pub fn log_likelihoods(
        &self,
        hidden: &Tensor<2>,
        targets: &[(usize, u32)],
    ) -> Result<Tensor<1>> {
        self.check_ids(targets.iter().map(|&(_, id)| id))?;
        let before = self.indices(targets.iter().map(|&(index, _)| index as i32));
        let next: Vec<u32> = targets.iter().map(|&(_, id)| id).collect();
        let logits = self.logits(hidden.clone().select(0, before));
        Ok(log_likelihoods(logits, &next))
    }

    /// What a reward's layer `weight: [1, hidden]` makes of the hidden states before `targets`, as
    /// [`log_likelihoods`](Self::log_likelihoods) takes them: `[targets]`, in f32. It stands behind the final norm, as
    /// transformers has it.
    pub fn rewards(
        &self,
        hidden: &Tensor<2>,
        targets: &[(usize, u32)],
        weight: &Tensor<2>,
    ) -> Tensor<1> {
        let places = self.indices(targets.iter().map(|&(index, _)| index as i32));
        let normed = self.norm.forward(hidden.clone().select(0, places));
        let weighted = normed.cast(FloatDType::F32) * weight.clone();
        weighted.sum_dim(1).squeeze_dim(1)
    }

    /// What each of `targets`, as [`log_likelihoods`](Self::log_likelihoods) takes them, came to, and what would have been
    /// likelier.
    ///
    /// # Errors
    ///
    /// If a token is outside of the vocabulary, or a result cannot be read from the device.
    pub fn readings(&self, hidden: &Tensor<2>, targets: &[(usize, u32)]) -> Result<Vec<Reading>> {
        self.check_ids(targets.iter().map(|&(_, id)| id))?;
        let before = self.indices(targets.iter().map(|&(index, _)| index as i32));
        let logits = self.logits(hidden.clone().select(0, before));
        let next: Vec<u32> = targets.iter().map(|&(_, id)| id).collect();
        let (largest, ids) = logits.clone().max_dim_with_indices(1);
        let chosen = self.indices(next.iter().map(|&id| id as i32));
        let chosen = logits.clone().gather(1, chosen.unsqueeze_dim(1));
        // How much likelier: nothing, to the last bit, of the token itself.
        let gained = (largest - chosen).cast(FloatDType::F32);
        let found = log_likelihoods(logits, &next);
        let gained = gained.try_into_vec_as::<f32>().map_err(Error::read)?;
        let found = found.try_into_vec_as::<f32>().map_err(Error::read)?;
        let ids = ids.try_into_vec_as::<i64>().map_err(Error::read)?;
        let all = found.into_iter().zip(ids).zip(gained);
        let reading = |((log_likelihood, id), gained)| Reading {
            log_likelihood,
            likeliest: (id as u32, log_likelihood + gained),
        };
        Ok(all.map(reading).collect())
    }
}
