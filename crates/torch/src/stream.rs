//! Streams and events: which of a GPU's work waits for which.

use std::marker::PhantomData;

use tch::{Device, Tensor};

use crate::Error;
use crate::shim::{self, EventHandle, StreamHandle, device_index, device_type};
use crate::shim::{visrep_event_block, visrep_event_free, visrep_event_query, visrep_event_record};
use crate::shim::{visrep_event_synchronize, visrep_record_stream, visrep_stream_current};
use crate::shim::{visrep_stream_exchange, visrep_stream_new, visrep_stream_synchronize};

/// A queue of work on a device. Work of one stream is done in order; work of two streams in any order, unless an
/// [`Event`] says otherwise. The CPU has one stream, whose work is done when its call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream(StreamHandle);

impl Stream {
    /// The stream into which this thread's work on a device goes.
    ///
    /// LibTorch: `DeviceGuardImplInterface::getStream`.
    ///
    /// # Errors
    /// [`Error::LibTorch`] if there is no such device.
    pub fn current(device: Device) -> Result<Self, Error> {
        let mut handle = StreamHandle::default();
        // SAFETY: the call writes one handle.
        let message =
            unsafe { visrep_stream_current(device_type(device), device_index(device)?, &raw mut handle) };
        shim::check("getStream", message)?;
        Ok(Self(handle))
    }

    /// Another stream of a device: one of LibTorch's pool of 32, which come round again; on the CPU, its only one.
    ///
    /// LibTorch: `DeviceGuardImplInterface::getStreamFromGlobalPool`.
    ///
    /// # Errors
    /// [`Error::LibTorch`] if there is no such device.
    pub fn new(device: Device) -> Result<Self, Error> {
        if device == Device::Cpu {
            return Self::current(device);
        }
        let mut handle = StreamHandle::default();
        // SAFETY: the call writes one handle.
        let message =
            unsafe { visrep_stream_new(device_type(device), device_index(device)?, &raw mut handle) };
        shim::check("getStreamFromGlobalPool", message)?;
        Ok(Self(handle))
    }

    /// Sends this thread's work on the stream's device into this stream, until the guard is dropped. Guards are
    /// dropped in the opposite order of their making, as scopes do it.
    ///
    /// LibTorch: `DeviceGuardImplInterface::exchangeStream`.
    ///
    /// # Errors
    /// [`Error::LibTorch`] if CUDA fails.
    pub fn enter(self) -> Result<StreamGuard, Error> {
        let mut before = StreamHandle::default();
        // SAFETY: the handle is LibTorch's own; the call writes another.
        shim::check("exchangeStream", unsafe { visrep_stream_exchange(self.0, &raw mut before) })?;
        Ok(StreamGuard { before, _thread: PhantomData })
    }

    /// Lets what is sent into this stream from now on wait for the event. The caller does not wait.
    ///
    /// LibTorch: `Event::block`.
    ///
    /// # Errors
    /// [`Error::LibTorch`] if CUDA fails.
    pub fn wait(self, event: &Event) -> Result<(), Error> {
        let Some(event) = event.handle else { return Ok(()) };
        // SAFETY: the event is alive, and the handle LibTorch's own.
        shim::check("Event::block", unsafe { visrep_event_block(event, self.0) })
    }

    /// Waits until all work of this stream is done.
    ///
    /// LibTorch: `DeviceGuardImplInterface::synchronizeStream`.
    ///
    /// # Errors
    /// [`Error::LibTorch`] for what went wrong in the work that was waited for.
    pub fn synchronize(self) -> Result<(), Error> {
        // SAFETY: the handle is LibTorch's own.
        shim::check("synchronizeStream", unsafe { visrep_stream_synchronize(self.0) })
    }

    /// Says that this stream's work uses a tensor which was made in another: its memory is given to no other tensor
    /// before that work is done, even if the tensor is dropped.
    ///
    /// LibTorch: `tensor.record_stream(stream)`.
    ///
    /// # Errors
    /// [`Error::LibTorch`] for a tensor of another kind of device.
    pub fn uses(self, tensor: &Tensor) -> Result<(), Error> {
        if self.is_cpu() {
            return Ok(());
        }
        // SAFETY: the tensor is borrowed for the call, and the handle LibTorch's own.
        shim::check("Tensor::record_stream", unsafe { visrep_record_stream(tensor.as_ptr(), self.0) })
    }

    fn is_cpu(self) -> bool {
        self.0.device_type == device_type(Device::Cpu)
    }
}

/// Keeps a [`Stream`] the current one of its device.
#[must_use = "the stream is left when the guard is dropped"]
#[derive(Debug)]
pub struct StreamGuard {
    before: StreamHandle,
    /// The current stream is the thread's: the guard must not leave it.
    _thread: PhantomData<*const ()>,
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let mut left = StreamHandle::default();
        // SAFETY: the handle is LibTorch's own; the call writes another.
        let message = unsafe { visrep_stream_exchange(self.before, &raw mut left) };
        // It was the current one before, so it can be again.
        let _ = shim::check("exchangeStream", message);
    }
}

/// A point in a stream's work. On the CPU it is always behind.
#[derive(Debug)]
pub struct Event {
    handle: Option<*mut EventHandle>,
}

// SAFETY: an event may be used from any thread, if from one at a time, as `&mut` or ownership ensure: it is not `Sync`.
unsafe impl Send for Event {}

impl Event {
    /// The point behind all work that the stream has now.
    ///
    /// LibTorch: `Event::record`.
    ///
    /// # Errors
    /// [`Error::LibTorch`] if CUDA fails.
    pub fn record(stream: Stream) -> Result<Self, Error> {
        if stream.is_cpu() {
            return Ok(Self { handle: None });
        }
        let mut handle = std::ptr::null_mut();
        // SAFETY: the handle is LibTorch's own; the call writes one pointer.
        shim::check("Event::record", unsafe { visrep_event_record(stream.0, &raw mut handle) })?;
        Ok(Self { handle: Some(handle) })
    }

    /// Whether that work is done.
    ///
    /// LibTorch: `Event::query`.
    ///
    /// # Errors
    /// [`Error::LibTorch`] for what went wrong in that work.
    pub fn is_done(&self) -> Result<bool, Error> {
        let Some(handle) = self.handle else { return Ok(true) };
        let mut done = false;
        // SAFETY: the event is alive; the call writes one bool.
        shim::check("Event::query", unsafe { visrep_event_query(handle, &raw mut done) })?;
        Ok(done)
    }

    /// Waits until that work is done.
    ///
    /// LibTorch: `Event::synchronize`.
    ///
    /// # Errors
    /// [`Error::LibTorch`] for what went wrong in that work.
    pub fn synchronize(&self) -> Result<(), Error> {
        let Some(handle) = self.handle else { return Ok(()) };
        // SAFETY: the event is alive.
        shim::check("Event::synchronize", unsafe { visrep_event_synchronize(handle) })
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if let Some(handle) = self.handle {
            // SAFETY: the event is ours, alive, and used no more.
            unsafe { visrep_event_free(handle) };
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::DeviceChoice;

    #[test]
    fn the_cpu_has_one_stream_and_is_always_done() {
        let stream = Stream::new(Device::Cpu).unwrap();
        assert_eq!(stream, Stream::current(Device::Cpu).unwrap());
        let guard = stream.enter().unwrap();
        let tensor = Tensor::ones([3], (Kind::Float, Device::Cpu));
        stream.uses(&tensor).unwrap();
        let event = Event::record(stream).unwrap();
        assert!(event.is_done().unwrap());
        stream.wait(&event).unwrap();
        event.synchronize().unwrap();
        stream.synchronize().unwrap();
        drop(guard);
        assert_eq!(stream, Stream::current(Device::Cpu).unwrap());
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error() {
        if DeviceChoice::Auto.resolve().unwrap() == Device::Cpu {
            assert!(matches!(Stream::current(Device::Cuda(0)), Err(Error::LibTorch { .. })));
            assert!(matches!(Stream::new(Device::Cuda(0)), Err(Error::LibTorch { .. })));
        }
        assert!(Stream::new(Device::Cuda(1000)).is_err());
    }

    #[test]
    fn a_gpus_streams_wait_for_events() {
        let device = DeviceChoice::Auto.resolve().unwrap();
        if device == Device::Cpu {
            eprintln!("no GPU: not tested");
            return;
        }
        let (main, side) = (Stream::current(device).unwrap(), Stream::new(device).unwrap());
        assert_ne!(main, side);
        let guard = side.enter().unwrap();
        assert_eq!(Stream::current(device).unwrap(), side);
        let matrix = Tensor::ones([2048, 2048], (Kind::Float, device));
        let product = (0..20).fold(matrix.shallow_clone(), |x, _| x.matmul(&matrix) / 2048.0);
        let event = Event::record(side).unwrap();
        drop(guard);
        assert_eq!(Stream::current(device).unwrap(), main);
        main.wait(&event).unwrap();
        main.uses(&product).unwrap();
        assert_eq!(product.mean(Kind::Float).double_value(&[]), 1.0);
        assert!(event.is_done().unwrap());
        event.synchronize().unwrap();
        side.synchronize().unwrap();
    }
}
