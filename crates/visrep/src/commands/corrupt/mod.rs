//! `visrep corrupt`: one image under a corruption, a sequence of frames, or a whole benchmark.

mod benchmark;
mod names;
mod plan;
mod sequences;
mod single;
mod tables;

use anyhow::{Context, Result};
use clap::{ArgGroup, Args};
use std::path::PathBuf;
use visrep_corrupt::{Corruption, Difficulty, Frost, Perturbation, Scale, Severity};

use crate::source::{self, Source};

/// The file in an output folder that says how it was made.
const RECORD: &str = "visrep-corrupt.json";

/// Corrupt an image as ImageNet-C does, or make the whole benchmark
///
/// An image keeps its size. The constants are those published for the size nearest to the image's (32: CIFAR-10-C, 64:
/// Tiny-ImageNet-C, 224: ImageNet-C, 299: the Inception version) unless --scale says otherwise. The same image, corruption,
/// severity and seed always give the same pixels.
///
/// With --all every image of --data is resized and cropped (256, then 224), put under every corruption of the suite at every
/// severity, and written as JPEG of quality 85, as the published sets were: OUT/CORRUPTION/SEVERITY/CLASS/NAME.JPEG, or
/// Parquet with the columns corruption and severity. A run that was stopped goes on when it is started again, and ends with the
/// same bytes; the number of threads changes nothing. Images that cannot be read are skipped and listed, and the exit code is
/// then 1.
#[derive(Args)]
#[command(
    group(ArgGroup::new("what").args(["corruption", "sequence", "all"]).multiple(true).required(true)),
    after_help = "Examples:\n  \
    visrep corrupt --corruption fog --severity 3 photo.jpg foggy.png\n  \
    visrep corrupt --corruption frost --severity 5 --frost ~/frost --jpeg 85 photo.jpg frosty.jpg\n  \
    visrep corrupt --sequence tilt photo.jpg frames\n  \
    visrep corrupt --all --data ~/imagenet/val --output ~/imagenet-c --frost ~/frost\n  \
    visrep corrupt --all --data cifar10/test --no-crop --scale cifar32 --no-jpeg --output cifar10-c.parquet\n  \
    visrep corrupt --all --suite imagenet-c-bar --corruption sparkles --severity 1,5 --data ~/val --output some\n  \
    visrep corrupt --all --suite imagenet-p --data ~/imagenet/val --output ~/imagenet-p\n\n\
    Corruptions:\n  gaussian_noise shot_noise impulse_noise | defocus_blur glass_blur motion_blur zoom_blur |\n  \
    snow frost fog brightness | contrast elastic_transform pixelate jpeg_compression   (imagenet-c)\n  \
    speckle_noise gaussian_blur spatter saturate   (the extras, with imagenet-c-extra)\n  \
    blue_noise_sample brownish_noise caustic_refraction checkerboard_cutout cocentric_sine_waves inverse_sparkles\n  \
    perlin_noise plasma_noise single_frequency_greyscale sparkles   (imagenet-c-bar)\n  \
    blue_noise_sample brownish_noise checkerboard_cutout circular_motion_blur inverse_sparkles lines pinch_and_twirl\n  \
    ripple sparkles transverse_chromatic_abberation   (cifar10-c-bar)\n\
    Sequences:\n  gaussian_noise shot_noise motion_blur zoom_blur snow brightness translate rotate tilt scale   (imagenet-p)\n  \
    speckle_noise gaussian_blur spatter shear   (the extras, with imagenet-p-extra)"
)]
pub struct Corrupt {
    /// Which corruption, by its published name; with --all several, separated by commas [default: all of the suite]
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "sequence")]
    corruption: Vec<Corruption>,
    /// How strong, 1 to 5; with --all several, separated by commas [default: 1,2,3,4,5]
    #[arg(long, value_name = "S", value_delimiter = ',', required_unless_present_any = ["all", "sequence"])]
    severity: Vec<Severity>,
    /// Which sequence of frames, by its name in ImageNet-P; OUT is then a folder of PNG files
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "severity")]
    sequence: Vec<Perturbation>,
    /// How strong the noise of noise sequences is, 1 to 3
    #[arg(long, value_name = "D", default_value = "1")]
    difficulty: Difficulty,
    /// Seed of the random ones
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Constants to use: cifar32, imagenet64, imagenet224 or inception299 [default: the nearest to the image's size]
    #[arg(long, value_name = "NAME")]
    scale: Option<Scale>,
    /// A folder with the published photographs frost1.png to frost5.jpg [default: a drawn substitute]
    #[arg(long, value_name = "DIR")]
    frost: Option<PathBuf>,
    /// Put the result through JPEG of this quality, as the published set was at 85 [default: off for one image, 85 with --all]
    #[arg(long, value_name = "Q", value_parser = clap::value_parser!(u8).range(1..=100))]
    jpeg: Option<u8>,
    /// The image to read: JPEG, PNG, WebP, GIF, BMP or TIFF
    #[arg(value_name = "IN", required_unless_present = "all", conflicts_with = "all")]
    input: Option<PathBuf>,
    /// Where to write the result: a PNG; with --jpeg a JPEG or a PNG; with --sequence a folder
    #[arg(value_name = "OUT", required_unless_present = "all", conflicts_with = "all")]
    out: Option<PathBuf>,
    /// Make a whole benchmark of --data
    #[arg(long, requires_all = ["data", "output"])]
    all: bool,
    #[command(flatten)]
    whole: Whole,
}

/// Options of `--all`.
#[derive(Args)]
#[command(next_help_heading = "A whole benchmark (--all)")]
struct Whole {
    #[arg(long, value_name = "SRC", help = source::HELP, requires = "all")]
    data: Option<Source>,
    /// A folder for images; with --parquet for Parquet files; or one file that ends in .parquet, which is begun again after a stop
    #[arg(long, value_name = "OUT", requires = "all")]
    output: Option<PathBuf>,
    /// imagenet-c, imagenet-c-extra, imagenet-c-bar, cifar10-c-bar, imagenet-p or imagenet-p-extra [default: imagenet-c, or
    /// imagenet-p with --sequence]
    #[arg(long, value_name = "NAME", requires = "all")]
    suite: Option<plan::Set>,
    /// The shorter side that images are resized to first (bilinear, antialiased)
    #[arg(long, value_name = "PX", default_value_t = 256, conflicts_with = "no_crop", requires = "all")]
    resize: u32,
    /// The side of the central square that is then cut out
    #[arg(long, value_name = "PX", default_value_t = 224, conflicts_with = "no_crop", requires = "all")]
    crop: u32,
    /// Take images as they are; needs --scale
    #[arg(long, requires_all = ["all", "scale"])]
    no_crop: bool,
    /// Write PNG instead of JPEG
    #[arg(long, requires = "all", conflicts_with = "jpeg")]
    no_jpeg: bool,
    /// Write Parquet files to the folder OUT
    #[arg(long, requires = "all")]
    parquet: bool,
    /// Images in each Parquet file of a folder
    #[arg(long, value_name = "N", default_value_t = 10_000, requires = "parquet")]
    rows_per_file: usize,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N", requires = "all")]
    workers: Option<std::num::NonZeroUsize>,
}

impl Corrupt {
    pub fn run(self) -> Result<()> {
        if self.all { plan::Plan::new(self)?.run() } else { single::run(self) }
    }

    fn frost(&self) -> Result<Frost> {
        match &self.frost {
            None => Ok(Frost::substitute()),
            Some(folder) => Frost::open(folder).context("--frost"),
        }
    }
}
