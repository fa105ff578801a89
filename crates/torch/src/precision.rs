//! The precision that a user asks for, and the one that the device makes worth while.

use std::fmt;
use std::str::FromStr;

use tch::{Device, Kind};

use crate::autocast::CpuBf16;
use crate::shim::{self, device_index, device_type, visrep_gpu_bf16};
use crate::{Autocast, Error, autocast_kind, cpu_bf16, device_name};

/// A precision as a user names it: `auto`, `fp32` or `bf16`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PrecisionChoice {
    /// bf16 where it is faster: on processors and GPUs that have instructions for it.
    Auto,
    /// 32 bits: what published figures are made with.
    #[default]
    Fp32,
    /// 16 bits for matrix products and convolutions.
    Bf16,
}

impl PrecisionChoice {
    /// The precision to work with on `device`. Measured on a processor with AVX-512 BF16, networks ran 1.0 to 2.2 times as
    /// fast in bf16; with AMX 1.9 to 6 times.
    ///
    /// LibTorch: `at::cpu::get_cpu_capabilities`; `CUDAHooksInterface::supportsBFloat16ConvolutionWithCuDNNv8`.
    ///
    /// # Errors
    /// [`Error::NoBf16`] where bf16 is asked for and would be emulated, slower than fp32; [`Error::LibTorch`] and
    /// [`Error::NoSuchGpu`] if there is no such device.
    pub fn resolve(self, device: Device) -> Result<Precision, Error> {
        Ok(match self {
            Self::Fp32 => Precision::Fp32,
            Self::Auto if has_bf16(device)? => Precision::Bf16,
            Self::Auto => Precision::Fp32,
            Self::Bf16 if has_bf16(device)? => Precision::Bf16,
            Self::Bf16 => return Err(Error::NoBf16 { device: device_name(device) }),
        })
    }
}

impl FromStr for PrecisionChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "auto" => Ok(Self::Auto),
            "fp32" => Ok(Self::Fp32),
            "bf16" => Ok(Self::Bf16),
            _ => Err(Error::UnknownPrecision { text: text.to_string() }),
        }
    }
}

impl fmt::Display for PrecisionChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
        })
    }
}

/// The precision in which a network computes. Its parameters are `Float` in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32 bits.
    #[default]
    Fp32,
    /// Autocast to `BFloat16`: matrix products and convolutions in 16 bits, sums and losses in 32.
    Bf16,
}

impl Precision {
    /// Has this thread's operations on devices like `device` cast as this precision wants until the guard is dropped; for
    /// [`Fp32`](Self::Fp32) that is not at all, whatever was before.
    ///
    /// # Errors
    /// [`Error::LibTorch`] for a device that LibTorch does not cast on.
    pub fn autocast(self, device: Device) -> Result<Autocast, Error> {
        Autocast::enter(device, (self == Self::Bf16).then_some(Kind::BFloat16))
    }

    /// Does `work` in this precision. An operation in it that cannot run in 16 bits is explained; autocast is as it was
    /// before, however the work ends.
    ///
    /// # Errors
    /// Those of `work`; [`Error::NotInBf16`] in the place of one that says that an operation has no 16-bit form.
    pub fn run<T, E>(self, device: Device, work: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: std::error::Error + From<Error>,
    {
        let autocast = self.autocast(device)?;
        let result = work();
        drop(autocast);
        result.map_err(|error| match is_about_bf16(&error.to_string()) && self == Self::Bf16 {
            true => Error::NotInBf16 { message: error.to_string() }.into(),
            false => error,
        })
    }

    /// What operations on `device` are cast to now in this thread.
    ///
    /// # Errors
    /// [`Error::LibTorch`] for a device that LibTorch does not cast on.
    pub fn current(device: Device) -> Result<Self, Error> {
        Ok(if autocast_kind(device)? == Some(Kind::BFloat16) { Self::Bf16 } else { Self::Fp32 })
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
        })
    }
}

/// The forms in which LibTorch says that an operation knows nothing of 16 bits, or was given 16 and 32 at once.
fn is_about_bf16(message: &str) -> bool {
    let forms = [
        "not implemented for 'BFloat16'",
        "Low precision dtypes not supported",
        "unsafe to autocast",
        "same dtype",
        "found dtype BFloat16",
        "but found BFloat16",
        "but got BFloat16",
    ];
    forms.iter().any(|form| message.contains(form))
}

/// Whether the device has instructions for bf16.
fn has_bf16(device: Device) -> Result<bool, Error> {
    match device {
        Device::Cpu => Ok(cpu_bf16()? != CpuBf16::Emulated),
        Device::Cuda(_) => {
            let mut has = false;
            let (kind, index) = (device_type(device), device_index(device)?);
            // SAFETY: the call writes one bool.
            let message = unsafe { visrep_gpu_bf16(kind, index, &raw mut has) };
            shim::check("CUDAHooksInterface::supportsBFloat16ConvolutionWithCuDNNv8", message)?;
            Ok(has)
        }
        Device::Mps | Device::Vulkan => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use tch::{TchError, Tensor};

    use super::*;

    #[test]
    fn every_spelling_parses_and_prints() {
        for text in ["auto", "fp32", "bf16"] {
            assert_eq!(text.parse::<PrecisionChoice>().unwrap().to_string(), text);
        }
        for text in ["", "FP32", "f32", "fp16"] {
            let message = text.parse::<PrecisionChoice>().unwrap_err().to_string();
            assert!(message.contains("auto, fp32 or bf16"), "{message}");
        }
        assert_eq!(PrecisionChoice::default().to_string(), Precision::default().to_string());
    }

    #[test]
    fn bf16_is_taken_where_there_are_instructions_for_it_and_refused_elsewhere() {
        let native = cpu_bf16().unwrap() != CpuBf16::Emulated;
        let resolve = |choice: PrecisionChoice| choice.resolve(Device::Cpu);
        assert_eq!(resolve(PrecisionChoice::Fp32).unwrap(), Precision::Fp32);
        let auto = if native { Precision::Bf16 } else { Precision::Fp32 };
        assert_eq!(resolve(PrecisionChoice::Auto).unwrap(), auto);
        match resolve(PrecisionChoice::Bf16) {
            Ok(precision) => assert!(native && precision == Precision::Bf16),
            Err(error) => assert!(!native && error.to_string().contains("AMX"), "{error}"),
        }
        let message = PrecisionChoice::Bf16.resolve(Device::Mps).unwrap_err().to_string();
        assert!(message.contains("mps") && message.contains("fp32"), "{message}");
        assert!(PrecisionChoice::Auto.resolve(Device::Cuda(4096)).is_err());
    }

    fn matrix() -> Tensor {
        (Tensor::arange(16, (Kind::Float, Device::Cpu)) * 0.3).sin().view([4, 4])
    }

    #[test]
    fn work_runs_in_its_precision_whatever_is_around_it() {
        let product = || Ok::<_, Error>(matrix().f_matmul(&matrix())?.kind());
        let run = |precision: Precision| precision.run(Device::Cpu, product).unwrap();
        assert_eq!((run(Precision::Fp32), run(Precision::Bf16)), (Kind::Float, Kind::BFloat16));
        let _outer = Precision::Bf16.autocast(Device::Cpu).unwrap();
        assert_eq!(Precision::current(Device::Cpu).unwrap(), Precision::Bf16);
        assert_eq!((run(Precision::Fp32), run(Precision::Bf16)), (Kind::Float, Kind::BFloat16));
        assert_eq!(Precision::current(Device::Cpu).unwrap(), Precision::Bf16);
    }

    #[test]
    fn an_operation_without_a_16_bit_form_is_explained_and_autocast_is_as_it_was() {
        let product = || matrix().f_matmul(&matrix());
        let distances = || Ok(product()?.f_pdist(2.0)?);
        let determinant = || Ok(product()?.f_logdet()?);
        for work in [&distances as &dyn Fn() -> Result<Tensor, Error>, &determinant] {
            assert!(Precision::Fp32.run(Device::Cpu, work).is_ok());
            let error = Precision::Bf16.run(Device::Cpu, work).unwrap_err();
            assert!(matches!(error, Error::NotInBf16 { .. }), "{error}");
            assert!(error.to_string().contains("choose the precision fp32"), "{error}");
            assert_eq!(Precision::current(Device::Cpu).unwrap(), Precision::Fp32);
        }
        let plain = || Err::<(), _>(Error::Tch(TchError::Shape("of another kind".into())));
        let error = Precision::Bf16.run(Device::Cpu, plain).unwrap_err();
        assert!(matches!(error, Error::Tch(_)), "other errors are handed on: {error}");
    }
}
