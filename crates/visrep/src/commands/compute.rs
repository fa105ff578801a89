//! Where and how networks compute: the options of every command that runs one, and what they come to.

use anyhow::Result;
use clap::{Args, ValueEnum};
use tch::Device;
use visrep_models::{MemoryFormat, Model};
use visrep_probe::compute_protocol;
use visrep_torch::{DeviceChoice, Precision, PrecisionChoice, device_name};

/// `--device`.
#[derive(Args)]
pub struct DeviceArg {
    /// Where to run: auto (a GPU when there is one), cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

impl DeviceArg {
    pub fn resolve(&self) -> Result<Device> {
        Ok(self.device.resolve()?)
    }

    /// For networks that compute in fp32 whatever the device could do.
    pub fn exact(&self) -> Result<Compute> {
        let device = self.resolve()?;
        eprintln!("device {}, precision fp32", device_name(device));
        Ok(Compute { device, precision: Precision::Fp32, channels_last: Switch::Auto })
    }
}

/// `--device`, `--precision` and `--channels-last`.
#[derive(Args)]
pub struct ComputeArgs {
    #[command(flatten)]
    device: DeviceArg,
    /// Kind of numbers in matrix products and convolutions: fp32, bf16 (autocast; features and scores stay
    /// fp32), or auto (bf16 where the device has instructions for it)
    #[arg(long, value_name = "KIND", default_value_t)]
    precision: PrecisionChoice,
    /// Whether images lie in memory channels-last; auto: for networks of convolutions
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Switch::Auto)]
    channels_last: Switch,
}

/// Whether to do something that is not always of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    Auto,
    On,
    Off,
}

impl ComputeArgs {
    /// What this machine makes of the options; says so on standard error.
    pub fn resolve(&self) -> Result<Compute> {
        let device = self.device.resolve()?;
        let precision = self.precision.resolve(device)?;
        let asked = if self.precision == PrecisionChoice::Auto { " (auto)" } else { "" };
        eprintln!("device {}, precision {precision}{asked}", device_name(device));
        Ok(Compute { device, precision, channels_last: self.channels_last })
    }
}

/// Where and how networks compute.
#[derive(Clone, Copy)]
pub struct Compute {
    /// The device.
    pub device: Device,
    /// In which precision networks run.
    pub precision: Precision,
    channels_last: Switch,
}

impl Compute {
    /// Lays a model's weights out as the options want it, and says how on standard error.
    pub fn prepare(&self, model: &mut Model) -> Result<()> {
        if model.is_compiled() {
            eprintln!("{}: precision and memory format as it was compiled", model.name());
            return Ok(());
        }
        let format = match self.channels_last {
            Switch::Auto => model.suggested_memory_format(),
            Switch::On => MemoryFormat::ChannelsLast,
            Switch::Off => MemoryFormat::Contiguous,
        };
        model.set_memory_format(format)?;
        let asked = if self.channels_last == Switch::Auto { " (auto)" } else { "" };
        eprintln!("{}: memory format {}{asked}", model.name(), format.name());
        Ok(())
    }

    /// The choices as they were made, for the record.
    pub fn protocol(&self, model: &Model) -> [(&'static str, String); 3] {
        let [precision, format] = compute_protocol(model, self.precision);
        [("device", device_name(self.device)), precision, format]
    }
}
