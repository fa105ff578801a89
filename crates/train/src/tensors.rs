//! Between LibTorch's tensors and the bytes of safetensors files.

use crate::Error;
use safetensors::{Dtype, View, tensor::TensorView};
use std::borrow::Cow;
use tch::{Kind, Tensor};

/// A tensor's bytes on the host, ready to be written.
pub(crate) struct HostTensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl HostTensor {
    /// Copies `tensor` from wherever it is.
    pub(crate) fn new(name: &str, tensor: &Tensor) -> Result<Self, Error> {
        let kind = tensor.kind();
        let dtype = dtype(kind).ok_or_else(|| Error::State {
            message: format!("{name} holds {kind:?}, which cannot be saved"),
        })?;
        let host = tensor.detach().f_to_device(tch::Device::Cpu)?.f_contiguous()?;
        let mut bytes = vec![0; host.numel() * kind.elt_size_in_bytes()];
        host.f_copy_data_u8(&mut bytes, host.numel())?;
        Ok(Self { dtype, shape: host.size().iter().map(|&side| side as usize).collect(), bytes })
    }

    /// The raw values.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl View for &HostTensor {
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

/// Copies the values of `view` into `tensor`, which must have its shape and kind.
pub(crate) fn restore(name: &str, view: &TensorView<'_>, tensor: &Tensor) -> Result<(), Error> {
    let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
    if shape != tensor.size() || dtype(tensor.kind()) != Some(view.dtype()) {
        let (size, kind, found) = (tensor.size(), tensor.kind(), view.dtype());
        return Err(Error::State {
            message: format!("{name} is {found:?} {shape:?}, not {kind:?} {size:?}"),
        });
    }
    let _guard = tch::no_grad_guard();
    let values = Tensor::f_from_data_size(view.data(), &shape, tensor.kind())?;
    Ok(tensor.shallow_clone().f_copy_(&values)?)
}

/// A copy of a tensor's values in memory of its own, in the same order.
pub(crate) fn copy(tensor: &Tensor) -> Result<Tensor, tch::TchError> {
    let _guard = tch::no_grad_guard();
    let mut copy = tensor.f_zeros_like()?;
    copy.f_copy_(tensor)?;
    Ok(copy)
}

fn dtype(kind: Kind) -> Option<Dtype> {
    Some(match kind {
        Kind::Bool => Dtype::BOOL,
        Kind::Uint8 => Dtype::U8,
        Kind::Int8 => Dtype::I8,
        Kind::Int16 => Dtype::I16,
        Kind::Int => Dtype::I32,
        Kind::Int64 => Dtype::I64,
        Kind::Half => Dtype::F16,
        Kind::BFloat16 => Dtype::BF16,
        Kind::Float => Dtype::F32,
        Kind::Double => Dtype::F64,
        _ => return None,
    })
}
