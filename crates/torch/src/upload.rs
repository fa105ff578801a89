//! Batches on their way to a GPU while it works on others.

use tch::{Device, Tensor};

use crate::shim::{self, device_index, device_type, visrep_upload};
use crate::{Error, Event, Stream};

/// Copies tensors to a device beside its other work: each is copied into pinned memory, from which a stream of its own
/// fetches it. Start a batch's upload before the step of the batch before it, and finish it after.
///
/// ```
/// use tch::{Device, Kind, Tensor};
///
/// let uploader = visrep_torch::Uploader::new(Device::Cpu)?;
/// let mut next = uploader.start(&Tensor::ones([2, 3], (Kind::Uint8, Device::Cpu)))?;
/// for _ in 0..3 {
///     let coming = uploader.start(&Tensor::ones([2, 3], (Kind::Uint8, Device::Cpu)))?;
///     let batch = std::mem::replace(&mut next, coming).finish()?;
///     assert_eq!(batch.size(), [2, 3]);
/// }
/// # Ok::<(), visrep_torch::Error>(())
/// ```
#[derive(Debug)]
pub struct Uploader {
    device: Device,
    stream: Stream,
}

impl Uploader {
    /// An uploader to this device. To the CPU it copies nothing.
    ///
    /// # Errors
    /// [`Error::LibTorch`] if there is no such device.
    pub fn new(device: Device) -> Result<Self, Error> {
        Ok(Self { device, stream: Stream::new(device)? })
    }

    /// Whether anything is copied: not to the CPU.
    pub(crate) fn copies(&self) -> bool {
        self.device != Device::Cpu
    }

    /// Starts to copy a tensor of the CPU. What was recorded for its gradient is not continued.
    ///
    /// LibTorch: `tensor.pin_memory()`, then `to(device, non_blocking=true)`.
    ///
    /// # Errors
    /// [`Error::LibTorch`] for a tensor of another device, and if memory is short.
    pub fn start(&self, tensor: &Tensor) -> Result<Upload, Error> {
        if self.device == Device::Cpu {
            return Ok(Upload { tensor: tensor.shallow_clone(), device: self.device, done: None });
        }
        let index = device_index(self.device)?;
        let guard = self.stream.enter()?;
        // SAFETY: the tensor is borrowed for the call, which writes one pointer.
        let tensor = shim::new_tensor("Tensor::pin_memory", |result| unsafe {
            visrep_upload(tensor.as_ptr(), device_type(self.device), index, result)
        })?;
        let done = Event::record(self.stream)?;
        drop(guard);
        Ok(Upload { tensor, device: self.device, done: Some(done) })
    }
}

/// A tensor on its way.
#[derive(Debug)]
pub struct Upload {
    tensor: Tensor,
    device: Device,
    done: Option<Event>,
}

impl Upload {
    /// The tensor on the device, for use in this thread's current stream, which waits for the copy; the caller does
    /// not.
    ///
    /// # Errors
    /// [`Error::LibTorch`] if CUDA fails.
    pub fn finish(self) -> Result<Tensor, Error> {
        if let Some(done) = &self.done {
            let stream = Stream::current(self.device)?;
            stream.wait(done)?;
            stream.uses(&self.tensor)?;
        }
        Ok(self.tensor)
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::DeviceChoice;

    #[test]
    fn to_the_cpu_nothing_is_copied() {
        let batch = Tensor::arange(6, (Kind::Uint8, Device::Cpu));
        let upload = Uploader::new(Device::Cpu).unwrap().start(&batch).unwrap();
        assert_eq!(upload.finish().unwrap().data_ptr(), batch.data_ptr());
    }

    #[test]
    fn to_a_gpu_every_batch_arrives_whole() {
        let device = DeviceChoice::Auto.resolve().unwrap();
        if device == Device::Cpu {
            eprintln!("no GPU: not tested");
            return;
        }
        let uploader = Uploader::new(device).unwrap();
        let batch = |i: i64| Tensor::full([64, 224, 224, 3], i, (Kind::Uint8, Device::Cpu));
        let mut next = uploader.start(&batch(0)).unwrap();
        for i in 0..20 {
            let coming = uploader.start(&batch(i + 1)).unwrap();
            let here = std::mem::replace(&mut next, coming).finish().unwrap();
            assert_eq!(here.device(), device);
            assert_eq!((here.min().int64_value(&[]), here.max().int64_value(&[])), (i, i));
        }
    }
}
