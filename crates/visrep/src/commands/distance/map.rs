//! The picture of where two images differ.

use super::metric::Metric;
use crate::commands::output;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// What a map is of, and how to have it measured.
pub const WITHOUT_LPIPS: &str = "--map draws LPIPS, which is not measured: add --heads of the lpips package, --model alexnet, vgg16 or \
    squeezenet1_1 with its --weights, and lpips to --metric where that is given";

/// Errs unless a map of so many pairs can be drawn and written.
pub fn check(path: &Path, metrics: &[Metric], pairs: usize) -> Result<()> {
    if !metrics.contains(&Metric::Lpips) {
        bail!("{WITHOUT_LPIPS}");
    }
    if pairs != 1 {
        bail!("--map draws one pair, not {pairs}: give two images, or leave --map out");
    }
    if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("png")) {
        bail!("--map {}: maps are PNG files; let the name end in .png", path.display());
    }
    output::check(path).with_context(|| format!("--map {}: name a file that can be written", path.display()))
}

/// Writes the distances at pixels, rows of so many, as levels of gray: black is 0 and white the largest, which is returned.
pub fn write(path: &Path, width: u32, distances: &[f32]) -> Result<f32> {
    let largest = distances.iter().copied().fold(0.0, f32::max);
    let scale = if largest > 0.0 { 255.0 / largest } else { 0.0 };
    let levels: Vec<u8> = distances.iter().map(|distance| (distance * scale).round() as u8).collect();
    let height = (levels.len() / width as usize) as u32;
    output::replace(path, |path| {
        let file = std::io::BufWriter::new(std::fs::File::create(path)?);
        let mut encoder = png::Encoder::new(file, width, height);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&levels)?;
        Ok(writer.finish()?)
    })?;
    Ok(largest)
}
