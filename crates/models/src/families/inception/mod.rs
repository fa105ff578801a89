//! GoogLeNet and Inception v3: "Going deeper with convolutions" (Szegedy et al., 2014), "Rethinking the Inception
//! architecture for computer vision" (Szegedy et al., 2015). Names, parameters and initial values are torchvision's
//! and timm's.
//!
//! - The auxiliary classifiers of torchvision's files serve training alone and are left out on loading.
//! - torchvision's weights come from TensorFlow and expect pixels within ±1; torchvision takes pixels normalised by ImageNet's
//!   statistics and converts them (`transform_input`). Here the preprocessing has a mean and deviation of 0.5 instead,
//!   which is the same.
//! - `inception_v3_fid` is TensorFlow's network of 2015-12-05 as pytorch-fid converted it for the Fréchet inception distance ("GANs
//!   trained by a two time-scale update rule", Heusel et al., 2017): 1008 classes, means that leave out what lies beyond the edge,
//!   and a maximum in the last module. FID reads `Features::pooled`; its resize to 299×299 without antialiasing is not this crate's.
//!
//! Taps: every layer of the trunk, by torchvision's name for GoogLeNet (`inception4a`) and timm's for Inception v3 (`Pool1`,
//! `Mixed_5b`). Images have at least 15 pixels a side for GoogLeNet, 75 for Inception v3.

mod googlenet;
mod mixed;
mod network;
mod v3;

use crate::arch::{self, Architecture};
use crate::builder::Builder;
use crate::head::HeadSpec;
use crate::init::Init;
use crate::preprocessing::{CropMode, Interpolation};
use crate::{Backbone, Error, ModelOptions, Preprocessing};
use network::Plan;
use std::collections::BTreeMap;
use tch::Tensor;

/// The networks of this family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Config {
    GoogLeNet,
    V3,
    /// The one of the Fréchet inception distance.
    V3Fid,
}

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    Architecture::new("googlenet", &Config::GoogLeNet),
    Architecture::new("inception_v3", &Config::V3),
    Architecture::new("inception_v3_fid", &Config::V3Fid),
];

impl Config {
    fn plan(self) -> Plan {
        match self {
            Self::GoogLeNet => googlenet::plan(),
            Self::V3 => v3::plan(false),
            Self::V3Fid => v3::plan(true),
        }
    }
}

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(network::Inception::new(builder, self.plan())?))
    }

    fn head(&self) -> HeadSpec {
        // Of the classifier's two, torchvision and timm set the weight and leave the bias to PyTorch.
        HeadSpec { init: Init::Normal(self.plan().std), ..HeadSpec::linear("fc") }
    }

    fn untagged(&self) -> (Preprocessing, i64) {
        let (mean, std) = ([0.5; 3], [0.5; 3]);
        let (input_size, crop_pct, interpolation, classes) = match self {
            Self::GoogLeNet => (224, 0.875, Interpolation::Bilinear, 1000),
            Self::V3 => (299, 0.875, Interpolation::Bicubic, 1000),
            Self::V3Fid => (299, 1.0, Interpolation::Bilinear, 1008),
        };
        let crop_mode = if *self == Self::V3Fid { CropMode::Squash } else { CropMode::Center };
        (Preprocessing { input_size, crop_pct, crop_mode, interpolation, mean, std }, classes)
    }

    /// Leaves torchvision's auxiliary classifiers out.
    fn adapt(
        &self,
        _options: &ModelOptions,
        tensors: &mut BTreeMap<String, Tensor>,
        _target: &BTreeMap<String, Tensor>,
    ) -> Result<Vec<String>, Error> {
        let auxiliary: &[&str] = match self {
            Self::GoogLeNet => &["aux1.", "aux2."],
            Self::V3 | Self::V3Fid => &["AuxLogits."],
        };
        let before = tensors.len();
        tensors.retain(|name, _| !auxiliary.iter().any(|prefix| name.starts_with(prefix)));
        Ok(match before - tensors.len() {
            0 => Vec::new(),
            count => {
                vec![format!("{count} tensors of auxiliary classifiers, used in training alone, left out")]
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ARCHITECTURES;
    use crate::golden;

    #[test]
    fn match_the_peers() {
        golden::check_family("inception", ARCHITECTURES);
    }

    #[test]
    fn auxiliary_classifiers_are_left_out() {
        golden::check_adapt("googlenet");
        golden::check_adapt("inception_v3");
    }
}
