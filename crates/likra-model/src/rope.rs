//! Rotary position embedding (Su et al. 2021), and the ways to stretch it over longer texts.

use std::f64::consts::{PI, TAU};

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use serde::Deserialize;
use serde_json::Value;

use crate::Result;
use crate::keys::Keys;

/// The key that transformers 5 has for all of it.
const PARAMETERS: &str = "rope_parameters";

/// How positions turn a head's pairs of numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rope {
    /// How many numbers of a head are turned, from its first.
    dim: usize,
    theta: f64,
    scaling: Scaling,
    /// `max_position_embeddings`.
    positions: f64,
}

/// `rope_scaling`, as transformers 4.57.1 reads it (`modeling_rope_utils`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "rope_type", rename_all = "lowercase")]
enum Scaling {
    Default,
    Linear { factor: f64 },
    Dynamic { factor: f64 },
    Llama3(Llama3),
    Yarn(Yarn),
    Longrope(Longrope),
}

/// Llama 3's stretching of the low frequencies.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Llama3 {
    factor: f64,
    /// Wavelengths longer than the original context over this are stretched whole.
    low_freq_factor: f64,
    /// Wavelengths shorter than the original context over this are left alone.
    high_freq_factor: f64,
    /// The context length, in tokens, that the model was pretrained with.
    original_max_position_embeddings: f64,
}

/// Yarn (Peng et al. 2023).
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Yarn {
    factor: f64,
    attention_factor: Option<f64>,
    beta_fast: Option<f64>,
    beta_slow: Option<f64>,
    mscale: Option<f64>,
    mscale_all_dim: Option<f64>,
    original_max_position_embeddings: Option<f64>,
    #[serde(default = "yes")]
    truncate: bool,
}

fn yes() -> bool {
    true
}

/// `LongRoPE` (Ding et al. 2024).
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Longrope {
    /// By what frequencies are divided in texts of no more than the original length.
    short_factor: Vec<f64>,
    /// The same in longer texts.
    long_factor: Vec<f64>,
    /// How many times longer texts may be than the original ones.
    factor: Option<f64>,
    attention_factor: Option<f64>,
    /// The context length, in tokens, of the training before, which stands outside of `rope_scaling`.
    #[serde(skip)]
    original: f64,
}

/// Cosines and sines at the positions of a batch, each `[tokens, dim / 2]`.
#[derive(Debug, Clone)]
pub(crate) struct Angles {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

impl Rope {
    /// The rotations of a `config.json`: of every layer, then those of gemma3's sliding layers, from
    /// `rope_theta` and `rope_scaling`, or from `rope_parameters` of transformers 5, which has both.
    pub(crate) fn read(keys: &Keys, head_dim: usize) -> Result<Vec<Self>> {
        const LOCAL: &str = "rope_local_base_freq";
        let parameters = keys.value(PARAMETERS);
        let of_layers = ["full_attention", "sliding_attention"].map(|kind| parameters.get(kind));
        let all = of_layers[0].or(parameters.is_object().then_some(parameters));
        let all = match all {
            Some(parameters) => (PARAMETERS, parameters),
            None => ("rope_scaling", keys.value("rope_scaling")),
        };
        let mut ropes = vec![Self::one(keys, all, "rope_theta", head_dim)?];
        if !keys.value(LOCAL).is_null() {
            let parameters = (PARAMETERS, of_layers[1].unwrap_or(&Value::Null));
            ropes.push(Self::one(keys, parameters, LOCAL, head_dim)?);
        }
        Ok(ropes)
    }

    fn one(
        keys: &Keys,
        (key, parameters): (&'static str, &Value),
        theta: &'static str,
        head_dim: usize,
    ) -> Result<Self> {
        let invalid = |expected: &str| keys.invalid(key, parameters, expected);
        let number = |name: &str| {
            let value = parameters.get(name).filter(|_| key == PARAMETERS);
            let refused = || invalid(&format!("a number for {name}"));
            let number = value.map(|value| value.as_f64().ok_or_else(refused));
            number.transpose()
        };
        let partial: Option<f64> = keys.get("partial_rotary_factor")?;
        let share = match (number("partial_rotary_factor")?, partial) {
            (Some(share), None) if share != 1.0 => {
                return Err(invalid("partial_rotary_factor of 1"));
            }
            (share, partial) => share.or(partial).unwrap_or(1.0),
        };
        let dim = (head_dim as f64 * share) as usize;
        if !(2..=head_dim).contains(&dim) || !dim.is_multiple_of(2) {
            let expected = format!("a share of head_dim = {head_dim} that is an even number");
            return Err(keys.invalid("partial_rotary_factor", &share.into(), &expected));
        }
        let theta = match number("rope_theta")? {
            Some(theta) => theta,
            None => keys.get(theta)?,
        };
        let positions: f64 = keys.get("max_position_embeddings")?;
        let original: Option<f64> = keys.get("original_max_position_embeddings")?;
        let original = original.or(number("original_max_position_embeddings")?);
        let is_phi3 = keys.value("model_type") == "phi3";
        let scaling = Scaling::read(parameters, dim, is_phi3);
        let mut scaling = scaling.map_err(|expected| invalid(&expected))?;
        if let Scaling::Longrope(longrope) = &mut scaling {
            // Where the two are there and differ, transformers 4 takes the one and transformers 5 the other.
            let known = original.map(|original| positions / original);
            let factor = longrope.factor.or(known);
            if factor.is_none() || known.is_some_and(|known| factor != Some(known)) {
                return Err(invalid(
                    "a factor, or original_max_position_embeddings in its place and outside of rope_scaling",
                ));
            }
            longrope.factor = factor;
            longrope.original = original.unwrap_or(positions);
        }
        Ok(Self {
            dim,
            theta,
            scaling,
            positions,
        })
    }

    /// Texts of one regime are turned by the same angles.
    pub(crate) fn regime(&self, tokens: usize) -> usize {
        match &self.scaling {
            Scaling::Dynamic { .. } => tokens.max(self.positions as usize),
            Scaling::Longrope(longrope) => usize::from(tokens as f64 > longrope.original),
            _ => 0,
        }
    }

    /// The angular frequencies, in radians a position, in a text of so many tokens.
    fn frequencies(&self, tokens: usize) -> Vec<f64> {
        let (dim, pairs) = (self.dim as f64, self.dim / 2);
        let theta = match &self.scaling {
            Scaling::Dynamic { factor } => {
                let length = self.positions.max(tokens as f64);
                let stretch = factor * length / self.positions - (factor - 1.0);
                self.theta * stretch.powf(dim / (dim - 2.0))
            }
            _ => self.theta,
        };
        let plain = (0..pairs).map(|pair| theta.powf(-((2 * pair) as f64) / dim));
        match &self.scaling {
            Scaling::Default | Scaling::Dynamic { .. } => plain.collect(),
            Scaling::Linear { factor } => plain.map(|frequency| frequency / factor).collect(),
            Scaling::Llama3(llama3) => plain.map(|frequency| llama3.stretch(frequency)).collect(),
            Scaling::Yarn(yarn) => {
                let original = yarn.original_max_position_embeddings;
                let (low, high) = yarn.ramp(dim, theta, set(original).unwrap_or(self.positions));
                let stretched = |(pair, frequency): (usize, f64)| {
                    let share = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
                    frequency / yarn.factor * share + frequency * (1.0 - share)
                };
                plain.enumerate().map(stretched).collect()
            }
            Scaling::Longrope(longrope) => {
                let factors = [&longrope.short_factor, &longrope.long_factor][self.regime(tokens)];
                let stretched = plain.zip(factors).map(|(frequency, by)| frequency / by);
                stretched.collect()
            }
        }
    }

    /// What cosines and sines are multiplied by, so that attention's scores grow with the texts.
    fn attention_factor(&self) -> f64 {
        match &self.scaling {
            Scaling::Yarn(yarn) => yarn.attention_factor(),
            Scaling::Longrope(longrope) => longrope.attention_factor(),
            _ => 1.0,
        }
    }

    /// The rotations at `places`, each a position and the length of the text that it is in: computed in
    /// f64 on the host and rounded once.
    pub(crate) fn at(
        &self,
        places: &[(usize, usize)],
        dtype: FloatDType,
        device: &Device,
    ) -> Angles {
        let factor = self.attention_factor();
        let mut angles = Vec::with_capacity(places.len() * self.dim / 2);
        for places in places.chunk_by(|a, b| self.regime(a.1) == self.regime(b.1)) {
            let frequencies = self.frequencies(places[0].1);
            for &(position, _) in places {
                let position = position as f64;
                angles.extend(frequencies.iter().map(|by| position * by));
            }
        }
        let table = |function: fn(f64) -> f64| {
            let scaled = |angle: &f64| (function(*angle) * factor) as f32;
            let values: Vec<f32> = angles.iter().map(scaled).collect();
            let data = TensorData::new(values, [places.len(), self.dim / 2]);
            Tensor::<2>::from_data(data, device).cast(dtype)
        };
        let (cos, sin) = (table(f64::cos), table(f64::sin));
        Angles { cos, sin }
    }
}

impl Scaling {
    /// `rope_scaling` or `rope_parameters`, for heads of which `dim` numbers are turned.
    fn read(parameters: &Value, dim: usize, is_phi3: bool) -> Result<Self, String> {
        const TYPES: &str = "a rope_type: default, linear, dynamic, llama3, yarn or longrope";
        if parameters.is_null() {
            return Ok(Self::Default);
        }
        let kind = match [parameters.get("rope_type"), parameters.get("type")] {
            [Some(new), Some(old)] if new != old => None,
            [new, old] => new.or(old),
        };
        let mut parameters = parameters.clone();
        let kind = match kind.and_then(Value::as_str).ok_or(TYPES)? {
            // Its first names for it.
            "su" | "yarn" if is_phi3 => "longrope",
            kind => kind,
        };
        parameters["rope_type"] = kind.into();
        let parsed = serde_json::from_value(parameters).map_err(|error| error.to_string());
        let scaling = parsed.map_err(|error: String| match error.rsplit("expected ").next() {
            _ if error.contains("variant") => TYPES.to_owned(),
            Some(expected) => expected.replace("missing field", "a key"),
            None => error,
        })?;
        let factors: &[f64] = match &scaling {
            Self::Default => &[],
            Self::Linear { factor } | Self::Dynamic { factor } => &[*factor],
            Self::Llama3(llama3) => &[
                llama3.factor,
                llama3.low_freq_factor,
                llama3.high_freq_factor,
                llama3.original_max_position_embeddings,
            ],
            Self::Yarn(yarn) => &[yarn.factor],
            Self::Longrope(longrope) => {
                let factors = [&*longrope.short_factor, &*longrope.long_factor];
                if factors.map(<[f64]>::len) != [dim / 2; 2] {
                    return Err(format!("{} short and long factors each", dim / 2));
                }
                &factors.concat()
            }
        };
        if factors
            .iter()
            .any(|&factor| factor <= 0.0 || factor.is_nan())
        {
            return Err("factors above 0".into());
        }
        Ok(scaling)
    }
}

/// A number that is there and not 0, as Python's `or` takes it.
fn set(number: Option<f64>) -> Option<f64> {
    number.filter(|&number| number != 0.0)
}

impl Llama3 {
    /// Long wavelengths are stretched by `factor`, short ones kept, those between interpolated
    /// (`_compute_llama3_parameters`).
    fn stretch(&self, frequency: f64) -> f64 {
        let context = self.original_max_position_embeddings;
        let wavelength = TAU / frequency;
        // In this order, which decides where the factors cross.
        if wavelength > context / self.low_freq_factor {
            return frequency / self.factor;
        }
        if wavelength < context / self.high_freq_factor {
            return frequency;
        }
        let smooth = (context / wavelength - self.low_freq_factor)
            / (self.high_freq_factor - self.low_freq_factor);
        (1.0 - smooth) * frequency / self.factor + smooth * frequency
    }
}

impl Yarn {
    /// Between which pairs of numbers frequencies go from kept to stretched (`find_correction_range`).
    fn ramp(&self, dim: f64, theta: f64, original: f64) -> (f64, f64) {
        let pair =
            |rotations: f64| dim * (original / (rotations * 2.0 * PI)).ln() / (2.0 * theta.ln());
        let mut low = pair(set(self.beta_fast).unwrap_or(32.0));
        let mut high = pair(set(self.beta_slow).unwrap_or(1.0));
        if self.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        let (low, high) = (low.max(0.0), high.min(dim - 1.0));
        (low, if low == high { high + 0.001 } else { high })
    }

    fn attention_factor(&self) -> f64 {
        let of = |mscale: f64| match self.factor {
            factor if factor <= 1.0 => 1.0,
            factor => 0.1 * mscale * factor.ln() + 1.0,
        };
        let inferred = match (set(self.mscale), set(self.mscale_all_dim)) {
            (Some(mscale), Some(all_dim)) => of(mscale) / of(all_dim),
            _ => of(1.0),
        };
        self.attention_factor.unwrap_or(inferred)
    }
}

impl Longrope {
    fn attention_factor(&self) -> f64 {
        let factor = self.factor.unwrap_or(1.0).max(1.0);
        let inferred = (1.0 + factor.ln() / self.original.ln()).sqrt();
        self.attention_factor.unwrap_or(inferred)
    }
}

impl Angles {
    /// Rotates every head of `x: [tokens, heads · head_dim]`.
    pub(crate) fn rotate(&self, x: Tensor<2>, head_dim: usize) -> Tensor<2> {
        let [tokens, features] = x.dims();
        let (heads, dim) = (features / head_dim, 2 * self.cos.dims()[1]);
        if dim == head_dim {
            return likra_kernels::rotate(x, &self.cos, &self.sin);
        }
        let x = x.reshape([tokens, heads, head_dim]);
        let turned = x.clone().narrow(2, 0, dim).reshape([tokens, heads * dim]);
        let turned = likra_kernels::rotate(turned, &self.cos, &self.sin);
        let kept = x.narrow(2, dim, head_dim - dim);
        let both = vec![turned.reshape([tokens, heads, dim]), kept];
        Tensor::cat(both, 2).reshape([tokens, features])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `_compute_llama3_parameters` of transformers 4.57.1, which then only warns.
    #[test]
    fn factors_that_cross_stretch_long_wavelengths_first() {
        let scaling = Llama3 {
            factor: 8.0,
            low_freq_factor: 4.0,
            high_freq_factor: 1.0,
            original_max_position_embeddings: 1000.0,
        };
        assert_eq!(scaling.stretch(TAU / 500.0), TAU / 500.0 / 8.0);
        assert_eq!(scaling.stretch(TAU / 200.0), TAU / 200.0);
    }
}
