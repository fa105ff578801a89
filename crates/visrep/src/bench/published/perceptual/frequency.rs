//! To which spatial frequencies distances react: noise of equal energy in bands of an octave (a hypothesis of Kumar et al. 2022 about what makes
//! a perceptual score).

use super::failed;
use super::measured::Measured;
use super::photographs::{EXPECTS, PUBLISHED, Photographs};
use std::path::{Path, PathBuf};
use visrep_augment::RgbImage;
use visrep_models::Model;
use visrep_perceptual::band_noise;
use visrep_probe::{Error, Findings, OpenSuite, Recorder, Suite, SuiteContext, SuiteInfo};
use visrep_torch::Generator;

/// The standard deviation of the noise, in levels.
const LEVELS: f64 = 10.0;
/// Photographs are brought to these levels, and noise is held within the rest, so that adding it clips nothing.
const RANGE: (f64, f64) = (50.0, 205.0);
/// The finest octave ends at half a cycle per pixel, and there are so many, or as many as the images have room for.
const OCTAVES: i32 = 6;

pub static SPATIAL_FREQUENCY: SpatialFrequency = SpatialFrequency;

pub struct SpatialFrequency;

const INFO: SuiteInfo = SuiteInfo {
    name: "spatial-frequency",
    about: "to which spatial frequencies each form of distance, LPIPS, PSNR, SSIM and MS-SSIM react: noise of equal energy in bands of an octave, \
            as a share of the distance between photographs (Kumar et al. 2022)",
    expects: EXPECTS,
    published: PUBLISHED,
};

impl Suite for SpatialFrequency {
    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn open(
        &self,
        root: &Path,
        _task: Option<&str>,
        context: &SuiteContext,
    ) -> Result<Box<dyn OpenSuite>, Error> {
        let photographs = Photographs::open(root, INFO.name, context)?;
        Ok(Box::new(Opened { photographs, heads: root.join("lpips") }))
    }
}

struct Opened {
    photographs: Photographs,
    heads: PathBuf,
}

impl OpenSuite for Opened {
    fn fingerprint(&self) -> Result<u64, Error> {
        super::measured::fingerprint(self.photographs.fingerprint()?, &self.heads)
    }

    fn stamp(&self) -> u64 {
        self.photographs.stamp()
    }

    fn run(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Recorder::new(INFO.name, model, context);
        let side = model.preprocessing().input_size;
        let measured = Measured::new(model, &self.heads, side, INFO.name)?;
        let squares: Vec<RgbImage> =
            self.photographs.squares(side, context.seed)?.iter().map(within_range).collect();
        // A band has a frequency of its own where a cycle of its lower end fits into the image.
        let bands: Vec<f64> = (2..=OCTAVES + 1)
            .rev()
            .map(|octave| 2_f64.powi(-octave))
            .filter(|low| low * f64::from(side) >= 1.0)
            .collect();
        let (Some(first), Some(last)) = (bands.first(), bands.last()) else {
            let expected = "4 pixels at least, for one octave";
            return Err(Error::Parameter {
                parameter: "the model's input size",
                value: f64::from(side),
                expected,
            });
        };
        let noisy = |square: usize, band: usize| -> Result<RgbImage, Error> {
            let place = (square * bands.len() + band) as i64;
            let seed = context.seed.cast_signed().wrapping_mul(1_000_003).wrapping_add(place);
            let noise = band_noise(side, side, bands[band], 2.0 * bands[band], &mut Generator::new(seed));
            Ok(with_noise(&squares[square], &noise.map_err(failed(INFO.name))?))
        };
        let found = self.photographs.measure(&measured, &squares, bands.len(), noisy, context)?;
        record.entry("precision", "fp32, whatever --precision says");
        record.entry("images", self.photographs.protocol(side));
        record.entry("range", format!("levels of photographs brought to {}..{}", RANGE.0, RANGE.1));
        record.entry("noise", format!("grey, Gaussian, standard deviation {LEVELS} levels in each octave"));
        record.entry("octaves", format!("{} from {first} to {} cycles per pixel", bands.len(), 2.0 * last));
        record.entry("relative to", "the mean distance between squares of different photographs");
        record.entry("interval", "over photographs");
        let n = squares.len();
        for (row, distances) in measured.rows.iter().zip(&found) {
            row.enter(&mut record);
            for (band, low) in bands.iter().enumerate() {
                // The middle of the octave.
                let task = format!("{}log2-cycles-per-pixel/{}", row.prefix, low.log2() + 0.5);
                let (value, interval) = distances.relative(&[band], context.seed)?;
                record.figure(task, "relative-distance", value, n, Some(interval));
            }
            if bands.len() > 1 {
                let (value, interval) = distances.multiple(bands.len() - 1, 0, context.seed)?;
                record.figure(format!("{}mean", row.prefix), "fine-to-coarse", value, n, Some(interval));
            }
        }
        Ok(record.findings)
    }
}

/// A photograph of less contrast.
fn within_range(image: &RgbImage) -> RgbImage {
    let mut image = image.clone();
    for level in image.data_mut() {
        *level = (RANGE.0 + f64::from(*level) * (RANGE.1 - RANGE.0) / 255.0).round() as u8;
    }
    image
}

/// The image with the same noise on its three channels.
fn with_noise(image: &RgbImage, noise: &[f32]) -> RgbImage {
    let mut image = image.clone();
    let room = RANGE.0.min(255.0 - RANGE.1);
    for (pixel, &noise) in image.data_mut().chunks_exact_mut(3).zip(noise) {
        let noise = (f64::from(noise) * LEVELS).clamp(-room, room);
        pixel.iter_mut().for_each(|level| *level = (f64::from(*level) + noise).round() as u8);
    }
    image
}
