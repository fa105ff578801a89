//! LPIPS (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric"), as the authors'
//! package `lpips` computes it.

mod fit;
mod heads;
mod net;
mod train;

pub use fit::{HeadPasses, HeadStep, train_heads};
pub use heads::LpipsHeads;
pub use net::{LpipsNet, LpipsVersion};
pub use train::{HeadTrainer, HeadTraining};

use crate::Error;
use crate::distance::{batch, check_finite, check_size, flatten, unit};
use crate::triplets::ImageDistance;
use std::path::Path;
use tch::{Device, Kind, Tensor};
use visrep_augment::RgbImage;
use visrep_models::{Model, ModelOptions, Taps};

/// The scaling layer of version 0.1: ImageNet's statistics on the scale of -1 to 1, rounded as the authors did.
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

/// What the values of an image tensor mean. There is no default: distances of the wrong range look plausible and are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelRange {
    /// From 0 (black) to 1, as `ToTensor` makes them.
    ZeroToOne,
    /// From -1 (black) to 1, as LPIPS itself takes them.
    MinusOneToOne,
}

/// The learned distance: for each tap of a classifier the channels at each position are divided by their norm, the
/// squared differences of two images are summed with learned weights, and averaged over positions; the taps are summed.
///
/// ```no_run
/// use visrep_perceptual::{Lpips, LpipsNet, LpipsVersion, PixelRange};
/// use tch::{Device, Kind, Tensor};
///
/// let lpips = Lpips::open(LpipsNet::Alex, LpipsVersion::V0_1, "alexnet.pth", "lpips/alex.pth")?;
/// let [a, b] = [0, 1].map(|_| Tensor::rand([4, 3, 64, 64], (Kind::Float, Device::Cpu)));
/// let distances = lpips.distance(&a, &b, PixelRange::ZeroToOne)?;
/// assert_eq!(distances.size(), [4]);
/// # Ok::<(), visrep_perceptual::Error>(())
/// ```
#[derive(Debug)]
pub struct Lpips {
    net: LpipsNet,
    version: LpipsVersion,
    model: Model,
    heads: LpipsHeads,
    /// Whether the heads are all ones.
    baseline: bool,
}

impl Lpips {
    /// From files: torchvision's classifier (`alexnet`, `vgg16` or `squeezenet1_1`, in any format that
    /// [`Model::from_weights`] reads) and the linear heads, in the authors' `.pth` or as safetensors under the same names.
    ///
    /// # Errors
    /// Files that cannot be read, or are of another network.
    pub fn open(
        net: LpipsNet,
        version: LpipsVersion,
        trunk: impl AsRef<Path>,
        heads: impl AsRef<Path>,
    ) -> Result<Self, Error> {
        let options = ModelOptions { num_classes: Some(0), ..ModelOptions::default() };
        let (model, _) = Model::from_weights(net.architecture(), trunk, &options)?;
        Self::new(net, version, model, LpipsHeads::read(net, heads)?)
    }

    /// LPIPS's baseline, `lpips=False`: differences are summed over channels without learned weights.
    ///
    /// # Errors
    /// A model of another architecture.
    pub fn baseline(net: LpipsNet, version: LpipsVersion, model: Model) -> Result<Self, Error> {
        let ones = |&channels: &i64| Tensor::f_ones([1, channels, 1, 1], (Kind::Float, Device::Cpu));
        let heads = net.channels().iter().map(ones).collect::<Result<_, _>>()?;
        let lpips = Self::new(net, version, model, LpipsHeads::from_tensors(net, heads)?)?;
        Ok(Self { baseline: true, ..lpips })
    }

    /// From a network and heads that are there already.
    ///
    /// # Errors
    /// A model of another architecture, heads of another network.
    pub fn new(
        net: LpipsNet,
        version: LpipsVersion,
        mut model: Model,
        heads: LpipsHeads,
    ) -> Result<Self, Error> {
        if model.name() != net.architecture() {
            let (found, expected) = (model.name().into(), net.architecture());
            return Err(Error::LpipsTrunk { net, found, expected });
        }
        let heads = heads.fit(net)?.to_device(model.device())?;
        // Gradients are for images and heads.
        model.var_store_mut().freeze();
        Ok(Self { net, version, model, heads, baseline: false })
    }

    /// The network.
    pub fn net(&self) -> LpipsNet {
        self.net
    }

    /// The version.
    pub fn version(&self) -> LpipsVersion {
        self.version
    }

    /// The heads.
    pub fn heads(&self) -> &LpipsHeads {
        &self.heads
    }

    /// Distances (N) f32 on the model's device between images (N, 3, H, W), f32. Gradients flow to both images, and are
    /// finite where they are equal.
    ///
    /// # Errors
    /// Images of different sizes, with values out of `range`, or too small for the network.
    pub fn distance(&self, a: &Tensor, b: &Tensor, range: PixelRange) -> Result<Tensor, Error> {
        total(self.distances_of_taps(a, b, range)?)
    }

    /// The summands of [`Self::distance`], one (N) for each tap.
    ///
    /// # Errors
    /// As [`Self::distance`].
    pub fn distances_of_taps(&self, a: &Tensor, b: &Tensor, range: PixelRange) -> Result<Vec<Tensor>, Error> {
        let (a, b) = self.both(a, b, range)?;
        self.weighted(&a, &b, 0.0)?.iter().map(mean).collect()
    }

    /// Where the images differ: (N, 1, H, W) of the images' size, each tap's differences enlarged bilinearly (half-pixel
    /// centres) and summed, LPIPS's `spatial=True`.
    ///
    /// # Errors
    /// As [`Self::distance`].
    pub fn map(&self, a: &Tensor, b: &Tensor, range: PixelRange) -> Result<Tensor, Error> {
        let size = &a.size()[2..];
        let (x, y) = self.both(a, b, range)?;
        let enlarge = |tap: Tensor| Ok(tap.f_upsample_bilinear2d(size, false, None, None)?);
        total(self.weighted(&x, &y, 0.0)?.into_iter().map(enlarge).collect::<Result<_, Error>>()?)
    }

    /// [`Self::map`] of two images of one size: the distance at each pixel, row by row.
    ///
    /// # Errors
    /// As [`Self::distance`].
    pub fn map_of_images(&self, a: &RgbImage, b: &RgbImage) -> Result<Vec<f32>, Error> {
        check_size(a, b)?;
        let map = tch::no_grad(|| self.map(&unscaled(&[a])?, &unscaled(&[b])?, PixelRange::ZeroToOne))?;
        Ok(Vec::try_from(map.f_to_device(Device::Cpu)?.f_flatten(0, -1)?)?)
    }

    /// Vectors (N, D) whose Euclidean distance is the root of [`Self::distance`], of images (N, 3, H, W) f32. Gradients flow to the images.
    ///
    /// # Errors
    /// Heads with negative weights, whose distances have no root; otherwise as [`Self::distance`].
    pub fn embedding(&self, images: &Tensor, range: PixelRange) -> Result<Tensor, Error> {
        for (tap, weight) in self.heads.weights().iter().enumerate() {
            let least = weight.f_min()?.f_double_value(&[])?;
            if least < 0.0 {
                let problem = format!(
                    "lin{tap} has the weight {least}: a distance that is a root needs weights of at least 0"
                );
                return Err(Error::LpipsHeads { net: self.net, path: None, problem });
            }
        }
        flatten(self.activations(&self.input(images, range)?)?, Some(self.heads.weights()))
    }

    /// What the network takes of images, and the taps of it.
    fn both(&self, a: &Tensor, b: &Tensor, range: PixelRange) -> Result<(Vec<Tensor>, Vec<Tensor>), Error> {
        if a.size() != b.size() {
            return Err(Error::Size { a: format!("{:?}", a.size()), b: format!("{:?}", b.size()) });
        }
        let of = |x: &Tensor| self.activations(&self.input(x, range)?);
        Ok((of(a)?, of(b)?))
    }

    /// Brings images into what the network takes.
    fn input(&self, x: &Tensor, range: PixelRange) -> Result<Tensor, Error> {
        let low = match range {
            PixelRange::ZeroToOne => 0.0,
            PixelRange::MinusOneToOne => -1.0,
        };
        if x.numel() > 0 {
            let (min, max) = (x.f_min()?.f_double_value(&[])?, x.f_max()?.f_double_value(&[])?);
            // Not a number fails, too. Optimised images leave the range by a little.
            if !(min >= low - 0.1 && max <= 1.1) {
                return Err(Error::PixelRange { range, min, max });
            }
        }
        let x = x.f_to_device(self.model.device())?;
        let x = match range {
            PixelRange::ZeroToOne => x.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?,
            PixelRange::MinusOneToOne => x,
        };
        match self.version {
            LpipsVersion::V0_0 => Ok(x),
            LpipsVersion::V0_1 => {
                let channels = |values: [f32; 3]| {
                    Tensor::from_slice(&values).f_view([1, 3, 1, 1])?.f_to_device(self.model.device())
                };
                Ok(x.f_sub(&channels(SHIFT)?)?.f_div(&channels(SCALE)?)?)
            }
        }
    }

    /// The unit-normalised taps.
    fn activations(&self, x: &Tensor) -> Result<Vec<Tensor>, Error> {
        let taps = self.model.backbone().forward_taps(x, false, Taps::Named(self.net.taps()))?;
        taps.iter().map(|(_, tap)| unit(tap)).collect()
    }

    /// The squared differences of each tap, weighted and summed over channels: (N, 1, h, w).
    fn weighted(&self, a: &[Tensor], b: &[Tensor], dropout: f64) -> Result<Vec<Tensor>, Error> {
        let weighted = |((a, b), head): ((&Tensor, &Tensor), &Tensor)| {
            let squared = a.f_sub(b)?.f_square()?.f_dropout(dropout, dropout > 0.0)?;
            Ok(squared.f_conv2d(head, None::<Tensor>, 1, 0, 1, 1)?)
        };
        a.iter().zip(b).zip(self.heads.weights()).map(weighted).collect()
    }
}

/// Images of one size from 0 to 1: (N, 3, H, W) f32.
fn unscaled(images: &[&RgbImage]) -> Result<Tensor, Error> {
    Ok(batch(images)?.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?.f_div_scalar(255.0)?)
}

/// Each image's mean over positions.
fn mean(tap: &Tensor) -> Result<Tensor, Error> {
    Ok(tap.f_mean_dim([1, 2, 3].as_slice(), false, Kind::Float)?)
}

fn total(taps: Vec<Tensor>) -> Result<Tensor, Error> {
    let mut taps = taps.into_iter();
    let first = taps.next().ok_or(visrep_metrics::Error::Empty { what: "taps" })?;
    taps.try_fold(first, |sum, tap| Ok(sum.f_add(&tap)?))
}

impl ImageDistance for Lpips {
    fn name(&self) -> String {
        let kind = if self.baseline { " baseline" } else { "" };
        format!("LPIPS{kind} v{} ({})", self.version, self.net)
    }

    fn distances(&self, references: &[&RgbImage], others: &[&[&RgbImage]]) -> Result<Vec<Vec<f64>>, Error> {
        tch::no_grad(|| {
            let input = |images: &[&RgbImage]| self.input(&unscaled(images)?, PixelRange::ZeroToOne);
            let reference = self.activations(&input(references)?)?;
            let of = |images: &&[&RgbImage]| {
                crate::distance::check_pair(references, images)?;
                let taps = self.weighted(&reference, &self.activations(&input(images)?)?, 0.0)?;
                let distances = total(taps.iter().map(mean).collect::<Result<_, _>>()?)?;
                check_finite(&distances)?;
                Ok(Vec::<f64>::try_from(distances.f_to_kind(Kind::Double)?)?)
            };
            others.iter().map(of).collect()
        })
    }
}
