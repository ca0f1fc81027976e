//! The tensors of a checkpoint folder, from one safetensors file or from several with an index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, FloatDType, Tensor};
use burn_store::{ModuleStore as _, SafetensorsStore, bridge, burn_pack};
use fs_err as fs;
use serde::Deserialize;

use crate::{Error, Result};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// `model.safetensors.index.json`: which file has which tensor.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The tensors of a checkpoint by name, each read from disk when it is loaded, by any thread.
pub(crate) struct Weights {
    dir: PathBuf,
    tensors: BTreeMap<String, (PathBuf, burn_pack::Tensor)>,
    dtype: FloatDType,
    device: Device,
}

/// The files with a checkpoint's weights, in the order of their names.
///
/// The index comes first: a folder that has one may hold the same weights once more under a name
/// that no index mentions (Mistral's `consolidated.safetensors`).
///
/// # Errors
///
/// If there is neither an index nor a single file, or the index cannot be read.
pub(crate) fn weight_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let index = dir.join(INDEX);
    if index.exists() {
        let text = fs::read(&index)?;
        let Index { weight_map } = serde_json::from_slice(&text).map_err(|source| Error::Json {
            path: index,
            source,
        })?;
        let names: BTreeSet<String> = weight_map.into_values().collect();
        return Ok(names.into_iter().map(|name| dir.join(name)).collect());
    }
    let single = dir.join(SINGLE);
    if single.exists() {
        return Ok(vec![single]);
    }
    Err(Error::NoWeights { dir: dir.into() })
}

impl Weights {
    /// Opens the weight files of `dir` without reading a tensor yet. Tensors will be converted to
    /// `dtype` on `device`.
    pub(crate) fn open(dir: &Path, dtype: FloatDType, device: &Device) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        for path in weight_files(dir)? {
            fs::File::open(&path)?;
            let mut store = SafetensorsStore::from_file(&path);
            let entries = store
                .get_all_tensors()
                .map_err(|error| Error::Safetensors {
                    path: path.clone(),
                    message: error.to_string(),
                })?;
            for (name, tensor) in entries {
                tensors.insert(name.clone(), (path.clone(), tensor.clone()));
            }
        }
        Ok(Self {
            dir: dir.into(),
            tensors,
            dtype,
            device: device.clone(),
        })
    }

    /// Loads the tensor `name`, which must have `shape`.
    pub(crate) fn load<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Tensor<D>> {
        let (path, entry) = self
            .tensors
            .get(name)
            .cloned()
            .ok_or_else(|| Error::Tensor {
                path: self.dir.clone(),
                tensor: name.into(),
                expected: format!("shape {shape:?}"),
                found: "no tensor of this name".into(),
            })?;
        let mismatch = |expected: String, found: String| Error::Tensor {
            path: path.clone(),
            tensor: name.into(),
            expected,
            found,
        };
        if entry.shape.as_slice() != shape {
            return Err(mismatch(
                format!("shape {shape:?}"),
                format!("shape {:?}", entry.shape.as_slice()),
            ));
        }
        if !matches!(entry.dtype, DType::F32 | DType::F16 | DType::BF16) {
            return Err(mismatch(
                "f32, f16 or bf16".into(),
                format!("{:?}", entry.dtype),
            ));
        }
        let data = bridge::into_data(entry).map_err(|error| Error::Safetensors {
            path,
            message: error.to_string(),
        })?;
        let dtype = DType::from(self.dtype);
        Ok(Tensor::from_data(
            data.convert_dtype(dtype),
            (&self.device, dtype),
        ))
    }
}
