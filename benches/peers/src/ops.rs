//! Single augmentation operations on images in memory, each by its name with the parameters that the peers get too.

use anyhow::{Context, Result, ensure};
use visrep_augment::{
    Band, Border, ConvKernel, EraseFill, Filter, Op as Operation, Padding, Region, RgbImage,
    adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, adjust_sharpness, affine,
    autocontrast, center_crop, crop_padded, equalize, erase, flipped_horizontal, flipped_vertical,
    frequency_filter, gaussian_blur, gaussian_noise, grayscale, inverted, mixup, perspective, pillow_blur,
    posterize, random_conv, resize, rotate, rotate_quarters, solarize, solarize_add,
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
    ("horizontal_flip", 0, |image, _, _| flipped_horizontal(image)),
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
    ("solarize_add", 2, |image, _, p| changed(image, |image| solarize_add(image, p[0] as u8, p[1] as u16))),
    ("invert", 0, |image, _, _| inverted(image)),
    ("posterize", 1, |image, _, p| changed(image, |image| posterize(image, p[0] as u8))),
    ("equalize", 0, |image, _, _| changed(image, equalize)),
    ("autocontrast", 0, |image, _, _| changed(image, |image| autocontrast(image, 0.0))),
    ("sharpness", 1, |image, _, p| changed(image, |image| adjust_sharpness(image, p[0]))),
    ("color_jitter", 4, |image, _, p| changed(image, |image| jitter(image, p))),
    ("vertical_flip", 0, |image, _, _| flipped_vertical(image)),
    ("rotate_90", 0, |image, _, _| rotate_quarters(image, 1)),
    ("rotate_180", 0, |image, _, _| rotate_quarters(image, 2)),
    ("padded_crop", 2, |image, _, p| {
        crop_padded(image, p[0] as i32, p[1] as i32, SIDE, SIDE, Padding::Reflect)
    }),
    ("rotate", 1, |image, _, p| rotate(image, p[0], Filter::Bilinear, None, [0; 3])),
    ("affine_nearest", 6, |image, _, p| warped(image, p, Filter::Nearest)),
    ("affine_bilinear", 6, |image, _, p| warped(image, p, Filter::Bilinear)),
    ("affine_bicubic", 6, |image, _, p| warped(image, p, Filter::Bicubic)),
    ("perspective_nearest", 8, |image, _, p| warped(image, p, Filter::Nearest)),
    ("perspective_bilinear", 8, |image, _, p| warped(image, p, Filter::Bilinear)),
    ("perspective_bicubic", 8, |image, _, p| warped(image, p, Filter::Bicubic)),
    ("elastic", 2, |image, _, p| {
        let (alpha, sigma) = ((p[0], p[0]), (p[1], p[1]));
        let (interpolation, fill) = (Filter::Bilinear, [0; 3]);
        Operation::Elastic { alpha, sigma, seed: 1, interpolation, fill }.apply(image.clone())
    }),
    ("erase", 4, |image, _, p| {
        let [x, y, width, height] = [p[0], p[1], p[2], p[3]].map(|side| side as u32);
        changed(image, |image| {
            erase(image, Region { x, y, width, height }, EraseFill::Color([124, 116, 104]))
        })
    }),
    ("gaussian_noise", 1, |image, _, p| changed(image, |image| gaussian_noise(image, p[0], 1))),
    ("random_conv", 0, |image, _, _| {
        // Weights that the peers can make too.
        let weights = (0..81).map(|i| ((i * 37 % 19) as f32 - 8.0) / 60.0).collect();
        let kernel = ConvKernel::new(3, weights).expect("3 x 3 x 3 x 3 weights");
        changed(image, |image| random_conv(image, &kernel, 1.0, [0.0; 3], [1.0; 3]))
    }),
    ("high_pass", 1, |image, _, p| changed(image, |image| frequency_filter(image, Band::high_pass(p[0])))),
    ("mixup", 1, |image, other, p| {
        changed(image, |image| mixup(image, other, p[0]).expect("images of one size"))
    }),
];

/// Brightness, contrast, saturation and hue.
fn jitter(image: &mut RgbImage, p: &[f64]) {
    adjust_brightness(image, p[0]);
    adjust_contrast(image, p[1]);
    adjust_saturation(image, p[2]);
    adjust_hue(image, p[3]);
}

/// By six coefficients of an affine map, or eight of a perspective.
fn warped(image: &RgbImage, p: &[f64], filter: Filter) -> RgbImage {
    match (p.first_chunk(), p.first_chunk()) {
        (_, Some(&perspective_map)) => perspective(image, perspective_map, filter, [0; 3]),
        (Some(&map), _) => affine(image, map, filter, [0; 3]),
        _ => image.clone(),
    }
}

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
