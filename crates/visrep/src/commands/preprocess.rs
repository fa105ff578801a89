//! `visrep preprocess`: image files to a model's input tensor.

use super::output;
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;
use tch::{Device, Tensor};
use visrep_augment::{Transform, view_rng};
use visrep_decode::{DecodeOptions, decode};
use visrep_models::{Preprocessing, model_info};
use visrep_probe::eval_transform;

/// Apply a model's evaluation transform to images
///
/// Writes `x` (N, 3, H, W) f32: resized, cropped and normalised as the model's weights expect it. A bare
/// name means timm's default tag for it (`resnet50` = `resnet50.a1_in1k`: bicubic, crop 0.95);
/// `name.tag` asks for another.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep preprocess --model resnet50 cat.jpg dog.jpg --output x.safetensors\n  \
    visrep preprocess --model resnet50.tv_in1k cat.jpg --output x.safetensors")]
pub struct Preprocess {
    /// Model name, with or without a tag (see `visrep models`)
    #[arg(long, value_name = "M")]
    model: String,
    /// The images: JPEG, PNG, WebP, GIF, BMP or TIFF
    #[arg(value_name = "IMG", required = true)]
    images: Vec<PathBuf>,
    /// Where to write `x`
    #[arg(long, value_name = "X.safetensors")]
    output: PathBuf,
}

impl Preprocess {
    pub fn run(self) -> Result<()> {
        let preprocessing: Preprocessing = model_info(&self.model)?.preprocessing;
        let transform = eval_transform(&preprocessing)?;
        let mut rng = view_rng(0, 0, 0, 0);
        let mut batch = Vec::with_capacity(self.images.len());
        for path in &self.images {
            let named = || path.display().to_string();
            let bytes = std::fs::read(path).with_context(named)?;
            let image = decode(&bytes, &DecodeOptions::default()).with_context(named)?;
            let image = transform.apply(image, &mut rng);
            let pixels = Tensor::from_slice(image.data());
            batch.push(pixels.view([i64::from(image.height()), i64::from(image.width()), 3]));
        }
        let x = preprocessing.normalize(&Tensor::stack(&batch, 0), Device::Cpu)?;
        output::replace(&self.output, |path| Ok(Tensor::write_safetensors(&[("x", &x)], path)?))
    }
}
