//! Writing a model's parameters as safetensors, without ever harming what is already there.

use crate::Error;
use crate::file::{WriteError, write_atomically};
use safetensors::{Dtype, View};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use tch::{Device, Kind, TchError, Tensor};

/// A tensor's bytes, row by row, on the host.
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    /// Half-precision kinds are kept; every other becomes f32.
    fn new(tensor: &Tensor) -> Result<Self, TchError> {
        let (dtype, kind) = match tensor.f_kind()? {
            Kind::Half => (Dtype::F16, Kind::Half),
            Kind::BFloat16 => (Dtype::BF16, Kind::BFloat16),
            _ => (Dtype::F32, Kind::Float),
        };
        let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(kind)?.f_contiguous()?;
        let mut bytes = vec![0; tensor.numel() * kind.elt_size_in_bytes()];
        tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
        Ok(Self { dtype, shape: tensor.size().iter().map(|&d| d as usize).collect(), bytes })
    }
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes `variables` to `path`.
/// `architecture` goes into the file's metadata, beside the `format` that other readers look for.
pub(crate) fn save(
    path: &Path,
    architecture: &str,
    variables: &BTreeMap<String, Tensor>,
) -> Result<(), Error> {
    let stored = variables
        .iter()
        .map(|(name, tensor)| Ok((name, Stored::new(tensor)?)))
        .collect::<Result<Vec<_>, TchError>>()?;
    let metadata = [("format", "pt"), ("architecture", architecture)];
    let metadata: HashMap<_, _> = metadata.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let failed = |source: WriteError| Error::Write { path: path.into(), source };
    let bytes = safetensors::serialize(stored, Some(metadata))
        .map_err(|error| failed(WriteError { replaced: false, source: io::Error::other(error) }))?;
    write_atomically(path, &bytes).map_err(failed)
}
