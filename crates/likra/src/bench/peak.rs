//! How fast this machine multiplies matrices with the library that the model is computed with.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use burn::tensor::{Distribution, Tensor};
use serde::Deserialize;

use super::{Measured, median, timed};
use crate::device::Chosen;

/// Products of square matrices of these sizes, in the base model's type.
#[derive(Debug, Deserialize)]
pub(super) struct Peak {
    sizes: Vec<usize>,
    samples: usize,
}

impl Peak {
    pub(super) fn measure(&self, chosen: &Chosen) -> Result<Measured> {
        let mut rates = BTreeMap::new();
        for &size in &self.sizes {
            rates.insert(size, rate(size, self.samples, chosen)?);
        }
        Ok(Measured {
            rates,
            ..Measured::default()
        })
    }
}

/// Operations a second of the median sample, after one that does not count.
fn rate(size: usize, samples: usize, chosen: &Chosen) -> Result<f64> {
    let Chosen { device, dtype, .. } = chosen;
    let matrix = || {
        let shape = [size, size];
        Tensor::<2>::random(shape, Distribution::Uniform(-1.0, 1.0), device).cast(*dtype)
    };
    let (a, b) = (matrix(), matrix());
    // Small products are repeated, so that what is timed is not the clock.
    let operations = 2.0 * (size as f64).powi(3);
    let repeats = (2e9 / operations).ceil().clamp(1.0, 1e4) as usize;
    let product = || {
        for _ in 0..repeats {
            drop(a.clone().matmul(b.clone()));
        }
        device.sync().context("the device could not be waited for")
    };
    product()?;
    let measured = Measured::sampled(samples, || Ok(timed(product)?.1))?;
    Ok(operations * repeats as f64 / median(&measured.seconds))
}
