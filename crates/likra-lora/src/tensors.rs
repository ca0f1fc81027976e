//! Files of named f32 matrices: what an adapter is made of, and what an optimiser keeps beside it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};
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
        let values = tensor.try_into_data_as::<f32>();
        let refused = |error: String| Error::Device(path.into(), name.clone(), error);
        let values = values.map_err(|error| refused(error.to_string()))?;
        buffers.push((name, shape, values));
    }
    let malformed = |source| Error::Safetensors(path.into(), source);
    let views = buffers.iter().map(|(name, shape, values)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), values.as_bytes());
        Ok((name, view.map_err(malformed)?))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
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
    let malformed = |source| Error::Safetensors(path.into(), source);
    let file = SafeTensors::deserialize(&bytes).map_err(malformed)?;
    let tensor = |(name, view)| Ok((String::from(name), matrix(path, name, &view, device)?));
    file.iter().map(tensor).collect()
}

/// Reads the string metadata of a safetensors file.
///
/// # Errors
///
/// If the file cannot be read or is malformed.
pub fn load_metadata(path: &Path) -> Result<HashMap<String, String>> {
    let bytes = fs_err::read(path)?;
    let malformed = |source| Error::Safetensors(path.into(), source);
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(malformed)?;
    Ok(header.metadata().clone().unwrap_or_default())
}

fn matrix(path: &Path, name: &str, view: &TensorView, device: &Device) -> Result<Tensor<2>> {
    let refused = |expected: &str, found: String| Error::tensor(path, name, expected, &found);
    let &[rows, columns] = view.shape() else {
        return Err(refused("a matrix", format!("shape {:?}", view.shape())));
    };
    let dtype = match view.dtype() {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        other => return Err(refused("f64, f32, f16 or bf16", format!("{other:?}"))),
    };
    let data = TensorData::from_bytes_vec(view.data().to_vec(), [rows, columns], dtype);
    let data = data.convert::<f32>();
    let wrong = data.iter::<f32>().find(|value| !value.is_finite());
    match wrong {
        Some(value) => Err(refused("finite numbers", value.to_string())),
        None => Ok(Tensor::from_data(data, device)),
    }
}
