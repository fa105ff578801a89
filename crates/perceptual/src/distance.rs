//! LPIPS's baseline distance on any backbone.

use crate::Error;
use crate::forms::baseline;
use crate::triplets::ImageDistance;
use std::sync::OnceLock;
use tch::{Device, Kind, Tensor};
use visrep_augment::{Filter, RgbImage, resize};
use visrep_models::{Model, Taps};

/// Added to the norm of each feature vector, as LPIPS does.
const EPS: f64 = 1e-10;

/// A distance between images from a network's intermediate activations.
///
/// For each tap, the channels at each position are divided by their Euclidean norm, the squared differences of two
/// images are **summed over channels** (LPIPS with `lpips=False`, its "baseline"), and averaged over positions;
/// the taps are summed. Taps of tokens (N, T, C) are treated alike, each token a position. No learned weights, no
/// training on judgements: 0 for equal images, symmetric, at most 4 per tap. [`FeatureDistances`](crate::FeatureDistances) has other forms.
#[derive(Clone, Debug)]
pub struct PerceptualDistance<'m> {
    model: &'m Model,
    taps: Vec<String>,
    /// The size of the first images, and the one that the network takes them in.
    fitted: OnceLock<[(u32, u32); 2]>,
}

impl<'m> PerceptualDistance<'m> {
    /// A distance over those taps of `model`'s backbone that `taps` names, each once and in the network's order.
    pub fn new(model: &'m Model, taps: &[&str]) -> Result<Self, Error> {
        let available = model.backbone().taps();
        let list = || available.join(", ");
        if taps.is_empty() {
            return Err(Error::NoTaps { available: list() });
        }
        if let Some(unknown) = taps.iter().find(|name| available.iter().all(|tap| tap != *name)) {
            let (name, model) = ((*unknown).into(), model.name().into());
            return Err(Error::UnknownTap { name, model, available: list() });
        }
        let taps = available.iter().filter(|tap| taps.contains(&tap.as_str())).cloned().collect();
        Ok(Self { taps, ..Self::without_taps(model) })
    }

    /// For distances that need none.
    pub(crate) fn without_taps(model: &'m Model) -> Self {
        Self { model, taps: Vec::new(), fitted: OnceLock::new() }
    }

    pub(crate) fn model(&self) -> &'m Model {
        self.model
    }

    /// A distance over all taps.
    pub fn all_taps(model: &'m Model) -> Result<Self, Error> {
        let taps: Vec<&str> = model.backbone().taps().iter().map(String::as_str).collect();
        Self::new(model, &taps)
    }

    /// The taps used.
    pub fn taps(&self) -> &[String] {
        &self.taps
    }

    /// Distances (N) f32 on the CPU between normalised images `a` and `b`, both (N, 3, H, W) f32 as the model's
    /// preprocessing makes them.
    pub fn distance(&self, a: &Tensor, b: &Tensor) -> Result<Tensor, Error> {
        if a.size() != b.size() {
            return Err(Error::Size { a: format!("{:?}", a.size()), b: format!("{:?}", b.size()) });
        }
        tch::no_grad(|| between(&self.activations(a)?, &self.activations(b)?))
    }

    /// Vectors (N, D) whose Euclidean distance is the root of [`Self::distance`], of images (N, 3, H, W) f32 from 0 to 1, which are
    /// normalised but not resized. Gradients flow to the images.
    ///
    /// # Errors
    /// Images that are too small for the network.
    pub fn embedding(&self, images: &Tensor) -> Result<Tensor, Error> {
        flatten(self.activations(&self.model.preprocessing().standardize(images)?)?, None)
    }

    /// The unit-normalised taps: each with channels at dimension 1 for maps, 2 for tokens.
    fn activations(&self, x: &Tensor) -> Result<Vec<Tensor>, Error> {
        let x = x.f_to_device(self.model.device())?;
        let taps: Vec<&str> = self.taps.iter().map(String::as_str).collect();
        let taps = self.model.backbone().forward_taps(&x, false, Taps::Named(&taps))?;
        taps.iter().map(|(_, tap)| unit(tap)).collect()
    }

    /// Width and height to which images of `width` x `height` are resized, by bicubic interpolation: their own where the network takes them as they
    /// are; the next multiples of its patches for a vision transformer (70 for 64 pixels and patches of 14); otherwise the size that the
    /// model was trained with.
    ///
    /// # Errors
    /// Images that the network does not take in any of these sizes.
    pub fn input_size(&self, width: u32, height: u32) -> Result<(u32, u32), Error> {
        if let Some([_, to]) = self.fitted.get().filter(|[from, _]| *from == (width, height)) {
            return Ok(*to);
        }
        let model = self.model;
        let takes = |(width, height): (u32, u32)| -> Result<(), Error> {
            let size = [1, 3, i64::from(height), i64::from(width)];
            let blank = Tensor::f_zeros(size, (Kind::Float, model.device()))?;
            tch::no_grad(|| model.backbone().forward_with_taps(&blank, false, Taps::None))?;
            Ok(())
        };
        let mut to = (width, height);
        if let Err(refused) = takes(to) {
            let patch = model.backbone().patch_transformer().map(|vit| vit.patch_size());
            to = match patch.and_then(|side| u32::try_from(side).ok()).filter(|&side| side > 0) {
                Some(side) => (width.next_multiple_of(side), height.next_multiple_of(side)),
                None => (model.preprocessing().input_size, model.preprocessing().input_size),
            };
            // What is wrong with the images as they are says more than what is wrong with another size.
            takes(to).map_err(|_| refused)?;
        }
        // Images of another size than the first ones are asked about again.
        let _ = self.fitted.set([(width, height), to]);
        Ok(to)
    }

    /// Normalised inputs (N, 3, H, W) of images of one size.
    pub(crate) fn inputs(&self, images: &[&RgbImage]) -> Result<Tensor, Error> {
        let x = match images.first().map(|image| (image.width(), image.height())) {
            Some((width, height)) => match self.input_size(width, height)? {
                to if to == (width, height) => batch(images)?,
                (to_width, to_height) => {
                    images.iter().try_for_each(|image| check_size(images[0], image))?;
                    let fit = |image: &&RgbImage| resize(image, to_width, to_height, Filter::Bicubic);
                    let resized: Vec<_> = images.iter().map(fit).collect();
                    batch(&resized.iter().collect::<Vec<_>>())?
                }
            },
            None => batch(images)?,
        };
        Ok(self.model.preprocessing().normalize(&x, self.model.device())?)
    }
}

impl ImageDistance for PerceptualDistance<'_> {
    fn name(&self) -> String {
        format!("{} ({})", self.model.name(), self.taps.join(", "))
    }

    fn distances(&self, references: &[&RgbImage], others: &[&[&RgbImage]]) -> Result<Vec<Vec<f64>>, Error> {
        tch::no_grad(|| {
            let reference = self.activations(&self.inputs(references)?)?;
            let mut all = Vec::with_capacity(others.len());
            for images in others {
                check_pair(references, images)?;
                let distances = between(&reference, &self.activations(&self.inputs(images)?)?)?;
                all.push(Vec::<f64>::try_from(distances.f_to_kind(Kind::Double)?)?);
            }
            Ok(all)
        })
    }
}

/// Divides by the norm over channels.
///
/// LibTorch's own norm over a dimension that is not the last takes fifteen times as long. The least number keeps the root's gradient finite where
/// all channels are 0.
pub(crate) fn unit(tap: &Tensor) -> Result<Tensor, Error> {
    let squares = tap.f_square()?.f_sum_dim_intlist([channels(tap)].as_slice(), true, tap.kind())?;
    let norm = squares.f_clamp_min(f64::from(f32::MIN_POSITIVE))?.f_sqrt()?;
    Ok(tap.f_div(&norm.f_add_scalar(EPS)?)?)
}

/// The taps in one row for each image (N, D), so that squares of differences of rows add up to the distance: each tap is divided by the root
/// of its positions, and each channel multiplied by the root of its weight, if it has one.
pub(crate) fn flatten(taps: Vec<Tensor>, weights: Option<&[Tensor]>) -> Result<Tensor, Error> {
    let mut rows = Vec::with_capacity(taps.len());
    for (index, tap) in taps.iter().enumerate() {
        let size = tap.size();
        let positions: i64 = size[1..].iter().product::<i64>() / size[channels(tap) as usize];
        let tap = match weights.and_then(|weights| weights.get(index)) {
            Some(weight) => tap.f_mul(&weight.f_sqrt()?)?,
            None => tap.shallow_clone(),
        };
        rows.push(tap.f_flatten(1, -1)?.f_div_scalar((positions as f64).sqrt())?);
    }
    Ok(Tensor::f_cat(&rows, 1)?)
}

/// The channels' dimension: 1 in a map (N, C, H, W), 2 in tokens (N, T, C).
pub(crate) fn channels(tap: &Tensor) -> i64 {
    if tap.dim() == 4 { 1 } else { 2 }
}

fn between(a: &[Tensor], b: &[Tensor]) -> Result<Tensor, Error> {
    let mut total: Option<Tensor> = None;
    for (a, b) in a.iter().zip(b) {
        let mean = baseline(a, b)?;
        total = Some(match total {
            Some(total) => total.f_add(&mean)?,
            None => mean,
        });
    }
    let total = total.ok_or(visrep_metrics::Error::Empty { what: "taps" })?.f_to_device(Device::Cpu)?;
    check_finite(&total)?;
    Ok(total)
}

/// Errs with the first of `distances` (N) that is not finite.
pub(crate) fn check_finite(distances: &Tensor) -> Result<(), Error> {
    let finite = Vec::<bool>::try_from(distances.f_isfinite()?)?;
    match finite.iter().position(|finite| !finite) {
        Some(index) => Err(Error::NotFinite { index }),
        None => Ok(()),
    }
}

/// Images of one size as u8 (N, H, W, 3).
pub(crate) fn batch(images: &[&RgbImage]) -> Result<Tensor, Error> {
    let Some(first) = images.first() else {
        return Err(visrep_metrics::Error::Empty { what: "images" }.into());
    };
    let mut pixels = Vec::with_capacity(images.len() * first.data().len());
    for image in images {
        check_size(first, image)?;
        pixels.extend_from_slice(image.data());
    }
    let size = [images.len() as i64, i64::from(first.height()), i64::from(first.width()), 3];
    Ok(Tensor::from_slice(&pixels).f_view(size)?)
}

/// Errs unless there are as many images as references, of one size.
pub(crate) fn check_pair(references: &[&RgbImage], images: &[&RgbImage]) -> Result<(), Error> {
    check_count(references, images)?;
    match (references.first(), images.first()) {
        (Some(a), Some(b)) => check_size(a, b),
        _ => Ok(()),
    }
}

pub(crate) fn check_size(a: &RgbImage, b: &RgbImage) -> Result<(), Error> {
    let size = |image: &RgbImage| format!("{}x{}", image.width(), image.height());
    if size(a) == size(b) { Ok(()) } else { Err(Error::Size { a: size(a), b: size(b) }) }
}

pub(crate) fn check_count(references: &[&RgbImage], images: &[&RgbImage]) -> Result<(), Error> {
    if references.len() == images.len() {
        return Ok(());
    }
    let count = |images: &[&RgbImage]| format!("a batch of {}", images.len());
    Err(Error::Size { a: count(references), b: count(images) })
}
