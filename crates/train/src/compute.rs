//! How the networks compute: the section `[compute]` of a recipe, and what it comes to on a machine.

use crate::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use tch::{Device, Kind};
use visrep_methods::NamedTensor;
use visrep_torch::{
    Autocast, CudaSwitches, Precision, PrecisionChoice, channels_last, prefers_channels_last,
};

/// The section `[compute]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ComputeConfig {
    /// The kind of matrix products and convolutions. Parameters, sums and losses are fp32 anyway.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub precision: PrecisionChoice,
    /// Whether images and the weights of convolutions have their channels last in memory.
    pub channels_last: Switch,
    /// Whether a GPU, too, must give the same bits each time, where that is slower; see
    /// [`CudaSwitches::deterministic`]. A CPU does so for the same number of threads.
    pub deterministic: bool,
    /// Whether blocks of the network keep only their inputs for the backward pass and compute the rest again: most of the
    /// memory for about a third more time. Architectures without blocks of their own compute as ever.
    pub gradient_checkpointing: bool,
}

/// On, off, or as suits the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
    /// On for networks of convolutions, see [`prefers_channels_last`].
    #[default]
    Auto,
}

/// What `[compute]` comes to on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compute {
    /// Whether products are bf16.
    pub bf16: bool,
    /// Whether channels are last.
    pub channels_last: bool,
    /// As asked.
    pub deterministic: bool,
    /// As asked.
    pub gradient_checkpointing: bool,
}

impl ComputeConfig {
    /// The choices for `device` and a method whose state is `state`.
    pub(crate) fn resolve(&self, device: Device, state: &[NamedTensor]) -> Result<Compute, Error> {
        let bf16 = self.precision.resolve(device)? == Precision::Bf16;
        let channels_last = match self.channels_last {
            Switch::On => true,
            Switch::Off => false,
            Switch::Auto => prefers_channels_last(state.iter().map(|(_, tensor)| tensor)),
        };
        let (deterministic, gradient_checkpointing) = (self.deterministic, self.gradient_checkpointing);
        Ok(Compute { bf16, channels_last, deterministic, gradient_checkpointing })
    }
}

impl Compute {
    /// Sets what belongs to the process, and lays out the weights of convolutions.
    pub(crate) fn prepare(&self, device: Device, state: &[NamedTensor]) -> Result<(), Error> {
        if matches!(device, Device::Cuda(_)) {
            let (cudnn_benchmark, deterministic) = (!self.deterministic, self.deterministic);
            CudaSwitches { cudnn_benchmark, deterministic, ..CudaSwitches::current()? }.set()?;
        }
        if self.channels_last {
            let _guard = tch::no_grad_guard();
            for (_, tensor) in state.iter().filter(|(_, tensor)| tensor.dim() == 4) {
                tensor.shallow_clone().f_set_data(&channels_last(&tensor.f_detach()?)?)?;
            }
        }
        Ok(())
    }

    /// Casts as the precision says while the guard lives; `None` when it says fp32.
    pub(crate) fn autocast(&self, device: Device) -> Result<Option<Autocast>, Error> {
        Ok(if self.bf16 { Some(Autocast::enter(device, Some(Kind::BFloat16))?) } else { None })
    }
}

impl fmt::Display for Compute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.bf16 { "bf16" } else { "fp32" })?;
        f.write_str(if self.channels_last { ", channels last" } else { ", channels first" })?;
        for (on, text) in [
            (self.deterministic, ", deterministic"),
            (self.gradient_checkpointing, ", gradient checkpointing"),
        ] {
            f.write_str(if on { text } else { "" })?;
        }
        Ok(())
    }
}

fn as_text<S: Serializer>(precision: &PrecisionChoice, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(precision)
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PrecisionChoice, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}
