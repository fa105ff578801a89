//! Writing safetensors, without ever harming what is already there.

use super::dtype::{dtype_name, is_weight, to_safetensors};
use super::state::StateDict;
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
    /// `None` when safetensors has no name for the tensor's type.
    fn new(tensor: &Tensor) -> Result<Option<Self>, TchError> {
        let kind = tensor.f_kind()?;
        let Some(dtype) = to_safetensors(kind) else { return Ok(None) };
        let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
        let mut bytes = vec![0; tensor.numel() * kind.elt_size_in_bytes()];
        tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
        Ok(Some(Self { dtype, shape: tensor.size().iter().map(|&d| d as usize).collect(), bytes }))
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

/// Writes a model's `variables` to `path`: half-precision kinds are kept, every other becomes f32.
/// `architecture` goes into the file's metadata, beside the `format` that other readers look for.
pub(crate) fn save(
    path: &Path,
    architecture: &str,
    variables: &BTreeMap<String, Tensor>,
) -> Result<(), Error> {
    let narrow = |tensor: &Tensor| match tensor.f_kind()? {
        Kind::Half | Kind::BFloat16 => Ok(tensor.shallow_clone()),
        _ => tensor.f_to_kind(Kind::Float),
    };
    let variables = variables.iter().map(|(name, tensor)| Ok((name.clone(), narrow(tensor)?)));
    let variables = variables.collect::<Result<BTreeMap<_, _>, TchError>>()?;
    write(path, &variables, &BTreeMap::from([("architecture".into(), architecture.into())]))
}

impl StateDict {
    /// Writes the tensors as safetensors, with their metadata; floating-point ones as `kind` where it is given. What could
    /// not be read is left out.
    ///
    /// # Errors
    /// When the file cannot be written, or a tensor's type is one that safetensors lacks: its name is told.
    pub fn save(&self, path: impl AsRef<Path>, kind: Option<Kind>) -> Result<(), Error> {
        let convert = |tensor: &Tensor| match kind {
            Some(kind) if is_weight(tensor.f_kind()?) => tensor.f_to_kind(kind),
            _ => Ok(tensor.shallow_clone()),
        };
        let tensors = self.tensors().iter().map(|(name, tensor)| Ok((name.clone(), convert(tensor)?)));
        let tensors = tensors.collect::<Result<BTreeMap<_, _>, TchError>>()?;
        write(path.as_ref(), &tensors, self.metadata())
    }
}

fn write(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    metadata: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let failed = |source: WriteError| Error::Write { path: path.into(), source };
    let refused = |reason: String| failed(WriteError { replaced: false, source: io::Error::other(reason) });
    let mut stored = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let kind = tensor.f_kind()?;
        let bytes = Stored::new(tensor)?;
        stored.push((name, bytes.ok_or_else(|| refused(format!("`{name}` is {}", dtype_name(kind))))?));
    }
    let mut metadata: HashMap<_, _> = metadata.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    metadata.insert("format".into(), "pt".into());
    let bytes = safetensors::serialize(stored, Some(metadata)).map_err(|error| refused(error.to_string()))?;
    write_atomically(path, &bytes).map_err(failed)
}
