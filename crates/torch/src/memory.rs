//! The memory of GPUs, which LibTorch keeps for itself once it has asked for it.

use tch::Device;

use crate::Error;
use crate::shim::{self, device_index, device_type};
use crate::shim::{visrep_device_memory, visrep_empty_cache, visrep_reset_peak_memory};

/// A device's memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceMemory {
    /// What this process's tensors take.
    pub allocated: u64,
    /// The most that they took at once, since the start or [`reset_peak_memory`].
    pub allocated_peak: u64,
    /// What LibTorch took from the device for this process, in use or not.
    pub reserved: u64,
    /// The most that it had taken at once, likewise.
    pub reserved_peak: u64,
    /// What the device has left for all processes.
    pub free: u64,
    /// What the device has.
    pub total: u64,
}

/// How much memory of a device is in use; `None` for the CPU, whose memory the system counts.
///
/// LibTorch: `DeviceAllocator::getDeviceStats` and `getMemoryInfo`.
///
/// # Errors
/// [`Error::LibTorch`] if there is no such device.
pub fn device_memory(device: Device) -> Result<Option<DeviceMemory>, Error> {
    if device == Device::Cpu {
        return Ok(None);
    }
    let mut figures = [0u64; 6];
    let (kind, index) = (device_type(device), device_index(device)?);
    // SAFETY: the call writes six numbers.
    let message = unsafe { visrep_device_memory(kind, index, figures.as_mut_ptr()) };
    shim::check("DeviceAllocator::getDeviceStats", message)?;
    let [allocated, allocated_peak, reserved, reserved_peak, free, total] = figures;
    Ok(Some(DeviceMemory { allocated, allocated_peak, reserved, reserved_peak, free, total }))
}

/// Counts the peaks of [`device_memory`] anew from what is in use now; nothing for the CPU.
///
/// LibTorch: `DeviceAllocator::resetPeakStats`.
///
/// # Errors
/// [`Error::LibTorch`] if there is no such device.
pub fn reset_peak_memory(device: Device) -> Result<(), Error> {
    if device == Device::Cpu {
        return Ok(());
    }
    // SAFETY: the call takes two numbers.
    let message = unsafe { visrep_reset_peak_memory(device_type(device), device_index(device)?) };
    shim::check("DeviceAllocator::resetPeakStats", message)
}

/// Gives memory back that LibTorch keeps and no tensor uses, on all devices of this kind, so that other processes
/// may have it; nothing for the CPU. It waits for the devices, and the next allocations are slow: for the end of a
/// phase, not of a step.
///
/// LibTorch: `DeviceAllocator::emptyCache`.
///
/// # Errors
/// [`Error::LibTorch`] if there is no such device.
pub fn empty_cache(device: Device) -> Result<(), Error> {
    if device == Device::Cpu {
        return Ok(());
    }
    // SAFETY: the call takes a number.
    shim::check("DeviceAllocator::emptyCache", unsafe { visrep_empty_cache(device_type(device)) })
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;
    use crate::DeviceChoice;

    #[test]
    fn the_cpu_has_nothing_to_tell() {
        assert_eq!(device_memory(Device::Cpu).unwrap(), None);
        reset_peak_memory(Device::Cpu).unwrap();
        empty_cache(Device::Cpu).unwrap();
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error() {
        if DeviceChoice::Auto.resolve().unwrap() == Device::Cpu {
            for result in [
                device_memory(Device::Cuda(0)).map(drop),
                reset_peak_memory(Device::Cuda(0)),
                empty_cache(Device::Cuda(0)),
            ] {
                assert!(matches!(result, Err(Error::LibTorch { .. })));
            }
        }
        let message = device_memory(Device::Cuda(4096)).unwrap_err().to_string();
        assert!(message.contains("4096"), "{message}");
    }

    #[test]
    fn a_gpu_counts_its_tensors() {
        let device = DeviceChoice::Auto.resolve().unwrap();
        if device == Device::Cpu {
            eprintln!("no GPU: not tested");
            return;
        }
        reset_peak_memory(device).unwrap();
        let before = device_memory(device).unwrap().unwrap();
        let tensor = Tensor::zeros([1 << 20], (Kind::Float, device));
        let during = device_memory(device).unwrap().unwrap();
        assert!(during.allocated >= before.allocated + (4 << 20));
        assert!(during.reserved >= during.allocated && during.total > during.free);
        drop(tensor);
        empty_cache(device).unwrap();
        let after = device_memory(device).unwrap().unwrap();
        assert!(after.allocated_peak >= during.allocated && after.allocated < during.allocated);
        assert!(after.reserved <= during.reserved);
    }
}
