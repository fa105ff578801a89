//! The augmentation of published recipes, by name.

mod preset;
mod step;
mod table;

pub use preset::{BatchRecipe, Preset, PresetView};
pub use step::Step;
pub use table::{by_name, names};

use crate::error::{check_side, check_within};
use crate::{
    BlurMethod, Border, CenterCrop, ColorJitter, Compose, Error, Filter, GaussianBlur, RandomApply,
    RandomGrayscale, RandomHorizontalFlip, RandomResizedCrop, Resize, Transform,
};
use std::ops::RangeInclusive;

/// One view of SimCLR (Chen et al. 2020, appendix A; google-research/simclr `data_util.py`).
///
/// RandomResizedCrop(`size`) with 8 to 100 % of the area, flip (p .5), ColorJitter of `strength` times (.8, .8,
/// .8, .2) (p .8), grey (p .2), and with `blur` a Gaussian (p .5) of sigma .1 to 2, a tenth of the image wide, black
/// beyond the edges. The ImageNet form is `simclr(224, 1.0, true)`, the CIFAR form `simclr(32, 0.5, false)`. The
/// operations are torchvision's, as in the PyTorch versions of SimCLR; pixels are not to be
/// normalised afterwards in the original.
///
/// Errs on a size outside 1..=[`MAX_SIDE`](crate::MAX_SIDE), or a strength outside 0..=2.5 (a hue of half a
/// turn).
pub fn simclr(size: u32, strength: f64, blur: bool) -> Result<Compose, Error> {
    check_side("simclr size", size)?;
    check_within("simclr strength", strength, 0.0..=2.5)?;
    let jitter = ColorJitter::new(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength)?;
    let views = Compose::new()
        .then(RandomResizedCrop::new(size)?)
        .then(RandomHorizontalFlip::new(0.5)?)
        .then(RandomApply::new(jitter, 0.8)?)
        .then(RandomGrayscale::new(0.2)?);
    if !blur {
        return Ok(views);
    }
    let kernel = BlurMethod::Kernel { size: size / 10 / 2 * 2 + 1, border: Border::Zero };
    Ok(views.then(RandomApply::new(GaussianBlur::new(kernel, 0.1..=2.0)?, 0.5)?))
}

/// Supervised training on crops: RandomResizedCrop(`size`) and flip (p .5), as the ImageNet references of torchvision
/// (`references/classification/presets.py`, without their automatic augmentation).
///
/// Errs on a size outside 1..=[`MAX_SIDE`](crate::MAX_SIDE).
pub fn supervised(size: u32) -> Result<Compose, Error> {
    Ok(Compose::new().then(RandomResizedCrop::new(size)?).then(RandomHorizontalFlip::new(0.5)?))
}

/// Evaluation: the shorter edge to `resize` pixels, then the central `crop` x `crop`.
///
/// torchvision's ImageNet evaluation is `eval(256, 224, Filter::Bilinear)`; timm's has `resize = floor(crop /
/// crop_pct)` and the model's interpolation.
///
/// Errs on a size outside 1..=[`MAX_SIDE`](crate::MAX_SIDE).
pub fn eval(resize: u32, crop: u32, filter: Filter) -> Result<Compose, Error> {
    Ok(Compose::new().then(Resize::shortest_edge(resize, filter)?).then(CenterCrop::new(crop)?))
}

/// Some views of the same kind, for [`multi_crop`].
#[derive(Clone, Debug, PartialEq)]
pub struct CropGroup {
    /// How many.
    pub count: usize,
    /// Their side in pixels.
    pub size: u32,
    /// The share of the image's area that they show.
    pub scale: RangeInclusive<f64>,
    /// The interpolation.
    pub filter: Filter,
}

/// Multi-crop (SwAV, Caron et al. 2020): the transforms of all views, group by group, one per view.
///
/// Each is a RandomResizedCrop of its group, then what `rest` makes for the view of that index. SwAV's groups are 2 of 224
/// pixels with 14 to 100 % of the area and 6 of 96 with 5 to 14 %; DINO's 2 of 224 with 40 to 100 % and 8 of 96 with 5 to 40 %.
///
/// Errs on a size outside 1..=[`MAX_SIDE`](crate::MAX_SIDE), a scale outside 0..=1, and when `rest` does.
pub fn multi_crop(
    groups: &[CropGroup],
    mut rest: impl FnMut(usize) -> Result<Compose, Error>,
) -> Result<Vec<Box<dyn Transform>>, Error> {
    let mut views: Vec<Box<dyn Transform>> = Vec::new();
    for group in groups {
        for _ in 0..group.count {
            let crop = RandomResizedCrop::new(group.size)?.scale(group.scale.clone())?.filter(group.filter);
            let view = Compose::new().then(crop).then(rest(views.len())?);
            views.push(Box::new(view));
        }
    }
    Ok(views)
}
