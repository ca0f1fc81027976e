//! The tensors of a checkpoint folder, from one safetensors file or from several with an index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData, bf16};
use likra_kernels::{Frozen, is_cpu};
use rayon::prelude::*;
use serde::Deserialize;

use crate::tensor_file::TensorFile;
use crate::{Config, Error, Result};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// `model.safetensors.index.json`: which file has which tensor.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The tensors of a checkpoint by name, each read from disk when it is loaded, by any thread.
pub(crate) struct Weights<'a> {
    /// What the tensors make.
    pub(crate) config: &'a Config,
    dir: PathBuf,
    /// What names begin with, and what those of this folder's tensors begin with in its place.
    names: (&'static str, &'static str),
    files: Vec<TensorFile>,
    /// Which of the files has a tensor.
    places: BTreeMap<String, usize>,
    /// The names in the files of what has been loaded.
    used: Mutex<BTreeSet<String>>,
    /// What has been read and not yet loaded.
    ahead: Mutex<BTreeMap<String, TensorData>>,
    dtype: FloatDType,
    device: Device,
}

/// What a base's tensors begin with in a model with its head.
const BASE: &str = "model.";
/// What they begin with where the model is within one for images, too.
const WITHIN: [&str; 2] = ["language_model.model.", "model.language_model."];
/// The output head.
pub(crate) const HEAD: &str = "lm_head.weight";

/// The files with a checkpoint's weights, in the order of their names.
///
/// Of several, those that transformers would take (4.57.1, `_get_resolved_checkpoint_files`): the single
/// file if it is there, else the shards of the index.
///
/// # Errors
///
/// If there is neither an index nor a single file, or the index cannot be read.
pub(crate) fn weight_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let Some(index) = weight_map(dir)? else {
        return Ok(vec![dir.join(SINGLE)]);
    };
    let names: BTreeSet<String> = index.into_values().collect();
    Ok(names.into_iter().map(|name| dir.join(name)).collect())
}

/// Which file has which tensor, unless there is a single file.
fn weight_map(dir: &Path) -> Result<Option<BTreeMap<String, String>>> {
    if dir.join(SINGLE).exists() {
        return Ok(None);
    }
    let index = dir.join(INDEX);
    if !index.exists() {
        return Err(Error::NoWeights(dir.into()));
    }
    let parsed = likra_files::parse_json(&likra_files::read(&index)?);
    let Index { weight_map } = parsed.map_err(|source| Error::Json(index, source))?;
    Ok(Some(weight_map))
}

impl<'a> Weights<'a> {
    /// Opens the weight files of `dir` without reading a tensor yet. Tensors will be converted to
    /// `dtype` on `device`.
    pub(crate) fn open(
        dir: &Path,
        config: &'a Config,
        dtype: FloatDType,
        device: &Device,
    ) -> Result<Self> {
        let paths = weight_files(dir)?;
        let files = paths.iter().map(|path| TensorFile::open(path));
        let files = files.collect::<Result<Vec<_>>>()?;
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (place, file) in files.iter().enumerate() {
            for name in file.names() {
                if let Some(other) = places.insert(name.clone(), place) {
                    let found = format!("it in {} too", files[other].path.display());
                    return Err(mismatch(&file.path, &name, "it in one file", found));
                }
            }
        }
        // What the index does not name is not there to transformers.
        if let Some(index) = weight_map(dir)? {
            places.retain(|name, _| index.contains_key(name));
        }
        // As transformers decides it, by what the names begin with.
        let some = |start: &str| places.keys().any(|name| name.starts_with(start));
        let within = WITHIN.into_iter().find(|start| some(start));
        let whole = within.is_some() || some("model");
        if let (false, Some(&place)) = (whole, places.get(HEAD)) {
            let expected = "no output head beside tensors without `model.` before their names";
            let path = &files[place].path;
            return Err(mismatch(path, HEAD, expected, "one"));
        }
        Ok(Self {
            config,
            dir: dir.into(),
            names: match within {
                Some(within) => (BASE, within),
                None if whole => ("", ""),
                None => (BASE, ""),
            },
            files,
            places,
            used: Mutex::default(),
            ahead: Mutex::default(),
            dtype,
            device: device.clone(),
        })
    }

    /// Names, to people who want to know, the tensors that the model did not ask for.
    pub(crate) fn report_unused(&self) {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, &place) in self.places.iter().filter(|(name, _)| !used.contains(*name)) {
            let path = self.files[place].path.display();
            tracing::info!(tensor = name, %path, "a tensor is not used");
        }
    }

    /// Reads the tensors whose names begin with `path` on all threads, for one that loads them then. What cannot
    /// be read is an error when it is loaded.
    pub(crate) fn read_ahead(&self, path: &str) {
        let Some(path) = self.stored(path) else {
            return;
        };
        let found = self.places.par_iter().filter_map(|(name, &place)| {
            let data = name
                .starts_with(&path)
                .then(|| self.files[place].read(name, None));
            Some((name.clone(), data?.ok()?))
        });
        let found: BTreeMap<_, _> = found.collect();
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    /// A name as the files have it.
    fn stored(&self, name: &str) -> Option<String> {
        let (start, own) = self.names;
        name.strip_prefix(start).map(|rest| format!("{own}{rest}"))
    }

    /// Loads the tensor `name`, which must have `shape`, in the type of activations.
    pub(crate) fn load<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Tensor<D>> {
        self.load_as(name, shape, self.activations())
    }

    /// The same in another type.
    pub(crate) fn load_as<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        dtype: FloatDType,
    ) -> Result<Tensor<D>> {
        let data = self.read(name, &shape, dtype)?;
        Ok(Tensor::from_data(data, (&self.device, DType::from(dtype))))
    }

    /// Loads a matrix that activations are multiplied by, in the type of the weights.
    pub(crate) fn load_frozen(&self, name: &str, shape: [usize; 2]) -> Result<Frozen> {
        if !self.is_rounded() {
            return Ok(self.load(name, shape)?.into());
        }
        let (file, stored) = self.find(name, &shape)?;
        Frozen::packed(shape, |rows| {
            let data = finite(file, name, file.read(&stored, Some(rows))?, self.dtype)?;
            data.try_into_vec::<bf16>()
                .map_err(|error| mismatch(&file.path, name, "bf16", format!("{error:?}")))
        })
    }

    /// Whether what is multiplied is rounded to a smaller type than that of the activations.
    pub(crate) fn is_rounded(&self) -> bool {
        self.activations() != self.dtype
    }

    /// What activations are computed in: on a CPU f32, beside weights in bf16 too.
    pub(crate) fn activations(&self) -> FloatDType {
        match is_cpu(&self.device) {
            true => FloatDType::F32,
            false => self.dtype,
        }
    }

    /// Reads the tensor `name`, which must have `shape`, and converts it.
    fn read(&self, name: &str, shape: &[usize], dtype: FloatDType) -> Result<TensorData> {
        let (file, stored) = self.find(name, shape)?;
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let read = ahead.remove(&stored);
        drop(ahead);
        let data = read.map_or_else(|| file.read(&stored, None), Ok)?;
        finite(file, name, data, dtype)
    }

    /// The file of the tensor `name`, which must have `shape`, and what it is called there.
    fn find(&self, name: &str, shape: &[usize]) -> Result<(&TensorFile, String)> {
        let wanted = format!("shape {shape:?}");
        let stored = self.stored(name);
        let place = stored.and_then(|name| Some((self.places.get(&name).copied()?, name)));
        let Some((place, stored)) = place else {
            return Err(mismatch(&self.dir, name, wanted, "no tensor of this name"));
        };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(stored.clone());
        drop(used);
        let file = &self.files[place];
        let found = file.shape(&stored).unwrap_or_default();
        if found != shape {
            let found = format!("shape {found:?}");
            return Err(mismatch(&file.path, name, wanted, found));
        }
        Ok((file, stored))
    }
}

/// The numbers in another type, none of which may be infinite or NaN.
fn finite(
    file: &TensorFile,
    name: &str,
    data: TensorData,
    dtype: FloatDType,
) -> Result<TensorData> {
    let dtype = DType::from(dtype);
    let data = data.convert_dtype(dtype);
    if let Some(value) = not_finite(&data) {
        let expected = format!("finite numbers in {dtype:?}");
        return Err(mismatch(&file.path, name, expected, value.to_string()));
    }
    Ok(data)
}

/// The first value that is infinite or NaN.
fn not_finite(data: &TensorData) -> Option<f32> {
    if let Ok(values) = data.as_slice::<bf16>() {
        let found = values.iter().find(|value| !value.is_finite());
        return found.map(|value| value.to_f32());
    }
    let values = data.as_slice::<f32>().ok()?;
    values.iter().find(|value| !value.is_finite()).copied()
}

fn mismatch(
    path: &Path,
    tensor: &str,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> Error {
    Error::Tensor(path.into(), tensor.into(), expected.into(), found.into())
}
