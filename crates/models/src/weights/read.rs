//! Reading a safetensors file into a model's parameters.

use super::{COUNTER, Mismatch, Misshaped};
use crate::Error;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// What loading a weight file did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadReport {
    /// The file.
    pub path: PathBuf,
    /// How many tensors were loaded: all that the model has.
    pub loaded: usize,
    /// The file's classifier tensors, left out because the model has no classifier.
    pub ignored: Vec<String>,
    /// Loaded tensors that hold a NaN or an infinity: worth a warning.
    pub non_finite: Vec<String>,
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tensors from {}", self.loaded, self.path.display())?;
        if !self.ignored.is_empty() {
            write!(f, "; the model has no classifier, so left out: {}", self.ignored.join(", "))?;
        }
        if !self.non_finite.is_empty() {
            write!(f, "; WARNING: NaN or infinite values in {}", self.non_finite.join(", "))?;
        }
        Ok(())
    }
}

/// What a file is loaded into.
pub(crate) struct Target<'a> {
    /// The model's name, for messages.
    pub(crate) model: &'a str,
    /// Where the architecture keeps its classifier: `fc` or `head`.
    pub(crate) head: &'a str,
    pub(crate) has_head: bool,
    /// Every variable, by timm's name.
    pub(crate) variables: BTreeMap<String, Tensor>,
}

/// A weight file in memory, not yet taken apart.
pub(crate) struct WeightFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl WeightFile {
    /// Reads the file.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        Ok(Self { path: path.into(), bytes: read_file(path)? })
    }

    fn tensors(&self) -> Result<SafeTensors<'_>, Error> {
        SafeTensors::deserialize(&self.bytes).map_err(|source| damaged(&self.path, &self.bytes, &source))
    }

    /// The classes of the classifier kept under `head`, by the rows of its weight: 0 without one, `None` when the
    /// weight is not (classes, `embed_dim`) and so not this architecture's.
    pub(crate) fn classes(&self, head: &str, embed_dim: i64) -> Result<Option<i64>, Error> {
        let file = self.tensors()?;
        let Ok(weight) = file.tensor(&format!("{head}.weight")) else { return Ok(Some(0)) };
        Ok(match *weight.shape() {
            [rows, columns] if rows > 0 && columns as i64 == embed_dim => Some(rows as i64),
            _ => None,
        })
    }
}

/// Copies the file's values into the variables, or changes nothing and says why.
pub(crate) fn load(weights: &WeightFile, target: Target<'_>) -> Result<LoadReport, Error> {
    let (path, file) = (weights.path.as_path(), weights.tensors()?);
    let head_prefix = format!("{}.", target.head);

    let shapes: BTreeMap<&str, Vec<i64>> =
        file.iter().map(|(name, view)| (name, view.shape().iter().map(|&d| d as i64).collect())).collect();
    let mut mismatch = Mismatch {
        path: path.into(),
        model: target.model.into(),
        missing: Vec::new(),
        unexpected: Vec::new(),
        misshaped: Vec::new(),
        mistyped: Vec::new(),
        head_prefix: head_prefix.clone(),
    };
    for (name, variable) in &target.variables {
        match shapes.get(name.as_str()) {
            None => mismatch.missing.push((name.clone(), variable.size())),
            Some(shape) if *shape != variable.size() => mismatch.misshaped.push(Misshaped {
                name: name.clone(),
                model: variable.size(),
                file: shape.clone(),
            }),
            Some(_) => {}
        }
    }
    let mut ignored = Vec::new();
    for (name, shape) in shapes {
        let counter = name
            .strip_suffix(COUNTER)
            .is_some_and(|n| target.variables.contains_key(&format!("{n}.running_mean")));
        if target.variables.contains_key(name) || counter {
            continue;
        }
        match !target.has_head && name.starts_with(&head_prefix) {
            true => ignored.push(name.to_owned()),
            false => mismatch.unexpected.push((name.to_owned(), shape)),
        }
    }
    let mut sources = Vec::new();
    for (name, variable) in target.variables {
        let Ok(view) = file.tensor(&name) else { continue };
        match kind(view.dtype()) {
            Some(kind) => sources.push((name, variable, view, kind)),
            None => mismatch.mistyped.push((name, format!("{:?}", view.dtype()))),
        }
    }
    if !mismatch.is_empty() {
        return Err(Box::new(mismatch).into());
    }

    let mut report = LoadReport { path: path.into(), loaded: sources.len(), ignored, non_finite: Vec::new() };
    let _no_grad = tch::no_grad_guard();
    for (name, mut variable, view, kind) in sources {
        let source = Tensor::f_from_data_size(view.data(), &variable.size(), kind)?;
        variable.f_copy_(&source)?;
        if !is_finite(view.data(), kind) {
            report.non_finite.push(name);
        }
    }
    Ok(report)
}

/// Whether no little-endian value has the exponent that NaN and infinity have.
fn is_finite(bytes: &[u8], kind: Kind) -> bool {
    let halves = |mask: u16| bytes.as_chunks::<2>().0.iter().all(|&b| u16::from_le_bytes(b) & mask != mask);
    match kind {
        Kind::Half => halves(0x7C00),
        Kind::BFloat16 => halves(0x7F80),
        Kind::Float => bytes.as_chunks::<4>().0.iter().all(|&b| f32::from_le_bytes(b).is_finite()),
        _ => bytes.as_chunks::<8>().0.iter().all(|&b| f64::from_le_bytes(b).is_finite()),
    }
}

fn kind(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F64 => Some(Kind::Double),
        Dtype::F32 => Some(Kind::Float),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        _ => None,
    }
}

/// Reads a whole regular file, after a look at its first bytes: a header that cannot be true is refused before
/// anything is allocated for it.
fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source: io::Error| Error::Read { path: path.into(), source };
    let refused = |reason: String| Error::Format { path: path.into(), reason };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(failed(io::Error::other("it is not a regular file; name the .safetensors file itself")));
    }
    let mut file = File::open(path).map_err(failed)?;
    let mut start = Vec::with_capacity(64);
    file.by_ref().take(64).read_to_end(&mut start).map_err(failed)?;
    let Some(length) = start.first_chunk::<8>() else {
        return Err(refused(format!("it has {} bytes, too few for a header", start.len())));
    };
    let header = u64::from_le_bytes(*length);
    if header > metadata.len().saturating_sub(8) {
        let size = metadata.len();
        return Err(refused(other_format(&start).map_or_else(
            || format!("it claims a header of {header} bytes and has {size}; it is truncated or of another format"),
            str::to_owned,
        )));
    }
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|error| failed(io::Error::other(error)))?;
    bytes.extend_from_slice(&start);
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Formats that people mistake for safetensors, by their first bytes. Only for files that cannot be safetensors,
/// whose first bytes may be anything.
fn other_format(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(b"PK\x03\x04") {
        Some("it is a zip archive, perhaps a PyTorch checkpoint; convert it with safetensors.torch.save_file")
    } else if start.starts_with(b"\x80\x02") {
        Some("it is a Python pickle; convert it with safetensors.torch.save_file")
    } else if start.starts_with(b"version https://git-lfs") {
        Some("it is a Git LFS pointer, not the file itself; run `git lfs pull`")
    } else if start.starts_with(b"<") {
        Some("it is a web page, perhaps from a failed download")
    } else {
        None
    }
}

fn damaged(path: &Path, bytes: &[u8], source: &SafeTensorError) -> Error {
    let reason = match source {
        SafeTensorError::MetadataIncompleteBuffer => {
            format!(
                "its {} bytes are not what its header promises; it is truncated or has extra data",
                bytes.len()
            )
        }
        SafeTensorError::HeaderTooLarge => "its header exceeds 100 MB".into(),
        other => format!("{other}; the file is damaged or of another format"),
    };
    Error::Format { path: path.into(), reason }
}
