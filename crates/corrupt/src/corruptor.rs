//! Puts a corruption's constants, its random draws and its arithmetic together.

use visrep_decode::RgbImage;

use crate::constants::Table;
use crate::field::Field;
use crate::random::Random;
use crate::{
    Corruption, Error, Frost, Scale, Severity, bar, color, defocus, elastic, field, frost, glass,
    jpeg_round_trip, motion, noise, pixelate, spatter, weather, zoom,
};

/// Corrupts with options that [`corrupt`] leaves at their defaults.
///
/// ```
/// use visrep_corrupt::{Corruption, Corruptor, Scale, Severity};
/// use visrep_decode::RgbImage;
///
/// let corruptor = Corruptor::new(Scale::ImageNet224).with_jpeg(85)?;
/// let image = RgbImage::from_fn(64, 48, |x, y| [(4 * x) as u8, (5 * y) as u8, 120]);
/// let foggy = corruptor.corrupt(&image, Corruption::Fog, Severity::try_new(3)?, 7)?;
/// assert_eq!((foggy.width(), foggy.height()), (64, 48));
/// # Ok::<(), visrep_corrupt::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Corruptor {
    scale: Scale,
    frost: Frost,
    jpeg: Option<u8>,
}

impl Corruptor {
    /// The constants of `scale`, the substitute frost, no JPEG round trip.
    pub fn new(scale: Scale) -> Self {
        Self { scale, frost: Frost::substitute(), jpeg: None }
    }

    /// Blends in these textures for [`Corruption::Frost`].
    #[must_use]
    pub fn with_frost(mut self, frost: Frost) -> Self {
        self.frost = frost;
        self
    }

    /// Sends every result through [`jpeg_round_trip`] at `quality` (1..=100). The published ImageNet-C is
    /// stored at 85; CIFAR-C is not.
    pub fn with_jpeg(mut self, quality: u8) -> Result<Self, Error> {
        if !(1..=100).contains(&quality) {
            return Err(Error::JpegQuality { quality });
        }
        self.jpeg = Some(quality);
        Ok(self)
    }

    /// The table of constants in use.
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// The frost textures in use.
    pub fn frost(&self) -> &Frost {
        &self.frost
    }

    /// The quality of the JPEG round trip, if there is one.
    pub fn jpeg(&self) -> Option<u8> {
        self.jpeg
    }

    /// A pure function of this corruptor and the arguments. The result has the image's size.
    ///
    /// Errs where the image is too small: [`Corruption::ElasticTransform`] needs 3 x 3 pixels; every
    /// other corruption takes any size.
    pub fn corrupt(
        &self,
        image: &RgbImage,
        corruption: Corruption,
        severity: Severity,
        seed: u64,
    ) -> Result<RgbImage, Error> {
        let out = self.apply(image, corruption, severity, &mut Random::new(seed))?;
        match self.jpeg {
            Some(quality) => jpeg_round_trip(&out, quality),
            None => Ok(out),
        }
    }

    fn apply(
        &self,
        image: &RgbImage,
        corruption: Corruption,
        severity: Severity,
        random: &mut Random,
    ) -> Result<RgbImage, Error> {
        let table: &Table = self.scale.table();
        let s = severity.index();
        // Read by the corruptions of C-bar alone, whose strengths are of a range of 10.
        let share = bar::strength(corruption, severity, self.scale).unwrap_or_default() / 10.0;
        let (width, height) = (image.width() as usize, image.height() as usize);
        match corruption {
            Corruption::GaussianNoise => noise::gaussian(image, table.gaussian_noise[s], random),
            Corruption::ShotNoise => noise::shot(image, table.shot_noise[s], random),
            Corruption::ImpulseNoise => noise::impulse(image, table.impulse_noise[s], random),
            Corruption::SpeckleNoise => noise::speckle(image, table.speckle_noise[s], random),
            Corruption::DefocusBlur => defocus::defocus(image, table.defocus_blur[s]),
            Corruption::GaussianBlur => {
                let source = Field::from_rgb(image);
                field::gaussian(&source, table.gaussian_blur[s], 4.0, field::Edge::Nearest).to_rgb()
            }
            Corruption::GlassBlur => {
                let params = table.glass_blur[s];
                glass::glass(image, params, || random.offsets(params.reach))
            }
            Corruption::MotionBlur => {
                let angle = random.between(-45.0, 45.0);
                motion::motion_blur(&Field::from_rgb(image), table.motion_blur[s], angle).to_rgb()
            }
            Corruption::ZoomBlur => zoom::zoom_blur(image, table.zoom_blur[s]),
            Corruption::Snow => {
                let fall = table.snow[s];
                let angle = random.between(-135.0, -45.0);
                let mut noise = Field::zeros(width, height, 1);
                let [rows, columns] = weather::snow_window(width, height, fall);
                for y in rows {
                    random.fill_normal(&mut noise.row_mut(y)[columns.clone()]);
                }
                weather::snow(image, fall, noise, angle)
            }
            Corruption::Frost => {
                let texture = self.frost.pick(image.width(), image.height(), table.frost_scale, random)?;
                frost::frost(image, &texture, table.frost[s])
            }
            Corruption::Fog => weather::fog(image, table.fog[s], table.fog_map, || random.signed_unit()),
            Corruption::Brightness => color::brightness(image, table.brightness[s]),
            Corruption::Contrast => color::contrast(image, table.contrast[s]),
            Corruption::Saturate => {
                let (factor, offset) = table.saturate[s];
                color::saturate(image, factor, offset)
            }
            Corruption::ElasticTransform => {
                let minimum = elastic::MINIMUM_SIDE;
                let (width, height) = (image.width(), image.height());
                if width < minimum || height < minimum {
                    return Err(Error::TooSmall { corruption, minimum, width, height });
                }
                elastic::elastic(image, table.elastic_transform[s], table.elastic_unit, || {
                    random.signed_unit()
                })
            }
            Corruption::Pixelate => pixelate::pixelate(image, table.pixelate[s]),
            Corruption::JpegCompression => jpeg_round_trip(image, table.jpeg_compression[s]),
            Corruption::Spatter => {
                let mut noise = Field::zeros(width, height, 1);
                random.fill_normal(&mut noise.data);
                spatter::spatter(image, table.spatter[s], noise)
            }
            Corruption::BlueNoiseSample => bar::blue_noise_sample(image, 3.0 * share - 2.5, random),
            Corruption::BrownishNoise => bar::brownish_noise(image, 64.0 * share, random),
            Corruption::CausticRefraction => bar::caustic_refraction(image, share, random),
            Corruption::CheckerboardCutout => bar::checkerboard_cutout(image, share, random),
            Corruption::CircularMotionBlur => bar::circular_motion_blur(image, 15.0 * share),
            Corruption::CocentricSineWaves => bar::cocentric_sine_waves(image, 128.0 * share, random),
            Corruption::InverseSparkles => bar::inverse_sparkles(image, 65.0 * share, random),
            Corruption::Lines => bar::lines(image, share, random),
            Corruption::PerlinNoise => bar::perlin_noise(image, 0.5 * share, random),
            Corruption::PinchAndTwirl => bar::pinch_and_twirl(image, share, bar::cells(self.scale), random),
            Corruption::PlasmaNoise => bar::plasma_noise(image, 64.0 * share, random),
            Corruption::Ripple => bar::ripple(image, 0.025 * share, random),
            Corruption::SingleFrequencyGreyscale => {
                bar::single_frequency_greyscale(image, 196.0 * share, random)
            }
            Corruption::Sparkles => bar::sparkles(image, 0.1 * share, random),
            Corruption::TransverseChromaticAbberation => {
                bar::transverse_chromatic_abberation(image, 0.5 * share, random)
            }
        }
    }
}

/// Corrupts one image: a pure function of its arguments, with the substitute frost and without the JPEG
/// round trip of the published set (see [`Corruptor`] for both).
///
/// `seed` fixes every random draw; [`keyed_seed`](crate::keyed_seed) makes one per image. The result has the
/// image's size. Errs where the image is too small: see [`Corruptor::corrupt`].
///
/// ```
/// use visrep_corrupt::{Corruption, Scale, Severity, corrupt, keyed_seed};
/// use visrep_decode::RgbImage;
///
/// let image = RgbImage::from_fn(32, 32, |x, y| [(8 * x) as u8, (8 * y) as u8, 90]);
/// let (corruption, severity) = ("shot_noise".parse::<Corruption>()?, Severity::try_new(5)?);
/// let seed = keyed_seed("test/0001.png", corruption, severity, 0);
/// let noisy = corrupt(&image, corruption, severity, Scale::for_size(32, 32), seed)?;
/// assert_eq!(noisy, corrupt(&image, corruption, severity, Scale::Cifar32, seed)?);
/// # Ok::<(), visrep_corrupt::Error>(())
/// ```
pub fn corrupt(
    image: &RgbImage,
    corruption: Corruption,
    severity: Severity,
    scale: Scale,
    seed: u64,
) -> Result<RgbImage, Error> {
    Corruptor::new(scale).corrupt(image, corruption, severity, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let wave = ((x * 13 + y * 7) % 97) as u8;
            [wave * 2, 255 - wave, (x * 5 + y * 3) as u8]
        })
    }

    #[test]
    fn every_corruption_takes_every_size_scale_and_severity() {
        for (w, h) in [(1, 1), (1, 7), (2, 2), (3, 3), (19, 8), (40, 33)] {
            let image = picture(w, h);
            for corruption in Corruption::ALL {
                for severity in Severity::ALL {
                    for scale in [Scale::Cifar32, Scale::ImageNet224] {
                        match corrupt(&image, corruption, severity, scale, 1) {
                            Ok(out) => assert_eq!((out.width(), out.height()), (w, h)),
                            Err(Error::TooSmall { corruption, minimum, .. }) => {
                                assert_eq!((corruption, minimum), (Corruption::ElasticTransform, 3));
                                assert!(w < 3 || h < 3);
                            }
                            Err(error) => panic!("{corruption} {severity} on {w}x{h}: {error}"),
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_seed_and_nothing_else_decides() {
        let image = picture(40, 40);
        for corruption in Corruption::ALL {
            let at = |seed| corrupt(&image, corruption, Severity::ALL[2], Scale::ImageNet64, seed).unwrap();
            assert_eq!(at(5), at(5), "{corruption}");
            assert_eq!(at(5) != at(6), corruption.is_random(), "{corruption}");
            assert_ne!(at(5), image, "{corruption}");
        }
    }

    #[test]
    fn a_higher_severity_moves_further_from_the_image_on_average() {
        // Where the published constants are meant to be monotone in one number.
        let image = picture(64, 64);
        for corruption in [
            Corruption::GaussianNoise,
            Corruption::ShotNoise,
            Corruption::ImpulseNoise,
            Corruption::SpeckleNoise,
            Corruption::DefocusBlur,
            Corruption::GaussianBlur,
            Corruption::Brightness,
            Corruption::Contrast,
            Corruption::Pixelate,
            Corruption::JpegCompression,
        ] {
            let change = |severity| {
                let out = corrupt(&image, corruption, severity, Scale::ImageNet224, 1).unwrap();
                let differences =
                    out.data().iter().zip(image.data()).map(|(&a, &b)| u64::from(a.abs_diff(b)));
                differences.sum::<u64>()
            };
            let changes = Severity::ALL.map(change);
            assert!(changes[0] < changes[4], "{corruption}: {changes:?}");
        }
    }

    #[test]
    fn the_round_trip_is_off_unless_asked_for() {
        let image = picture(24, 24);
        let plain = Corruptor::new(Scale::Cifar32);
        let stored = plain.clone().with_jpeg(85).unwrap();
        let (corruption, severity) = (Corruption::Contrast, Severity::ALL[0]);
        let expected = jpeg_round_trip(&plain.corrupt(&image, corruption, severity, 0).unwrap(), 85).unwrap();
        assert_eq!(stored.corrupt(&image, corruption, severity, 0).unwrap(), expected);
        assert_eq!((plain.jpeg(), stored.jpeg()), (None, Some(85)));
        assert!(plain.with_jpeg(0).is_err());
    }
}
