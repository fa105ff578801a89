//! Tensors that lie in a mapped file: weights that are there without being read.

use std::ffi::c_void;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::{Mmap, MmapOptions, MmapRaw};
use tch::{Kind, Tensor};

use crate::Error;
use crate::shim::{self, scalar_type, visrep_tensor_over};

/// A file in memory, of which the system reads what is used when it is used, and which many programs share.
///
/// [`tensor`](Self::tensor) gives tensors in it. Writing to them, as a training step does, changes private copies
/// of the pages concerned, never the file; [`bytes`](Self::bytes) keeps showing the file.
///
/// # While a file is mapped
/// It must not be cut short: what lies past its new end is gone, and reading it ends the program with a bus error
/// (`SIGBUS`), which no library can turn into an error. Nor may it be rewritten in place: the tensors may or may not
/// change with it. Replacing a file by renaming another onto it is safe, since the mapping stays with the old one.
/// For files that other programs may treat otherwise, read them instead.
#[derive(Debug)]
pub struct MappedFile {
    path: PathBuf,
    /// What tensors use, and may write. It is only ever reached by raw pointers.
    pages: MmapRaw,
    /// A second view of the same file, apart from what tensors write, and so fit for references.
    view: Mmap,
}

impl MappedFile {
    /// Maps a file.
    ///
    /// # Errors
    /// [`Error::MapFile`] if it cannot be opened and mapped, as for a folder or a pipe.
    pub fn open(path: &Path) -> Result<Arc<Self>, Error> {
        let failed = |source| Error::MapFile { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(std::io::Error::other("it is not a regular file")));
        }
        // SAFETY: both are mappings of a regular file. What may happen to them when the file is changed is the
        // caller's to prevent, as the type's documentation says.
        let view = unsafe { MmapOptions::new().map(&file) }.map_err(failed)?;
        // The same length for both, whatever happens to the file between the two calls.
        // SAFETY: as above.
        let pages = unsafe { MmapOptions::new().len(view.len()).map_copy(&file) }.map_err(failed)?;
        Ok(Arc::new(Self { path: path.to_path_buf(), pages: pages.into(), view }))
    }

    /// Where the file was when it was mapped.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of the file, without what was written to its tensors.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.view
    }

    /// The tensor whose elements begin at byte `offset`, the last dimension innermost, in this machine's byte
    /// order. It is on the CPU, shares the memory of the mapping and keeps it alive; all tensors of the same bytes
    /// share them. A range whose address is not a multiple of the element's size is copied, since processors and
    /// LibTorch want it so.
    ///
    /// LibTorch: `at::from_blob` with a deleter.
    ///
    /// # Errors
    /// [`Error::MappedRange`] if the file is too short for that many elements; [`Error::MappedShape`] for a negative
    /// or absurd size; [`Error::MappedKind`] for quantised kinds, which are more than their elements, and for a byte
    /// of a [`Kind::Bool`] other than 0 and 1; [`Error::LibTorch`] if memory is short.
    pub fn tensor(self: &Arc<Self>, offset: usize, shape: &[i64], kind: Kind) -> Result<Tensor, Error> {
        let size = self.byte_count(shape, kind)?;
        let end = offset.checked_add(size).filter(|end| *end <= self.view.len());
        let Some(end) = end else {
            let (path, length) = (self.path.clone(), self.view.len());
            return Err(Error::MappedRange { path, offset, size, length });
        };
        if matches!(kind, Kind::QInt8 | Kind::QUInt8 | Kind::QInt32) {
            return Err(self.wrong_kind(kind, offset, "quantised tensors need their scales"));
        }
        if kind == Kind::Bool && self.view[offset..end].iter().any(|byte| *byte > 1) {
            return Err(self.wrong_kind(kind, offset, "a byte is neither 0 nor 1"));
        }
        if size == 0 {
            return Ok(Tensor::f_empty(shape, (kind, tch::Device::Cpu))?);
        }
        // Both views start at a page, so an address in one is aligned as in the other.
        if !self.pages.as_ptr().wrapping_add(offset).addr().is_multiple_of(kind.elt_size_in_bytes()) {
            return Ok(Tensor::f_from_data_size(&self.view[offset..end], shape, kind)?);
        }
        // SAFETY: the range was checked to lie in the mapping.
        let data = unsafe { self.pages.as_mut_ptr().add(offset) };
        let owner = Arc::into_raw(Arc::clone(self)).cast_mut().cast::<c_void>();
        // SAFETY: `data` has room for the shape, is aligned, and stays mapped and writable until `release` drops the
        // reference given here, which happens once and only after the last tensor. No Rust reference ever points
        // into `pages`, so writing through the tensor aliases none.
        shim::new_tensor("at::from_blob", |result| unsafe {
            let (shape, dims) = (shape.as_ptr(), shape.len());
            visrep_tensor_over(data.cast(), shape, dims, scalar_type(kind), owner, release, result)
        })
    }

    fn byte_count(&self, shape: &[i64], kind: Kind) -> Result<usize, Error> {
        // LibTorch counts elements and bytes in signed numbers, and multiplies all sizes but those that are 0.
        let mut extent = kind.elt_size_in_bytes();
        for size in shape {
            extent = usize::try_from(*size)
                .ok()
                .and_then(|size| extent.checked_mul(size.max(1)))
                .filter(|extent| isize::try_from(*extent).is_ok())
                .ok_or_else(|| Error::MappedShape { path: self.path.clone(), shape: shape.to_vec(), kind })?;
        }
        Ok(if shape.contains(&0) { 0 } else { extent })
    }

    fn wrong_kind(&self, kind: Kind, offset: usize, reason: &'static str) -> Error {
        Error::MappedKind { path: self.path.clone(), kind, offset, reason }
    }
}

/// Drops the reference that a tensor held.
///
/// # Safety
/// `owner` comes from `Arc::<MappedFile>::into_raw`, and this is called once for it.
unsafe extern "C" fn release(owner: *mut c_void) {
    // SAFETY: see above.
    drop(unsafe { Arc::from_raw(owner.cast_const().cast::<MappedFile>()) });
}
