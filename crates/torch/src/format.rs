//! The order in which a batch of images lies in memory.

use tch::Tensor;

use crate::Error;
use crate::shim::{self, visrep_has_format, visrep_to_format};

/// The tensor with its channels last in memory (NHWC), its shape still N×C×H×W. Convolutions of such a batch with
/// such weights need no reordering, which on most processors and GPUs makes them faster. What is so already is
/// given as it is, sharing its memory.
///
/// LibTorch: `tensor.contiguous(MemoryFormat::ChannelsLast)`.
///
/// # Errors
/// [`Error::LibTorch`] if the tensor has not four dimensions, or memory is short.
pub fn channels_last(tensor: &Tensor) -> Result<Tensor, Error> {
    to_format("Tensor::contiguous(ChannelsLast)", tensor, true)
}

/// The tensor with its last dimension together in memory, as LibTorch makes tensors (for images: NCHW). What is so
/// already is given as it is, sharing its memory.
///
/// LibTorch: `tensor.contiguous(MemoryFormat::Contiguous)`.
///
/// # Errors
/// [`Error::LibTorch`] if memory is short.
pub fn contiguous(tensor: &Tensor) -> Result<Tensor, Error> {
    to_format("Tensor::contiguous", tensor, false)
}

/// Whether the tensor has four dimensions and its channels last in memory. A tensor whose order is ambiguous, such
/// as one with a single channel, counts as both.
///
/// LibTorch: `tensor.is_contiguous(MemoryFormat::ChannelsLast)`.
///
/// # Errors
/// [`Error::LibTorch`] for a tensor that has no strides, such as a sparse one.
pub fn is_channels_last(tensor: &Tensor) -> Result<bool, Error> {
    let mut result = false;
    // SAFETY: the tensor is borrowed for the call, which writes one bool.
    let message = unsafe { visrep_has_format(tensor.as_ptr(), true, &raw mut result) };
    shim::check("Tensor::is_contiguous(ChannelsLast)", message)?;
    Ok(result)
}

/// Whether a network with these variables is the faster with its channels last, as far as can be said without measuring: one of
/// convolutions is, one whose only convolutions make patches is not.
///
/// Measured on two cores with AVX-512: ResNet-18 and ResNet-50 train 1.05 to 1.3 times as fast, in fp32 and in bf16.
pub fn prefers_channels_last<'a>(variables: impl IntoIterator<Item = &'a Tensor>) -> bool {
    // The format of the weights of 1 x 1 convolutions, and of those of one channel, cannot be told.
    let spatial = |tensor: &&Tensor| matches!(tensor.size()[..], [_, i, h, w] if i > 1 && h * w > 1);
    variables.into_iter().filter(spatial).count() > 2
}

fn to_format(call: &'static str, tensor: &Tensor, channels_last: bool) -> Result<Tensor, Error> {
    // SAFETY: the tensor is borrowed for the call, which writes one pointer.
    shim::new_tensor(call, |result| unsafe { visrep_to_format(tensor.as_ptr(), channels_last, result) })
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn images() -> Tensor {
        Tensor::arange(2 * 3 * 4 * 5, (Kind::Float, Device::Cpu)).view([2, 3, 4, 5])
    }

    #[test]
    fn channels_move_in_memory_and_nowhere_else() {
        let plain = images();
        assert!(!is_channels_last(&plain).unwrap());
        let last = channels_last(&plain).unwrap();
        assert!(is_channels_last(&last).unwrap());
        assert_eq!(last.size(), plain.size());
        assert_eq!(last.stride(), [60, 1, 15, 3]);
        assert_eq!(last, plain);
        let back = contiguous(&last).unwrap();
        assert_eq!(back.stride(), plain.stride());
        assert_eq!(back, plain);
    }

    #[test]
    fn what_is_so_already_is_not_copied() {
        let plain = images();
        assert_eq!(contiguous(&plain).unwrap().data_ptr(), plain.data_ptr());
        let last = channels_last(&plain).unwrap();
        assert_eq!(channels_last(&last).unwrap().data_ptr(), last.data_ptr());
    }

    #[test]
    fn gradients_pass() {
        let plain = images().set_requires_grad(true);
        channels_last(&plain).unwrap().square().sum(Kind::Float).backward();
        assert_eq!(plain.grad(), images() * 2);
    }

    #[test]
    fn three_dimensions_are_an_error() {
        let message = channels_last(&images().view([6, 4, 5])).unwrap_err().to_string();
        assert!(message.contains("ChannelsLast") && message.contains("rank 4"), "{message}");
        assert!(!is_channels_last(&images().view([6, 4, 5])).unwrap());
    }
}
