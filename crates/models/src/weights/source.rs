//! A file's bytes, and tensors made of them.

use crate::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tch::{Kind, Tensor};
use visrep_torch::MappedFile;

/// A weight file, mapped into memory.
pub(super) struct Source {
    file: Arc<MappedFile>,
}

impl Source {
    /// Opens a regular file.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source: io::Error| Error::Read { path: path.into(), source };
        match MappedFile::open(path) {
            Ok(file) => Ok(Self { file }),
            Err(visrep_torch::Error::MapFile { source, .. }) => Err(failed(source)),
            Err(other) => Err(failed(io::Error::other(other))),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.file.bytes()
    }

    /// The elements from `offset` on as a tensor, which lies in the mapped file where they are aligned. Writing to it changes
    /// a private copy.
    pub(super) fn tensor(&self, offset: usize, shape: &[i64], kind: Kind) -> Result<Tensor, String> {
        if kind == Kind::Bool {
            return Self::tensor_of(self.bytes().get(offset..).unwrap_or_default(), shape, kind);
        }
        self.file.tensor(offset, shape, kind).map_err(|error| error.to_string())
    }

    /// A tensor with a copy of the start of `bytes`, little-endian, row by row.
    pub(super) fn tensor_of(bytes: &[u8], shape: &[i64], kind: Kind) -> Result<Tensor, String> {
        // The call copies as much as the shape says, whatever there is.
        let bytes = length(shape, kind)
            .and_then(|length| bytes.get(..length))
            .ok_or("it is too long for its bytes")?;
        // Bytes other than 0 and 1 are no booleans to LibTorch.
        let read = match kind {
            Kind::Bool => Tensor::f_from_data_size(bytes, shape, Kind::Uint8).and_then(|bytes| bytes.f_ne(0)),
            _ => Tensor::f_from_data_size(bytes, shape, kind),
        };
        read.map_err(|error| error.to_string())
    }
}

/// How many bytes a tensor takes.
fn length(shape: &[i64], kind: Kind) -> Option<usize> {
    let width = kind.elt_size_in_bytes();
    shape.iter().try_fold(width, |product, &n| product.checked_mul(usize::try_from(n).ok()?))
}
