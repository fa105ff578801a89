//! The three networks and the two versions of LPIPS.

use std::fmt;
use std::str::FromStr;

/// A network of LPIPS, one of torchvision's classifiers for ImageNet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LpipsNet {
    /// `alexnet`: the fastest, and the best at judging images; the authors' default.
    Alex,
    /// `vgg16`: the usual choice for a loss.
    Vgg,
    /// `squeezenet1_1`: the smallest.
    Squeeze,
}

impl LpipsNet {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Alex, Self::Vgg, Self::Squeeze];

    /// The model's name in visrep-models.
    pub fn architecture(self) -> &'static str {
        match self {
            Self::Alex => "alexnet",
            Self::Vgg => "vgg16",
            Self::Squeeze => "squeezenet1_1",
        }
    }

    /// The model's taps: the outputs of ReLUs.
    pub fn taps(self) -> &'static [&'static str] {
        match self {
            Self::Alex => &["features.1", "features.4", "features.7", "features.9", "features.11"],
            Self::Vgg => &["features.3", "features.8", "features.15", "features.22", "features.29"],
            Self::Squeeze => &[
                "features.1",
                "features.4",
                "features.7",
                "features.9",
                "features.10",
                "features.11",
                "features.12",
            ],
        }
    }

    /// The channels of each tap.
    pub fn channels(self) -> &'static [i64] {
        match self {
            Self::Alex => &[64, 192, 384, 256, 256],
            Self::Vgg => &[64, 128, 256, 512, 512],
            Self::Squeeze => &[64, 128, 256, 384, 384, 512, 512],
        }
    }
}

/// `alex`, `vgg` or `squeeze`, as the authors' files are named.
impl fmt::Display for LpipsNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Alex => "alex",
            Self::Vgg => "vgg",
            Self::Squeeze => "squeeze",
        })
    }
}

impl FromStr for LpipsNet {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|net| net.to_string() == name)
            .ok_or_else(|| format!("no network {name:?}: there are alex, vgg and squeeze"))
    }
}

/// Which release of LPIPS. Their distances differ, and papers seldom say which they used; what is not said is 0.1 as a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LpipsVersion {
    /// The first release, whose network got images from -1 to 1 without ImageNet's normalisation. It has heads of its own.
    V0_0,
    /// The release since 2018, with the scaling layer.
    V0_1,
}

/// `0.0` or `0.1`.
impl fmt::Display for LpipsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V0_0 => "0.0",
            Self::V0_1 => "0.1",
        })
    }
}

impl FromStr for LpipsVersion {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name.trim_start_matches('v') {
            "0.0" => Ok(Self::V0_0),
            "0.1" => Ok(Self::V0_1),
            _ => Err(format!("no version {name:?} of LPIPS: there are 0.0 and 0.1")),
        }
    }
}
