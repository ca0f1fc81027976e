//! What the families of models have in common, and in which they differ.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::Result;
use crate::keys::{Keys, Object};

/// What distinguishes a family beyond the keys of its `config.json`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "as families.json has them")]
pub(crate) struct Family {
    /// The keys that the family's class in transformers reads, with its defaults.
    keys: Object,
    /// Whether queries, keys and values have a bias without a key that says so.
    pub(crate) query_key_value_biases: bool,
    /// The names of a layer's norms: before and after the attention, before and after the feed-forward.
    pub(crate) norms: [Option<String>; 4],
    /// What queries and keys are normalised over, if they are.
    pub(crate) query_key_norm: Option<QueryKeyNorm>,
    /// Whether norms multiply by their weight before they round to the model's type.
    pub(crate) exact_norms: bool,
    /// Whether norms multiply by 1 + their weight.
    pub(crate) norms_from_one: bool,
    /// Whether queries, keys and values are one product, and gate and up another.
    pub(crate) fused: bool,
    /// Whether the embedding is multiplied by the root of its width.
    pub(crate) scaled_embedding: bool,
    /// Every how many layers one sees everything, where no key says it.
    window_pattern: Option<usize>,
}

/// What queries and keys are normalised over.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum QueryKeyNorm {
    Head,
    AllHeads,
}

/// The nonlinearity of a feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) enum Activation {
    #[serde(rename = "silu", alias = "swish")]
    Silu,
    /// GELU by its approximation with a tanh (Hendrycks and Gimpel 2016, section 2).
    #[serde(rename = "gelu_pytorch_tanh")]
    GeluTanh,
}

/// What a layer does with positions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LayerKind {
    /// Whether it sees no further back than the window.
    pub(crate) slides: bool,
    /// Which of the model's rotary embeddings it has, if any.
    pub(crate) rope: Option<usize>,
}

impl Family {
    /// The family of a `model_type`, and the keys that it reads, as in transformers 4.57.1; or the names
    /// of the families there are.
    pub(crate) fn find(model_type: Option<&str>) -> Result<(Self, Object), String> {
        let mut families: BTreeMap<String, Self> =
            serde_json::from_str(include_str!("families.json"))
                .expect("a test reads the file that is built in");
        let names = families.keys().cloned().collect::<Vec<_>>().join(", ");
        let family = model_type.and_then(|name| families.remove(name));
        let mut family = family.ok_or(names)?;
        let keys = std::mem::take(&mut family.keys);
        Ok((family, keys))
    }

    /// What each layer does with positions, and how far back those see that slide.
    pub(crate) fn layers(
        &self,
        keys: &Keys,
        layers: usize,
    ) -> Result<(Vec<LayerKind>, Option<usize>)> {
        let window: Option<usize> = match keys.get("use_sliding_window")? {
            Some(false) => None,
            _ => keys.get("sliding_window")?,
        };
        if window == Some(0) {
            return Err(keys.refused("sliding_window", "at least 1, or null"));
        }
        let rotates = rotates(keys, layers)?;
        let slides = match listed(keys, layers)? {
            Some(slides) if window.is_none() && slides.contains(&true) => {
                let expected = "a number where layer_types has sliding_attention";
                return Err(keys.refused("sliding_window", expected));
            }
            Some(slides) => slides,
            None => self.slides(keys, &rotates)?,
        };
        let local = keys.get::<Option<f64>>("rope_local_base_freq")?.is_some();
        let kinds = slides.into_iter().zip(rotates);
        let kinds = kinds.map(|(slides, rotates)| LayerKind {
            slides: slides && window.is_some(),
            rope: rotates.then_some(usize::from(slides && local)),
        });
        Ok((kinds.collect(), window))
    }

    /// Which layers slide where `layer_types` does not say it.
    fn slides(&self, keys: &Keys, rotates: &[bool]) -> Result<Vec<bool>> {
        let first: Option<usize> = keys.get("max_window_layers")?;
        let pattern: Option<usize> = keys.get("sliding_window_pattern")?;
        let pattern = pattern.or(self.window_pattern);
        if pattern == Some(0) {
            return Err(keys.refused("sliding_window_pattern", "at least 1"));
        }
        let some_rotate = keys.value("no_rope_layer_interval") != &Value::Null;
        let slides = rotates.iter().enumerate().map(|(layer, &rotates)| {
            first.is_none_or(|first| layer >= first)
                && pattern.is_none_or(|pattern| (layer + 1) % pattern != 0)
                && !(some_rotate && rotates)
        });
        Ok(slides.collect())
    }
}

/// Which layers slide, by `layer_types`.
fn listed(keys: &Keys, layers: usize) -> Result<Option<Vec<bool>>> {
    let Some(types) = keys.get::<Option<Vec<String>>>("layer_types")? else {
        return Ok(None);
    };
    let slides = types.iter().map(|name| match name.as_str() {
        "sliding_attention" => Some(true),
        "full_attention" => Some(false),
        _ => None,
    });
    let slides: Option<Vec<bool>> = slides.collect();
    if slides.as_ref().is_none_or(|slides| slides.len() != layers) {
        let expected = format!("{layers} times full_attention or sliding_attention");
        return Err(keys.refused("layer_types", &expected));
    }
    Ok(slides)
}

/// Which layers have rotary embedding: all but those that smollm3 leaves without.
fn rotates(keys: &Keys, layers: usize) -> Result<Vec<bool>> {
    if let Some(listed) = keys.get::<Option<Vec<usize>>>("no_rope_layers")? {
        if listed.len() < layers {
            let expected = format!("{layers} numbers, 0 for a layer without rotary embedding");
            return Err(keys.refused("no_rope_layers", &expected));
        }
        return Ok(listed.iter().take(layers).map(|&uses| uses != 0).collect());
    }
    match keys.get::<Option<usize>>("no_rope_layer_interval")? {
        Some(0) => Err(keys.refused("no_rope_layer_interval", "at least 1")),
        Some(interval) => Ok((1..=layers).map(|layer| layer % interval != 0).collect()),
        None => Ok(vec![true; layers]),
    }
}
