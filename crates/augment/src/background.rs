//! Another background behind the object of an image.

use crate::error::check_within;
use crate::{Error, Filter, Op, Rng, Transform, View, resize};
use rand::RngExt as _;
use std::borrow::Cow;
use std::sync::Arc;
use visrep_decode::RgbImage;

/// How much of each pixel belongs to the object: 0 none, 255 all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl Mask {
    /// `data` are the rows, top to bottom. Errs when there are not `width * height` values.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Result<Self, Error> {
        let expected = u64::from(width) * u64::from(height);
        if expected == data.len() as u64 && expected > 0 {
            return Ok(Self { width, height, data });
        }
        Err(Error::Parameter {
            parameter: "Mask data",
            expected: format!("the {expected} values of {width}x{height} pixels, at least one"),
            found: data.len().to_string(),
        })
    }

    /// The share of the image that the object covers, 0 to 1. Masks below 5 % or above 95 % are better left alone.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        self.data.iter().map(|&value| f64::from(value)).sum::<f64>() / (255.0 * self.data.len() as f64)
    }
}

/// Puts `background` where `mask` is 0, and a mixture where it is between: `mask * image + (1 - mask) * background`.
///
/// A background of another size is resized (bilinear). Errs when the mask is not of the image's size.
pub fn replace_background(image: &mut RgbImage, mask: &Mask, background: &RgbImage) -> Result<(), Error> {
    let size = (image.width(), image.height());
    if (mask.width, mask.height) != size {
        return Err(Error::MaskSize { expected: size, found: (mask.width, mask.height) });
    }
    let background = if (background.width(), background.height()) == size {
        Cow::Borrowed(background)
    } else {
        Cow::Owned(resize(background, size.0, size.1, Filter::Bilinear))
    };
    let pixels = image.data_mut().as_chunks_mut::<3>().0.iter_mut().zip(background.data().as_chunks::<3>().0);
    for ((pixel, behind), &share) in pixels.zip(&mask.data) {
        for (value, &other) in pixel.iter_mut().zip(behind) {
            let sum = u32::from(*value) * u32::from(share) + u32::from(other) * (255 - u32::from(share));
            *value = ((sum + 127) / 255) as u8;
        }
    }
    Ok(())
}

/// Backgrounds to choose from.
pub trait Backgrounds: Send + Sync {
    /// How many there are, at least one.
    fn count(&self) -> usize;

    /// Background `index`, for an image of `size` (width, height); any size will do.
    fn get(&self, index: usize, size: (u32, u32)) -> RgbImage;
}

/// Flat grey of each of the 256 levels: the removed backgrounds (BG_RM) of Ryali, Schwab and Morcos 2021.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GreyBackgrounds;

impl Backgrounds for GreyBackgrounds {
    fn count(&self) -> usize {
        256
    }

    fn get(&self, index: usize, (width, height): (u32, u32)) -> RgbImage {
        RgbImage::filled(width, height, [index as u8; 3])
    }
}

/// Images in memory. There must be one at least for a background to be replaced.
impl Backgrounds for Vec<RgbImage> {
    fn count(&self) -> usize {
        self.len()
    }

    fn get(&self, index: usize, _: (u32, u32)) -> RgbImage {
        self[index].clone()
    }
}

/// Replaces the background of an image with a probability: BG_RM and BG_Random of Ryali, Schwab and Morcos 2021
/// ("Characterizing and improving the robustness of self-supervised learning through background augmentations").
///
/// What it draws, the index of a background, stands in the operation's name; the operation itself is one that cannot be
/// stored ([`Op::custom`]), since neither masks nor backgrounds are its own. To store a view, leave this out of it:
/// apply the view to the image and to its mask, then call [`replace_background`].
pub struct RandomBackground<M> {
    masks: Arc<M>,
    backgrounds: Arc<dyn Backgrounds>,
    p: f64,
}

impl<M: Fn(&RgbImage) -> Option<Mask> + Send + Sync + 'static> RandomBackground<M> {
    /// `masks` tells where the object is in an image, as it is when this transform's turn comes; an image for which it
    /// gives nothing, or a mask of another size, stays as it is. Errs unless `p` is within 0..=1 and there is a
    /// background.
    pub fn new(masks: M, backgrounds: Arc<dyn Backgrounds>, p: f64) -> Result<Self, Error> {
        check_within("RandomBackground p", p, 0.0..=1.0)?;
        check_within("RandomBackground backgrounds", backgrounds.count() as f64, 1.0..=f64::INFINITY)?;
        Ok(Self { masks: Arc::new(masks), backgrounds, p })
    }
}

impl<M: Fn(&RgbImage) -> Option<Mask> + Send + Sync + 'static> Transform for RandomBackground<M> {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        if !rng.random_bool(self.p) {
            return;
        }
        let index = rng.random_range(0..self.backgrounds.count());
        let (masks, backgrounds) = (self.masks.clone(), self.backgrounds.clone());
        view.push(Op::custom(format!("replace_background {index}"), None, move |mut image| {
            let size = (image.width(), image.height());
            if let Some(mask) = masks(&image).filter(|mask| (mask.width, mask.height) == size) {
                let background = backgrounds.get(index, size);
                // The mask is of the image's size, the one thing that could be wrong.
                let _ = replace_background(&mut image, &mask, &background);
            }
            image
        }));
    }
}
