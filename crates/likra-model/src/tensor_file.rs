//! One safetensors file, of which tensors are read one at a time.
//!
//! It is not mapped into memory: on a CPU, the pages of the file would count beside the weights that are
//! made of them.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData};
use fs_err::File;
use safetensors::Dtype;
use safetensors::tensor::Metadata;

use crate::{Error, Result};

/// An open file: where each of its tensors is.
#[derive(Debug)]
pub(crate) struct TensorFile {
    pub(crate) path: PathBuf,
    /// Where the tensors begin, in bytes.
    begin: u64,
    header: Metadata,
}

/// The longest header that the format allows, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

impl TensorFile {
    /// Reads the header of the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut head = Vec::new();
        let mut file = File::open(path)?;
        file.by_ref().take(512).read_to_end(&mut head)?;
        likra_files::check_kind(path, &head)?;
        let malformed = |message: String| Error::Safetensors(path.into(), message);
        let bytes = file.metadata()?.len();
        let length = head.first_chunk().map(|length| u64::from_le_bytes(*length));
        let length = length.filter(|length| *length <= LONGEST_HEADER && *length < bytes);
        let length = length.ok_or_else(|| malformed("its header is not there".into()))?;
        let begin = length + size_of::<u64>() as u64;
        file.seek(SeekFrom::Start(size_of::<u64>() as u64))?;
        let mut header = Vec::new();
        file.take(length).read_to_end(&mut header)?;
        let header: Metadata =
            serde_json::from_slice(&header).map_err(|error| malformed(error.to_string()))?;
        let expected = begin + header.data_len() as u64;
        if bytes != expected {
            let message = format!("it has {bytes} bytes, expected {expected}; copy it again");
            return Err(malformed(message));
        }
        Ok(Self {
            path: path.into(),
            begin,
            header,
        })
    }

    /// The names of its tensors.
    pub(crate) fn names(&self) -> Vec<String> {
        self.header.tensors().into_keys().collect()
    }

    /// The shape of a tensor.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.info(name).map(|info| info.shape.as_slice())
    }

    /// Reads a tensor of floats, or some of its rows.
    pub(crate) fn read(&self, name: &str, rows: Option<Range<usize>>) -> Result<TensorData> {
        let refused = |expected: &str, found| {
            Error::Tensor(self.path.clone(), name.into(), expected.into(), found)
        };
        let none = || refused("a tensor of this name", "none".into());
        let info = self.header.info(name).ok_or_else(none)?;
        let dtype = match info.dtype {
            Dtype::F64 => DType::F64,
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => return Err(refused("f64, f32, f16 or bf16", format!("{other:?}"))),
        };
        let ((begin, end), mut shape) = (info.data_offsets, info.shape.clone());
        let (mut first, mut length) = (begin, end - begin);
        if let (Some(rows), Some(all)) = (rows, shape.first_mut()) {
            let row = length / (*all).max(1);
            (first, length, *all) = (begin + rows.start * row, rows.len() * row, rows.len());
        }
        let mut bytes = vec![0; length];
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.begin + first as u64))?;
        file.read_exact(&mut bytes)?;
        Ok(TensorData::from_bytes_vec(bytes, shape, dtype))
    }
}
