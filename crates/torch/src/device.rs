//! The device that a user asks for, and the one that the machine has.

use std::fmt;
use std::str::FromStr;

use tch::{Cuda, Device};

use crate::{Error, check_version, load_cuda_libraries};

/// A device as a user names it: `auto`, `cpu`, `cuda` or `cuda:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceChoice {
    /// The first GPU if LibTorch can use one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this index.
    Cuda(usize),
}

impl DeviceChoice {
    /// The device to work on. Call it before any other work with LibTorch, which decides once and for all
    /// whether there is CUDA when it is first asked.
    ///
    /// # Errors
    /// [`Error::Version`] if the loaded LibTorch is another release; [`Error::CudaLibraries`] if CUDA's
    /// libraries are there and broken (also for [`Auto`](Self::Auto), which does not hide that);
    /// [`Error::NoCuda`] and [`Error::NoSuchGpu`] if the GPU asked for cannot be had.
    pub fn resolve(self) -> Result<Device, Error> {
        check_version()?;
        let index = match self {
            Self::Cpu => return Ok(Device::Cpu),
            Self::Auto => 0,
            Self::Cuda(index) => index,
        };
        let found = load_cuda_libraries()?;
        match (self, Cuda::is_available()) {
            (Self::Auto, false) => Ok(Device::Cpu),
            (_, false) => Err(Error::NoCuda { device: self.to_string(), found }),
            (_, true) => {
                let count = usize::try_from(Cuda::device_count()).unwrap_or(0);
                if index < count { Ok(Device::Cuda(index)) } else { Err(Error::NoSuchGpu { index, count }) }
            }
        }
    }
}

/// A device as users write it: what [`DeviceChoice`] parses, for those that it knows.
#[must_use]
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".into(),
        Device::Cuda(index) => format!("cuda:{index}"),
        Device::Mps => "mps".into(),
        Device::Vulkan => "vulkan".into(),
    }
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let index = match text {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::Cpu),
            "cuda" => "0",
            _ => text.strip_prefix("cuda:").unwrap_or_default(),
        };
        // `parse` alone would take a sign as well.
        if index.bytes().all(|byte| byte.is_ascii_digit())
            && let Ok(index) = index.parse()
        {
            return Ok(Self::Cuda(index));
        }
        Err(Error::UnknownDevice { text: text.to_string() })
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_parses_and_prints() {
        for (text, choice, shown, device) in [
            ("auto", DeviceChoice::Auto, "auto", Device::Cpu),
            ("cpu", DeviceChoice::Cpu, "cpu", Device::Cpu),
            ("cuda", DeviceChoice::Cuda(0), "cuda:0", Device::Cuda(0)),
            ("cuda:3", DeviceChoice::Cuda(3), "cuda:3", Device::Cuda(3)),
        ] {
            let parsed: DeviceChoice = text.parse().unwrap();
            assert_eq!(parsed, choice);
            assert_eq!(parsed.to_string(), shown);
            if parsed != DeviceChoice::Auto {
                assert_eq!(device_name(device), shown);
            }
        }
    }

    #[test]
    fn what_names_no_device_is_refused_with_the_choices() {
        let huge = format!("cuda:{}", "9".repeat(40));
        for text in
            ["", "CPU", "gpu", "cuda:", "cuda:+1", "cuda:-1", "cuda:1x", "cuda1", "mps", huge.as_str()]
        {
            let message = text.parse::<DeviceChoice>().unwrap_err().to_string();
            assert!(message.contains("auto, cpu, cuda or cuda:N"), "{message}");
        }
    }

    #[test]
    fn auto_and_cpu_always_give_a_device_that_works() {
        assert_eq!(DeviceChoice::Cpu.resolve().unwrap(), Device::Cpu);
        let device = DeviceChoice::Auto.resolve().unwrap();
        let three = tch::Tensor::ones([3], (tch::Kind::Float, device)).sum(tch::Kind::Float);
        assert_eq!(three.double_value(&[]), 3.0);
    }

    #[test]
    fn a_gpu_that_is_not_there_is_an_error_that_says_why() {
        let message = DeviceChoice::Cuda(4096).resolve().unwrap_err().to_string();
        assert!(message.contains("cuda:4096"), "{message}");
    }
}
