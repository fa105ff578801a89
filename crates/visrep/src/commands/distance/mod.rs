//! `visrep distance`: how far apart two images are, by any network and by pixels.

mod map;
mod metric;
mod pairs;

use super::{DeviceArg, output};
use anyhow::{Context, Result, bail};
use clap::Args;
use metric::{Measure, Metric};
use pairs::Pair;
use std::path::PathBuf;
use visrep_augment::{Filter, RgbImage, resize};
use visrep_decode::{DecodeOptions, decode};
use visrep_models::Model;
use visrep_perceptual::LpipsVersion;

/// Pairs in one pass.
const BATCH: usize = 32;

/// Measure perceptual distances between pairs of images
///
/// Prints CSV: a row for each pair, a column for each metric. From the activations of any model: `baseline` (LPIPS without learned
/// weights), `cosine`, `style` (Gram matrices), `mean-pool`, and `pooled-cosine` of the features that its classifier reads; with the heads
/// of the lpips package `lpips`. From pixels: `mse` (levels squared), `psnr` (dB), `ssim` and `ms-ssim`, of which the last three are
/// similarities: more is nearer. MS-SSIM has five scales where the shorter side is 176 pixels or more, and below it as many as fit, whose
/// weights are made to sum to 1; the column `ms-ssim-scales` says how many. Networks compute in fp32.
///
/// With --map, LPIPS at each pixel of one pair (the taps' distances enlarged bilinearly and summed) becomes a grayscale PNG of the
/// images' size: black is 0, white the largest distance of that map, which the column `lpips-map-max` says.
///
/// Images are measured as they are, in sRGB, both of one size. A network that does not take that size gets them enlarged: to
/// multiples of its patches, or to the size that it was trained with.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep distance a.png b.png\n  \
    visrep distance a.png b.png --model resnet50 --weights moco.pth --metric baseline,style --taps layer2,layer3\n  \
    visrep distance --pairs pairs.csv --model alexnet --weights alexnet.pth --heads lpips/alex.pth --output distances.csv\n  \
    visrep distance a.png b.png --model alexnet --weights alexnet.pth --heads lpips/alex.pth --map differences.png\n\n\
    pairs.csv has the columns a and b, paths from the folder that it lies in:\n\n    \
    a,b\n    \
    ref/000.png,p0/000.png\n    \
    ref/000.png,p1/000.png")]
pub struct Distance {
    /// Two images
    #[arg(value_name = "IMAGE", num_args = 2, required_unless_present = "pairs", conflicts_with = "pairs")]
    images: Vec<PathBuf>,
    /// Many pairs, instead of two images: CSV with the columns a and b
    #[arg(long, value_name = "P.csv")]
    pairs: Option<PathBuf>,
    /// What to measure, separated by commas [default: lpips with --heads, else baseline with --weights, else psnr,ssim]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    metric: Vec<Metric>,
    /// Model name (see `visrep models`) [default: what the folder --weights says]
    #[arg(long, value_name = "M", requires = "weights")]
    model: Option<String>,
    /// Its weights: safetensors, .pth, .npz, or a folder of the Hugging Face hub
    #[arg(long, value_name = "W")]
    weights: Option<PathBuf>,
    /// The model's taps to compare, separated by commas [default: the ends of its stages or its blocks; LPIPS's own of its networks]
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "weights")]
    taps: Vec<String>,
    /// LPIPS's heads for the model: alex.pth, vgg.pth or squeeze.pth of the lpips package
    #[arg(long, value_name = "H.pth", requires = "weights")]
    heads: Option<PathBuf>,
    /// The release of LPIPS that the heads are of
    #[arg(long, value_name = "V", default_value_t = LpipsVersion::V0_1, requires = "heads")]
    lpips_version: LpipsVersion,
    /// Draw where LPIPS differs between two images: a grayscale PNG from 0 (black) to the map's maximum (white)
    #[arg(long, value_name = "F.png")]
    map: Option<PathBuf>,
    /// Resize both images to N x N first (bicubic)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16384))]
    size: Option<u32>,
    /// Where to write the CSV [default: standard output]
    #[arg(long, value_name = "F.csv")]
    output: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArg,
}

impl Distance {
    pub fn run(self) -> Result<()> {
        if let Some(output) = &self.output {
            output::check(output)?;
        }
        let pairs = match (&self.pairs, self.images.as_slice()) {
            (Some(path), _) => pairs::read(path)?,
            (None, [a, b]) => vec![Pair::of(a, b)],
            (None, _) => bail!("give two images, or many pairs with --pairs"),
        };
        let metrics = self.metrics();
        if let Some(path) = &self.map {
            if self.output.as_ref() == Some(path) {
                bail!("--map and --output name one file, {}: give each its own", path.display());
            }
            map::check(path, &metrics, pairs.len())?;
        }
        let model = self.model()?;
        let measure = Measure::new(&metrics, model.as_ref(), &self.taps, self.lpips()?)?;
        let mut table = csv::Writer::from_writer(Vec::new());
        let of_map = self.map.as_ref().map(|_| "lpips-map-max");
        table.write_record(["a", "b"].into_iter().chain(measure.names()).chain(of_map))?;
        for chunk in pairs.chunks(BATCH) {
            for (pair, values) in chunk.iter().zip(self.measured(&measure, chunk)?) {
                let values = values.iter().map(f64::to_string);
                let of_map = self.draw(&measure, pair)?.map(|largest| largest.to_string());
                let named = pair.shown.iter().cloned();
                table.write_record(named.chain(values).chain(of_map))?;
            }
        }
        let table = table.into_inner().context("cannot finish the table")?;
        match &self.output {
            Some(path) => output::replace(path, |path| Ok(std::fs::write(path, &table)?)),
            None => output::say(&String::from_utf8(table)?),
        }
    }

    fn metrics(&self) -> Vec<Metric> {
        if !self.metric.is_empty() {
            let mut metrics = Vec::new();
            self.metric.iter().for_each(|metric| {
                if !metrics.contains(metric) {
                    metrics.push(*metric)
                }
            });
            return metrics;
        }
        match (&self.heads, &self.weights) {
            (Some(_), _) => vec![Metric::Lpips],
            (None, Some(_)) => vec![Metric::Form(visrep_perceptual::DistanceForm::Baseline)],
            (None, None) => vec![Metric::Psnr, Metric::Ssim],
        }
    }

    fn model(&self) -> Result<Option<Model>> {
        let Some(weights) = &self.weights else { return Ok(None) };
        let compute = self.device.exact()?;
        super::open_model(self.model.as_deref(), weights, &compute).map(Some)
    }

    /// What LPIPS needs beside the model: it has a network of its own.
    fn lpips(&self) -> Result<Option<metric::LpipsFiles<'_>>> {
        let (Some(heads), Some(trunk)) = (&self.heads, &self.weights) else { return Ok(None) };
        Ok(Some(metric::LpipsFiles {
            heads,
            trunk,
            version: self.lpips_version,
            device: self.device.resolve()?,
        }))
    }

    /// The values of each pair: those next to each other that have one size go together.
    fn measured(&self, measure: &Measure<'_>, pairs: &[Pair]) -> Result<Vec<Vec<f64>>> {
        let mut images = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let [a, b] = [self.read(&pair.paths[0])?, self.read(&pair.paths[1])?];
            if size(&a) != size(&b) {
                let [x, y] = [&a, &b].map(|image| format!("{} x {}", image.width(), image.height()));
                let [of_a, of_b] = &pair.shown;
                bail!("{of_a} has {x} pixels and {of_b} {y}: a distance needs one size, add --size N");
            }
            images.push([a, b]);
        }
        let mut found = Vec::with_capacity(pairs.len());
        let mut rest = pairs;
        // As much memory as a batch of small images takes, however large they are.
        let together = |pair: &[RgbImage; 2]| {
            let pixels = pair[0].width() as usize * pair[0].height() as usize;
            (BATCH * 256 * 256 / pixels.max(1)).clamp(1, BATCH)
        };
        let alike = images.chunk_by(|a, b| size(&a[0]) == size(&b[0]));
        for alike in alike.flat_map(|alike| alike.chunks(together(&alike[0]))) {
            let (own, others) = rest.split_at(alike.len());
            rest = others;
            found.extend(measure.measure(alike).with_context(|| {
                let [first, last] = [&own[0].shown[0], &own[own.len() - 1].shown[1]];
                format!("cannot measure the pairs from {first} to {last}")
            })?);
        }
        Ok(found)
    }

    /// Draws the pair, where that was asked for: the largest distance at a pixel.
    fn draw(&self, measure: &Measure<'_>, pair: &Pair) -> Result<Option<f32>> {
        let Some(path) = &self.map else { return Ok(None) };
        let images = [self.read(&pair.paths[0])?, self.read(&pair.paths[1])?];
        Ok(Some(map::write(path, images[0].width(), &measure.map(&images)?)?))
    }

    fn read(&self, path: &std::path::Path) -> Result<RgbImage> {
        let shown = path.display();
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
        let image =
            decode(&bytes, &DecodeOptions::default()).with_context(|| format!("cannot decode {shown}"))?;
        Ok(match self.size {
            Some(side) if size(&image) != (side, side) => resize(&image, side, side, Filter::Bicubic),
            _ => image,
        })
    }
}

fn size(image: &RgbImage) -> (u32, u32) {
    (image.width(), image.height())
}
