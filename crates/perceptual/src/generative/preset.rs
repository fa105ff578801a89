//! The published pipelines, each difference between them as data.

use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// How an image comes to 299 x 299 pixels, and to the values that the network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InceptionResize {
    /// PyTorch's `interpolate`: bilinear at pixels' centres, without antialiasing, of values in 0..=1; then 2x - 1.
    Interpolate,
    /// Pillow's bicubic, antialiased, of each channel in single precision and held within 0..=255, rounded nowhere; then
    /// (x - 128) / 128.
    PillowBicubic,
    /// TensorFlow 1's `resize_bilinear`: at pixels' corners, without antialiasing, of values in 0..=255; then (x - 128) / 128.
    TensorFlow,
}

impl InceptionResize {
    /// In words, for protocols.
    pub fn description(self) -> &'static str {
        match self {
            Self::Interpolate => {
                "bilinear to 299x299 at pixel centres without antialiasing (PyTorch's interpolate) of x/255, then 2x-1"
            }
            Self::PillowBicubic => {
                "bicubic to 299x299 with antialiasing (Pillow, per channel in float, held within 0..255, not rounded), then (x-128)/128"
            }
            Self::TensorFlow => {
                "bilinear to 299x299 at pixel corners without antialiasing (TensorFlow 1) of 0..255, then (x-128)/128"
            }
        }
    }
}

/// How KID's subsets are drawn, by NumPy's generator: [`NumpyRandom`](visrep_metrics::NumpyRandom).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KidProtocol {
    /// How many there are.
    pub subsets: usize,
    /// Samples from either side in each.
    pub subset_size: usize,
    /// Whether fewer samples make smaller subsets, instead of an error.
    pub shrinks: bool,
    /// What the generator starts from.
    pub seed: u32,
    /// Whether a subset's reference samples are drawn before its generated ones.
    pub reference_first: bool,
    /// Whether the package has this figure. The others' is Bińkowski et al.'s (2018), drawn as torch-fidelity draws.
    pub own: bool,
}

/// How the Inception score takes its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InceptionScoreProtocol {
    /// Runs of samples, each with a score.
    pub splits: usize,
    /// The seed of NumPy's generator that shuffles the samples; without one they keep their order.
    pub shuffle: Option<u32>,
    /// Whether the package has this figure. The others' is Salimans et al.'s (2016): samples in their order.
    pub own: bool,
}

/// How near is near, for precision and recall (Kynkäänniemi et al. 2019) and for density and coverage (Naeem et al. 2020).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NeighbourProtocol {
    /// The neighbour that is the radius of precision's and recall's neighbourhoods.
    pub precision_recall: usize,
    /// The same of density and coverage.
    pub density_coverage: usize,
    /// Whether the package has precision and recall. In torch-fidelity they default to the features of VGG-16, as in the paper; here, as
    /// there with `feature_extractor="inception-v3-compat"`, they are of Inception's.
    pub own: bool,
}

/// A published pipeline from images to FID and its kin: everything in which the packages differ, so that figures can be compared with
/// those of the same pipeline. Of a file of weights all make the same use: FID's Inception v3, its 2048 pooled features, and for the
/// Inception score its 1008 logits without the bias, as in the original code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GenerativePreset {
    /// As users write it.
    pub name: &'static str,
    /// Where it is defined.
    pub source: &'static str,
    /// How an image comes to the network's size.
    pub resize: InceptionResize,
    /// A package that computes whole batches of this size alone leaves out the samples after the last of them.
    pub whole_batches_of: Option<usize>,
    /// KID's subsets.
    pub kid: KidProtocol,
    /// The Inception score's samples.
    pub inception_score: InceptionScoreProtocol,
    /// Neighbourhoods.
    pub neighbours: NeighbourProtocol,
}

const BINKOWSKI: KidProtocol = KidProtocol {
    subsets: 100,
    subset_size: 1000,
    shrinks: false,
    seed: 2020,
    reference_first: false,
    own: false,
};
const SALIMANS: InceptionScoreProtocol = InceptionScoreProtocol { splits: 10, shuffle: None, own: false };
const NEIGHBOURS: NeighbourProtocol =
    NeighbourProtocol { precision_recall: 3, density_coverage: 5, own: false };

impl GenerativePreset {
    /// pytorch-fid, the figure that most papers print.
    pub const PYTORCH_FID: Self = Self {
        name: "pytorch-fid",
        source: "pytorch-fid 0.3.0 (Seitzer, 2020), github.com/mseitzer/pytorch-fid",
        resize: InceptionResize::Interpolate,
        whole_batches_of: None,
        kid: BINKOWSKI,
        inception_score: SALIMANS,
        neighbours: NEIGHBOURS,
    };

    /// clean-fid's mode `clean`. The package leaves KID's generator unseeded; here its seed is 0.
    pub const CLEAN_FID: Self = Self {
        name: "clean-fid",
        source: "clean-fid 0.1.35, mode clean (Parmar, Zhang and Zhu, 2022), github.com/GaParmar/clean-fid",
        resize: InceptionResize::PillowBicubic,
        whole_batches_of: None,
        kid: KidProtocol { shrinks: true, seed: 0, reference_first: true, own: true, ..BINKOWSKI },
        inception_score: SALIMANS,
        neighbours: NEIGHBOURS,
    };

    /// torch-fidelity, which computes as the original TensorFlow code does, to rounding.
    pub const TORCH_FIDELITY: Self = Self {
        name: "torch-fidelity",
        source: "torch-fidelity 0.4.0 (Obukhov et al., 2020), github.com/toshas/torch-fidelity",
        resize: InceptionResize::TensorFlow,
        whole_batches_of: None,
        kid: KidProtocol { own: true, ..BINKOWSKI },
        inception_score: InceptionScoreProtocol { splits: 10, shuffle: Some(2020), own: true },
        neighbours: NeighbourProtocol { own: true, ..NEIGHBOURS },
    };

    /// The original TensorFlow code of FID, whose batches are of 50 images, and of the Inception score.
    pub const TTUR: Self = Self {
        name: "ttur",
        source: "fid.py of github.com/bioinf-jku/TTUR (Heusel et al., 2017); the Inception score of github.com/openai/improved-gan",
        resize: InceptionResize::TensorFlow,
        whole_batches_of: Some(50),
        kid: BINKOWSKI,
        inception_score: InceptionScoreProtocol { own: true, ..SALIMANS },
        neighbours: NEIGHBOURS,
    };

    /// Every preset.
    pub const ALL: [Self; 4] = [Self::PYTORCH_FID, Self::CLEAN_FID, Self::TORCH_FIDELITY, Self::TTUR];

    /// How many of `n` samples the pipeline looks at.
    pub fn used(&self, n: usize) -> usize {
        self.whole_batches_of.map_or(n, |size| {
            // Fewer samples than a batch are a batch of their own.
            if n < size { n } else { n / size * size }
        })
    }
}

/// Its name.
impl fmt::Display for GenerativePreset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

impl FromStr for GenerativePreset {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = Self::ALL.map(|preset| preset.name).join(", ");
        let known = Self::ALL.into_iter().find(|preset| preset.name == name);
        known.ok_or_else(|| format!("no pipeline {name:?}: there are {names}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_whole_batches_counted() {
        for preset in GenerativePreset::ALL {
            assert_eq!(preset.to_string().parse(), Ok(preset));
            assert_eq!(preset.used(120), if preset.name == "ttur" { 100 } else { 120 });
            assert_eq!(preset.used(7), 7);
        }
        let message = "tf".parse::<GenerativePreset>().unwrap_err();
        assert!(message.contains("clean-fid") && message.contains("ttur"), "{message}");
    }
}
