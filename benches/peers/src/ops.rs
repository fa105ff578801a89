//! Single augmentation operations on images in memory, each by its name with the parameters that the peers get too.

use anyhow::{Context, Result, ensure};
use visrep_augment::{
    Border, Filter, RgbImage, adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, center_crop,
    flip_horizontal, gaussian_blur, grayscale, pillow_blur, resize, solarize,
};

use crate::Workload;
use crate::sink::Sink;

/// The side of the images that the benches make, and of those that the operations get, in pixels.
pub(crate) const SIDE: u32 = 224;

/// A new image from an image, another one (for what mixes two), and the parameters.
type Apply = fn(&RgbImage, &RgbImage, &[f64]) -> RgbImage;

/// The operations with the number of their parameters. A row here needs one of the same name in `peer/ops.py`.
const OPS: &[(&str, usize, Apply)] = &[
    ("resize", 0, |image, _, _| resize(image, SIDE, SIDE, Filter::Bilinear)),
    ("center_crop", 0, |image, _, _| center_crop(image, SIDE, SIDE)),
    ("horizontal_flip", 0, |image, _, _| changed(image, flip_horizontal)),
    ("brightness", 1, |image, _, p| changed(image, |image| adjust_brightness(image, p[0]))),
    ("contrast", 1, |image, _, p| changed(image, |image| adjust_contrast(image, p[0]))),
    ("saturation", 1, |image, _, p| changed(image, |image| adjust_saturation(image, p[0]))),
    ("hue", 1, |image, _, p| changed(image, |image| adjust_hue(image, p[0]))),
    ("grayscale", 0, |image, _, _| changed(image, grayscale)),
    ("gaussian_blur", 2, |image, _, p| {
        changed(image, |image| gaussian_blur(image, p[0] as u32, p[1], Border::Reflect))
    }),
    ("pillow_blur", 1, |image, _, p| changed(image, |image| pillow_blur(image, p[0]))),
    ("solarize", 1, |image, _, p| changed(image, |image| solarize(image, p[0] as u16))),
];

/// What changes an image in place, on a copy: the peers make a new image too.
fn changed(image: &RgbImage, change: impl FnOnce(&mut RgbImage)) -> RgbImage {
    let mut image = image.clone();
    change(&mut image);
    image
}

/// The operations' names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OPS.iter().map(|(name, ..)| *name)
}

/// One operation on every image; the other image is the next one.
pub(crate) struct Op {
    images: Vec<RgbImage>,
    parameters: Vec<f64>,
    apply: Apply,
}

impl Op {
    pub(crate) fn open(name: &str, images: Vec<RgbImage>, parameters: &[&str]) -> Result<Self> {
        let (_, count, apply) =
            OPS.iter().find(|(op, ..)| *op == name).with_context(|| format!("no operation {name}"))?;
        ensure!(parameters.len() == *count, "{name} takes {count} parameters, not {}", parameters.len());
        let parameters = parameters.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        Ok(Self { images, parameters, apply: *apply })
    }
}

impl Workload for Op {
    fn units(&self) -> usize {
        self.images.len()
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        let others = self.images.iter().cycle().skip(1);
        self.images
            .iter()
            .zip(others)
            .try_for_each(|(image, other)| sink.image(&(self.apply)(image, other, &self.parameters)))
    }
}
