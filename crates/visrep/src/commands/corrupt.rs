//! `visrep corrupt`: one image under one of ImageNet-C's corruptions.

use super::output;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::PathBuf;
use visrep_corrupt::{Corruption, Scale, Severity, corrupt};
use visrep_decode::{DecodeOptions, decode, encode_png};

/// Corrupt an image as ImageNet-C does
///
/// The image keeps its size. The constants are those published for the size nearest to the image's
/// (32: CIFAR-10-C, 64: Tiny-ImageNet-C, 224: ImageNet-C, 299: the Inception version). The same image,
/// corruption, severity and seed always give the same pixels.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep corrupt --corruption fog --severity 3 photo.jpg foggy.png\n  \
    visrep corrupt --corruption shot_noise --severity 5 --seed 7 photo.jpg noisy.png\n\n\
    Corruptions:\n  gaussian_noise shot_noise impulse_noise | defocus_blur glass_blur motion_blur zoom_blur |\n  \
    snow frost fog brightness | contrast elastic_transform pixelate jpeg_compression |\n  \
    speckle_noise gaussian_blur spatter saturate (the extras)")]
pub struct Corrupt {
    /// Which corruption, by its name in ImageNet-C
    #[arg(long, value_name = "NAME")]
    corruption: Corruption,
    /// How strong, 1 to 5
    #[arg(long, value_name = "S")]
    severity: Severity,
    /// Seed of the random ones
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The image to read: JPEG, PNG, WebP, GIF, BMP or TIFF
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Where to write the result, a PNG
    #[arg(value_name = "OUT.png")]
    output: PathBuf,
}

impl Corrupt {
    pub fn run(self) -> Result<()> {
        if !self.output.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png")) {
            bail!("{}: the result is a PNG; let its name end in .png", self.output.display());
        }
        let named = || self.input.display().to_string();
        let bytes = std::fs::read(&self.input).with_context(named)?;
        let image = decode(&bytes, &DecodeOptions::default()).with_context(named)?;
        let scale = Scale::for_size(image.width(), image.height());
        let corrupted =
            corrupt(&image, self.corruption, self.severity, scale, self.seed).with_context(named)?;
        let png = encode_png(&corrupted)?;
        output::replace(&self.output, |path| Ok(std::fs::write(path, &png)?))
    }
}
