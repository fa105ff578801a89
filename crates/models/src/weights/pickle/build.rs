//! From what a pickle says of tensors to tensors, each checked against the bytes that there are.

use super::machine::Pickle;
use super::select::select;
use super::torch::{Found, Reader, StorageSpec, TensorSpec};
use crate::weights::Contents;
use crate::weights::dtype::Element;
use crate::weights::state::Unread;
use std::collections::HashMap;
use tch::{Kind, Tensor};

/// Copies that tensors with gaps or repeats need may take this many bytes, beside twice what the file has.
const MAX_COPIES: u64 = 64 << 20;

/// Where a file keeps its storages.
pub(super) trait Storages<'a> {
    /// All elements of a storage as one row of `kind`.
    fn load(&mut self, spec: &StorageSpec<'a>, kind: Kind) -> Result<Tensor, String>;
}

/// The tensors of a checkpoint of `size` bytes.
pub(super) fn build<'a>(
    pickle: &Pickle<'a>,
    size: usize,
    storages: &mut impl Storages<'a>,
) -> Result<Contents, String> {
    let reader = Reader { pickle };
    let selected = select(reader, pickle.root)?;
    let mut contents = Contents { metadata: selected.metadata, notes: selected.notes, ..Contents::default() };
    let mut loaded: HashMap<(&str, Kind), Tensor> = HashMap::new();
    let mut copies = MAX_COPIES.saturating_add(2 * size as u64);
    for (name, id) in selected.tensors {
        let in_tensor = |reason: String| format!("the tensor `{name}`: {reason}");
        match reader.tensor(id).map_err(in_tensor)? {
            None => {}
            Some(Found::Special(shape, dtype)) => drop(contents.unread.insert(name, Unread { shape, dtype })),
            Some(Found::Tensor(spec)) => {
                let Element::Kind(kind) = spec.storage.element else { continue };
                let storage = match loaded.get(&(spec.storage.key, kind)) {
                    Some(storage) => storage.shallow_clone(),
                    None => storages.load(&spec.storage, kind).map_err(in_tensor)?,
                };
                let tensor = view(&storage, &spec, kind, &mut copies).map_err(in_tensor)?;
                loaded.insert((spec.storage.key, kind), storage);
                contents.tensors.insert(name, tensor);
            }
        }
    }
    Ok(contents)
}

/// The tensor within its storage: sharing its memory where the elements lie one after the other, copied otherwise.
fn view(storage: &Tensor, spec: &TensorSpec<'_>, kind: Kind, copies: &mut u64) -> Result<Tensor, String> {
    let TensorSpec { offset, size, stride, .. } = spec;
    let outside = || {
        let elements = storage.numel();
        format!(
            "the shape {size:?} with strides {stride:?} from {offset} is not within its {elements} elements"
        )
    };
    let numel = size.iter().try_fold(1_i64, |product, &n| product.checked_mul(n)).ok_or_else(outside)?;
    let failed = |error: tch::TchError| error.to_string();
    if numel == 0 {
        return Tensor::f_zeros(size.as_slice(), (kind, tch::Device::Cpu)).map_err(failed);
    }
    let last = size.iter().zip(stride).try_fold(*offset, |last, (&n, &step)| {
        last.checked_add(u64::try_from(n - 1).ok()?.checked_mul(u64::try_from(step).ok()?)?)
    });
    if last.is_none_or(|last| last >= storage.numel() as u64) {
        return Err(outside());
    }
    let offset = i64::try_from(*offset).map_err(|_| outside())?;
    if is_contiguous(size, stride) {
        return storage
            .f_narrow(0, offset, numel)
            .and_then(|row| row.f_view(size.as_slice()))
            .map_err(failed);
    }
    let bytes = (numel as u64).saturating_mul(kind.elt_size_in_bytes() as u64);
    *copies = copies
        .checked_sub(bytes)
        .ok_or("with it, tensors with gaps or repeats take far more than the file has")?;
    storage
        .f_as_strided(size.as_slice(), stride.as_slice(), offset)
        .and_then(|strided| strided.f_contiguous())
        .map_err(failed)
}

fn is_contiguous(size: &[i64], stride: &[i64]) -> bool {
    let mut expected = 1;
    size.iter().zip(stride).rev().all(|(&n, &step)| {
        let fits = n == 1 || step == expected;
        expected *= n;
        fits
    })
}
