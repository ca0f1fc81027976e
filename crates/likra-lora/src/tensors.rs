//! Files of named f32 matrices: what an adapter is made of, and what an optimiser keeps beside it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use fs_err as fs;
use likra_files::write_atomically;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::{Error, Result};

/// Writes matrices as one safetensors file, in f32, whole or not at all.
///
/// `metadata` is one key and its value: the format's writer puts several into an order that differs
/// from run to run, and equal runs are to leave equal bytes.
///
/// # Errors
///
/// If the file cannot be written.
pub fn save_tensors(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, Tensor<2>)>,
    metadata: (&str, &str),
) -> Result<()> {
    let mut buffers = Vec::new();
    for (name, tensor) in tensors {
        let shape = tensor.dims().to_vec();
        let values = tensor
            .try_into_data_as::<f32>()
            .map_err(|error| Error::Device {
                path: path.into(),
                tensor: name.clone(),
                message: error.to_string(),
            })?;
        buffers.push((name, shape, values.as_bytes().to_vec()));
    }
    let malformed = |source| Error::Safetensors {
        path: path.into(),
        source,
    };
    let views = buffers
        .iter()
        .map(|(name, shape, bytes)| {
            Ok((
                name,
                TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(malformed)?,
            ))
        })
        .collect::<Result<Vec<_>>>()?;
    let header = HashMap::from([(metadata.0.to_owned(), metadata.1.to_owned())]);
    let bytes = safetensors::serialize(views, Some(header)).map_err(malformed)?;
    Ok(write_atomically(path, |to| to.write_all(&bytes))?)
}

/// Reads every matrix of a safetensors file as f32.
///
/// # Errors
///
/// If the file cannot be read, is malformed, or holds a tensor that is not a matrix of floats.
pub fn load_tensors(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor<2>>> {
    let bytes = likra_files::read(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|source| Error::Safetensors {
        path: path.into(),
        source,
    })?;
    file.iter()
        .map(|(name, view)| Ok((name.to_owned(), matrix(path, name, &view, device)?)))
        .collect()
}

/// Reads the string metadata of a safetensors file.
///
/// # Errors
///
/// If the file cannot be read or is malformed.
pub fn load_metadata(path: &Path) -> Result<BTreeMap<String, String>> {
    let bytes = fs::read(path)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|source| Error::Safetensors {
        path: path.into(),
        source,
    })?;
    Ok(header
        .metadata()
        .iter()
        .flatten()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect())
}

fn matrix(path: &Path, name: &str, view: &TensorView, device: &Device) -> Result<Tensor<2>> {
    let &[rows, columns] = view.shape() else {
        return Err(mismatch(
            path,
            name,
            "a matrix",
            &format!("shape {:?}", view.shape()),
        ));
    };
    let values = floats(view).ok_or_else(|| {
        let found = format!("{:?}", view.dtype());
        mismatch(path, name, "f64, f32, f16 or bf16", &found)
    })?;
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(mismatch(path, name, "finite numbers", &value.to_string()));
    }
    Ok(Tensor::from_data(
        TensorData::new(values, [rows, columns]),
        device,
    ))
}

/// The view's values in f32, unless it holds something other than floats.
fn floats(view: &TensorView) -> Option<Vec<f32>> {
    let bytes = view.data();
    let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    Some(match view.dtype() {
        Dtype::F64 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|&b| f64::from_le_bytes(b) as f32)
            .collect(),
        Dtype::F32 => bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
        Dtype::F16 => pairs()
            .map(|b| half::f16::from_le_bytes(b).to_f32())
            .collect(),
        Dtype::BF16 => pairs()
            .map(|b| half::bf16::from_le_bytes(b).to_f32())
            .collect(),
        _ => return None,
    })
}

pub(crate) fn mismatch(path: &Path, tensor: &str, expected: &str, found: &str) -> Error {
    Error::Tensor {
        path: path.into(),
        tensor: tensor.into(),
        expected: expected.into(),
        found: found.into(),
    }
}
